"""The central IDP-Dienst as an upstream, for smart cards: HBA and SMC-B (gemSpec_IDP_Dienst).

Its discovery document is signed under the roots of the TI, and is where all addresses come from. Code flow
with PKCE, whose verifier goes to the token endpoint encrypted, together with a key that the tokens come back
encrypted with. The card is used by gematik's Authenticator, which a browser opens by a scheme of its own.
"""

import json
import os
import time
from collections.abc import Callable, Mapping
from typing import Any, Final
from urllib.parse import quote

import attrs
from cryptography.hazmat.primitives.asymmetric import ec

from synapse_tim.adapter.threads import Threads
from synapse_tim.gateway.upstream import (
    Authenticated,
    AuthenticationRequest,
    Begun,
    Json,
    UpstreamError,
    UpstreamRefusal,
)
from synapse_tim.gateway.upstream.config import CentralConfig
from synapse_tim.gateway.upstream.exchange import (
    Kept,
    Pkce,
    address,
    code_of,
    fetch,
    json_object,
    post_form,
    text_of,
    with_query,
)
from synapse_tim.jose import jwe, jwk
from synapse_tim.jose.compact import base64url_encode
from synapse_tim.jose.errors import JoseError
from synapse_tim.login.provider_keys import KeysUnavailableError, SignedDiscovery
from synapse_tim.login.rules import discovery

_KEY_BYTES: Final = 32
_AUTHENTICATOR: Final = "authenticator://?challenge_path="


@attrs.frozen
class _Addresses:
    """What the discovery document says."""

    authorization: str
    token: str
    encryption_key: str


class CentralUpstream:
    """The central IDP-Dienst.

    Args:
        id: of the provider.
        name: what the page shows.
        client_id: under which we are registered there.
        how: how it is spoken to.
        source: its discovery document.
        threads: for what blocks.
        clock: seconds that never go back.
    """

    def __init__(
        self,
        id: str,  # noqa: A002
        name: str,
        client_id: str,
        how: CentralConfig,
        source: SignedDiscovery,
        threads: Threads,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self.id, self.name = id, name
        self._client_id = client_id
        self._how = how
        self._source = source
        self._threads = threads
        self._addresses = Kept(self._fetch_addresses, clock)

    async def begin(self, request: AuthenticationRequest) -> Begun:
        """See ``Upstream``; the provider knows neither ``prompt`` nor ``max_age``: a card is always asked."""
        addresses = await self._threads.run(self._addresses.get)
        pkce = Pkce()
        asked = pkce.parameters(request, self._client_id, " ".join(self._how.scopes))
        if self._how.card is not None:
            asked["cardType"] = self._how.card
        url = with_query(addresses.authorization, asked)
        if self._how.authenticator:
            url = _AUTHENTICATOR + quote(url, safe="")
        return Begun(url, {"verifier": pkce.verifier, "redirect_uri": request.redirect_uri})

    async def finish(self, answer: Mapping[str, str], private: Mapping[str, Json]) -> Authenticated:
        """See ``Upstream``."""
        code = code_of(answer, self._source.issuer)
        return await self._threads.run(self._redeem, code, private)

    def _fetch_addresses(self) -> _Addresses:
        source = self._source
        try:
            document = discovery.read_document(
                source.fetch_document(), source.issuer, source.clock(), expires=True
            )
        except KeysUnavailableError as error:
            raise UpstreamError(UpstreamRefusal.UNAVAILABLE, str(error)) from None
        except discovery.DiscoveryError as error:
            raise UpstreamError(UpstreamRefusal.PROTOCOL, f"discovery: {error}") from None
        names = ("authorization_endpoint", "token_endpoint", "uri_puk_idp_enc")
        return _Addresses(*(address(document, name) for name in names))

    def _redeem(self, code: str, private: Mapping[str, Json]) -> Authenticated:
        addresses, token_key = self._addresses.get(), os.urandom(_KEY_BYTES)
        secret = {
            "token_key": base64url_encode(token_key).decode(),
            "code_verifier": private["verifier"],
        }
        form = {
            "grant_type": "authorization_code",
            "client_id": self._client_id,
            "redirect_uri": private["redirect_uri"],
            "code": code,
            "key_verifier": jwe.encrypt(
                json.dumps(secret).encode(), self._encryption_key(addresses.encryption_key), {"cty": "JSON"}
            ),
        }
        headers = {} if self._how.user_agent is None else {"User-Agent": self._how.user_agent}
        tokens = post_form(self._source.fetcher, addresses.token, form, "token", headers)
        return Authenticated(_opened(text_of(tokens, "id_token", "token"), token_key))

    def _encryption_key(self, url: str) -> ec.EllipticCurvePublicKey:
        document = json_object(fetch(self._source.fetcher, url, "key", max_bytes=jwk.MAX_BYTES), "key")
        try:
            key = jwk.public_key(document)
        except jwk.JwkError as error:
            raise UpstreamError(UpstreamRefusal.PROTOCOL, f"key: {error}") from None
        if not isinstance(key, ec.EllipticCurvePublicKey):
            raise UpstreamError(UpstreamRefusal.PROTOCOL, "key: no EC key")
        return key


def _opened(token: str, key: bytes) -> str:
    """The signed token inside an encrypted one (``njwt``)."""
    try:
        content: dict[str, Any] = json_object(jwe.decrypt_with(token.encode(), key), "token")
    except JoseError as error:
        raise UpstreamError(UpstreamRefusal.PROTOCOL, f"token: {error}") from None
    return text_of(content, "njwt", "token")
