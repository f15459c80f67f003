"""What signed and encrypted tokens share: segments of base64url, and a protected header (RFC 7515 §4)."""

from __future__ import annotations

from typing import Any

from synapse_tim.rules import base64url, strict_json
from synapse_tim.rules.token_refusals import TokenRefusal, TokenRefusedError


def read_header(segment: bytes) -> dict[str, Any]:
    """Read the protected header of a token, JWE or JWS.

    Args:
        segment: as it stands in the token.

    Raises:
        TokenRefusedError: it is no strict JSON object, or has ``crit``, ``b64`` or the like.
    """
    try:
        header = strict_json.parse(decode_segment(segment, "header"))
    except strict_json.StrictJsonError as error:
        raise TokenRefusedError(TokenRefusal.HEADER_MALFORMED, str(error)) from None
    if not isinstance(header, dict):
        raise TokenRefusedError(TokenRefusal.HEADER_MALFORMED, "not an object")
    for member in ("crit", "b64"):
        if member in header:
            raise TokenRefusedError(TokenRefusal.HEADER_UNSUPPORTED, member)
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
