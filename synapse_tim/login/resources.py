"""Resources for clients and providers at login, below ``/_synapse/client/synapse_tim/``.

- ``jwks.json``: the public key that tokens for this server are encrypted for (RFC 7517);
- ``nonce``: a nonce to be found again in an ID token;
- ``backchannel_logout``: where a provider says that a session is over (OpenID Connect Back-Channel Logout).
"""

import json
from collections.abc import Awaitable, Callable, Iterable
from typing import Any, Final
from urllib.parse import parse_qs

from synapse.module_api import DirectServeJsonResource, SynapseRequest
from twisted.web.resource import Resource

from synapse_tim.adapter.answers import reject
from synapse_tim.adapter.client_api import octets
from synapse_tim.jose.jwe import MAX_BYTES, DecryptionKey
from synapse_tim.login.denials import LOGOUT_TOKEN
from synapse_tim.login.rules.nonces import LIFETIME

BASE_PATH: Final = "/_synapse/client/synapse_tim"

_CACHE_SECONDS: Final = 300


class KeyResource(Resource):
    """Serves a JWK set with the first of our keys; the others are on their way out."""

    isLeaf = True  # noqa: N815  # Twisted's name

    def __init__(self, keys: Iterable[DecryptionKey]) -> None:
        super().__init__()  # type: ignore[no-untyped-call]
        current = [dict(key.public_jwk) for key in keys][:1]
        self._body = json.dumps({"keys": current}).encode()

    def render_GET(self, request: Any) -> bytes:  # noqa: N802  # Twisted's name
        """The set."""
        request.setHeader(b"Content-Type", b"application/jwk-set+json")
        request.setHeader(b"Cache-Control", f"public, max-age={_CACHE_SECONDS}".encode())
        request.setHeader(b"Access-Control-Allow-Origin", b"*")
        return self._body


class NonceResource(DirectServeJsonResource):
    """Serves nonces."""

    isLeaf = True  # noqa: N815  # Twisted's name

    def __init__(self, make: Callable[[], str]) -> None:
        super().__init__()
        self._make = make

    async def _async_render_POST(  # noqa: N802  # Synapse's name
        self, request: SynapseRequest
    ) -> tuple[int, dict[str, Any]]:
        _not_to_be_kept(request)
        return 200, {"nonce": self._make(), "expires_in_ms": int(LIFETIME.total_seconds() * 1000)}


class LogoutResource(DirectServeJsonResource):
    """Takes logout tokens; ``end`` ends the sessions and says whether the token was accepted."""

    isLeaf = True  # noqa: N815  # Twisted's name

    def __init__(self, end: Callable[[str], Awaitable[bool]]) -> None:
        super().__init__()
        self._end = end

    async def _async_render_POST(  # noqa: N802  # Synapse's name
        self, request: SynapseRequest
    ) -> tuple[int, dict[str, Any]]:
        _not_to_be_kept(request)
        token = _logout_token(request)
        if token is None or not await self._end(token):
            reject(LOGOUT_TOKEN)
        return 200, {}


def _not_to_be_kept(request: Any) -> None:
    request.setHeader(b"Cache-Control", b"no-store")


def _logout_token(request: SynapseRequest) -> str | None:
    if request.content is None or octets(request) > MAX_BYTES + 1024:
        return None
    try:
        tokens = parse_qs(request.content.read().decode("ascii"), max_num_fields=8).get("logout_token", [])
    except ValueError:
        return None
    return tokens[0] if len(tokens) == 1 else None
