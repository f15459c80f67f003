"""Any OpenID provider as an upstream: authorization code with PKCE (OpenID Connect Core §3.1).

TLS vouches for its discovery document, and the document for the addresses in it, which have to be https.
"""

import base64
import time
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Self
from urllib.parse import quote_plus

import attrs

from synapse_tim.adapter.config_block import read_cas, wrong
from synapse_tim.adapter.threads import Threads
from synapse_tim.gateway.upstream import (
    Authenticated,
    AuthenticationRequest,
    Begun,
    Json,
    UpstreamError,
    UpstreamRefusal,
)
from synapse_tim.gateway.upstream.config import OidcConfig, UpstreamConfig
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
from synapse_tim.gateway.upstream.surroundings import Surroundings
from synapse_tim.login.config import ProviderConfig
from synapse_tim.login.rules.discovery import MAX_OCTETS
from synapse_tim.transport.fetcher import Fetcher


@attrs.frozen
class _Endpoints:
    """What the discovery document says."""

    authorization: str
    token: str
    names_issuer: bool  #: whether answers have ``iss``


@attrs.frozen
class _Discovery:
    """Where the discovery document is, and whose it has to be."""

    fetcher: Fetcher
    url: str
    issuer: str

    def endpoints(self) -> _Endpoints:
        """Fetch the document."""
        document = json_object(fetch(self.fetcher, self.url, "discovery", max_bytes=MAX_OCTETS), "discovery")
        if document.get("issuer") != self.issuer:
            raise UpstreamError(UpstreamRefusal.PROTOCOL, "discovery: another issuer than configured")
        secure = self.url.lower().startswith("https://")
        return _Endpoints(
            address(document, "authorization_endpoint", secure=secure),
            address(document, "token_endpoint", secure=secure),
            document.get("authorization_response_iss_parameter_supported") is True,
        )


class OidcUpstream:
    """An OpenID provider."""

    def __init__(
        self,
        block: UpstreamConfig,
        oidc: OidcConfig,
        provider: ProviderConfig,
        fetcher: Fetcher,
        threads: Threads,
        client_secret: str,
    ) -> None:
        self.id, self.name = provider.id, block.name
        self._issuer, self._client_id = provider.issuer, provider.audience
        self._scope = " ".join(oidc.scopes)
        self._fetcher, self._threads = fetcher, threads
        self._client_secret = client_secret
        discovery = _Discovery(fetcher, oidc.discovery_url, provider.issuer)
        self._endpoints = Kept(discovery.endpoints, time.monotonic)

    @classmethod
    def build(
        cls,
        block: UpstreamConfig,
        oidc: OidcConfig,
        provider: ProviderConfig,
        surroundings: Surroundings,
        position: int,
    ) -> Self:
        """One of the configuration; ``ConfigError`` if a file does not hold what it should."""
        place = ("identity_gateway", "upstreams", position, "oidc")
        secret = Path(oidc.client_secret_path).read_text("utf-8", "replace").strip()
        if not secret or not secret.isascii():
            raise wrong("expected a secret in the file", *place, "client_secret_path")
        fetcher = Fetcher(read_cas(oidc.ca_certificates, *place, "ca_certificates"))
        return cls(block, oidc, provider, fetcher, Threads(surroundings.api, fetcher.close), secret)

    async def begin(self, request: AuthenticationRequest) -> Begun:
        """See ``Upstream``."""
        endpoints = await self._threads.run(self._endpoints.get)
        pkce = Pkce()
        asked: dict[str, Any] = pkce.parameters(request, self._client_id, self._scope)
        if request.prompt is not None:
            asked["prompt"] = request.prompt
        if request.max_age is not None:
            asked["max_age"] = request.max_age
        url = with_query(endpoints.authorization, asked)
        return Begun(url, {"verifier": pkce.verifier, "redirect_uri": request.redirect_uri})

    async def finish(self, answer: Mapping[str, str], private: Mapping[str, Json]) -> Authenticated:
        """See ``Upstream``."""
        return await self._threads.run(self._redeem, answer, private)

    def _redeem(self, answer: Mapping[str, str], private: Mapping[str, Json]) -> Authenticated:
        endpoints = self._endpoints.get()
        if endpoints.names_issuer and "iss" not in answer:
            raise UpstreamError(UpstreamRefusal.MIX_UP, "no iss")
        form = {
            "grant_type": "authorization_code",
            "code": code_of(answer, self._issuer),
            "redirect_uri": private["redirect_uri"],
            "code_verifier": private["verifier"],
        }
        pair = f"{quote_plus(self._client_id)}:{quote_plus(self._client_secret)}"
        headers = {"Authorization": "Basic " + base64.b64encode(pair.encode()).decode()}
        tokens = post_form(self._fetcher, endpoints.token, form, "token", headers)
        return Authenticated(text_of(tokens, "id_token", "token"))
