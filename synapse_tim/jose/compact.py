"""Segments and protected headers of compact JOSE objects (RFC 7515 §4, RFC 7516 §4).

base64url is read strictly (RFC 7515 §2). Refused: characters of the other alphabet, padding, white space, a
last character whose unused bits are not zero. A lenient decoder accepts many texts for one token, which
defeats replay protection.
"""

import base64
import binascii
from typing import Any, Final

from synapse_tim.core import strict_json
from synapse_tim.jose.errors import JoseError, JoseReason

#: What they ask for is not done here: critical extensions, payloads that are not encoded or are compressed.
_UNSUPPORTED: Final = ("crit", "b64", "zip")
_SLICE: Final = 1 << 20  # a multiple of 4, so that slices decode on their own


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
        return base64url_decode(segment)
    except Base64UrlError as error:
        raise JoseError(JoseReason.BASE64, f"{name}: {error}") from None


class Base64UrlError(ValueError):
    """The text is no base64url."""


def base64url_decode(text: memoryview | bytes) -> bytearray:
    """Decode base64url, slice by slice, with other threads in between.

    Args:
        text: ASCII bytes.

    Raises:
        Base64UrlError: with what is wrong.
    """
    view, decoded = memoryview(text), bytearray()
    try:
        for start in range(0, len(view), _SLICE):
            piece = bytes(view[start : start + _SLICE])
            if b"+" in piece or b"/" in piece or b"=" in piece:
                raise Base64UrlError("a character outside base64url")
            standard = piece.replace(b"-", b"+").replace(b"_", b"/")
            decoded += binascii.a2b_base64(standard + b"=" * (-len(standard) % 4), strict_mode=True)
    except binascii.Error as error:
        raise Base64UrlError(str(error)) from None
    tail = bytes(view[len(view) - len(view) % 4 :])
    if tail and base64url_encode(decoded[-(len(tail) - 1) :]) != tail:
        raise Base64UrlError("unused bits are not zero")
    return decoded


def base64url_encode(data: bytes | bytearray) -> bytes:
    """Encode bytes as base64url without padding."""
    return base64.urlsafe_b64encode(data).rstrip(b"=")
