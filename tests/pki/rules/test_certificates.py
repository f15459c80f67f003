"""gemSpec_PKI, R1.4: what is demanded of any certificate on the way to a root."""

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec, rsa
from cryptography.x509.oid import ExtensionOID

from synapse_tim.federation.refusals import Refusal
from synapse_tim.pki.certificates import (
    CLOCK_SKEW,
    check_ca,
    check_environment,
    check_issued_by,
    check_profile,
    check_validity,
    fingerprint,
    is_test_certificate,
    parse_certificate,
    public_key_info,
    to_der,
)
from synapse_tim.testing.simulator.pki.world import key_usage_of
from tests.support.helpers import SECOND, altered, refused

CURVES = [ec.BrainpoolP256R1(), ec.BrainpoolP384R1(), ec.SECP256R1(), ec.SECP384R1()]
OTHER_CURVES = [ec.BrainpoolP512R1(), ec.SECP521R1(), ec.SECP256K1(), ec.SECP224R1()]


def unknown_extension(critical):
    value = x509.UnrecognizedExtension(x509.ObjectIdentifier("1.2.3.4"), b"\x05\x00")
    return {"extensions": [(value, critical)]}


def test_a_certificate_comes_back_as_it_was(certs):
    der = certs.sub_ca.der
    assert to_der(parse_certificate(der)) == der
    assert fingerprint(certs.roots[-1].certificate) == certs.pin()


@pytest.mark.parametrize("cut", [1, 5, 100, -1, -64])
def test_a_truncated_certificate_is_malformed(certs, cut):
    with refused(Refusal.CERTIFICATE_MALFORMED):
        parse_certificate(certs.sub_ca.der[:cut])


def test_trailing_octets_are_malformed(certs):
    with refused(Refusal.CERTIFICATE_MALFORMED):
        parse_certificate(certs.sub_ca.der + b"\0")


def test_a_signature_that_is_not_whole_octets_is_malformed(certs):
    """The byte is not covered by the signature, and means nothing if the last bits are zero anyway."""
    certificate = certs.list_signer.certificate
    der = bytearray(to_der(certificate))
    der[-len(certificate.signature) - 1] = 1
    der[-1] &= 0b11111110
    with refused(Refusal.CERTIFICATE_MALFORMED):
        parse_certificate(bytes(der))


def test_an_unknown_curve_is_malformed(certs):
    named = bytes.fromhex("06092b2403030208010107")  # brainpoolP256r1
    unknown = bytes.fromhex("06092b2403030208010163")
    with refused(Refusal.CERTIFICATE_MALFORMED):
        parse_certificate(certs.sub_ca.der.replace(named, unknown))


def test_a_point_off_the_curve_is_malformed(certs):
    point = certs.sub_ca.certificate.public_key().public_numbers()
    y = point.y.to_bytes(32, "big")
    off = bytes([*y[:-1], y[-1] ^ 1])
    with refused(Refusal.CERTIFICATE_MALFORMED):
        parse_certificate(certs.sub_ca.der.replace(y, off))


def test_a_version_1_certificate_is_refused(certs):
    der = certs.sub_ca.der
    version = bytes.fromhex("a003020102")
    first = der.replace(version, b"", 1)
    # Both outer lengths take two bytes here.
    lengths = {2: len(first) - 4, 6: int.from_bytes(der[6:8], "big") - len(version)}
    for position, length in lengths.items():
        first = first[:position] + length.to_bytes(2, "big") + first[position + 2 :]
    with refused(Refusal.CERTIFICATE_VERSION):
        check_profile(parse_certificate(first))


@pytest.mark.parametrize("curve", CURVES, ids=lambda curve: curve.name)
def test_the_curves_of_the_profile_are_accepted(certs, curve):
    check_profile(certs.pki.root(9, curve=curve).certificate)


@pytest.mark.parametrize("curve", OTHER_CURVES, ids=lambda curve: curve.name)
def test_other_curves_are_refused(certs, curve):
    with refused(Refusal.CERTIFICATE_CURVE):
        check_profile(certs.pki.sub_ca(certs.roots[0], curve=curve).certificate)


def test_an_rsa_key_is_refused(certs):
    key = rsa.generate_private_key(public_exponent=65537, key_size=2048)
    with refused(Refusal.CERTIFICATE_CURVE):
        check_profile(certs.pki.sub_ca(certs.roots[0], key=key).certificate)
    with refused(Refusal.CERTIFICATE_ALGORITHM):
        check_profile(certs.pki.root(9, key=key).certificate)


@pytest.mark.parametrize(
    ("algorithm", "good"), [(hashes.SHA384(), True), (hashes.SHA512(), False), (hashes.SHA224(), False)]
)
def test_signatures_are_ecdsa_with_sha_256_or_384(certs, algorithm, good):
    certificate = altered(certs.sub_ca, certs.sub_ca_root, algorithm=algorithm).certificate
    if good:
        check_profile(certificate)
        check_issued_by(certificate, certs.sub_ca_root.certificate)
    else:
        with refused(Refusal.CERTIFICATE_ALGORITHM):
            check_profile(certificate)


def test_an_unknown_extension_may_not_be_critical(certs):
    check_profile(certs.pki.list_signer(certs.sub_ca, **unknown_extension(critical=False)).certificate)
    with refused(Refusal.CERTIFICATE_CRITICAL_EXTENSION):
        check_profile(certs.pki.list_signer(certs.sub_ca, **unknown_extension(critical=True)).certificate)


def test_critical_name_constraints_are_not_evaluated_and_so_refused(certs):
    constraints = x509.NameConstraints([x509.DNSName("example")], None)
    ca = certs.pki.sub_ca(certs.roots[0], extensions=[(constraints, True)])
    with refused(Refusal.CERTIFICATE_CRITICAL_EXTENSION):
        check_profile(ca.certificate)


def test_validity_ends_five_minutes_late_and_begins_five_minutes_early(certs):
    certificate = certs.sub_ca.certificate
    first, last = certificate.not_valid_before_utc, certificate.not_valid_after_utc
    for good in (first - CLOCK_SKEW, first, last, last + CLOCK_SKEW):
        check_validity(certificate, good)
    with refused(Refusal.CERTIFICATE_NOT_YET_VALID):
        check_validity(certificate, first - CLOCK_SKEW - SECOND)
    with refused(Refusal.CERTIFICATE_EXPIRED):
        check_validity(certificate, last + CLOCK_SKEW + SECOND)


@pytest.mark.parametrize("mark", ["TEST-ONLY", "NOT-VALID", "not-valid", "Test-Only"])
def test_a_mark_anywhere_in_the_subject_makes_a_test_certificate(production, mark):
    assert not is_test_certificate(production.sub_ca.certificate)
    check_environment(production.sub_ca.certificate, allow_test=False)
    for oid in (
        x509.NameOID.COMMON_NAME,
        x509.NameOID.ORGANIZATION_NAME,
        x509.NameOID.ORGANIZATIONAL_UNIT_NAME,
    ):
        subject = x509.Name([x509.NameAttribute(oid, f"GEM.KOMP-CA50 {mark}")])
        certificate = altered(production.sub_ca, production.sub_ca_root, subject=subject).certificate
        with refused(Refusal.TEST_CERTIFICATE):
            check_environment(certificate, allow_test=False)
        check_environment(certificate, allow_test=True)


def ca_with(certs, constraints, usage):
    extensions = {ExtensionOID.BASIC_CONSTRAINTS: constraints, ExtensionOID.KEY_USAGE: usage}
    return altered(certs.sub_ca, certs.sub_ca_root, extensions).certificate


SIGNS = (key_usage_of("key_cert_sign"), True)


@pytest.mark.parametrize(
    ("constraints", "usage", "cas_below", "reason"),
    [
        ((x509.BasicConstraints(True, None), True), SIGNS, 5, None),
        ((x509.BasicConstraints(True, 1), True), SIGNS, 1, None),
        ((x509.BasicConstraints(True, 0), False), SIGNS, 0, None),
        ((x509.BasicConstraints(True, 0), True), SIGNS, 1, Refusal.PATH_LENGTH),
        ((x509.BasicConstraints(False, None), True), SIGNS, 0, Refusal.NOT_A_CA),
        (None, SIGNS, 0, Refusal.NOT_A_CA),
        ((x509.BasicConstraints(True, 0), True), None, 0, Refusal.CA_KEY_USAGE),
        (
            (x509.BasicConstraints(True, 0), True),
            (key_usage_of("digital_signature", "crl_sign"), True),
            0,
            Refusal.CA_KEY_USAGE,
        ),
    ],
)
def test_an_issuer_has_the_ca_flag_the_path_length_and_the_key_usage(
    certs, constraints, usage, cas_below, reason
):
    certificate = ca_with(certs, constraints, usage)
    if reason is None:
        check_ca(certificate, cas_below=cas_below)
    else:
        with refused(reason):
            check_ca(certificate, cas_below=cas_below)


def test_an_issuer_has_the_name_the_key_identifier_and_the_key(certs):
    signer, sub_ca = certs.list_signer.certificate, certs.sub_ca
    check_issued_by(signer, sub_ca.certificate)
    with refused(Refusal.ISSUER_MISMATCH):
        check_issued_by(signer, certs.sub_ca_root.certificate)
    renamed = altered(
        sub_ca, None, subject=x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, "Other")])
    )
    with refused(Refusal.ISSUER_MISMATCH):
        check_issued_by(signer, renamed.certificate)
    with refused(Refusal.ISSUER_MISMATCH):
        check_issued_by(signer, certs.look_alike_sub_ca().certificate)


def test_key_identifiers_prove_nothing(certs):
    """A CA with another key that claims the genuine one's identifier."""
    genuine = {found.oid: (found.value, found.critical) for found in certs.sub_ca.certificate.extensions}
    identifier = {ExtensionOID.SUBJECT_KEY_IDENTIFIER: genuine[ExtensionOID.SUBJECT_KEY_IDENTIFIER]}
    forged = altered(certs.look_alike_sub_ca(), None, identifier, subject=certs.sub_ca.certificate.subject)
    assert public_key_info(forged.certificate) != public_key_info(certs.sub_ca.certificate)
    with refused(Refusal.CERTIFICATE_SIGNATURE):
        check_issued_by(certs.list_signer.certificate, forged.certificate)


def test_a_certificate_without_an_authority_key_identifier_is_judged_by_its_signature(certs):
    plain = altered(certs.list_signer, certs.sub_ca, {ExtensionOID.AUTHORITY_KEY_IDENTIFIER: None})
    check_issued_by(plain.certificate, certs.sub_ca.certificate)
