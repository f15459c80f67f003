"""A sectoral identity provider as an upstream, for insured persons: GesundheitsID (gemSpec_IDP_Sek).

The request is pushed (RFC 9126), and the browser only takes its name there. We identify ourselves with a
certificate of our own over TLS (RFC 8705 §2.2), at both endpoints. The ID token stays encrypted for us until
the login judges it.
"""

from collections.abc import Callable, Mapping
from typing import Any, Final

import attrs

from synapse_tim.adapter.threads import Threads
from synapse_tim.gateway.upstream import (
    Authenticated,
    AuthenticationRequest,
    Begun,
    Json,
    UpstreamError,
    UpstreamRefusal,
)
from synapse_tim.gateway.upstream.exchange import Pkce, code_of, post_form, text_of, with_query
from synapse_tim.jose.jwe import is_encrypted
from synapse_tim.openid_federation.client import FederationClient
from synapse_tim.openid_federation.errors import FederationError, FederationReason
from synapse_tim.transport.fetcher import Fetcher

#: The level of assurance that is asked for.
_ACR: Final = "gematik-ehealth-loa-high"


@attrs.frozen
class Endpoints:
    """Where the provider is spoken to."""

    authorization: str
    token: str
    pushed: str


@attrs.frozen(eq=False)
class FederatedEndpoints:
    """The endpoints that a provider's verified statement names."""

    client: FederationClient
    entity_id: str

    def __call__(self) -> Endpoints:
        """Fetch the statement, unless it is known; ``UpstreamError`` if it is not believed."""
        names = ("authorization_endpoint", "token_endpoint", "pushed_authorization_request_endpoint")
        try:
            provider = self.client.provider(self.entity_id)
            return Endpoints(*map(provider.endpoint, names))
        except FederationError as error:
            down = error.reason is FederationReason.UNREACHABLE
            reason = UpstreamRefusal.UNAVAILABLE if down else UpstreamRefusal.PROTOCOL
            raise UpstreamError(reason, f"federation: {error}") from None


class SectoralUpstream:
    """A sectoral identity provider.

    Args:
        id: of the provider.
        name: what the page shows.
        issuer: of its tokens.
        client_id: under which it knows us: our entity identifier in the federation.
        scope: what is asked for, separated by spaces.
        endpoints: where it is spoken to, as of now; may block.
        fetcher: with our certificate.
        threads: for what blocks.
    """

    def __init__(
        self,
        id: str,  # noqa: A002
        name: str,
        *,
        issuer: str,
        client_id: str,
        scope: str,
        endpoints: Callable[[], Endpoints],
        fetcher: Fetcher,
        threads: Threads,
    ) -> None:
        self.id, self.name = id, name
        self._issuer, self._client_id = issuer, client_id
        self._scope = scope
        self._endpoints = endpoints
        self._fetcher = fetcher
        self._threads = threads

    async def begin(self, request: AuthenticationRequest) -> Begun:
        """See ``Upstream``."""
        return await self._threads.run(self._push, request)

    async def finish(self, answer: Mapping[str, str], private: Mapping[str, Json]) -> Authenticated:
        """See ``Upstream``."""
        code = code_of(answer, self._issuer)
        return await self._threads.run(self._redeem, code, private)

    def _push(self, request: AuthenticationRequest) -> Begun:
        endpoints, pkce = self._endpoints(), Pkce()
        asked: dict[str, Any] = pkce.parameters(request, self._client_id, self._scope)
        asked["acr_values"] = _ACR
        if request.prompt == "login":
            asked["prompt"] = request.prompt
        if request.max_age is not None:
            asked["max_age"] = request.max_age
        answer = post_form(self._fetcher, endpoints.pushed, asked, "pushed request")
        name = text_of(answer, "request_uri", "pushed request")
        url = with_query(endpoints.authorization, {"client_id": self._client_id, "request_uri": name})
        return Begun(url, {"verifier": pkce.verifier, "redirect_uri": request.redirect_uri})

    def _redeem(self, code: str, private: Mapping[str, Json]) -> Authenticated:
        form = {
            "grant_type": "authorization_code",
            "client_id": self._client_id,
            "redirect_uri": private["redirect_uri"],
            "code": code,
            "code_verifier": private["verifier"],
        }
        tokens = post_form(self._fetcher, self._endpoints().token, form, "token")
        token = text_of(tokens, "id_token", "token")
        if not is_encrypted(token.encode()):
            raise UpstreamError(UpstreamRefusal.PROTOCOL, "token: not encrypted")
        return Authenticated(token)
