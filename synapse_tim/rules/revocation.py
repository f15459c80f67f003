"""Judging OCSP answers (RFC 6960; A_25632, A_25635).

The library parses, the decision is here. Refused: an answer for another certificate or issuer, one signed
by anyone but the issuer or a responder that the issuer appointed for OCSP, one that is not yet or no
longer current, one with another nonce than was asked with. gematik's responders have no other key usage
than nonRepudiation, so digitalSignature is not demanded of them.
"""

from __future__ import annotations

import datetime as dt
import enum

import attrs
from cryptography import x509
from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509 import ocsp
from cryptography.x509.oid import ExtendedKeyUsageOID

from synapse_tim.rules.certificates import (
    CLOCK_SKEW,
    MALFORMED,
    check_issued_by,
    check_profile,
    check_validity,
    describe,
    extension,
)
from synapse_tim.rules.refusals import ListRefusedError, Refusal

#: An answer that names no ``nextUpdate`` is current for this long.
DEFAULT_CURRENCY = dt.timedelta(hours=24)


class OcspMode(enum.StrEnum):
    """How much a list depends on its certificates being known as good."""

    HARD = "hard"
    SOFT = "soft"
    OFF = "off"


@attrs.frozen
class OcspStatement:
    """A verified answer.

    Attributes:
        revoked: whether the certificate is revoked; otherwise it is good.
        this_update: from when the statement counts.
        next_update: until when it may be used.
    """

    revoked: bool
    this_update: dt.datetime
    next_update: dt.datetime

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
        answer: the DER octets of the responder.
        certificate: the one that was asked about.
        issuer: its issuer, whose path the caller has verified.
        at: now.
        nonce: the nonce of the request. An answer without one is accepted, another one is not.

    Raises:
        ListRefusedError: one of the reasons ``ocsp_…``.
    """
    try:
        return _judge(ocsp.load_der_ocsp_response(answer), certificate, issuer, at, nonce)
    except (*MALFORMED, OverflowError) as error:
        raise ListRefusedError(Refusal.OCSP_MALFORMED, str(error)[:120]) from None


def _judge(
    response: ocsp.OCSPResponse,
    certificate: x509.Certificate,
    issuer: x509.Certificate,
    at: dt.datetime,
    nonce: bytes | None,
) -> OcspStatement:
    if response.response_status is not ocsp.OCSPResponseStatus.SUCCESSFUL:
        raise ListRefusedError(Refusal.OCSP_REFUSED, response.response_status.name.lower())
    asked = ocsp.load_der_ocsp_request(build_request(certificate, issuer, None))
    if (
        response.serial_number != asked.serial_number
        or not isinstance(response.hash_algorithm, hashes.SHA1)
        or response.issuer_name_hash != asked.issuer_name_hash
        or response.issuer_key_hash != asked.issuer_key_hash
    ):
        raise ListRefusedError(Refusal.OCSP_FOREIGN, "the answer is about another certificate")
    _verify_signature(response, _responder(response, issuer, at))
    if nonce is not None:
        try:
            returned = response.extensions.get_extension_for_class(x509.OCSPNonce).value.nonce
        except x509.ExtensionNotFound:
            returned = nonce
        if returned != nonce:
            raise ListRefusedError(Refusal.OCSP_NONCE)
    this_update = response.this_update_utc
    statement = OcspStatement(
        revoked=response.certificate_status is ocsp.OCSPCertStatus.REVOKED,
        this_update=this_update,
        next_update=response.next_update_utc or this_update + DEFAULT_CURRENCY,
    )
    if not statement.current_at(at):
        raise ListRefusedError(
            Refusal.OCSP_STALE,
            f"from {this_update:%Y-%m-%d %H:%M}Z to {statement.next_update:%Y-%m-%d %H:%M}Z",
        )
    if response.certificate_status is ocsp.OCSPCertStatus.UNKNOWN:
        raise ListRefusedError(Refusal.OCSP_UNKNOWN_CERTIFICATE, describe(certificate))
    return statement


def _responder(response: ocsp.OCSPResponse, issuer: x509.Certificate, at: dt.datetime) -> x509.Certificate:
    """Who signed the answer: the issuer itself or a responder appointed by it (RFC 6960 §4.2.2.2)."""
    if not response.certificates:
        return issuer
    responder = response.certificates[0]
    if responder == issuer:
        return issuer
    try:
        check_profile(responder)
        check_validity(responder, at)
        check_issued_by(responder, issuer)
    except ListRefusedError as error:
        raise ListRefusedError(Refusal.OCSP_FOREIGN, f"the responder: {error}") from None
    usages = extension(responder, x509.ExtendedKeyUsage) or ()
    if ExtendedKeyUsageOID.OCSP_SIGNING not in usages:
        raise ListRefusedError(Refusal.OCSP_FOREIGN, "the responder may not sign OCSP answers")
    return responder


def _verify_signature(response: ocsp.OCSPResponse, responder: x509.Certificate) -> None:
    key, algorithm = responder.public_key(), response.signature_hash_algorithm
    if not isinstance(key, ec.EllipticCurvePublicKey) or not isinstance(
        algorithm, hashes.SHA256 | hashes.SHA384
    ):
        raise ListRefusedError(Refusal.OCSP_SIGNATURE, "an algorithm that is not allowed")
    try:
        key.verify(response.signature, response.tbs_response_bytes, ec.ECDSA(algorithm))
    except InvalidSignature:
        raise ListRefusedError(Refusal.OCSP_SIGNATURE) from None
