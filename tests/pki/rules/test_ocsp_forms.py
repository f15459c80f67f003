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
from tests.pki.rules.ocsp_answers import answer_of, statement
from tests.support.helpers import DAY, HOUR, MINUTE, NOW, altered, refused

GOOD, REVOKED, UNKNOWN = ocsp.OCSPCertStatus.GOOD, ocsp.OCSPCertStatus.REVOKED, ocsp.OCSPCertStatus.UNKNOWN


@pytest.fixture
def like(certs):
    """An ordinary answer, of which the others take what does not matter."""
    request = build_request(certs.list_signer.certificate, certs.sub_ca.certificate, None)
    known = [(certs.list_signer, certs.sub_ca)]
    return ocsp_answer(request, certificates=known, responder=certs.ocsp_signer, now=NOW)


def about(certs, subject=None, *, at=NOW, until=NOW + HOUR, **more):
    return statement(subject or certs.list_signer, certs.sub_ca, at=at, until=until, **more)


def judge(certs, octets, nonce=None):
    return judge_answer(octets, certs.list_signer.certificate, certs.sub_ca.certificate, NOW, nonce)


def built(certs, signer, carried, *, by=ocsp.OCSPResponderEncoding.HASH, algorithm=None):
    builder = (
        ocsp.OCSPResponseBuilder()
        .add_response(
            cert=certs.list_signer.certificate,
            issuer=certs.sub_ca.certificate,
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
def test_the_responder_is_found_wherever_it_stands(certs, by):
    others = (certs.sub_ca, certs.sub_ca_root, unrelated())
    for order in itertools.permutations((certs.ocsp_signer, *others)):
        assert not judge(certs, built(certs, certs.ocsp_signer, order, by=by)).revoked


@pytest.mark.parametrize("by", ocsp.OCSPResponderEncoding)
def test_the_issuer_may_sign_whatever_the_answer_carries(certs, by):
    carried = (certs.sub_ca_root, certs.sub_ca, certs.ocsp_signer, unrelated())
    for count in range(len(carried) + 1):
        for order in itertools.permutations(carried, count):
            assert not judge(certs, built(certs, certs.sub_ca, order, by=by)).revoked


def test_a_renewed_responder_may_carry_its_old_certificate_too(certs):
    old = certs.pki.ocsp_signer(certs.sub_ca, days=(-9, -1), key=certs.ocsp_signer.key)
    for order in itertools.permutations((old, certs.ocsp_signer)):
        assert not judge(certs, built(certs, certs.ocsp_signer, order)).revoked
    with refused(Refusal.OCSP_FOREIGN):
        judge(certs, built(certs, certs.ocsp_signer, [old, certs.sub_ca]))


@pytest.mark.parametrize("place", [0, 1, 2])
def test_good_company_does_not_make_a_responder(certs, like, place):
    """A stranger who carries the genuine certificates along, or names the genuine responder."""
    look_alike = certs.look_alike_sub_ca()
    strangers = (
        certs.pki.ocsp_signer(look_alike),
        look_alike,
        certs.root_ocsp_signer,
        certs.sub_ca_root,
        certs.pki.list_signer(certs.sub_ca),
        certs.pki.ocsp_signer(certs.sub_ca, days=(-9, -1)),
        certs.pki.ocsp_signer(certs.sub_ca, days=(1, 9)),
        altered(certs.ocsp_signer, certs.sub_ca, {ExtensionOID.EXTENDED_KEY_USAGE: None}),
    )
    for stranger in strangers:
        carried = [certs.ocsp_signer, certs.sub_ca]
        if stranger.key is certs.ocsp_signer.key:
            carried = [certs.sub_ca, certs.sub_ca_root]  # the genuine certificate has this key
        carried.insert(place, stranger)
        certificates = [each.certificate for each in carried]
        with refused(Refusal.OCSP_FOREIGN):
            judge(certs, answer_of([about(certs)], stranger, certificates, like=like))
        certificates.remove(stranger.certificate)
        with refused(Refusal.OCSP_SIGNATURE):
            judge(certs, answer_of([about(certs)], stranger, certificates[:1], like=like))


def test_no_check_may_be_critical_and_nothing_else_unknown(certs):
    """RFC 6960 §4.2.2.2.1 only recommends that it is not."""
    critical = {ExtensionOID.OCSP_NO_CHECK: (x509.OCSPNoCheck(), True)}
    responder = altered(certs.ocsp_signer, certs.sub_ca, critical)
    assert judge(certs, built(certs, responder, [responder]))
    unknown = x509.UnrecognizedExtension(x509.ObjectIdentifier("1.2.3.4"), b"\5\0")
    responder = altered(certs.ocsp_signer, certs.sub_ca, {unknown.oid: (unknown, True)})
    with refused(Refusal.OCSP_FOREIGN):
        judge(certs, built(certs, responder, [responder]))


@pytest.mark.parametrize("algorithm", [hashes.SHA1, hashes.SHA256, hashes.SHA384, hashes.SHA512])
def test_the_certificate_may_be_named_by_any_hash(certs, algorithm):
    octets = built(certs, certs.ocsp_signer, [certs.ocsp_signer], algorithm=algorithm())
    assert not judge(certs, octets).revoked
    other = certs.pki.sub_ca(certs.sub_ca_root, "GEM.KOMP-CA99", key=certs.sub_ca.key)
    serial = certs.list_signer.certificate.serial_number
    for issuer in (other, certs.look_alike_sub_ca()):
        twin = certs.pki.list_signer(issuer, serial=serial)
        with refused(Refusal.OCSP_FOREIGN):  # the same number of another issuer
            judge_answer(octets, twin.certificate, issuer.certificate, NOW)


@pytest.mark.parametrize("algorithm", [hashes.SHA1, hashes.SHA256])
@pytest.mark.requirement("A_25635")
def test_ours_is_looked_for_among_several_statements(certs, like, algorithm):
    another = about(certs, certs.pki.list_signer(certs.sub_ca), status=REVOKED)
    for status in (GOOD, REVOKED):
        ours = about(certs, status=status, algorithm=algorithm())
        for order in ([ours, another], [another, ours], [another, another, ours]):
            octets = answer_of(order, certs.ocsp_signer, [certs.ocsp_signer.certificate], like=like)
            assert judge(certs, octets).revoked is (status is REVOKED)
    with refused(Refusal.OCSP_FOREIGN):
        judge(certs, answer_of([another] * 2, certs.ocsp_signer, [certs.ocsp_signer.certificate], like=like))
    with refused(Refusal.OCSP_FOREIGN):
        judge(certs, answer_of([], certs.ocsp_signer, [certs.ocsp_signer.certificate], like=like))


def test_of_several_statements_about_ours_the_worst_counts(certs, like):
    def of(*statements):
        return answer_of(statements, certs.ocsp_signer, [certs.ocsp_signer.certificate], like=like)

    good, other = about(certs), about(certs, algorithm=hashes.SHA256())
    assert not judge(certs, of(good, other)).revoked
    revoked = about(certs, status=REVOKED, algorithm=hashes.SHA256())
    unknown = about(certs, status=UNKNOWN, algorithm=hashes.SHA256())
    for order in itertools.permutations((good, revoked, unknown)):
        assert judge(certs, of(*order)).revoked
    for order in itertools.permutations((good, unknown)):
        with refused(Refusal.OCSP_UNKNOWN_CERTIFICATE):
            judge(certs, of(*order))


def test_what_is_out_of_date_does_not_count_beside_what_is_not(certs, like):
    def of(*statements):
        return answer_of(statements, certs.ocsp_signer, [certs.ocsp_signer.certificate], like=like)

    old = about(certs, at=NOW - DAY, until=NOW - HOUR)
    future = about(certs, at=NOW + HOUR, until=NOW + DAY)
    now = about(certs, at=NOW - MINUTE, until=NOW + MINUTE)
    for order in itertools.permutations((old, future, now)):
        assert judge(certs, of(*order)).next_update == NOW + MINUTE
    with refused(Refusal.OCSP_STALE):
        judge(certs, of(old, future))
    ended = about(certs, at=NOW - DAY, until=NOW - HOUR, status=REVOKED)
    assert not judge(certs, of(ended, now)).revoked


def test_a_hash_that_nobody_knows_names_nobody(certs, like):
    """One statement that cannot be understood does not spoil the others."""
    sha256, unheard_of = (bytes.fromhex(f"06096086480165030402{n}") for n in ("01", "7f"))
    strange, ours = about(certs, algorithm=hashes.SHA256(), status=REVOKED), about(certs)
    signer, carried = certs.ocsp_signer, [certs.ocsp_signer.certificate]
    named = (sha256, unheard_of)
    assert judge(certs, answer_of([strange, ours], signer, carried, like=like, named=named))
    with refused(Refusal.OCSP_FOREIGN):
        judge(certs, answer_of([strange], signer, carried, like=like, named=named))


def test_the_statements_are_what_is_signed(certs, like):
    ours = about(certs)
    octets = answer_of([ours], certs.ocsp_signer, [certs.ocsp_signer.certificate], like=like)
    assert judge(certs, octets)
    until = f"{NOW + HOUR:%Y%m%d%H%M%SZ}".encode()
    later = f"{NOW + HOUR + dt.timedelta(days=9):%Y%m%d%H%M%SZ}".encode()
    with refused(Refusal.OCSP_SIGNATURE):
        judge(certs, octets.replace(until, later))
