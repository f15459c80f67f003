"""Compact JWS of the federation list, large and with certificates (RFC 7515 §7.1, requirement R1.3).

Refused: anything but three segments of strict, unpadded base64url; a header over its size limit, with
repeated members, ``crit`` or ``b64``; an algorithm outside the two that gematik uses, or outside those
the operator allows; a key on another curve than the algorithm names; a signature that is not 64 bytes.
Keys come from ``x5c`` only, and only after its certificate path has been verified: ``jwk``, ``jku`` and
``x5u`` are never looked at.

General JWT libraries cannot be used for the payload: they decode all segments byte by byte in Python,
twenty times slower at the size of the national list. The work here goes in slices and through functions
that let other threads run, so that a list of 500,000 domains does not freeze the reactor.
"""

from __future__ import annotations

import base64
import binascii
import hashlib
from collections.abc import Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from functools import cached_property
from types import MappingProxyType

import attrs
from cryptography import x509
from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.asymmetric.utils import Prehashed, encode_dss_signature

from synapse_tim.jose.compact import decode_segment, parse_object
from synapse_tim.jose.errors import JoseError, JoseReason
from synapse_tim.pki.certificates import parse_certificate

#: Each algorithm is bound to one curve. BP256R1 is gematik's name, not registered with IANA.
ALGORITHM_CURVES: Mapping[str, type[ec.EllipticCurve]] = MappingProxyType(
    {"BP256R1": ec.BrainpoolP256R1, "ES256": ec.SECP256R1}
)

_SIGNATURE_BYTES = 64
_SLICE = 1 << 20
_WHITESPACE = b" \t\r\n"


@attrs.frozen
class JwsLimits:
    """Upper bounds that a list has to keep; all sizes in bytes."""

    total: int = 160 * 1024 * 1024
    header: int = 32 * 1024
    certificates: int = 4
    certificate: int = 8 * 1024


@attrs.frozen(eq=False)
class CompactJws:
    """A list taken apart, its signature not yet verified."""

    algorithm: str  #: a key of ``ALGORITHM_CURVES``
    certificates: tuple[x509.Certificate, ...]  #: the ``x5c`` chain, the signer first
    _data: memoryview
    _payload_start: int
    _payload_end: int

    @property
    def signer(self) -> x509.Certificate:
        """The certificate whose key has to verify the signature: ``x5c[0]``."""
        return self.certificates[0]

    @classmethod
    def parse(cls, data: bytes | bytearray, limits: JwsLimits | None = None) -> CompactJws:
        """Take a serialization apart and read its header.

        Args:
            data: the bytes as they were received; ASCII white space around them is ignored.

        Raises:
            JoseError: it is not a compact JWS of the profile, or over a limit.
        """
        limits = limits or JwsLimits()
        if len(data) > limits.total:
            raise JoseError(JoseReason.TOO_LARGE, f"{len(data)} bytes, {limits.total} allowed")
        view = _without_whitespace(data)
        first, second = _dots(view)
        algorithm, certificates = _read_header(bytes(view[:first]), limits)
        return cls(
            algorithm=algorithm,
            certificates=certificates,
            data=view,
            payload_start=first + 1,
            payload_end=second,
        )

    @cached_property
    def digest(self) -> str:
        """SHA-256 of the whole serialization, in hex.

        Identifies bytes that were seen before; it is no identity of the content, since an ECDSA
        signature can be rewritten.
        """
        whole = self._signed.copy()
        whole.update(self._data[self._payload_end :])
        return whole.hexdigest()

    @cached_property
    def _signed(self) -> hashlib._Hash:
        # Needed for the signature and for the digest. hashlib lets other threads run while it hashes.
        return hashlib.sha256(self._data[: self._payload_end])

    def require_algorithm(self, allowed: frozenset[str]) -> None:
        """Refuse an algorithm that is not allowed or does not fit the curve of the signer's key.

        Raises:
            JoseError: ``algorithm_not_allowed`` or ``algorithm_key_mismatch``.
        """
        if self.algorithm not in allowed:
            raise JoseError(
                JoseReason.ALGORITHM_NOT_ALLOWED,
                f"{self.algorithm} is not among the allowed {', '.join(sorted(allowed))}",
            )
        self._signer_key()

    def verify_signature(self) -> None:
        """Verify the signature with the key of the signer, whose path the caller has verified.

        Raises:
            JoseError: ``signature_malformed``, ``signature_invalid`` or the key does not fit.
        """
        key = self._signer_key()
        signature = bytes(decode_segment(self._data[self._payload_end + 1 :], "signature"))
        if len(signature) != _SIGNATURE_BYTES:
            raise JoseError(JoseReason.SIGNATURE_MALFORMED, f"{len(signature)} bytes instead of 64")
        r, s = (int.from_bytes(half, "big") for half in (signature[:32], signature[32:]))
        scheme = ec.ECDSA(Prehashed(hashes.SHA256()))
        try:
            key.verify(encode_dss_signature(r, s), self._signed.digest(), scheme)
        except InvalidSignature:
            raise JoseError(JoseReason.SIGNATURE_INVALID) from None

    def payload(self) -> bytearray:
        """Decode the payload; ``JoseError`` ``base64`` if that fails."""
        return decode_segment(self._data[self._payload_start : self._payload_end], "payload")

    def verified_payload(self) -> bytearray:
        """Verify the signature and decode the payload side by side; what is wrong is told in this order.

        Hashing needs no interpreter, so with a second core a large list costs only the longer of the two.

        Raises:
            JoseError: as ``verify_signature`` and ``payload``.
        """
        with ThreadPoolExecutor(max_workers=1) as aside:
            verified = aside.submit(self.verify_signature)
            try:
                payload = self.payload()
            finally:
                verified.result()
        return payload

    def _signer_key(self) -> ec.EllipticCurvePublicKey:
        key = self.signer.public_key()
        if not isinstance(key, ec.EllipticCurvePublicKey) or not isinstance(
            key.curve, ALGORITHM_CURVES[self.algorithm]
        ):
            raise JoseError(
                JoseReason.ALGORITHM_KEY_MISMATCH, f"{self.algorithm} with a key of another curve"
            )
        return key


def _without_whitespace(data: bytes | bytearray) -> memoryview:
    start, end = 0, len(data)
    while start < end and data[start] in _WHITESPACE:
        start += 1
    while end > start and data[end - 1] in _WHITESPACE:
        end -= 1
    return memoryview(data)[start:end]


def _slices(view: memoryview) -> Iterator[tuple[int, bytes]]:
    for start in range(0, len(view), _SLICE):
        yield start, bytes(view[start : start + _SLICE])


def _dots(view: memoryview) -> tuple[int, int]:
    """The positions of the two dots; exactly two, both with something on either side."""
    found: list[int] = []
    for start, piece in _slices(view):
        at = piece.find(b".")
        while at >= 0:
            found.append(start + at)
            if len(found) > 2:
                raise JoseError(JoseReason.NOT_A_COMPACT_JWS, "more than three segments")
            at = piece.find(b".", at + 1)
    if len(found) != 2:
        raise JoseError(JoseReason.NOT_A_COMPACT_JWS, f"{len(found) + 1} segment(s), not three")
    first, second = found
    if not 0 < first < second - 1 or second == len(view) - 1:
        raise JoseError(JoseReason.NOT_A_COMPACT_JWS, "an empty segment")
    return first, second


def _read_header(segment: bytes, limits: JwsLimits) -> tuple[str, tuple[x509.Certificate, ...]]:
    if len(segment) > limits.header:
        raise JoseError(JoseReason.HEADER_TOO_LARGE, f"{len(segment)} bytes")
    header = parse_object(decode_segment(segment, "header"), JoseReason.HEADER_MALFORMED)
    for member in ("crit", "b64"):
        if member in header:
            raise JoseError(JoseReason.HEADER_UNSUPPORTED, f"the member {member}")
    algorithm = header.get("alg")
    if not isinstance(algorithm, str) or algorithm not in ALGORITHM_CURVES:
        raise JoseError(JoseReason.ALGORITHM_UNKNOWN, repr(algorithm)[:40])
    return algorithm, _read_x5c(header.get("x5c"), limits)


def _read_x5c(x5c: object, limits: JwsLimits) -> tuple[x509.Certificate, ...]:
    """The certificate chain of the header: standard base64 of DER (RFC 7515 §4.1.6)."""
    if not isinstance(x5c, list) or not x5c:
        raise JoseError(JoseReason.X5C_MALFORMED, "x5c is not a list of certificates")
    if len(x5c) > limits.certificates:
        raise JoseError(JoseReason.X5C_MALFORMED, f"{len(x5c)} certificates")
    certificates = []
    for position, text in enumerate(x5c):
        if not isinstance(text, str) or len(text) > limits.certificate:
            raise JoseError(JoseReason.X5C_MALFORMED, f"x5c[{position}]")
        try:
            der = base64.b64decode(text, validate=True)
        except (ValueError, binascii.Error):
            raise JoseError(JoseReason.X5C_MALFORMED, f"x5c[{position}] is not base64") from None
        certificates.append(parse_certificate(der))
    return tuple(certificates)
