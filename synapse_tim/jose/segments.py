"""What signed and encrypted tokens share: segments of base64url, and a protected header (RFC 7515 §4)."""

from __future__ import annotations

from typing import Any, Final

from synapse_tim.core import strict_json
from synapse_tim.jose import base64url
from synapse_tim.login.rules.refusals import TokenRefusal, TokenRefusedError

#: What they ask for is not done here: critical extensions, payloads that are not encoded or are compressed.
_UNSUPPORTED: Final = ("crit", "b64", "zip")


def read_header(segment: bytes) -> dict[str, Any]:
    """Read the protected header of a token, JWE or JWS.

    Args:
        segment: as it stands in the token.

    Raises:
        TokenRefusedError: it is no strict JSON object, or ``typ`` is no text; it has a member that changes
            what the octets mean (``crit``, ``b64``, ``zip``), or a ``cty`` that is no text.
    """
    try:
        header = strict_json.parse(decode_segment(segment, "header"))
    except strict_json.StrictJsonError as error:
        raise TokenRefusedError(TokenRefusal.HEADER_MALFORMED, str(error)) from None
    if not isinstance(header, dict):
        raise TokenRefusedError(TokenRefusal.HEADER_MALFORMED, "not an object")
    for member in _UNSUPPORTED:
        if member in header:
            raise TokenRefusedError(TokenRefusal.HEADER_UNSUPPORTED, member)
    if not isinstance(header.get("cty", ""), str):
        raise TokenRefusedError(TokenRefusal.HEADER_UNSUPPORTED, "cty")
    if not isinstance(header.get("typ", ""), str):
        raise TokenRefusedError(TokenRefusal.HEADER_MALFORMED, "typ")
    return header


def decode_segment(segment: bytes, what: str) -> bytes:
    """Decode a segment of a token.

    Raises:
        TokenRefusedError: ``base64``.
    """
    try:
        return bytes(base64url.decode(segment))
    except base64url.Base64UrlError as error:
        raise TokenRefusedError(TokenRefusal.BASE64, f"{what}: {error}") from None
