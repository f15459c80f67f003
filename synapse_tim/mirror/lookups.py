"""Looks roots, sub-CAs and OCSP answers up for homeservers; keeps what verifies.

Synchronous, for threads. What is kept goes on being served while the source is down: roots and sub-CAs as
long as there are no newer ones, an OCSP answer until its ``nextUpdate``. Refused: certificates that do not
lead to a pinned root, and questions about certificates of other issuers than those known.
"""

import datetime as dt
import functools
import logging
import re
import threading
import time
from collections.abc import Callable
from typing import Any, Final

import attrs
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.x509 import ocsp

from synapse_tim.core.errors import ReasonError
from synapse_tim.core.rate_limit import RequestRate
from synapse_tim.mirror import metrics
from synapse_tim.mirror.store import MAX_DOCUMENTS, MirrorStore
from synapse_tim.pki.certificate_source import CertificateSource
from synapse_tim.pki.certificates import (
    MALFORMED,
    check_ca,
    check_environment,
    check_issued_by,
    check_profile,
    check_validity,
    fingerprint,
    parse_certificate,
)
from synapse_tim.pki.errors import CertificateError, CertificateReason
from synapse_tim.pki.revocation import OcspStatement, build_request, issuer_hashes, judge_relayed
from synapse_tim.pki.signer_path import SignerPath, sub_ca_file_name
from synapse_tim.pki.trust_anchors import TrustAnchors, parse_roots
from synapse_tim.pki.trust_store import TrustMaterial
from synapse_tim.transport.errors import TransportError

logger = logging.getLogger(__name__)

#: For how long something is served without asking for a newer one.
FRESH: Final = {
    "roots": dt.timedelta(hours=1),
    "sub_ca": dt.timedelta(days=1),
    "ocsp": dt.timedelta(minutes=5),
}
#: After a failure the source is not asked again for so many seconds.
PAUSE_SECONDS: Final = 15.0
_MAX_SUB_CAS: Final = 64
#: Questions to the sources: two a second, and so many at once.
_RATE_SECONDS, _RATE_BURST = 0.5, 60
_SUB_CA_NAME: Final = re.compile(r"(?!.*\.\.)[A-Za-z0-9][A-Za-z0-9._-]{0,63}\.der")


class LookupFailedError(Exception):
    """There is nothing to answer."""

    def __init__(self, status: int, why: str) -> None:
        super().__init__(why)
        self.status = status


@attrs.frozen(eq=False)
class _Kept:
    data: bytes
    fetched_at: dt.datetime
    until: dt.datetime | None = None


class Lookups:
    """What homeservers need besides the list.

    Args:
        ask_responder: POSTs an OCSP request, gives the answer; ``None`` if there is no responder.
        clock: the current time, with a time zone.
    """

    def __init__(
        self,
        source: CertificateSource,
        ask_responder: Callable[[bytes], bytes] | None,
        anchors: TrustAnchors,
        store: MirrorStore,
        clock: Callable[[], dt.datetime],
    ) -> None:
        self._source = source
        self._ask_responder = ask_responder
        self._anchors = anchors
        self._store = store
        self._clock = clock
        self._lock = threading.Lock()
        self._sub_cas: dict[str, x509.Certificate] = {}
        self._kept: dict[str, _Kept] = {}
        self._paused: dict[str, float] = {}
        self._rate = RequestRate(_RATE_SECONDS, _RATE_BURST)

    def learn(self, material: TrustMaterial) -> None:
        """Take up the roots and sub-CAs that the list rests on."""
        with self._lock:
            self._anchors = self._anchors.with_links(material.links)
            for sub_ca in material.sub_cas:
                self._sub_cas[fingerprint(sub_ca)] = sub_ca

    def warm(self, path: SignerPath) -> None:
        """Have at hand what homeservers ask for when they verify a list, before its source is down."""
        pairs = ((path.signer, path.sub_ca), (path.sub_ca, path.root))
        questions = [build_request(certificate, issuer, None) for certificate, issuer in pairs]
        if self._ask_responder is None:
            questions = []
        steps: list[Callable[[], bytes]] = [
            self.roots,
            lambda: self.sub_ca(sub_ca_file_name(path.signer)),
            *(functools.partial(self.ocsp, question) for question in questions),
        ]
        for step in steps:
            try:
                step()
            except (LookupFailedError, CertificateError) as error:
                logger.warning("Not at hand for homeservers: %s", error)

    def restore(self) -> None:
        """Read what was kept; what does not verify any more is left out."""
        kept = self._store.documents()
        for name in sorted(kept, key=_order):
            data, fetched = kept[name]
            at = dt.datetime.fromtimestamp(fetched, dt.UTC)
            kind, _, which = name.partition("/")
            try:
                until = self._verify(kind, which, data, self._clock())
            except (ReasonError, LookupFailedError, *MALFORMED):
                continue
            self._kept[name] = _Kept(data, at, until)

    def roots(self) -> bytes:
        """``roots.json``.

        Raises:
            LookupFailedError: there is none that leads to a pinned root.
        """
        return self._get("roots", "", lambda: bytes(self._source.roots()))

    def sub_ca(self, file_name: str) -> bytes:
        """A sub-CA in DER.

        Raises:
            LookupFailedError: there is none of that name below a trusted root.
        """
        if not _SUB_CA_NAME.fullmatch(file_name):
            raise LookupFailedError(404, "no such name")
        return self._get("sub_ca", file_name, lambda: bytes(self._source.sub_ca(file_name)))

    def ocsp(self, question: bytes) -> bytes:
        """The answer to an OCSP request, without its nonce, since it is the answer to others as well.

        Raises:
            LookupFailedError: it is not about one certificate of a known issuer, or there is no answer.
        """
        if self._ask_responder is None:
            raise LookupFailedError(404, "no responder is configured")
        try:
            request = ocsp.load_der_ocsp_request(question)
            issuer = self._issuer(request)
        except (*MALFORMED, NotImplementedError):
            raise LookupFailedError(400, "no request about one certificate") from None
        if issuer is None:
            raise LookupFailedError(404, "not an issuer that the list, or what was looked up, has to do with")
        own = _question(issuer, request.serial_number)
        which = f"{fingerprint(issuer)}/{request.serial_number:x}"
        ask = self._ask_responder
        return self._get("ocsp", which, lambda: ask(own))

    def _get(self, kind: str, which: str, fetch: Callable[[], bytes]) -> bytes:
        name, now = f"{kind}/{which}", self._clock()
        kept = self._kept.get(name)
        if kept is not None and kept.until is not None and kept.until < now:
            kept = None
        if kept is not None and dt.timedelta(0) <= now - kept.fetched_at < FRESH[kind]:
            return kept.data
        try:
            return self._renew(kind, which, fetch, now)
        except LookupFailedError:
            if kept is None:
                raise
            return kept.data

    def _renew(self, kind: str, which: str, fetch: Callable[[], bytes], now: dt.datetime) -> bytes:
        name, monotonic = f"{kind}/{which}", time.monotonic()
        with self._lock:
            self._paused = {each: until for each, until in self._paused.items() if until > monotonic}
            if name in self._paused or not self._rate.allows(b"", monotonic):
                raise LookupFailedError(503, "asked a moment ago")
        try:
            data = fetch()
            until = self._verify(kind, which, data, now)
        except (ReasonError, *MALFORMED) as error:
            reason = str(error.reason) if isinstance(error, ReasonError) else "certificate_malformed"
            metrics.LOOKUPS.labels(kind, reason).inc()
            with self._lock:
                self._paused[name] = monotonic + PAUSE_SECONDS
            if reason == CertificateReason.NO_SUB_CA:
                raise LookupFailedError(404, "there is none") from None
            if isinstance(error, TransportError) or reason == CertificateReason.OCSP_UNAVAILABLE:
                raise LookupFailedError(503, "the source cannot be reached") from None
            raise LookupFailedError(502, f"the source's answer is refused: {reason}") from None
        metrics.LOOKUPS.labels(kind, "ok").inc()
        self._keep(name, _Kept(data, now, until))
        return data

    def _keep(self, name: str, kept: _Kept) -> None:
        self._store.keep(name, kept.data, int(kept.fetched_at.timestamp()))
        with self._lock:
            self._kept[name] = kept
            if len(self._kept) > MAX_DOCUMENTS:
                oldest = min(self._kept, key=lambda each: self._kept[each].fetched_at)
                del self._kept[oldest]

    def _verify(self, kind: str, which: str, data: bytes, now: dt.datetime) -> dt.datetime | None:
        """Refuse what does not lead to a pinned root; gives until when it may be used, if that is known."""
        if kind == "roots":
            self._verify_roots(data, now)
        elif kind == "sub_ca":
            self._verify_sub_ca(data, now)
        elif kind == "ocsp":
            return self._verify_answer(which, data, now).next_update
        return None

    def _verify_roots(self, data: bytes, now: dt.datetime) -> None:
        entries = parse_roots(data)
        with self._lock:
            anchors = self._anchors.with_roots(entries, now)
            if not anchors.links:
                raise CertificateError(CertificateReason.NO_TRUSTED_ROOT, "none of them is pinned")
            self._anchors = anchors

    def _verify_sub_ca(self, data: bytes, now: dt.datetime) -> None:
        certificate = parse_certificate(data)
        check_profile(certificate)
        check_validity(certificate, now)
        check_ca(certificate, cas_below=0)
        with self._lock:
            anchors = self._anchors
        check_environment(certificate, allow_test=anchors.allow_test)
        issuers = [root for root in anchors.certificates if root.subject == certificate.issuer]
        if not issuers:
            raise CertificateError(CertificateReason.NO_TRUSTED_ROOT, certificate.issuer.rfc4514_string())
        check_issued_by(certificate, issuers[-1])
        with self._lock:
            if len(self._sub_cas) < _MAX_SUB_CAS:
                self._sub_cas[fingerprint(certificate)] = certificate

    def _verify_answer(self, which: str, data: bytes, now: dt.datetime) -> OcspStatement:
        issuer_name, _, serial = which.partition("/")
        known = {fingerprint(each): each for each in self._issuers()}
        if issuer_name not in known:
            raise CertificateError(CertificateReason.OCSP_FOREIGN, "of an issuer that is not known")
        return judge_relayed(data, int(serial, 16), known[issuer_name], now)

    def _issuers(self) -> tuple[x509.Certificate, ...]:
        with self._lock:
            return (*self._anchors.certificates, *self._sub_cas.values())

    def _issuer(self, request: Any) -> x509.Certificate | None:
        named = (request.issuer_name_hash, request.issuer_key_hash)
        algorithm = request.hash_algorithm
        return next((each for each in self._issuers() if issuer_hashes(each, algorithm) == named), None)


def _order(name: str) -> int:
    """Roots first, then sub-CAs, then answers about what these have issued."""
    return tuple(FRESH).index(name.partition("/")[0])


def _question(issuer: x509.Certificate, serial_number: int) -> bytes:
    """A request of our own: no nonce, so that the answer is good for others, and nothing of the asker's."""
    algorithm = hashes.SHA1()  # noqa: S303  # as in ``build_request``
    builder = ocsp.OCSPRequestBuilder().add_certificate_by_hash(
        *issuer_hashes(issuer, algorithm), serial_number, algorithm
    )
    return builder.build().public_bytes(serialization.Encoding.DER)
