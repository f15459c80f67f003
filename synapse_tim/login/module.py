"""``synapse_tim.LoginPolicy``: who logs in, and how (AF_10057, AF_10234, R4.1 to R4.14).

Refused: every way to log in that the product, or the operator, does not have, for administrators, too; an ID
token that is not of a configured provider, not for this server, not for now, used before, or about a person
who does not belong here. Clients learn nothing but Synapse's 403; operators get the reason in the metrics and
the log, without anything about the person.
"""

import logging
from collections.abc import Mapping, MutableMapping
from typing import Any, Final

from cachetools import TTLCache
from synapse.module_api import ModuleApi, SynapseRequest

from synapse_tim.adapter import metrics, registry
from synapse_tim.adapter.answers import Answer, Proceed, reject
from synapse_tim.adapter.clock import utc_now
from synapse_tim.adapter.config_block import parse_block
from synapse_tim.adapter.homeserver import Homeserver
from synapse_tim.adapter.start_up import check_options, report
from synapse_tim.adapter.table_keeper import TableKeeper
from synapse_tim.core.products import Product
from synapse_tim.federation.federation_members import Federation
from synapse_tim.login.accounts import Accounts
from synapse_tim.login.assembly import build_providers
from synapse_tim.login.attempts import LoginAttempts
from synapse_tim.login.checks import judge_logins, judge_registration, judge_single_sign_on
from synapse_tim.login.config import LoginPolicyConfig
from synapse_tim.login.delegated import log_what_holds
from synapse_tim.login.denials import LOGIN_METHOD, LOGIN_UNAVAILABLE
from synapse_tim.login.logout import ProviderLogout
from synapse_tim.login.pending_accounts import NewAccounts
from synapse_tim.login.resources import BASE_PATH, KeyResource, LogoutResource, NonceResource
from synapse_tim.login.rules.identity_provider import ThisServer
from synapse_tim.login.rules.insured import Insurer
from synapse_tim.login.rules.methods import LoginMethod
from synapse_tim.login.rules.nonces import NonceMint
from synapse_tim.login.rules.refusals import TokenRefusal, TokenRefusedError
from synapse_tim.login.store import LoginStore
from synapse_tim.login.token_login import LoginContext, TokenLogin, UsedTokens

logger = logging.getLogger(__name__)

_LOGIN: Final = "login.LoginRestServlet"
_REGISTER: Final = "register.RegisterRestServlet"
_PASSWORD: Final = "account.PasswordRestServlet"  # noqa: S105  # a name
_TIDY_MS: Final = 60 * 1000
#: Accounts that single sign-on is making: a person may be asked for consent in between.
_MARKS: Final = 10_000
_MARK_SECONDS: Final = 15 * 60.0


class LoginPolicy:
    """Enforces the rules of logins in one Synapse process.

    Attributes:
        config: its block.
        login: turns ID tokens into users.
        logout: ends sessions because a provider says so.
    """

    def __init__(self, config: LoginPolicyConfig, api: ModuleApi) -> None:
        self._api = api
        homeserver = Homeserver.of(api)
        self._synapse, self._client_api = homeserver.accounts, homeserver.client_api
        check_options(homeserver.config, "login", config.product)
        federation: Federation | None = (
            registry.require(api, "FederationAllowList", "LoginPolicy")
            if config.product is Product.EPA
            else registry.find(api, "FederationAllowList")
        )
        report(judge_single_sign_on(homeserver.config, config))
        # Insured persons use those of single sign-on that check claims; others use all.
        providers = frozenset(provider.id for provider in homeserver.config.oidc_providers())
        self._rules = config.login_rules(
            api.server_name, providers if config.product is Product.EPA else None
        )
        self._store = LoginStore(api)
        self._new_accounts = NewAccounts(api)
        nonces = NonceMint(homeserver.config.shared_secret)
        marks: MutableMapping[tuple[str, str], str] = TTLCache(_MARKS, _MARK_SECONDS)
        context = LoginContext(
            ThisServer(config.product, Insurer(api.server_name, frozenset(config.login.further_iks))),
            federation,
            UsedTokens(self._store, nonces),
            LoginMethod.SSO in self._rules.permitted,
            marks,
        )
        keys = config.login.read_decryption_keys()
        accounts = Accounts(api, self._synapse, self._new_accounts)
        self.config = config
        self.login = TokenLogin(build_providers(config, api), keys, context, accounts, utc_now)
        self.logout = ProviderLogout(self.login, self._store, self._synapse, utc_now)
        self._attempts = LoginAttempts(api, self._rules, self.login, self.logout)
        registry.register(api, self, config)
        registry.register(api, context)
        if homeserver.config.delegates_authentication:
            log_what_holds()
            return
        report([*judge_registration(homeserver.config), *judge_logins(homeserver.config, config)])
        self._synapse.mark_registrations(lambda *named: marks.pop(named, None))
        self._register()
        api.register_web_resource(f"{BASE_PATH}/nonce", NonceResource(lambda: nonces.make(utc_now())))
        api.register_web_resource(f"{BASE_PATH}/backchannel_logout", LogoutResource(self.end_session))
        api.register_web_resource(f"{BASE_PATH}/jwks.json", KeyResource(keys))
        TableKeeper(api, "login", self.create_tables, self.tidy, interval=_TIDY_MS).start()

    @staticmethod
    def parse_config(config: dict[str, Any]) -> LoginPolicyConfig:
        """Check the block of ``homeserver.yaml``; the ``ConfigError`` names the key and what is expected."""
        return parse_block(LoginPolicyConfig, config)

    async def end_session(self, token: str) -> bool:
        """End a session because its provider says so; says whether the token was accepted."""
        try:
            await self.logout.end(token)
        except TokenRefusedError as error:
            metrics.LOGOUT_TOKENS.labels(error.reason.value).inc()
            logger.info("Logout token refused: %s", error.reason.value)
            return False
        except Exception as error:
            logger.error("A logout token could not be processed: %s", type(error).__name__)
            metrics.LOGOUT_TOKENS.labels(TokenRefusal.INTERNAL.value).inc()
            reject(LOGIN_UNAVAILABLE)
        metrics.LOGOUT_TOKENS.labels("accepted").inc()
        return True

    async def on_logged_out(self, user_id: str, device_id: str | None, access_token: str) -> None:
        """Forget a session that is over."""
        if device_id is not None:
            await self._store.remove_session(user_id, device_id)

    def _register(self) -> None:
        # Synapse also offers registered types for user-interactive authentication.
        usable = self.login.providers and LoginMethod.ID_TOKEN in self._rules.permitted
        types = sorted(self._rules.token_types) if usable else []
        self._api.register_password_auth_provider_callbacks(
            auth_checkers={(name, ("token",)): self._attempts.check_id_token for name in types},
            on_logged_out=self.on_logged_out,
        )
        self._api.register_spam_checker_callbacks(check_login_for_spam=self._attempts.check_login_for_spam)
        self._client_api.guard(
            {
                (_LOGIN, "POST"): self._attempts.log_in,
                (_LOGIN, "GET"): self._attempts.flows,
                (_REGISTER, "POST"): self._attempts.register,
                (_PASSWORD, "POST"): self._change_password,
            }
        )

    async def create_tables(self) -> None:
        """Create what is missing; for one process only."""
        await self._store.create_tables()
        await self._new_accounts.create_tables()

    async def tidy(self) -> None:
        """Forget what is over."""
        await self._store.forget(utc_now())
        await self._new_accounts.tidy(utc_now())

    async def _change_password(
        self, request: SynapseRequest, proceed: Proceed, path: Mapping[str, str]
    ) -> Answer:
        """Let only those have a local password who may log in with one: it would confirm actions, too."""
        if LoginMethod.PASSWORD not in self._rules.permitted:
            user_id = await self._client_api.user_of(request)
            if user_id.lower() not in self._rules.break_glass:
                reject(LOGIN_METHOD)
        return await proceed()
