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

from synapse_tim.federation.refusals import Refusal
from synapse_tim.pki.certificates import CLOCK_SKEW
from synapse_tim.pki.errors import CertificateError
from synapse_tim.pki.revocation import DEFAULT_CURRENCY, build_request, judge_answer
from synapse_tim.testing.simulator.pki.world import make_world, ocsp_answer
from tests.support.helpers import DAY, HOUR, NOW, SECOND, altered, refused

NONCE = b"0123456789abcdef"


def answer(certs, *, about=None, issuer=None, responder=None, now=NOW, nonce=None, **changes):
    about, issuer = about or certs.list_signer, issuer or certs.sub_ca
    request = build_request(about.certificate, issuer.certificate, nonce)
    return ocsp_answer(
        request,
        certificates=[(about, issuer)],
        responder=responder or certs.ocsp_signer,
        now=now,
        **changes,
    )


def judge(certs, octets, *, at=NOW, nonce=None):
    return judge_answer(octets, certs.list_signer.certificate, certs.sub_ca.certificate, at, nonce)


def test_a_25635_a_good_answer_is_read(certs):
    statement = judge(certs, answer(certs))
    assert not statement.revoked
    assert statement.this_update == NOW
    assert statement.next_update == NOW + 4 * HOUR


def test_a_25635_a_revoked_certificate_is_known_as_revoked(certs):
    octets = answer(certs, revoked={certs.list_signer.certificate.serial_number})
    assert judge(certs, octets).revoked


def test_a_25635_unknown_is_not_good(certs):
    with refused(Refusal.OCSP_UNKNOWN_CERTIFICATE):
        judge(certs, answer(certs, status=ocsp.OCSPCertStatus.UNKNOWN))


@pytest.mark.parametrize("status", [s for s in ocsp.OCSPResponseStatus if s.name != "SUCCESSFUL"])
def test_a_responder_that_refuses_says_nothing(certs, status):
    octets = ocsp.OCSPResponseBuilder.build_unsuccessful(status).public_bytes(serialization.Encoding.DER)
    with refused(Refusal.OCSP_REFUSED) as caught:
        judge(certs, octets)
    assert status.name.lower() in caught.value.detail


def test_an_answer_is_current_from_this_update_to_next_update(certs):
    octets = answer(certs)
    for good in (NOW - CLOCK_SKEW, NOW, NOW + 4 * HOUR, NOW + 4 * HOUR + CLOCK_SKEW):
        judge(certs, octets, at=good)
    for bad in (NOW - CLOCK_SKEW - SECOND, NOW + 4 * HOUR + CLOCK_SKEW + SECOND):
        with refused(Refusal.OCSP_STALE) as caught:
            judge(certs, octets, at=bad)
        assert "the clock of this machine may be wrong" in str(caught.value)


def test_a_stale_answer_is_refused_even_if_it_says_revoked(certs):
    """What is no longer current decides nothing: the caller asks again."""
    octets = answer(certs, now=NOW - DAY, revoked={certs.list_signer.certificate.serial_number})
    with refused(Refusal.OCSP_STALE):
        judge(certs, octets)


def test_without_next_update_an_answer_counts_for_a_day(certs):
    octets = built(certs, next_update=None)
    assert judge(certs, octets).next_update == NOW + DEFAULT_CURRENCY
    with refused(Refusal.OCSP_STALE):
        judge(certs, octets, at=NOW + DEFAULT_CURRENCY + CLOCK_SKEW + SECOND)


def built(certs, *, next_update=NOW + HOUR, signed_by=None, algorithm=None):
    """An answer that says good and carries the genuine responder, put together by hand."""
    responder = signed_by or certs.ocsp_signer
    builder = (
        ocsp.OCSPResponseBuilder()
        .add_response(
            cert=certs.list_signer.certificate,
            issuer=certs.sub_ca.certificate,
            algorithm=hashes.SHA1(),
            cert_status=ocsp.OCSPCertStatus.GOOD,
            this_update=NOW,
            next_update=next_update,
            revocation_time=None,
            revocation_reason=None,
        )
        .responder_id(ocsp.OCSPResponderEncoding.HASH, responder.certificate)
        .certificates([certs.ocsp_signer.certificate])
    )
    signed = builder.sign(responder.key, algorithm or hashes.SHA256())
    return signed.public_bytes(serialization.Encoding.DER)


def test_the_issuer_may_answer_itself(certs):
    for carried in (True, False):
        octets = answer(certs, responder=certs.sub_ca, include_responder=carried)
        assert not judge(certs, octets).revoked


def test_a_responder_that_is_not_carried_cannot_be_known(certs):
    with refused(Refusal.OCSP_SIGNATURE):
        judge(certs, answer(certs, include_responder=False))


def test_a_foreign_responder_is_refused(certs):
    other = make_world(NOW)
    look_alike = certs.look_alike_sub_ca()
    for responder in (
        other.ocsp_signer,
        other.sub_ca,
        certs.pki.ocsp_signer(look_alike),
        look_alike,
        certs.pki.ocsp_signer(certs.sub_ca_root),
        certs.root_ocsp_signer,
        certs.sub_ca_root,
    ):
        with refused(Refusal.OCSP_FOREIGN):
            judge(certs, answer(certs, responder=responder))


def test_another_service_of_the_same_ca_is_no_responder(certs):
    """RFC 6960 §4.2.2.2: it has to be appointed by extended key usage."""
    for responder in (certs.list_signer, certs.pki.tls(certs.sub_ca, "hospital.example", days=(-1, 1))):
        with refused(Refusal.OCSP_FOREIGN):
            judge(certs, answer(certs, responder=responder))
    without = altered(certs.ocsp_signer, certs.sub_ca, {ExtensionOID.EXTENDED_KEY_USAGE: None})
    with refused(Refusal.OCSP_FOREIGN):
        judge(certs, answer(certs, responder=without))
    assert judge(certs, answer(certs, responder=altered(certs.ocsp_signer, certs.sub_ca)))


@pytest.mark.parametrize("wishes", [{"days": (-9, -1)}, {"days": (1, 9)}, {"curve": ec.SECP256K1()}])
def test_a_responder_outside_validity_or_profile_is_refused(certs, wishes):
    with refused(Refusal.OCSP_FOREIGN):
        judge(certs, answer(certs, responder=certs.pki.ocsp_signer(certs.sub_ca, **wishes)))


def test_an_answer_about_another_certificate_is_refused(certs):
    other = certs.pki.list_signer(certs.sub_ca)
    with refused(Refusal.OCSP_FOREIGN):
        judge(certs, answer(certs, about=other))


def test_an_answer_about_the_same_number_of_another_issuer_is_refused(certs):
    """A serial number is unique only for its issuer."""
    serial = certs.list_signer.certificate.serial_number
    renamed = certs.pki.sub_ca(certs.sub_ca_root, "GEM.KOMP-CA99", key=certs.sub_ca.key)
    look_alike = certs.look_alike_sub_ca()
    for issuer in (renamed, look_alike):
        other = certs.pki.list_signer(issuer, serial=serial)
        with refused(Refusal.OCSP_FOREIGN):
            judge(certs, answer(certs, about=other, issuer=issuer))


def test_a_signature_by_another_key_is_refused(certs):
    with refused(Refusal.OCSP_SIGNATURE):
        judge(certs, built(certs, signed_by=make_world(NOW).ocsp_signer))


@pytest.mark.parametrize(("algorithm", "good"), [(hashes.SHA384(), True), (hashes.SHA512(), False)])
def test_answers_are_signed_with_sha_256_or_384(certs, algorithm, good):
    octets = built(certs, algorithm=algorithm)
    if good:
        assert judge(certs, octets)
    else:
        with refused(Refusal.OCSP_SIGNATURE):
            judge(certs, octets)


def test_an_answer_cannot_be_made_to_last(certs):
    octets = answer(certs)
    until, later = (f"{at:%Y%m%d%H%M%SZ}".encode() for at in (NOW + 4 * HOUR, NOW + 4000 * HOUR))
    assert until in octets
    with refused(Refusal.OCSP_SIGNATURE):
        judge(certs, octets.replace(until, later))


def test_revoked_cannot_be_made_good(certs):
    """The signature of an answer that says good, on one that says revoked."""
    old, new = (ocsp.load_der_ocsp_response(a) for a in (answer(certs, **revoked(certs)), answer(certs)))
    while len(old.signature) != len(new.signature):  # in DER it has 70 to 72 bytes
        new = ocsp.load_der_ocsp_response(answer(certs))
    octets = old.public_bytes(serialization.Encoding.DER).replace(old.signature, new.signature)
    with refused(Refusal.OCSP_SIGNATURE):
        judge(certs, octets)


def test_the_nonce_of_the_request_may_be_missing_but_not_be_another(certs):
    assert judge(certs, answer(certs, nonce=NONCE), nonce=NONCE)
    assert judge(certs, answer(certs), nonce=NONCE)
    assert judge(certs, answer(certs, nonce=NONCE))
    with refused(Refusal.OCSP_NONCE):
        judge(certs, answer(certs, nonce=NONCE[::-1]), nonce=NONCE)


def test_a_request_names_one_certificate_and_carries_the_nonce(certs):
    octets = build_request(certs.list_signer.certificate, certs.sub_ca.certificate, NONCE)
    request = ocsp.load_der_ocsp_request(octets)
    assert request.serial_number == certs.list_signer.certificate.serial_number
    assert request.extensions.get_extension_for_class(x509.OCSPNonce).value.nonce == NONCE
    plain = build_request(certs.list_signer.certificate, certs.sub_ca.certificate, None)
    assert len(ocsp.load_der_ocsp_request(plain).extensions) == 0


@given(octets=st.binary(max_size=200))
def test_any_octets_are_refused(certs, octets):
    with pytest.raises(CertificateError) as caught:
        judge(certs, octets)
    assert caught.value.reason.value.startswith("ocsp_")


@pytest.mark.filterwarnings("ignore:Attribute's length")
@given(position=st.integers(0, 10_000), bit=st.integers(0, 7))
def test_a_flipped_bit_never_makes_another_statement(certs, revoked_answer, position, bit):
    """Some bytes are outside the signature; none of them says anything."""
    octets = bytearray(revoked_answer)
    octets[position % len(octets)] ^= 1 << bit
    with contextlib.suppress(CertificateError):
        statement = judge(certs, bytes(octets))
        assert statement.revoked
        assert statement.next_update - statement.this_update == 4 * HOUR


@pytest.fixture(scope="module")
def revoked_answer(certs):
    return answer(certs, **revoked(certs))


def revoked(certs):
    return {"revoked": {certs.list_signer.certificate.serial_number}}
