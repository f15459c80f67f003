"""``synapse_tim.IdentityGateway``: login at the TI's identity providers, for single sign-on or MAS.

An OpenID provider for relying parties of this homeserver (AF_10057, AF_10234). It logs people in at identity
providers and applies the rules of logins at every log-in. It is off unless it is configured.
"""

import logging
from collections.abc import Mapping
from typing import Any, Final

from synapse.module_api import ModuleApi

from synapse_tim.adapter import registry
from synapse_tim.adapter.answers import count_denied
from synapse_tim.adapter.clock import utc_now
from synapse_tim.adapter.config_block import parse_block, wrong
from synapse_tim.adapter.homeserver import Homeserver
from synapse_tim.adapter.table_keeper import TableKeeper
from synapse_tim.core.rate_limit import RequestRate
from synapse_tim.gateway.accounts import GatewayAccounts
from synapse_tim.gateway.client_assertions import ASSERTION_RULES
from synapse_tim.gateway.clients import PRIVATE_KEY, SCOPES, SECRET_BASIC, clients_from
from synapse_tim.gateway.config import GatewayConfig, IdentityGatewayConfig
from synapse_tim.gateway.denials import GATEWAY_UPSTREAM
from synapse_tim.gateway.logins import Logins
from synapse_tim.gateway.logout import GatewayLogout
from synapse_tim.gateway.oauth import PROMPTS, OAuth
from synapse_tim.gateway.pages import error_page
from synapse_tim.gateway.signing import ALGORITHM, SigningKeys
from synapse_tim.gateway.store import GatewayStore
from synapse_tim.gateway.tokens import Tokens
from synapse_tim.gateway.upstream.assembly import upstreams_from
from synapse_tim.gateway.upstream.surroundings import Surroundings
from synapse_tim.gateway.web import GatewayResource, WebAnswer, WebRequest, json_answer
from synapse_tim.login.gateway_issuer import GATEWAY_PATH, gateway_issuer
from synapse_tim.login.module import LoginPolicy
from synapse_tim.login.resources import LogoutResource

logger = logging.getLogger(__name__)

_TIDY_MS: Final = 60 * 1000
_CACHED: Final = {"Cache-Control": "public, max-age=300", "Access-Control-Allow-Origin": "*"}


class IdentityGateway:
    """The gateway, in one Synapse process."""

    def __init__(self, config: IdentityGatewayConfig, api: ModuleApi) -> None:
        registry.register(api, self, config)
        if config.identity_gateway is None:
            return
        gateway = config.identity_gateway
        homeserver = Homeserver.of(api)
        self._login: LoginPolicy = registry.require(api, "LoginPolicy", "IdentityGateway")
        self._delegated = homeserver.config.delegates_authentication
        self._issuer = gateway_issuer(homeserver.config.public_baseurl)
        self._keys = SigningKeys.read(gateway.signing_keys)
        clients = clients_from(gateway.clients, api)
        self._store = GatewayStore(api, postgresql=homeserver.config.uses_postgresql)
        oauth = OAuth(self._issuer, clients, self._keys)
        self._logout = GatewayLogout(api, self._issuer, clients, self._keys, self._store, utc_now)
        surroundings = Surroundings(
            api,
            self._login.config,
            self._issuer,
            homeserver.config.public_baseurl.rstrip("/") + "/",
            gateway.entity,
        )
        upstreams = upstreams_from(gateway.upstreams, surroundings)
        login, used = self._login.login, self._login.login.context.used
        logins = Logins(
            oauth,
            upstreams.by_id,
            self._store,
            GatewayAccounts(api, login, self._store, self._links(gateway, homeserver)),
            used.nonces,
            RequestRate(1 / gateway.rate_limit.per_second, gateway.rate_limit.burst_count),
            utc_now,
        )
        tokens = Tokens(oauth, clients, self._store, used.store, self._logout.tell_soon, utc_now)
        self._login.logout.others.append(self._logout.on_logout)
        documents = {
            "/.well-known/openid-configuration": self._metadata(),
            "/jwks.json": self._keys.public_set,
        }
        for path, document in documents.items():
            resource = GatewayResource(_document(document), _json_failed, ("GET",))
            api.register_web_resource(GATEWAY_PATH + path, resource)
        for path, handle in (
            ("/authorize", logins.authorize),
            ("/choose", logins.choose),
            ("/callback", logins.callback),
        ):
            methods = ("GET", "POST") if path == "/authorize" else ("GET",)
            api.register_web_resource(GATEWAY_PATH + path, GatewayResource(handle, _page_failed, methods))
        api.register_web_resource(
            f"{GATEWAY_PATH}/token", GatewayResource(tokens.token, _json_failed, ("POST",))
        )
        api.register_web_resource(
            f"{GATEWAY_PATH}/userinfo", GatewayResource(tokens.user_info, _json_failed, ("GET", "POST"))
        )
        api.register_web_resource(f"{GATEWAY_PATH}/logout", LogoutResource(self._login.end_session))
        for path, served in upstreams.resources.items():
            api.register_web_resource(path, served)
        TableKeeper(api, "gateway", self._create_tables, self._tidy, interval=_TIDY_MS).start()
        logger.info("Identity gateway: issuer %s", self._issuer)

    @staticmethod
    def parse_config(config: dict[str, Any]) -> IdentityGatewayConfig:
        """Check the block of ``homeserver.yaml``; the ``ConfigError`` names the key and what is expected."""
        return parse_block(IdentityGatewayConfig, config)

    def _links(self, gateway: GatewayConfig, homeserver: Homeserver) -> Mapping[str, str] | None:
        """Under which names Synapse links the accounts of the clients; ``None`` if it does not log users in.

        Raises:
            ConfigError: a client is none of ``oidc_providers``, or single sign-on is not permitted.
        """
        if self._delegated:
            return None
        if not self._login.login.context.permits_single_sign_on:
            raise wrong("expected sso among them: the identity gateway needs it", "login", "permitted")
        known = {
            provider.client_id: provider.id
            for provider in homeserver.config.oidc_providers()
            if provider.issuer == self._issuer
        }
        for position, client in enumerate(gateway.clients):
            if client.client_id not in known:
                raise wrong(
                    f"expected the client_id of one of oidc_providers with issuer: {self._issuer}, or "
                    "matrix_authentication_service",
                    *("identity_gateway", "clients", position, "client_id"),
                )
        return known

    def _metadata(self) -> dict[str, Any]:
        """OpenID Connect Discovery §3, RFC 8414, RFC 9207."""
        return {
            "issuer": self._issuer,
            "authorization_endpoint": f"{self._issuer}/authorize",
            "token_endpoint": f"{self._issuer}/token",
            "userinfo_endpoint": f"{self._issuer}/userinfo",
            "jwks_uri": f"{self._issuer}/jwks.json",
            "scopes_supported": list(SCOPES),
            "response_types_supported": ["code"],
            "response_modes_supported": ["query"],
            "grant_types_supported": ["authorization_code"],
            "subject_types_supported": ["public"],
            "id_token_signing_alg_values_supported": [ALGORITHM],
            "token_endpoint_auth_methods_supported": [SECRET_BASIC, PRIVATE_KEY],
            "token_endpoint_auth_signing_alg_values_supported": sorted(ASSERTION_RULES.algorithms),
            "code_challenge_methods_supported": ["S256"],
            "prompt_values_supported": list(PROMPTS),
            "claims_supported": [
                *("iss", "aud", "exp", "iat", "nonce", "sid", "sub", "localpart", "name", "acr", "amr"),
                *("auth_time", "upstream_iss", "profession"),
            ],
            "claims_parameter_supported": False,
            "request_parameter_supported": False,
            "request_uri_parameter_supported": False,
            "authorization_response_iss_parameter_supported": True,
            "backchannel_logout_supported": True,
            "backchannel_logout_session_supported": True,
            "ui_locales_supported": ["de", "en"],
        }

    async def _create_tables(self) -> None:
        await self._store.create_tables()
        if self._delegated:  # the login has them otherwise
            await self._login.create_tables()

    async def _tidy(self) -> None:
        await self._logout.tell()
        await self._store.tidy(utc_now())
        if self._delegated:
            await self._login.tidy()


def _document(document: object) -> Any:
    async def answer(request: WebRequest) -> WebAnswer:
        return json_answer(200, document, _CACHED)

    return answer


def _page_failed(request: WebRequest) -> WebAnswer:
    return error_page(request, GATEWAY_UPSTREAM)


def _json_failed(request: WebRequest) -> WebAnswer:
    count_denied(GATEWAY_UPSTREAM)
    headers = {"Retry-After": str(GATEWAY_UPSTREAM.retry_after)}
    return json_answer(503, {"error": "temporarily_unavailable"}, headers)
