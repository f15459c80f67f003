"""Verification of OCSP responses (RFC 6960; A_25632, A_25635).

The library parses, the decision is here. Refused: an answer without a statement about the certificate, one
signed by anyone but its issuer or a responder that the issuer appointed for OCSP, one that is not yet or no
longer current, one with another nonce than was asked with. gematik's responders have no other key usage
than nonRepudiation, so digitalSignature is not demanded of them.
"""

import datetime as dt
import enum
from collections.abc import Callable

import attrs
from cryptography import x509
from cryptography.exceptions import InvalidSignature, UnsupportedAlgorithm
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509 import ocsp
from cryptography.x509.oid import ExtendedKeyUsageOID, ExtensionOID

from synapse_tim.pki.certificates import (
    CLOCK_SKEW,
    MALFORMED,
    SIGNATURE_ALGORITHMS,
    check_issued_by,
    check_profile,
    check_validity,
    describe,
    extension,
)
from synapse_tim.pki.errors import CertificateError, CertificateReason

#: An answer that names no ``nextUpdate`` is current for this long.
DEFAULT_CURRENCY = dt.timedelta(hours=24)
_SEVERITY = (ocsp.OCSPCertStatus.GOOD, ocsp.OCSPCertStatus.UNKNOWN, ocsp.OCSPCertStatus.REVOKED)


class OcspMode(enum.StrEnum):
    """How much a list depends on its certificates being known as good."""

    HARD = "hard"
    SOFT = "soft"
    OFF = "off"


@attrs.frozen
class OcspStatement:
    """A verified answer."""

    revoked: bool  #: whether the certificate is revoked; otherwise it is good
    this_update: dt.datetime
    next_update: dt.datetime  #: until when it may be used

    def current_at(self, at: dt.datetime) -> bool:
        """Whether the statement may be used at that moment."""
        return self.this_update <= at + CLOCK_SKEW and at - CLOCK_SKEW <= self.next_update


def build_request(certificate: x509.Certificate, issuer: x509.Certificate, nonce: bytes | None) -> bytes:
    """The DER request for one certificate.

    SHA-1 only names the issuer here, as responders index by it (RFC 5019 §2.1.1); nothing rests on it.
    """
    builder = ocsp.OCSPRequestBuilder().add_certificate(certificate, issuer, hashes.SHA1())  # noqa: S303
    if nonce is not None:
        builder = builder.add_extension(x509.OCSPNonce(nonce), critical=False)
    return builder.build().public_bytes(serialization.Encoding.DER)


def judge_answer(
    answer: bytes,
    certificate: x509.Certificate,
    issuer: x509.Certificate,
    at: dt.datetime,
    nonce: bytes | None = None,
) -> OcspStatement:
    """Verify an answer and read what it says about the certificate.

    Args:
        answer: the DER bytes of the responder.
        certificate: the one that was asked about.
        issuer: its issuer, whose path the caller has verified.
        nonce: the nonce of the request. An answer without one is accepted, another one is not.

    Raises:
        CertificateError: one of the reasons ``ocsp_…``.
    """
    return _judge(
        answer, lambda each: _is_about(each, certificate, issuer), describe(certificate), issuer, at, nonce
    )


def judge_relayed(
    answer: bytes, serial_number: int, issuer: x509.Certificate, at: dt.datetime
) -> OcspStatement:
    """Verify an answer about a certificate of which no more is known than its number.

    Args:
        answer: the DER bytes of the responder.
        serial_number: of the certificate that was asked about.
        issuer: as for ``judge_answer``.

    Raises:
        CertificateError: one of the reasons ``ocsp_…``.
    """

    def is_about(single: ocsp.OCSPSingleResponse) -> bool:
        try:
            named = issuer_hashes(issuer, single.hash_algorithm)
        except (ValueError, UnsupportedAlgorithm):
            return False
        return single.serial_number == serial_number and named == (
            single.issuer_name_hash,
            single.issuer_key_hash,
        )

    return _judge(answer, is_about, f"serial number {serial_number}", issuer, at, None)


def issuer_hashes(issuer: x509.Certificate, algorithm: hashes.HashAlgorithm) -> tuple[bytes, bytes]:
    """The name and the key of an issuer, hashed as in a ``CertID`` (RFC 6960 §4.1.1)."""
    key = issuer.public_key()
    if isinstance(key, ec.EllipticCurvePublicKey):
        bits = key.public_bytes(serialization.Encoding.X962, serialization.PublicFormat.UncompressedPoint)
    else:
        bits = key.public_bytes(serialization.Encoding.DER, serialization.PublicFormat.PKCS1)

    def digest(data: bytes) -> bytes:
        running = hashes.Hash(algorithm)
        running.update(data)
        return running.finalize()

    return digest(issuer.subject.public_bytes()), digest(bits)


def _judge(
    answer: bytes,
    is_about: Callable[[ocsp.OCSPSingleResponse], bool],
    name: str,
    issuer: x509.Certificate,
    at: dt.datetime,
    nonce: bytes | None,
) -> OcspStatement:
    try:
        return _judge_parsed(ocsp.load_der_ocsp_response(answer), is_about, name, issuer, at, nonce)
    except (*MALFORMED, OverflowError) as error:
        raise CertificateError(CertificateReason.OCSP_MALFORMED, str(error)[:120]) from None


def _judge_parsed(
    response: ocsp.OCSPResponse,
    is_about: Callable[[ocsp.OCSPSingleResponse], bool],
    name: str,
    issuer: x509.Certificate,
    at: dt.datetime,
    nonce: bytes | None,
) -> OcspStatement:
    if response.response_status is not ocsp.OCSPResponseStatus.SUCCESSFUL:
        raise CertificateError(CertificateReason.OCSP_REFUSED, response.response_status.name.lower())
    ours = [each for each in response.responses if is_about(each)]
    if not ours:
        raise CertificateError(CertificateReason.OCSP_FOREIGN, "the answer is about another certificate")
    _verify_signature(response, issuer, at)
    if nonce is not None:
        try:
            returned = response.extensions.get_extension_for_class(x509.OCSPNonce).value.nonce
        except x509.ExtensionNotFound:
            returned = nonce
        if returned != nonce:
            raise CertificateError(CertificateReason.OCSP_NONCE)
    statements = [(each.certificate_status, _statement(each)) for each in ours]
    current = [(status, statement) for status, statement in statements if statement.current_at(at)]
    if not current:
        newest = max((statement for _, statement in statements), key=lambda each: each.next_update)
        raise CertificateError(
            CertificateReason.OCSP_STALE,
            f"from {newest.this_update:%Y-%m-%d %H:%M}Z to {newest.next_update:%Y-%m-%d %H:%M}Z",
        )
    # A responder that says several things about one certificate is believed the worst.
    status, statement = max(current, key=lambda each: (_SEVERITY.index(each[0]), each[1].this_update))
    if status is ocsp.OCSPCertStatus.UNKNOWN:
        raise CertificateError(CertificateReason.OCSP_UNKNOWN_CERTIFICATE, name)
    return statement


def _is_about(
    single: ocsp.OCSPSingleResponse, certificate: x509.Certificate, issuer: x509.Certificate
) -> bool:
    """Whether one of the statements in an answer is about the certificate.

    The responder chooses the hash by which it names the issuer (RFC 6960 §4.1.1); one that the library does
    not know matches no issuer.
    """
    if single.serial_number != certificate.serial_number:
        return False
    try:
        builder = ocsp.OCSPRequestBuilder().add_certificate(certificate, issuer, single.hash_algorithm)
    except (ValueError, UnsupportedAlgorithm):
        return False
    named = builder.build()
    return (single.issuer_name_hash, single.issuer_key_hash) == (
        named.issuer_name_hash,
        named.issuer_key_hash,
    )


def _statement(single: ocsp.OCSPSingleResponse) -> OcspStatement:
    this_update = single.this_update_utc
    return OcspStatement(
        revoked=single.certificate_status is ocsp.OCSPCertStatus.REVOKED,
        this_update=this_update,
        next_update=single.next_update_utc or this_update + DEFAULT_CURRENCY,
    )


def _verify_signature(response: ocsp.OCSPResponse, issuer: x509.Certificate, at: dt.datetime) -> None:
    """Refuse an answer that neither the issuer nor a responder appointed by it has signed.

    The answer may carry any certificates in any order, or none (RFC 6960 §4.2.1): the signer is the
    certificate whose key verifies the signature. The responder id is not looked at, as it proves nothing.
    """
    if response.signature_algorithm_oid not in SIGNATURE_ALGORITHMS:
        raise CertificateError(CertificateReason.OCSP_SIGNATURE, "an algorithm that is not allowed")
    if _has_signed(issuer, response):
        return
    refused: CertificateError | None = None
    for responder in response.certificates:
        try:
            if _has_signed(responder, response):
                _check_responder(responder, issuer, at)
                return
        except CertificateError as error:
            refused = error
        except MALFORMED as error:
            refused = refused or CertificateError(
                CertificateReason.OCSP_FOREIGN, f"the responder: {str(error)[:80]}"
            )
    raise refused or CertificateError(CertificateReason.OCSP_SIGNATURE)


def _has_signed(signer: x509.Certificate, response: ocsp.OCSPResponse) -> bool:
    key, algorithm = signer.public_key(), response.signature_hash_algorithm
    if not isinstance(key, ec.EllipticCurvePublicKey) or algorithm is None:
        return False
    try:
        key.verify(response.signature, response.tbs_response_bytes, ec.ECDSA(algorithm))
    except InvalidSignature:
        return False
    return True


def _check_responder(responder: x509.Certificate, issuer: x509.Certificate, at: dt.datetime) -> None:
    """Refuse a responder that the issuer did not appoint, or not for now (RFC 6960 §4.2.2.2).

    Whether the responder itself is revoked is not asked: gematik's carry ``id-pkix-ocsp-nocheck``, which is
    understood also as a critical extension.

    Raises:
        CertificateError: ``ocsp_foreign``.
    """
    try:
        check_profile(responder, also_understood=(ExtensionOID.OCSP_NO_CHECK,))
        check_validity(responder, at)
        check_issued_by(responder, issuer)
    except CertificateError as error:
        raise CertificateError(CertificateReason.OCSP_FOREIGN, f"the responder: {error}") from None
    usages = extension(responder, x509.ExtendedKeyUsage) or ()
    if ExtendedKeyUsageOID.OCSP_SIGNING not in usages:
        raise CertificateError(CertificateReason.OCSP_FOREIGN, "the responder may not sign OCSP answers")
