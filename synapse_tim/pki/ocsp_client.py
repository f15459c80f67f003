"""OCSP client for the certificates of a signer path (A_25632, A_25635).

The responder is the operator's choice; the address inside a certificate is never visited, since its
issuer would then choose where this server connects to. Signer and sub-CA are both asked about.

- ``hard``: both have to be known as good, or the list is refused.
- ``soft``: a certificate known as revoked is refused; anything else is logged and let through.
- ``off``: no responder is asked.
"""

import datetime as dt
import logging
import secrets
from typing import Final

from cryptography import x509

from synapse_tim.pki.certificates import describe, fingerprint
from synapse_tim.pki.errors import CertificateError, CertificateReason
from synapse_tim.pki.revocation import OcspMode, OcspStatement, build_request, judge_answer
from synapse_tim.pki.signer_path import SignerPath
from synapse_tim.transport.errors import TransportError
from synapse_tim.transport.fetcher import Fetcher

logger = logging.getLogger(__name__)

_MAX_BYTES: Final = 64 * 1024
_DEADLINE_SECONDS: Final = 10.0
_HEADERS: Final = {"Content-Type": "application/ocsp-request", "Accept": "application/ocsp-response"}


class OcspClient:
    """Judges the revocation of a path, with answers kept until their ``nextUpdate``.

    Args:
        mode: how much depends on an answer.
        responder_url: the configured responder. Without it or a fetcher there are no answers.
    """

    def __init__(
        self, mode: OcspMode, fetcher: Fetcher | None = None, responder_url: str | None = None
    ) -> None:
        self.mode = mode
        self._fetcher = fetcher
        self._url = responder_url
        self._statements: dict[str, OcspStatement] = {}

    def check(self, path: SignerPath, now: dt.datetime) -> None:
        """Refuse a path that contains a revoked certificate, or in hard mode one not known as good.

        Raises:
            CertificateError: ``revoked``, or in hard mode a reason ``ocsp_…``.
        """
        if self.mode is OcspMode.OFF:
            return
        for certificate, issuer in ((path.signer, path.sub_ca), (path.sub_ca, path.root)):
            try:
                statement = self._statement(certificate, issuer, now)
            except CertificateError as error:
                if self.mode is OcspMode.HARD:
                    raise
                logger.warning("No OCSP statement about %s: %s", describe(certificate), error)
                continue
            if statement.revoked:
                raise CertificateError(CertificateReason.REVOKED, describe(certificate))

    def _statement(
        self, certificate: x509.Certificate, issuer: x509.Certificate, now: dt.datetime
    ) -> OcspStatement:
        name = fingerprint(certificate)
        kept = self._statements.get(name)
        if kept is not None and kept.this_update <= now < kept.next_update:
            return kept
        statement = self._ask(certificate, issuer, now)
        self._statements = {
            fp: known for fp, known in self._statements.items() if known.next_update > now
        } | {name: statement}
        return statement

    def _ask(
        self, certificate: x509.Certificate, issuer: x509.Certificate, now: dt.datetime
    ) -> OcspStatement:
        if self._fetcher is None or self._url is None:
            raise CertificateError(CertificateReason.OCSP_UNAVAILABLE, "no responder is configured")
        nonce = secrets.token_bytes(16)
        answer = ask_responder(self._fetcher, self._url, build_request(certificate, issuer, nonce))
        return judge_answer(answer, certificate, issuer, now, nonce)


def ask_responder(fetcher: Fetcher, url: str, question: bytes) -> bytes:
    """Send an OCSP request; the answer is not verified.

    Args:
        question: the DER request.

    Raises:
        CertificateError: ``ocsp_unavailable``.
    """
    try:
        response = fetcher.post(
            url, content=question, headers=_HEADERS, max_bytes=_MAX_BYTES, deadline=_DEADLINE_SECONDS
        )
    except TransportError as error:
        raise CertificateError(CertificateReason.OCSP_UNAVAILABLE, str(error)) from None
    if response.status != 200:
        raise CertificateError(CertificateReason.OCSP_UNAVAILABLE, f"status {response.status}")
    return bytes(response.body)
