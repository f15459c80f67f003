"""Checks of one certificate against gematik's component PKI (gemSpec_PKI).

Refused: other versions than 3, signatures and curves outside an allow-list (checked before any signature
arithmetic), unknown critical extensions, times outside the validity, CA certificates without the CA
flag, the key usage or a sufficient path length, an issuer whose name, key identifier or key does not fit,
and, in a production environment, every subject that says ``TEST-ONLY`` or ``NOT-VALID``.

``cryptography.x509.verification`` cannot be used: it refuses every brainpool key.
"""

import datetime as dt
from collections.abc import Collection
from typing import TypeVar

from cryptography import x509
from cryptography.exceptions import InvalidSignature, UnsupportedAlgorithm
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import ExtensionOID, SignatureAlgorithmOID

from synapse_tim.pki.errors import CertificateError, CertificateReason

#: Tolerated difference between our clock and the issuer's.
CLOCK_SKEW = dt.timedelta(minutes=5)

#: Certificates with other signature algorithms are refused before any arithmetic.
SIGNATURE_ALGORITHMS = {SignatureAlgorithmOID.ECDSA_WITH_SHA256, SignatureAlgorithmOID.ECDSA_WITH_SHA384}
_CURVES = (ec.BrainpoolP256R1, ec.SECP256R1, ec.BrainpoolP384R1, ec.SECP384R1)
_UNDERSTOOD_EXTENSIONS = {
    ExtensionOID.BASIC_CONSTRAINTS,
    ExtensionOID.KEY_USAGE,
    ExtensionOID.CERTIFICATE_POLICIES,
    ExtensionOID.SUBJECT_ALTERNATIVE_NAME,
    ExtensionOID.AUTHORITY_KEY_IDENTIFIER,
    ExtensionOID.SUBJECT_KEY_IDENTIFIER,
    ExtensionOID.AUTHORITY_INFORMATION_ACCESS,
    ExtensionOID.ADMISSIONS,
    ExtensionOID.EXTENDED_KEY_USAGE,
}
_TEST_MARKS = ("TEST-ONLY", "NOT-VALID")

_Extension = TypeVar("_Extension", bound=x509.ExtensionType)

#: What the library raises on certificates that parse but do not make sense.
MALFORMED = (
    ValueError,
    TypeError,
    UnsupportedAlgorithm,
    x509.DuplicateExtension,
    x509.UnsupportedGeneralNameType,
    x509.InvalidVersion,
)


def parse_certificate(der: bytes) -> x509.Certificate:
    """Read a DER certificate and everything in it that the rules look at later.

    Reading it all at once keeps the surprises here: the library parses names, keys and extensions only
    when they are asked for.

    Raises:
        CertificateError: ``certificate_malformed``.
    """
    try:
        certificate = x509.load_der_x509_certificate(der)
        _ = (certificate.subject, certificate.issuer, certificate.public_key())
        _ = (certificate.extensions, certificate.signature_algorithm_oid)
        _ = (certificate.not_valid_before_utc, certificate.not_valid_after_utc)
        # What the signature does not cover has one form only: its bit string is whole bytes (RFC 5758).
        if der[-len(certificate.signature) - 1] != 0:
            raise ValueError("the signature is not byte-aligned")
    except MALFORMED as error:
        raise CertificateError(CertificateReason.CERTIFICATE_MALFORMED, str(error)[:120]) from None
    return certificate


def fingerprint(certificate: x509.Certificate) -> str:
    """SHA-256 over the DER form, in lower-case hex: how roots are pinned."""
    return certificate.fingerprint(hashes.SHA256()).hex()


def to_der(certificate: x509.Certificate) -> bytes:
    """The DER form."""
    return certificate.public_bytes(serialization.Encoding.DER)


def describe(certificate: x509.Certificate) -> str:
    """The subject for messages (RFC 4514); names of services, never of persons."""
    return certificate.subject.rfc4514_string()


def public_key_info(certificate: x509.Certificate) -> bytes:
    """The SubjectPublicKeyInfo in DER: equal if and only if the keys are."""
    return certificate.public_key().public_bytes(
        serialization.Encoding.DER, serialization.PublicFormat.SubjectPublicKeyInfo
    )


def extension(certificate: x509.Certificate, kind: type[_Extension]) -> _Extension | None:
    """The value of an extension, or ``None`` if the certificate has none of that kind."""
    try:
        return certificate.extensions.get_extension_for_class(kind).value
    except x509.ExtensionNotFound:
        return None


def check_validity(certificate: x509.Certificate, at: dt.datetime) -> None:
    """Refuse a certificate outside its validity, give or take ``CLOCK_SKEW``.

    Args:
        at: the moment to judge, with a time zone.

    Raises:
        CertificateError: ``certificate_not_yet_valid`` or ``certificate_expired``.
    """
    if at + CLOCK_SKEW < certificate.not_valid_before_utc:
        raise CertificateError(
            CertificateReason.CERTIFICATE_NOT_YET_VALID,
            f"{describe(certificate)} from {certificate.not_valid_before_utc:%Y-%m-%d %H:%M}Z",
        )
    if at - CLOCK_SKEW > certificate.not_valid_after_utc:
        raise CertificateError(
            CertificateReason.CERTIFICATE_EXPIRED,
            f"{describe(certificate)} since {certificate.not_valid_after_utc:%Y-%m-%d %H:%M}Z",
        )


def check_profile(
    certificate: x509.Certificate, *, also_understood: Collection[x509.ObjectIdentifier] = ()
) -> None:
    """Refuse versions, algorithms, curves and critical extensions outside the profile.

    Args:
        also_understood: extensions that the caller evaluates, and that may be critical.

    Raises:
        CertificateError: with the first thing that does not fit.
    """
    if certificate.version is not x509.Version.v3:
        raise CertificateError(CertificateReason.CERTIFICATE_VERSION, describe(certificate))
    if certificate.signature_algorithm_oid not in SIGNATURE_ALGORITHMS:
        raise CertificateError(
            CertificateReason.CERTIFICATE_ALGORITHM,
            f"{describe(certificate)}: {certificate.signature_algorithm_oid.dotted_string}",
        )
    key = certificate.public_key()
    if not isinstance(key, ec.EllipticCurvePublicKey) or not isinstance(key.curve, _CURVES):
        raise CertificateError(CertificateReason.CERTIFICATE_CURVE, describe(certificate))
    check_critical_extensions(certificate, also_understood)


def check_critical_extensions(
    certificate: x509.Certificate, also_understood: Collection[x509.ObjectIdentifier] = ()
) -> None:
    """Refuse a critical extension that the rules do not evaluate (RFC 5280 §4.2).

    Raises:
        CertificateError: ``certificate_critical_extension``.
    """
    for found in certificate.extensions:
        if found.critical and found.oid not in {*_UNDERSTOOD_EXTENSIONS, *also_understood}:
            raise CertificateError(
                CertificateReason.CERTIFICATE_CRITICAL_EXTENSION,
                f"{describe(certificate)}: {found.oid.dotted_string}",
            )


def is_test_certificate(certificate: x509.Certificate) -> bool:
    """Whether the subject says that the certificate belongs to a test environment."""
    subject = describe(certificate).upper()
    return any(mark in subject for mark in _TEST_MARKS)


def check_environment(certificate: x509.Certificate, *, allow_test: bool) -> None:
    """Refuse a certificate of a test environment (``test_certificate``) unless those are allowed."""
    if not allow_test and is_test_certificate(certificate):
        raise CertificateError(CertificateReason.TEST_CERTIFICATE, describe(certificate))


def check_ca(certificate: x509.Certificate, *, cas_below: int) -> None:
    """Refuse a certificate that may not issue others.

    Args:
        cas_below: how many CA certificates stand between it and the end of the path.

    Raises:
        CertificateError: ``not_a_ca``, ``path_length`` or ``ca_key_usage``.
    """
    constraints = extension(certificate, x509.BasicConstraints)
    if constraints is None or not constraints.ca:
        raise CertificateError(CertificateReason.NOT_A_CA, describe(certificate))
    if constraints.path_length is not None and constraints.path_length < cas_below:
        raise CertificateError(CertificateReason.PATH_LENGTH, describe(certificate))
    usage = extension(certificate, x509.KeyUsage)
    if usage is None or not usage.key_cert_sign:
        raise CertificateError(CertificateReason.CA_KEY_USAGE, describe(certificate))


def check_issued_by(certificate: x509.Certificate, issuer: x509.Certificate) -> None:
    """Refuse a certificate that the issuer did not sign.

    Raises:
        CertificateError: ``issuer_mismatch`` (name, key identifier or kind of key) or
            ``certificate_signature``.
    """
    authority = extension(certificate, x509.AuthorityKeyIdentifier)
    subject = extension(issuer, x509.SubjectKeyIdentifier)
    if (
        authority is not None
        and authority.key_identifier is not None
        and subject is not None
        and authority.key_identifier != subject.digest
    ):
        raise CertificateError(
            CertificateReason.ISSUER_MISMATCH, f"{describe(certificate)}: another key identifier"
        )
    try:
        certificate.verify_directly_issued_by(issuer)
    except InvalidSignature:
        raise CertificateError(CertificateReason.CERTIFICATE_SIGNATURE, describe(certificate)) from None
    except MALFORMED as error:
        raise CertificateError(
            CertificateReason.ISSUER_MISMATCH, f"{describe(certificate)}: {str(error)[:80]}"
        ) from None
