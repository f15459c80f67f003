"""base64url without padding, with one text for each value (RFC 7515 §2).

Refused: characters of the other alphabet, padding, white space, a last character whose unused bits are not
zero. What a lenient decoder lets through gives one token many texts, which defeats replay protection.
"""

import base64
import binascii

_SLICE = 1 << 20  # a multiple of 4, so that slices decode on their own


class Base64UrlError(ValueError):
    """The text is no base64url."""


def decode(text: memoryview | bytes) -> bytearray:
    """Decode a text, slice by slice, with other threads in between.

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
    if tail and encode(decoded[-(len(tail) - 1) :]) != tail:
        raise Base64UrlError("unused bits are not zero")
    return decoded


def encode(data: bytes | bytearray) -> bytes:
    """Encode bytes."""
    return base64.urlsafe_b64encode(data).rstrip(b"=")
