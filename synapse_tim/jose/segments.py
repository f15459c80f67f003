"""Segments and protected headers of compact JOSE objects (RFC 7515 §4)."""

from typing import Any, Final

from synapse_tim.core import strict_json
from synapse_tim.jose import base64url
from synapse_tim.jose.errors import JoseError, JoseReason

#: What they ask for is not done here: critical extensions, payloads that are not encoded or are compressed.
_UNSUPPORTED: Final = ("crit", "b64", "zip")


def read_header(segment: bytes) -> dict[str, Any]:
    """Read the protected header of a token, JWE or JWS.

    Raises:
        JoseError: it is no strict JSON object, or ``typ`` is no text; it has a member that changes
            what the bytes mean (``crit``, ``b64``, ``zip``), or a ``cty`` that is no text.
    """
    header = parse_object(decode_segment(segment, "header"), JoseReason.HEADER_MALFORMED)
    for member in _UNSUPPORTED:
        if member in header:
            raise JoseError(JoseReason.HEADER_UNSUPPORTED, member)
    if not isinstance(header.get("cty", ""), str):
        raise JoseError(JoseReason.HEADER_UNSUPPORTED, "cty")
    if not isinstance(header.get("typ", ""), str):
        raise JoseError(JoseReason.HEADER_MALFORMED, "typ")
    return header


def parse_object(document: bytes | bytearray, reason: JoseReason) -> dict[str, Any]:
    """Parse a strict JSON object; ``JoseError`` for this reason if it is not one."""
    try:
        parsed = strict_json.parse(document)
    except strict_json.StrictJsonError as error:
        raise JoseError(reason, str(error)) from None
    if not isinstance(parsed, dict):
        raise JoseError(reason, "not an object")
    return parsed


def decode_segment(segment: memoryview | bytes, name: str) -> bytearray:
    """Decode a segment.

    Args:
        segment: base64url.

    Raises:
        JoseError: ``base64``.
    """
    try:
        return base64url.decode(segment)
    except base64url.Base64UrlError as error:
        raise JoseError(JoseReason.BASE64, f"{name}: {error}") from None
