"""Any OpenID provider as an upstream: authorization code with PKCE (OpenID Connect Core §3.1).

TLS vouches for its discovery document, and the document for the addresses in it, which have to be https.
"""

import base64
import secrets
import threading
import time
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any, Final, Self
from urllib.parse import quote_plus, urlencode, urlsplit

import attrs
from authlib.oauth2.rfc7636 import create_s256_code_challenge

from synapse_tim.adapter.config_block import read_cas, wrong
from synapse_tim.adapter.threads import Threads
from synapse_tim.core import strict_json
from synapse_tim.gateway.upstream import (
    Authenticated,
    AuthenticationRequest,
    Begun,
    Json,
    UpstreamError,
    UpstreamRefusal,
)
from synapse_tim.gateway.upstream.config import OidcConfig, UpstreamConfig
from synapse_tim.gateway.upstream.surroundings import Surroundings
from synapse_tim.jose.signed_token import MAX_BYTES
from synapse_tim.login.config import ProviderConfig
from synapse_tim.login.rules.discovery import MAX_OCTETS
from synapse_tim.transport.errors import TransportError
from synapse_tim.transport.fetcher import Fetcher

_DEADLINE_SECONDS: Final = 10.0
_KEPT_SECONDS: Final = 60 * 60.0
_MAX_ANSWER: Final = 4 * MAX_BYTES
#: Errors of a provider that are no fault of its own (RFC 6749 §4.1.2.1, OpenID Connect Core §3.1.2.6).
_MEANINGS: Final[Mapping[str, UpstreamRefusal]] = {
    "access_denied": UpstreamRefusal.DENIED,
    "login_required": UpstreamRefusal.LOGIN_REQUIRED,
    "interaction_required": UpstreamRefusal.LOGIN_REQUIRED,
    "server_error": UpstreamRefusal.UNAVAILABLE,
    "temporarily_unavailable": UpstreamRefusal.UNAVAILABLE,
}


def code_of(answer: Mapping[str, str], issuer: str) -> str:
    """The code with which a browser came back.

    Raises:
        UpstreamError: the answer is of another issuer (RFC 9207 §2.4), or an error.
    """
    if answer.get("iss", issuer) != issuer:
        raise UpstreamError(UpstreamRefusal.MIX_UP)
    if "error" in answer:
        raise UpstreamError(_MEANINGS.get(answer["error"], UpstreamRefusal.PROTOCOL))
    if not answer.get("code"):
        raise UpstreamError(UpstreamRefusal.PROTOCOL, "no code")
    return answer["code"]


@attrs.frozen
class _Endpoints:
    """What the discovery document says."""

    authorization: str
    token: str
    names_issuer: bool  #: whether answers have ``iss``


class _Discovery:
    """Fetches the discovery document, and keeps it for a while; used by several threads."""

    def __init__(self, fetcher: Fetcher, url: str, issuer: str, clock: Callable[[], float]) -> None:
        self._fetcher = fetcher
        self._url = url
        self._issuer = issuer
        self._clock = clock
        self._lock = threading.Lock()
        self._known: tuple[float, _Endpoints] | None = None

    def endpoints(self) -> _Endpoints:
        with self._lock:
            if self._known is None or self._clock() - self._known[0] >= _KEPT_SECONDS:
                self._known = self._clock(), self._fetch()
            return self._known[1]

    def _fetch(self) -> _Endpoints:
        try:
            response = self._fetcher.get(self._url, max_bytes=MAX_OCTETS, deadline=_DEADLINE_SECONDS)
        except TransportError as error:
            raise UpstreamError(UpstreamRefusal.UNAVAILABLE, str(error)) from None
        if response.status != 200:
            raise UpstreamError(UpstreamRefusal.UNAVAILABLE, f"discovery: status {response.status}")
        document = _object(response.body, "discovery")
        if document.get("issuer") != self._issuer:
            raise UpstreamError(UpstreamRefusal.PROTOCOL, "discovery: another issuer than configured")
        secure = self._url.lower().startswith("https://")
        return _Endpoints(
            _address(document, "authorization_endpoint", secure=secure),
            _address(document, "token_endpoint", secure=secure),
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
        self._discovery = _Discovery(fetcher, oidc.discovery_url, provider.issuer, time.monotonic)

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
        endpoints = await self._threads.run(self._discovery.endpoints)
        verifier = secrets.token_urlsafe(32)
        asked: dict[str, Any] = {
            "response_type": "code",
            "client_id": self._client_id,
            "redirect_uri": request.redirect_uri,
            "scope": self._scope,
            "state": request.state,
            "nonce": request.nonce,
            "code_challenge": create_s256_code_challenge(verifier),
            "code_challenge_method": "S256",
        }
        if request.prompt is not None:
            asked["prompt"] = request.prompt
        if request.max_age is not None:
            asked["max_age"] = request.max_age
        separator = "&" if urlsplit(endpoints.authorization).query else "?"
        url = endpoints.authorization + separator + urlencode(asked)
        return Begun(url, {"verifier": verifier, "redirect_uri": request.redirect_uri})

    async def finish(self, answer: Mapping[str, str], private: Mapping[str, Json]) -> Authenticated:
        """See ``Upstream``."""
        return await self._threads.run(self._redeem, answer, private)

    def _redeem(self, answer: Mapping[str, str], private: Mapping[str, Json]) -> Authenticated:
        endpoints = self._discovery.endpoints()
        if endpoints.names_issuer and "iss" not in answer:
            raise UpstreamError(UpstreamRefusal.MIX_UP, "no iss")
        form = {
            "grant_type": "authorization_code",
            "code": code_of(answer, self._issuer),
            "redirect_uri": private["redirect_uri"],
            "code_verifier": private["verifier"],
        }
        pair = f"{quote_plus(self._client_id)}:{quote_plus(self._client_secret)}"
        headers = {
            "Authorization": "Basic " + base64.b64encode(pair.encode()).decode(),
            "Content-Type": "application/x-www-form-urlencoded",
            "Accept": "application/json",
        }
        try:
            response = self._fetcher.post(
                endpoints.token,
                content=urlencode(form).encode(),
                headers=headers,
                max_bytes=_MAX_ANSWER,
                deadline=_DEADLINE_SECONDS,
            )
        except TransportError as error:
            raise UpstreamError(UpstreamRefusal.UNAVAILABLE, str(error)) from None
        if response.status != 200:
            refused = 400 <= response.status < 500
            reason = UpstreamRefusal.PROTOCOL if refused else UpstreamRefusal.UNAVAILABLE
            raise UpstreamError(reason, f"token: status {response.status}")
        id_token = _object(response.body, "token").get("id_token")
        if not isinstance(id_token, str):
            raise UpstreamError(UpstreamRefusal.PROTOCOL, "token: no id_token")
        return Authenticated(id_token)


def _object(body: bytes | bytearray, what: str) -> dict[str, Any]:
    try:
        parsed = strict_json.parse(body)
    except strict_json.StrictJsonError as error:
        raise UpstreamError(UpstreamRefusal.PROTOCOL, f"{what}: {error}") from None
    if not isinstance(parsed, dict):
        raise UpstreamError(UpstreamRefusal.PROTOCOL, f"{what}: not an object")
    return parsed


def _address(document: Mapping[str, Any], name: str, *, secure: bool) -> str:
    """An address of a discovery document, printable ASCII: it becomes a header."""
    url = document.get(name)
    try:
        parts = urlsplit(url) if isinstance(url, str) and url.isascii() and url.isprintable() else None
    except ValueError:
        parts = None
    schemes = ("https",) if secure else ("http", "https")
    if not isinstance(url, str) or parts is None or parts.scheme not in schemes or not parts.hostname:
        raise UpstreamError(UpstreamRefusal.PROTOCOL, f"discovery: {name} is not a URL that may be used")
    return url
