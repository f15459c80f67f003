"""R1.5: which roots are trusted."""

import base64
import json

import attrs
import pytest
from cryptography import x509
from cryptography.hazmat.primitives.asymmetric import rsa
from cryptography.x509.oid import ExtensionOID

from synapse_tim.federation.refusals import Refusal
from synapse_tim.pki import trust_anchors
from synapse_tim.pki.certificates import fingerprint, to_der
from synapse_tim.pki.trust_anchors import ROOTS_MAX_BYTES, RootLink, TrustAnchors, parse_roots
from synapse_tim.testing.simulator.pki.world import (
    Identity,
    key_usage_of,
    make_world,
    roots_document,
)
from tests.support.helpers import DAY, NOW, altered, refused


def anchors(certs, *pins, allow_test=True):
    return TrustAnchors(frozenset(certs.pin(pin) for pin in pins), allow_test)


def reached(certs, found):
    """The positions of the trusted roots."""
    names = {fingerprint(root.certificate): position for position, root in enumerate(certs.roots)}
    return {names.get(fingerprint(certificate)) for certificate in found.certificates}


def rows(certs):
    return json.loads(certs.roots_json())


def parsed(document):
    return parse_roots(json.dumps(document).encode())


def b64(certificate):
    return base64.b64encode(to_der(certificate)).decode()


@pytest.mark.parametrize("pin", range(4))
def test_from_any_pin_all_roots_are_reached_both_ways(certs, pin):
    found = anchors(certs, pin).with_roots(parse_roots(certs.roots_json()), NOW)
    assert reached(certs, found) == {0, 1, 2, 3}
    link = found.links[certs.pin(pin)]
    assert link.cross is None
    assert all(other.cross is not None for other in found.links.values() if other is not link)
    assert {other.followed_at for other in found.links.values()} == {NOW}


def test_nothing_is_trusted_for_being_listed(certs):
    entries = parse_roots(certs.roots_json())
    assert TrustAnchors(frozenset()).with_roots(entries, NOW).certificates == ()
    unknown = TrustAnchors(frozenset({"00" * 32}), allow_test=True)
    assert unknown.with_roots(entries, NOW).certificates == ()


def test_an_appended_self_made_root_is_not_reached(certs):
    evil = certs.pki.root(9)
    for number in (7, 9):
        document = [*rows(certs), *json.loads(roots_document(certs.pki, [certs.pki.root(number)]))]
        assert reached(certs, anchors(certs, -1).with_roots(parsed(document), NOW)) == {0, 1, 2, 3}
    for made_up in (certs.pki.cross(evil, evil), certs.pki.cross(evil, certs.pki.root(6)), certs.pki.root(9)):
        document = [*rows(certs), {"cert": evil.b64, "prev": made_up.b64, "next": ""}]
        document[-2]["next"] = made_up.b64
        assert reached(certs, anchors(certs, -1).with_roots(parsed(document), NOW)) == {0, 1, 2, 3}


def test_a_swapped_certificate_with_the_same_name_is_not_reached(certs):
    """The cross-certificate is genuine, the root beside it has another key."""
    document = rows(certs)
    document[1]["cert"] = certs.pki.root(4, serial=certs.roots[1].certificate.serial_number).b64
    found = anchors(certs, -1).with_roots(parsed(document), NOW)
    assert reached(certs, found) == {2, 3}


def test_a_cross_certificate_for_another_subject_is_not_followed(certs):
    document = rows(certs)
    document[1]["next"] = altered(
        Identity(certs.pki.cross(certs.roots[1], certs.roots[2]).certificate, certs.roots[1].key),
        certs.roots[2],
        subject=certs.roots[0].certificate.subject,
    ).b64
    assert reached(certs, anchors(certs, -1).with_roots(parsed(document), NOW)) == {2, 3}


def test_a_root_that_did_not_sign_itself_is_not_trusted(certs):
    """A genuine key and name in a certificate of somebody else's making."""
    evil = certs.pki.root(4)
    document = rows(certs)
    document[1]["cert"] = certs.pki.cross(certs.roots[1], evil).b64
    assert reached(certs, anchors(certs, -1).with_roots(parsed(document), NOW)) == {2, 3}


CHANGES = [
    {ExtensionOID.BASIC_CONSTRAINTS: (x509.BasicConstraints(False, None), True)},
    {ExtensionOID.BASIC_CONSTRAINTS: (x509.BasicConstraints(True, 0), True)},
    {ExtensionOID.KEY_USAGE: (key_usage_of("digital_signature"), True)},
    {
        x509.ObjectIdentifier("1.2.3.4"): (
            x509.UnrecognizedExtension(x509.ObjectIdentifier("1.2.3.4"), b"\5\0"),
            True,
        )
    },
    {ExtensionOID.AUTHORITY_KEY_IDENTIFIER: (x509.AuthorityKeyIdentifier(b"\1" * 20, None, None), False)},
]


@pytest.mark.parametrize("extensions", CHANGES, ids=lambda change: next(iter(change)).dotted_string)
def test_a_cross_certificate_that_may_not_certify_is_not_followed(certs, extensions):
    document = rows(certs)
    cross = certs.pki.cross(certs.roots[1], certs.roots[2])
    document[1]["next"] = altered(cross, certs.roots[2], extensions).b64
    assert reached(certs, anchors(certs, -1).with_roots(parsed(document), NOW)) == {2, 3}
    document[1]["next"] = altered(cross, certs.roots[2]).b64
    assert reached(certs, anchors(certs, -1).with_roots(parsed(document), NOW)) == {0, 1, 2, 3}


@pytest.mark.parametrize("days", [(-10, -1), (1, 10)])
def test_a_cross_certificate_outside_its_validity_is_not_followed(certs, days):
    document = rows(certs)
    document[2]["next"] = certs.pki.cross(certs.roots[2], certs.roots[3], days=days).b64
    assert reached(certs, anchors(certs, -1).with_roots(parsed(document), NOW)) == {3}


def test_links_count_by_position_and_a_missing_one_ends_the_walk(certs):
    document = rows(certs)
    assert reached(certs, anchors(certs, -1).with_roots(parsed(document[::-1]), NOW)) == {3}
    del document[2]
    assert reached(certs, anchors(certs, -1).with_roots(parsed(document), NOW)) == {3}
    assert reached(certs, anchors(certs, 0).with_roots(parsed(document), NOW)) == {0, 1}
    assert reached(certs, anchors(certs, 0, 3).with_roots(parsed(document), NOW)) == {0, 1, 3}


def test_a_pin_that_expired_reaches_nothing(certs):
    at = certs.roots[-1].certificate.not_valid_after_utc + DAY
    found = anchors(certs, -1).with_roots(parse_roots(certs.roots_json()), at)
    assert reached(certs, found) == {3}


def test_kept_links_outlive_the_pin(certs):
    """R1.5: pins age. What was reached in time stays reached."""
    before = anchors(certs, 0).with_roots(parse_roots(certs.roots_json()), NOW)
    after = anchors(certs, 0).with_links(before.links.values())
    assert reached(certs, after) == {0, 1, 2, 3}
    assert after.links == before.links
    backwards = anchors(certs, 0).with_links(reversed(before.links.values()))
    assert backwards.links == before.links


def test_kept_links_lead_on_to_new_roots(certs):
    entries = parse_roots(certs.roots_json())
    kept = anchors(certs, 0).with_roots(entries[:2], NOW)
    assert reached(certs, kept) == {0, 1}
    restored = anchors(certs, 0).with_links(kept.links.values())
    assert reached(certs, restored.with_roots(entries[1:], NOW)) == {0, 1, 2, 3}


def test_kept_links_without_their_beginning_are_worth_nothing(certs):
    links = anchors(certs, 0).with_roots(parse_roots(certs.roots_json()), NOW).links
    first = links[certs.pin(0)]
    others = [link for link in links.values() if link is not first]
    assert anchors(certs, 0).with_links(others).certificates == ()
    assert TrustAnchors(frozenset({"00" * 32}), allow_test=True).with_links(links.values()).certificates == ()


def test_a_kept_link_that_was_tampered_with_is_not_followed(certs):
    links = anchors(certs, 0).with_roots(parse_roots(certs.roots_json()), NOW).links
    pinned, second = links[certs.pin(0)], links[certs.pin(1)]
    evil = certs.pki.root(4)
    hostile = [
        RootLink(evil.certificate, second.cross, NOW),
        RootLink(evil.certificate, certs.pki.cross(evil, evil).certificate, NOW),
        RootLink(evil.certificate, certs.pki.cross(evil, certs.pki.root(3)).certificate, NOW),
        RootLink(evil.certificate, evil.certificate, NOW),
        RootLink(evil.certificate, None, NOW),
        RootLink(second.certificate, None, NOW),
        attrs.evolve(second, cross=evil.certificate),
        attrs.evolve(second, followed_at=NOW - 400 * DAY),
        attrs.evolve(second, followed_at=NOW + 20_000 * DAY),
    ]
    for link in hostile:
        assert reached(certs, anchors(certs, 0).with_links([pinned, link])) == {0}
    assert reached(certs, anchors(certs, 0).with_links([pinned, second])) == {0, 1}


def test_environments_do_not_mix(certs, production):
    entries = parse_roots(certs.roots_json())
    with refused(Refusal.TEST_CERTIFICATE):
        anchors(certs, -1, allow_test=False).with_roots(entries, NOW)
    with refused(Refusal.TEST_CERTIFICATE):
        anchors(certs, -1, allow_test=False).with_pinned([certs.roots[-1].certificate], NOW)
    links = anchors(certs, 0).with_roots(entries, NOW).links.values()
    assert anchors(certs, 0, allow_test=False).with_links(links).certificates == ()
    found = anchors(production, 0, allow_test=False).with_roots(parse_roots(production.roots_json()), NOW)
    assert reached(production, found) == {0, 1, 2, 3}


def test_in_production_a_marked_root_between_two_others_is_not_crossed(production):
    pki = production.pki
    roots = [pki.root(3), pki.root(4, marks=True), pki.root(5)]
    pin = frozenset({fingerprint(roots[0].certificate)})
    entries = parse_roots(roots_document(pki, roots))
    assert len(TrustAnchors(pin, allow_test=False).with_roots(entries, NOW).certificates) == 1
    assert len(TrustAnchors(pin, allow_test=True).with_roots(entries, NOW).certificates) == 3


def test_old_roots_with_rsa_keys_are_walked_over(certs):
    """The first TI roots have them; the signer's path may not use them."""
    key = rsa.generate_private_key(public_exponent=65537, key_size=2048)
    roots = [certs.pki.root(1, key=key), certs.pki.root(2)]
    entries = parse_roots(roots_document(certs.pki, roots))
    for root in roots:
        pin = frozenset({fingerprint(root.certificate)})
        assert len(TrustAnchors(pin, allow_test=True).with_roots(entries, NOW).certificates) == 2


def test_pinned_certificates_are_taken_from_wherever_they_come(certs):
    some = [certs.sub_ca.certificate, *(root.certificate for root in certs.roots)]
    found = anchors(certs, 1, 2).with_pinned(some, NOW)
    assert reached(certs, found) == {1, 2}
    assert reached(certs, found.with_pinned(some, NOW)) == {1, 2}


def test_following_changes_a_copy(certs):
    first = anchors(certs, 0)
    first.with_roots(parse_roots(certs.roots_json()), NOW)
    assert first.links == {}


@pytest.mark.parametrize(
    "document",
    [
        b"",
        b"{}",
        b"[]",
        b"null",
        b"[1]",
        b"[[]]",
        b'[{"cert":1}]',
        b"[{}]",
        b'[{"cert":""}]',
        b'[{"cert":"!"}]',
        b'[{"cert":"","cert":""}]',
        b"\xff",
        b"[" * 50_000,
    ],
    ids=lambda document: repr(document[:20]),
)
def test_a_malformed_roots_json_is_refused(document):
    with refused(Refusal.ROOTS_MALFORMED):
        parse_roots(document)


def test_roots_json_has_limits(certs, monkeypatch):
    with refused(Refusal.ROOTS_MALFORMED):
        parse_roots(b"[" + b" " * ROOTS_MAX_BYTES + b"]")
    parse_roots(json.dumps(rows(certs)).encode())
    monkeypatch.setattr(trust_anchors, "_MAX_ROOTS", 3)
    with refused(Refusal.ROOTS_MALFORMED):
        parse_roots(json.dumps(rows(certs)).encode())


@pytest.mark.parametrize("member", ["cert", "prev", "next"])
def test_each_certificate_of_roots_json_has_to_be_one(certs, member):
    document = rows(certs)
    document[1][member] = "AAAA"
    with refused(Refusal.CERTIFICATE_MALFORMED):
        parsed(document)
    document[1][member] = ["AAAA"]
    with refused(Refusal.ROOTS_MALFORMED):
        parsed(document)


def test_other_members_and_missing_neighbours_are_accepted(certs):
    document = [{"cert": certs.roots[0].b64, "novelty": 1}, {"cert": certs.roots[1].b64, "prev": None}]
    assert reached(certs, anchors(certs, 0).with_roots(parsed(document), NOW)) == {0}


def test_worlds_do_not_share_roots(certs):
    other = make_world(NOW)
    assert anchors(certs, -1).with_roots(parse_roots(other.roots_json()), NOW).certificates == ()
    assert b64(other.roots[0].certificate) != b64(certs.roots[0].certificate)
