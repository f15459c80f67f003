"""Answers of an OCSP responder (RFC 6960) for the certificates of a test PKI."""

import datetime as dt
from collections.abc import Collection, Iterable

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.x509 import ocsp

from synapse_tim.testing.simulator.pki.identity import Identity


def ocsp_answer(
    request_der: bytes,
    *,
    certificates: Iterable[tuple[Identity, Identity]],
    responder: Identity,
    revoked: Collection[int] = (),
    now: dt.datetime,
    next_update: dt.timedelta = dt.timedelta(hours=4),
    status: ocsp.OCSPCertStatus | None = None,
    include_responder: bool = True,
) -> bytes:
    """Answer a request, echoing its nonce.

    Args:
        request_der: the request; about one certificate, as is usual.
        certificates: the certificates the responder knows, each with its issuer.
        responder: who signs the answer.
        revoked: serial numbers of the revoked ones among them.
        now: ``thisUpdate``, with a time zone.
        next_update: for how long the answer may be used.
        status: instead of good or revoked, for instance ``OCSPCertStatus.UNKNOWN``.
        include_responder: whether the answer carries the responder's certificate.

    Returns:
        The answer in DER; ``unauthorized`` for a certificate that is not known (RFC 5019 §2.2.3).
    """
    request = ocsp.load_der_ocsp_request(request_der)
    found = asked_about(request_der, certificates)
    if found is None:
        return _unsuccessful(ocsp.OCSPResponseStatus.UNAUTHORIZED)
    subject, issuer = found
    if status is None:
        is_revoked = subject.certificate.serial_number in revoked
        status = ocsp.OCSPCertStatus.REVOKED if is_revoked else ocsp.OCSPCertStatus.GOOD
    now = now.replace(microsecond=0)
    builder = (
        ocsp.OCSPResponseBuilder()
        .add_response(
            cert=subject.certificate,
            issuer=issuer.certificate,
            algorithm=request.hash_algorithm,
            cert_status=status,
            this_update=now,
            next_update=now + next_update,
            revocation_time=now if status is ocsp.OCSPCertStatus.REVOKED else None,
            revocation_reason=None,
        )
        .responder_id(ocsp.OCSPResponderEncoding.HASH, responder.certificate)
    )
    if include_responder:
        builder = builder.certificates([responder.certificate])
    try:
        nonce = request.extensions.get_extension_for_class(x509.OCSPNonce).value
    except x509.ExtensionNotFound:
        pass
    else:
        builder = builder.add_extension(nonce, critical=False)
    return builder.sign(responder.key, hashes.SHA256()).public_bytes(serialization.Encoding.DER)


def asked_about(
    request_der: bytes, certificates: Iterable[tuple[Identity, Identity]]
) -> tuple[Identity, Identity] | None:
    """The certificate and issuer a request asks about, if they are among those given."""
    request = ocsp.load_der_ocsp_request(request_der)
    for subject, issuer in certificates:
        if subject.certificate.serial_number != request.serial_number:
            continue
        builder = ocsp.OCSPRequestBuilder()
        known = builder.add_certificate(
            subject.certificate, issuer.certificate, request.hash_algorithm
        ).build()
        if known.issuer_key_hash == request.issuer_key_hash and (
            known.issuer_name_hash == request.issuer_name_hash
        ):
            return subject, issuer
    return None


def _unsuccessful(status: ocsp.OCSPResponseStatus) -> bytes:
    answer = ocsp.OCSPResponseBuilder.build_unsuccessful(status)
    return answer.public_bytes(serialization.Encoding.DER)
