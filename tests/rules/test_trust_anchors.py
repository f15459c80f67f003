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
from synapse_tim.pki.trust_anchors import ROOTS_MAX_OCTETS, RootLink, TrustAnchors, parse_roots
from synapse_tim.testing.simulator.pki.world import (
    Identity,
    key_usage_of,
    make_world,
    roots_document,
)
from tests.rules.helpers import DAY, NOW, altered, refused


def anchors(world, *pins, allow_test=True):
    return TrustAnchors(frozenset(world.pin(pin) for pin in pins), allow_test)


def reached(world, found):
    """The positions of the trusted roots."""
    names = {fingerprint(root.certificate): position for position, root in enumerate(world.roots)}
    return {names.get(fingerprint(certificate)) for certificate in found.certificates}


def rows(world):
    return json.loads(world.roots_json())


def parsed(document):
    return parse_roots(json.dumps(document).encode())


def b64(certificate):
    return base64.b64encode(to_der(certificate)).decode()


@pytest.mark.parametrize("pin", range(4))
def test_from_any_pin_all_roots_are_reached_both_ways(world, pin):
    found = anchors(world, pin).with_roots(parse_roots(world.roots_json()), NOW)
    assert reached(world, found) == {0, 1, 2, 3}
    link = found.links[world.pin(pin)]
    assert link.cross is None
    assert all(other.cross is not None for other in found.links.values() if other is not link)
    assert {other.followed_at for other in found.links.values()} == {NOW}


def test_nothing_is_trusted_for_being_listed(world):
    entries = parse_roots(world.roots_json())
    assert TrustAnchors(frozenset()).with_roots(entries, NOW).certificates == ()
    unknown = TrustAnchors(frozenset({"00" * 32}), allow_test=True)
    assert unknown.with_roots(entries, NOW).certificates == ()


def test_an_appended_self_made_root_is_not_reached(world):
    evil = world.pki.root(9)
    for number in (7, 9):
        document = [*rows(world), *json.loads(roots_document(world.pki, [world.pki.root(number)]))]
        assert reached(world, anchors(world, -1).with_roots(parsed(document), NOW)) == {0, 1, 2, 3}
    for made_up in (world.pki.cross(evil, evil), world.pki.cross(evil, world.pki.root(6)), world.pki.root(9)):
        document = [*rows(world), {"cert": evil.b64, "prev": made_up.b64, "next": ""}]
        document[-2]["next"] = made_up.b64
        assert reached(world, anchors(world, -1).with_roots(parsed(document), NOW)) == {0, 1, 2, 3}


def test_a_swapped_certificate_with_the_same_name_is_not_reached(world):
    """The cross-certificate is genuine, the root beside it has another key."""
    document = rows(world)
    document[1]["cert"] = world.pki.root(4, serial=world.roots[1].certificate.serial_number).b64
    found = anchors(world, -1).with_roots(parsed(document), NOW)
    assert reached(world, found) == {2, 3}


def test_a_cross_certificate_for_another_subject_is_not_followed(world):
    document = rows(world)
    document[1]["next"] = altered(
        Identity(world.pki.cross(world.roots[1], world.roots[2]).certificate, world.roots[1].key),
        world.roots[2],
        subject=world.roots[0].certificate.subject,
    ).b64
    assert reached(world, anchors(world, -1).with_roots(parsed(document), NOW)) == {2, 3}


def test_a_root_that_did_not_sign_itself_is_not_trusted(world):
    """A genuine key and name in a certificate of somebody else's making."""
    evil = world.pki.root(4)
    document = rows(world)
    document[1]["cert"] = world.pki.cross(world.roots[1], evil).b64
    assert reached(world, anchors(world, -1).with_roots(parsed(document), NOW)) == {2, 3}


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
def test_a_cross_certificate_that_may_not_certify_is_not_followed(world, extensions):
    document = rows(world)
    cross = world.pki.cross(world.roots[1], world.roots[2])
    document[1]["next"] = altered(cross, world.roots[2], extensions).b64
    assert reached(world, anchors(world, -1).with_roots(parsed(document), NOW)) == {2, 3}
    document[1]["next"] = altered(cross, world.roots[2]).b64
    assert reached(world, anchors(world, -1).with_roots(parsed(document), NOW)) == {0, 1, 2, 3}


@pytest.mark.parametrize("days", [(-10, -1), (1, 10)])
def test_a_cross_certificate_outside_its_validity_is_not_followed(world, days):
    document = rows(world)
    document[2]["next"] = world.pki.cross(world.roots[2], world.roots[3], days=days).b64
    assert reached(world, anchors(world, -1).with_roots(parsed(document), NOW)) == {3}


def test_links_count_by_position_and_a_missing_one_ends_the_walk(world):
    document = rows(world)
    assert reached(world, anchors(world, -1).with_roots(parsed(document[::-1]), NOW)) == {3}
    del document[2]
    assert reached(world, anchors(world, -1).with_roots(parsed(document), NOW)) == {3}
    assert reached(world, anchors(world, 0).with_roots(parsed(document), NOW)) == {0, 1}
    assert reached(world, anchors(world, 0, 3).with_roots(parsed(document), NOW)) == {0, 1, 3}


def test_a_pin_that_expired_reaches_nothing(world):
    at = world.roots[-1].certificate.not_valid_after_utc + DAY
    found = anchors(world, -1).with_roots(parse_roots(world.roots_json()), at)
    assert reached(world, found) == {3}


def test_kept_links_outlive_the_pin(world):
    """R1.5: pins age. What was reached in time stays reached."""
    before = anchors(world, 0).with_roots(parse_roots(world.roots_json()), NOW)
    after = anchors(world, 0).with_links(before.links.values())
    assert reached(world, after) == {0, 1, 2, 3}
    assert after.links == before.links
    backwards = anchors(world, 0).with_links(reversed(before.links.values()))
    assert backwards.links == before.links


def test_kept_links_lead_on_to_new_roots(world):
    entries = parse_roots(world.roots_json())
    kept = anchors(world, 0).with_roots(entries[:2], NOW)
    assert reached(world, kept) == {0, 1}
    restored = anchors(world, 0).with_links(kept.links.values())
    assert reached(world, restored.with_roots(entries[1:], NOW)) == {0, 1, 2, 3}


def test_kept_links_without_their_beginning_are_worth_nothing(world):
    links = anchors(world, 0).with_roots(parse_roots(world.roots_json()), NOW).links
    first = links[world.pin(0)]
    others = [link for link in links.values() if link is not first]
    assert anchors(world, 0).with_links(others).certificates == ()
    assert TrustAnchors(frozenset({"00" * 32}), allow_test=True).with_links(links.values()).certificates == ()


def test_a_kept_link_that_was_tampered_with_is_not_followed(world):
    links = anchors(world, 0).with_roots(parse_roots(world.roots_json()), NOW).links
    pinned, second = links[world.pin(0)], links[world.pin(1)]
    evil = world.pki.root(4)
    hostile = [
        RootLink(evil.certificate, second.cross, NOW),
        RootLink(evil.certificate, world.pki.cross(evil, evil).certificate, NOW),
        RootLink(evil.certificate, world.pki.cross(evil, world.pki.root(3)).certificate, NOW),
        RootLink(evil.certificate, evil.certificate, NOW),
        RootLink(evil.certificate, None, NOW),
        RootLink(second.certificate, None, NOW),
        attrs.evolve(second, cross=evil.certificate),
        attrs.evolve(second, followed_at=NOW - 400 * DAY),
        attrs.evolve(second, followed_at=NOW + 20_000 * DAY),
    ]
    for link in hostile:
        assert reached(world, anchors(world, 0).with_links([pinned, link])) == {0}
    assert reached(world, anchors(world, 0).with_links([pinned, second])) == {0, 1}


def test_environments_do_not_mix(world, production):
    entries = parse_roots(world.roots_json())
    with refused(Refusal.TEST_CERTIFICATE):
        anchors(world, -1, allow_test=False).with_roots(entries, NOW)
    with refused(Refusal.TEST_CERTIFICATE):
        anchors(world, -1, allow_test=False).with_pinned([world.roots[-1].certificate], NOW)
    links = anchors(world, 0).with_roots(entries, NOW).links.values()
    assert anchors(world, 0, allow_test=False).with_links(links).certificates == ()
    found = anchors(production, 0, allow_test=False).with_roots(parse_roots(production.roots_json()), NOW)
    assert reached(production, found) == {0, 1, 2, 3}


def test_in_production_a_marked_root_between_two_others_is_not_crossed(production):
    pki = production.pki
    roots = [pki.root(3), pki.root(4, marks=True), pki.root(5)]
    pin = frozenset({fingerprint(roots[0].certificate)})
    entries = parse_roots(roots_document(pki, roots))
    assert len(TrustAnchors(pin, allow_test=False).with_roots(entries, NOW).certificates) == 1
    assert len(TrustAnchors(pin, allow_test=True).with_roots(entries, NOW).certificates) == 3


def test_old_roots_with_rsa_keys_are_walked_over(world):
    """The first TI roots have them; the signer's path may not use them."""
    key = rsa.generate_private_key(public_exponent=65537, key_size=2048)
    roots = [world.pki.root(1, key=key), world.pki.root(2)]
    entries = parse_roots(roots_document(world.pki, roots))
    for root in roots:
        pin = frozenset({fingerprint(root.certificate)})
        assert len(TrustAnchors(pin, allow_test=True).with_roots(entries, NOW).certificates) == 2


def test_pinned_certificates_are_taken_from_wherever_they_come(world):
    some = [world.sub_ca.certificate, *(root.certificate for root in world.roots)]
    found = anchors(world, 1, 2).with_pinned(some, NOW)
    assert reached(world, found) == {1, 2}
    assert reached(world, found.with_pinned(some, NOW)) == {1, 2}


def test_following_changes_a_copy(world):
    first = anchors(world, 0)
    first.with_roots(parse_roots(world.roots_json()), NOW)
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


def test_roots_json_has_limits(world, monkeypatch):
    with refused(Refusal.ROOTS_MALFORMED):
        parse_roots(b"[" + b" " * ROOTS_MAX_OCTETS + b"]")
    parse_roots(json.dumps(rows(world)).encode())
    monkeypatch.setattr(trust_anchors, "_MAX_ROOTS", 3)
    with refused(Refusal.ROOTS_MALFORMED):
        parse_roots(json.dumps(rows(world)).encode())


@pytest.mark.parametrize("member", ["cert", "prev", "next"])
def test_each_certificate_of_roots_json_has_to_be_one(world, member):
    document = rows(world)
    document[1][member] = "AAAA"
    with refused(Refusal.CERTIFICATE_MALFORMED):
        parsed(document)
    document[1][member] = ["AAAA"]
    with refused(Refusal.ROOTS_MALFORMED):
        parsed(document)


def test_other_members_and_missing_neighbours_are_accepted(world):
    document = [{"cert": world.roots[0].b64, "novelty": 1}, {"cert": world.roots[1].b64, "prev": None}]
    assert reached(world, anchors(world, 0).with_roots(parsed(document), NOW)) == {0}


def test_worlds_do_not_share_roots(world):
    other = make_world(NOW)
    assert anchors(world, -1).with_roots(parse_roots(other.roots_json()), NOW).certificates == ()
    assert b64(other.roots[0].certificate) != b64(world.roots[0].certificate)
