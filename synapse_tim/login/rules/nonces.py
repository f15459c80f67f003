"""Nonces that this server hands out, to be found again in ID tokens (OpenID Connect Core §15.5.2).

A nonce shows that a token was made for a login that was begun here. It carries the time until which it
holds and a code that only this server can make, so none has to be stored until it is used.
"""

import datetime as dt
import hashlib
import hmac
import secrets
from typing import Final

import attrs

from synapse_tim.jose.compact import base64url_decode, base64url_encode

#: How long it may take to log in at the provider.
LIFETIME: Final = dt.timedelta(minutes=10)

_RANDOM_OCTETS: Final = 16
_TIME_OCTETS: Final = 8
_CODE_OCTETS: Final = 32
_PURPOSE: Final = b"synapse_tim login nonce"


@attrs.frozen
class NonceMint:
    """Makes nonces and knows its own."""

    secret: bytes = attrs.field(repr=False)  #: shared by all processes of this server

    def make(self, now: dt.datetime) -> str:
        """A new nonce: 75 characters of base64url."""
        until = int((now + LIFETIME).timestamp()).to_bytes(_TIME_OCTETS, "big")
        value = secrets.token_bytes(_RANDOM_OCTETS) + until
        return base64url_encode(value + self._code(value)).decode()

    def holds_until(self, nonce: str, now: dt.datetime) -> dt.datetime | None:
        """Until when a nonce holds; ``None`` if it is none of this server's, or over."""
        try:
            octets = bytes(base64url_decode(nonce.encode("ascii")))
        except ValueError:
            return None
        value, code = octets[:-_CODE_OCTETS], octets[-_CODE_OCTETS:]
        if len(value) != _RANDOM_OCTETS + _TIME_OCTETS or not hmac.compare_digest(code, self._code(value)):
            return None
        until = dt.datetime.fromtimestamp(int.from_bytes(value[_RANDOM_OCTETS:], "big"), dt.UTC)
        return until if now <= until else None

    def _code(self, value: bytes) -> bytes:
        return hmac.new(self.secret, _PURPOSE + value, hashlib.sha256).digest()
