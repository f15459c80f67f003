"""A_25632, A_25635: judging OCSP answers."""

import contextlib

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509 import ocsp
from cryptography.x509.oid import ExtensionOID
from hypothesis import given
from hypothesis import strategies as st

from synapse_tim.federation.refusals import ListRefusedError, Refusal
from synapse_tim.pki.certificates import CLOCK_SKEW
from synapse_tim.pki.revocation import DEFAULT_CURRENCY, build_request, judge_answer
from synapse_tim.testing.simulator.pki.world import make_world, ocsp_answer
from tests.rules.helpers import DAY, HOUR, NOW, SECOND, altered, refused

NONCE = b"0123456789abcdef"


def answer(world, *, about=None, issuer=None, responder=None, now=NOW, nonce=None, **changes):
    about, issuer = about or world.list_signer, issuer or world.sub_ca
    request = build_request(about.certificate, issuer.certificate, nonce)
    return ocsp_answer(
        request,
        certificates=[(about, issuer)],
        responder=responder or world.ocsp_signer,
        now=now,
        **changes,
    )


def judge(world, octets, *, at=NOW, nonce=None):
    return judge_answer(octets, world.list_signer.certificate, world.sub_ca.certificate, at, nonce)


def test_a_25635_a_good_answer_is_read(world):
    statement = judge(world, answer(world))
    assert not statement.revoked
    assert statement.this_update == NOW
    assert statement.next_update == NOW + 4 * HOUR


def test_a_25635_a_revoked_certificate_is_known_as_revoked(world):
    octets = answer(world, revoked={world.list_signer.certificate.serial_number})
    assert judge(world, octets).revoked


def test_a_25635_unknown_is_not_good(world):
    with refused(Refusal.OCSP_UNKNOWN_CERTIFICATE):
        judge(world, answer(world, status=ocsp.OCSPCertStatus.UNKNOWN))


@pytest.mark.parametrize("status", [s for s in ocsp.OCSPResponseStatus if s.name != "SUCCESSFUL"])
def test_a_responder_that_refuses_says_nothing(world, status):
    octets = ocsp.OCSPResponseBuilder.build_unsuccessful(status).public_bytes(serialization.Encoding.DER)
    with refused(Refusal.OCSP_REFUSED) as caught:
        judge(world, octets)
    assert status.name.lower() in caught.value.detail


def test_an_answer_is_current_from_this_update_to_next_update(world):
    octets = answer(world)
    for good in (NOW - CLOCK_SKEW, NOW, NOW + 4 * HOUR, NOW + 4 * HOUR + CLOCK_SKEW):
        judge(world, octets, at=good)
    for bad in (NOW - CLOCK_SKEW - SECOND, NOW + 4 * HOUR + CLOCK_SKEW + SECOND):
        with refused(Refusal.OCSP_STALE) as caught:
            judge(world, octets, at=bad)
        assert "the clock of this machine may be wrong" in str(caught.value)


def test_a_stale_answer_is_refused_even_if_it_says_revoked(world):
    """What is no longer current decides nothing: the caller asks again."""
    octets = answer(world, now=NOW - DAY, revoked={world.list_signer.certificate.serial_number})
    with refused(Refusal.OCSP_STALE):
        judge(world, octets)


def test_without_next_update_an_answer_counts_for_a_day(world):
    octets = built(world, next_update=None)
    assert judge(world, octets).next_update == NOW + DEFAULT_CURRENCY
    with refused(Refusal.OCSP_STALE):
        judge(world, octets, at=NOW + DEFAULT_CURRENCY + CLOCK_SKEW + SECOND)


def built(world, *, next_update=NOW + HOUR, signed_by=None, algorithm=None):
    """An answer that says good and carries the genuine responder, put together by hand."""
    responder = signed_by or world.ocsp_signer
    builder = (
        ocsp.OCSPResponseBuilder()
        .add_response(
            cert=world.list_signer.certificate,
            issuer=world.sub_ca.certificate,
            algorithm=hashes.SHA1(),
            cert_status=ocsp.OCSPCertStatus.GOOD,
            this_update=NOW,
            next_update=next_update,
            revocation_time=None,
            revocation_reason=None,
        )
        .responder_id(ocsp.OCSPResponderEncoding.HASH, responder.certificate)
        .certificates([world.ocsp_signer.certificate])
    )
    signed = builder.sign(responder.key, algorithm or hashes.SHA256())
    return signed.public_bytes(serialization.Encoding.DER)


def test_the_issuer_may_answer_itself(world):
    for carried in (True, False):
        octets = answer(world, responder=world.sub_ca, include_responder=carried)
        assert not judge(world, octets).revoked


def test_a_responder_that_is_not_carried_cannot_be_known(world):
    with refused(Refusal.OCSP_SIGNATURE):
        judge(world, answer(world, include_responder=False))


def test_a_foreign_responder_is_refused(world):
    other = make_world(NOW)
    look_alike = world.look_alike_sub_ca()
    for responder in (
        other.ocsp_signer,
        other.sub_ca,
        world.pki.ocsp_signer(look_alike),
        look_alike,
        world.pki.ocsp_signer(world.sub_ca_root),
        world.root_ocsp_signer,
        world.sub_ca_root,
    ):
        with refused(Refusal.OCSP_FOREIGN):
            judge(world, answer(world, responder=responder))


def test_another_service_of_the_same_ca_is_no_responder(world):
    """RFC 6960 §4.2.2.2: it has to be appointed by extended key usage."""
    for responder in (world.list_signer, world.pki.tls(world.sub_ca, "hospital.example", days=(-1, 1))):
        with refused(Refusal.OCSP_FOREIGN):
            judge(world, answer(world, responder=responder))
    without = altered(world.ocsp_signer, world.sub_ca, {ExtensionOID.EXTENDED_KEY_USAGE: None})
    with refused(Refusal.OCSP_FOREIGN):
        judge(world, answer(world, responder=without))
    assert judge(world, answer(world, responder=altered(world.ocsp_signer, world.sub_ca)))


@pytest.mark.parametrize("wishes", [{"days": (-9, -1)}, {"days": (1, 9)}, {"curve": ec.SECP256K1()}])
def test_a_responder_outside_validity_or_profile_is_refused(world, wishes):
    with refused(Refusal.OCSP_FOREIGN):
        judge(world, answer(world, responder=world.pki.ocsp_signer(world.sub_ca, **wishes)))


def test_an_answer_about_another_certificate_is_refused(world):
    other = world.pki.list_signer(world.sub_ca)
    with refused(Refusal.OCSP_FOREIGN):
        judge(world, answer(world, about=other))


def test_an_answer_about_the_same_number_of_another_issuer_is_refused(world):
    """A serial number is unique only for its issuer."""
    serial = world.list_signer.certificate.serial_number
    renamed = world.pki.sub_ca(world.sub_ca_root, "GEM.KOMP-CA99", key=world.sub_ca.key)
    look_alike = world.look_alike_sub_ca()
    for issuer in (renamed, look_alike):
        other = world.pki.list_signer(issuer, serial=serial)
        with refused(Refusal.OCSP_FOREIGN):
            judge(world, answer(world, about=other, issuer=issuer))


def test_a_signature_by_another_key_is_refused(world):
    with refused(Refusal.OCSP_SIGNATURE):
        judge(world, built(world, signed_by=make_world(NOW).ocsp_signer))


@pytest.mark.parametrize(("algorithm", "good"), [(hashes.SHA384(), True), (hashes.SHA512(), False)])
def test_answers_are_signed_with_sha_256_or_384(world, algorithm, good):
    octets = built(world, algorithm=algorithm)
    if good:
        assert judge(world, octets)
    else:
        with refused(Refusal.OCSP_SIGNATURE):
            judge(world, octets)


def test_an_answer_cannot_be_made_to_last(world):
    octets = answer(world)
    until, later = (f"{at:%Y%m%d%H%M%SZ}".encode() for at in (NOW + 4 * HOUR, NOW + 4000 * HOUR))
    assert until in octets
    with refused(Refusal.OCSP_SIGNATURE):
        judge(world, octets.replace(until, later))


def test_revoked_cannot_be_made_good(world):
    """The signature of an answer that says good, on one that says revoked."""
    old, new = (ocsp.load_der_ocsp_response(a) for a in (answer(world, **revoked(world)), answer(world)))
    while len(old.signature) != len(new.signature):  # in DER it has 70 to 72 octets
        new = ocsp.load_der_ocsp_response(answer(world))
    octets = old.public_bytes(serialization.Encoding.DER).replace(old.signature, new.signature)
    with refused(Refusal.OCSP_SIGNATURE):
        judge(world, octets)


def test_the_nonce_of_the_request_may_be_missing_but_not_be_another(world):
    assert judge(world, answer(world, nonce=NONCE), nonce=NONCE)
    assert judge(world, answer(world), nonce=NONCE)
    assert judge(world, answer(world, nonce=NONCE))
    with refused(Refusal.OCSP_NONCE):
        judge(world, answer(world, nonce=NONCE[::-1]), nonce=NONCE)


def test_a_request_names_one_certificate_and_carries_the_nonce(world):
    octets = build_request(world.list_signer.certificate, world.sub_ca.certificate, NONCE)
    request = ocsp.load_der_ocsp_request(octets)
    assert request.serial_number == world.list_signer.certificate.serial_number
    assert request.extensions.get_extension_for_class(x509.OCSPNonce).value.nonce == NONCE
    plain = build_request(world.list_signer.certificate, world.sub_ca.certificate, None)
    assert len(ocsp.load_der_ocsp_request(plain).extensions) == 0


@given(octets=st.binary(max_size=200))
def test_any_octets_are_refused(world, octets):
    with pytest.raises(ListRefusedError) as caught:
        judge(world, octets)
    assert caught.value.reason.value.startswith("ocsp_")


@pytest.mark.filterwarnings("ignore:Attribute's length")
@given(position=st.integers(0, 10_000), bit=st.integers(0, 7))
def test_a_flipped_bit_never_makes_another_statement(world, revoked_answer, position, bit):
    """Some octets are outside the signature; none of them says anything."""
    octets = bytearray(revoked_answer)
    octets[position % len(octets)] ^= 1 << bit
    with contextlib.suppress(ListRefusedError):
        statement = judge(world, bytes(octets))
        assert statement.revoked
        assert statement.next_update - statement.this_update == 4 * HOUR


@pytest.fixture(scope="module")
def revoked_answer(world):
    return answer(world, **revoked(world))


def revoked(world):
    return {"revoked": {world.list_signer.certificate.serial_number}}
