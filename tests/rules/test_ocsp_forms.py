"""A_25632, A_25635: forms that RFC 6960 allows for an OCSP answer, and what they must not let through."""

import datetime as dt
import itertools

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import rsa
from cryptography.x509 import ocsp
from cryptography.x509.oid import ExtensionOID

from synapse_tim.federation.refusals import Refusal
from synapse_tim.pki.revocation import build_request, judge_answer
from synapse_tim.testing.simulator.pki.identity import Identity
from synapse_tim.testing.simulator.pki.world import ocsp_answer
from tests.rules.helpers import DAY, HOUR, MINUTE, NOW, altered, refused
from tests.rules.ocsp_answers import answer_of, statement

GOOD, REVOKED, UNKNOWN = ocsp.OCSPCertStatus.GOOD, ocsp.OCSPCertStatus.REVOKED, ocsp.OCSPCertStatus.UNKNOWN


@pytest.fixture
def like(world):
    """An ordinary answer, of which the others take what does not matter."""
    request = build_request(world.list_signer.certificate, world.sub_ca.certificate, None)
    known = [(world.list_signer, world.sub_ca)]
    return ocsp_answer(request, certificates=known, responder=world.ocsp_signer, now=NOW)


def about(world, subject=None, *, at=NOW, until=NOW + HOUR, **more):
    return statement(subject or world.list_signer, world.sub_ca, at=at, until=until, **more)


def judge(world, octets, nonce=None):
    return judge_answer(octets, world.list_signer.certificate, world.sub_ca.certificate, NOW, nonce)


def built(world, signer, carried, *, by=ocsp.OCSPResponderEncoding.HASH, algorithm=None):
    builder = (
        ocsp.OCSPResponseBuilder()
        .add_response(
            cert=world.list_signer.certificate,
            issuer=world.sub_ca.certificate,
            algorithm=algorithm or hashes.SHA1(),
            cert_status=GOOD,
            this_update=NOW,
            next_update=NOW + HOUR,
            revocation_time=None,
            revocation_reason=None,
        )
        .responder_id(by, signer.certificate)
    )
    if carried:
        builder = builder.certificates([each.certificate for each in carried])
    return builder.sign(signer.key, hashes.SHA256()).public_bytes(serialization.Encoding.DER)


def unrelated():
    """A certificate of an algorithm that is not allowed; nobody is harmed by its being there."""
    key, name = rsa.generate_private_key(65537, 2048), x509.Name([])
    builder = x509.CertificateBuilder(name, name, key.public_key(), 1, NOW - DAY, NOW + DAY)
    return Identity(builder.sign(key, hashes.SHA256()), key)


@pytest.mark.parametrize("by", ocsp.OCSPResponderEncoding)
@pytest.mark.requirement("A_25635")
def test_the_responder_is_found_wherever_it_stands(world, by):
    others = (world.sub_ca, world.sub_ca_root, unrelated())
    for order in itertools.permutations((world.ocsp_signer, *others)):
        assert not judge(world, built(world, world.ocsp_signer, order, by=by)).revoked


@pytest.mark.parametrize("by", ocsp.OCSPResponderEncoding)
def test_the_issuer_may_sign_whatever_the_answer_carries(world, by):
    carried = (world.sub_ca_root, world.sub_ca, world.ocsp_signer, unrelated())
    for count in range(len(carried) + 1):
        for order in itertools.permutations(carried, count):
            assert not judge(world, built(world, world.sub_ca, order, by=by)).revoked


def test_a_renewed_responder_may_carry_its_old_certificate_too(world):
    old = world.pki.ocsp_signer(world.sub_ca, days=(-9, -1), key=world.ocsp_signer.key)
    for order in itertools.permutations((old, world.ocsp_signer)):
        assert not judge(world, built(world, world.ocsp_signer, order)).revoked
    with refused(Refusal.OCSP_FOREIGN):
        judge(world, built(world, world.ocsp_signer, [old, world.sub_ca]))


@pytest.mark.parametrize("place", [0, 1, 2])
def test_good_company_does_not_make_a_responder(world, like, place):
    """A stranger who carries the genuine certificates along, or names the genuine responder."""
    look_alike = world.look_alike_sub_ca()
    strangers = (
        world.pki.ocsp_signer(look_alike),
        look_alike,
        world.root_ocsp_signer,
        world.sub_ca_root,
        world.pki.list_signer(world.sub_ca),
        world.pki.ocsp_signer(world.sub_ca, days=(-9, -1)),
        world.pki.ocsp_signer(world.sub_ca, days=(1, 9)),
        altered(world.ocsp_signer, world.sub_ca, {ExtensionOID.EXTENDED_KEY_USAGE: None}),
    )
    for stranger in strangers:
        carried = [world.ocsp_signer, world.sub_ca]
        if stranger.key is world.ocsp_signer.key:
            carried = [world.sub_ca, world.sub_ca_root]  # the genuine certificate has this key
        carried.insert(place, stranger)
        certificates = [each.certificate for each in carried]
        with refused(Refusal.OCSP_FOREIGN):
            judge(world, answer_of([about(world)], stranger, certificates, like=like))
        certificates.remove(stranger.certificate)
        with refused(Refusal.OCSP_SIGNATURE):
            judge(world, answer_of([about(world)], stranger, certificates[:1], like=like))


def test_no_check_may_be_critical_and_nothing_else_unknown(world):
    """RFC 6960 §4.2.2.2.1 only recommends that it is not."""
    critical = {ExtensionOID.OCSP_NO_CHECK: (x509.OCSPNoCheck(), True)}
    responder = altered(world.ocsp_signer, world.sub_ca, critical)
    assert judge(world, built(world, responder, [responder]))
    unknown = x509.UnrecognizedExtension(x509.ObjectIdentifier("1.2.3.4"), b"\5\0")
    responder = altered(world.ocsp_signer, world.sub_ca, {unknown.oid: (unknown, True)})
    with refused(Refusal.OCSP_FOREIGN):
        judge(world, built(world, responder, [responder]))


@pytest.mark.parametrize("algorithm", [hashes.SHA1, hashes.SHA256, hashes.SHA384, hashes.SHA512])
def test_the_certificate_may_be_named_by_any_hash(world, algorithm):
    octets = built(world, world.ocsp_signer, [world.ocsp_signer], algorithm=algorithm())
    assert not judge(world, octets).revoked
    other = world.pki.sub_ca(world.sub_ca_root, "GEM.KOMP-CA99", key=world.sub_ca.key)
    serial = world.list_signer.certificate.serial_number
    for issuer in (other, world.look_alike_sub_ca()):
        twin = world.pki.list_signer(issuer, serial=serial)
        with refused(Refusal.OCSP_FOREIGN):  # the same number of another issuer
            judge_answer(octets, twin.certificate, issuer.certificate, NOW)


@pytest.mark.parametrize("algorithm", [hashes.SHA1, hashes.SHA256])
@pytest.mark.requirement("A_25635")
def test_ours_is_looked_for_among_several_statements(world, like, algorithm):
    another = about(world, world.pki.list_signer(world.sub_ca), status=REVOKED)
    for status in (GOOD, REVOKED):
        ours = about(world, status=status, algorithm=algorithm())
        for order in ([ours, another], [another, ours], [another, another, ours]):
            octets = answer_of(order, world.ocsp_signer, [world.ocsp_signer.certificate], like=like)
            assert judge(world, octets).revoked is (status is REVOKED)
    with refused(Refusal.OCSP_FOREIGN):
        judge(world, answer_of([another] * 2, world.ocsp_signer, [world.ocsp_signer.certificate], like=like))
    with refused(Refusal.OCSP_FOREIGN):
        judge(world, answer_of([], world.ocsp_signer, [world.ocsp_signer.certificate], like=like))


def test_of_several_statements_about_ours_the_worst_counts(world, like):
    def of(*statements):
        return answer_of(statements, world.ocsp_signer, [world.ocsp_signer.certificate], like=like)

    good, other = about(world), about(world, algorithm=hashes.SHA256())
    assert not judge(world, of(good, other)).revoked
    revoked = about(world, status=REVOKED, algorithm=hashes.SHA256())
    unknown = about(world, status=UNKNOWN, algorithm=hashes.SHA256())
    for order in itertools.permutations((good, revoked, unknown)):
        assert judge(world, of(*order)).revoked
    for order in itertools.permutations((good, unknown)):
        with refused(Refusal.OCSP_UNKNOWN_CERTIFICATE):
            judge(world, of(*order))


def test_what_is_out_of_date_does_not_count_beside_what_is_not(world, like):
    def of(*statements):
        return answer_of(statements, world.ocsp_signer, [world.ocsp_signer.certificate], like=like)

    old = about(world, at=NOW - DAY, until=NOW - HOUR)
    future = about(world, at=NOW + HOUR, until=NOW + DAY)
    now = about(world, at=NOW - MINUTE, until=NOW + MINUTE)
    for order in itertools.permutations((old, future, now)):
        assert judge(world, of(*order)).next_update == NOW + MINUTE
    with refused(Refusal.OCSP_STALE):
        judge(world, of(old, future))
    ended = about(world, at=NOW - DAY, until=NOW - HOUR, status=REVOKED)
    assert not judge(world, of(ended, now)).revoked


def test_a_hash_that_nobody_knows_names_nobody(world, like):
    """One statement that cannot be understood does not spoil the others."""
    sha256, unheard_of = (bytes.fromhex(f"06096086480165030402{n}") for n in ("01", "7f"))
    strange, ours = about(world, algorithm=hashes.SHA256(), status=REVOKED), about(world)
    signer, carried = world.ocsp_signer, [world.ocsp_signer.certificate]
    named = (sha256, unheard_of)
    assert judge(world, answer_of([strange, ours], signer, carried, like=like, named=named))
    with refused(Refusal.OCSP_FOREIGN):
        judge(world, answer_of([strange], signer, carried, like=like, named=named))


def test_the_statements_are_what_is_signed(world, like):
    ours = about(world)
    octets = answer_of([ours], world.ocsp_signer, [world.ocsp_signer.certificate], like=like)
    assert judge(world, octets)
    until = f"{NOW + HOUR:%Y%m%d%H%M%SZ}".encode()
    later = f"{NOW + HOUR + dt.timedelta(days=9):%Y%m%d%H%M%SZ}".encode()
    with refused(Refusal.OCSP_SIGNATURE):
        judge(world, octets.replace(until, later))
