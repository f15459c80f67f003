"""``synapse_tim.OidcMapping``: the rules of logins for Synapse's own single sign-on (AF_10234, R4.4).

For ``oidc_providers[].user_mapping_provider`` in ``homeserver.yaml``. Synapse has verified the signature, the
issuer, the audience and the nonce of the ID token by then; this refuses, at every login, a token that is too
old, used before, not good enough or about a person who does not belong here, and the browser shows why.
"""

import logging
from collections.abc import Mapping
from typing import Any

from synapse.module_api import ModuleApi
from synapse.module_api.errors import ConfigError

from synapse_tim.adapter import registry
from synapse_tim.adapter.accounts import MappingException
from synapse_tim.adapter.answers import referred
from synapse_tim.adapter.clock import utc_now
from synapse_tim.adapter.config import OidcProvider
from synapse_tim.adapter.config_block import parse_block
from synapse_tim.adapter.homeserver import Homeserver
from synapse_tim.jose.signed_token import SignatureRules, SignedToken
from synapse_tim.login.accounts import Accounts
from synapse_tim.login.claims_config import OidcMappingConfig
from synapse_tim.login.denials import ID_TOKEN, LOGIN_METHOD
from synapse_tim.login.pending_accounts import NewAccounts
from synapse_tim.login.rules.claims import text
from synapse_tim.login.rules.identity_provider import IdentityProvider, Person
from synapse_tim.login.rules.refusals import NOT_USED, TokenRefusal, TokenRefusedError, as_refusals, page_text
from synapse_tim.login.token_login import LoginContext, VerifiedLogin, count_accepted, count_refused

logger = logging.getLogger(__name__)

_LOADERS = ("LoginPolicy", "TiMessenger")


class OidcMapping:
    """Maps people to accounts for one of Synapse's OpenID providers.

    Synapse makes it before any module, so the part that it needs is looked up at a login.
    """

    def __init__(self, config: OidcMappingConfig, api: ModuleApi) -> None:
        self._homeserver = Homeserver.of(api)
        if not self._homeserver.config.loads_module(_LOADERS):
            raise ConfigError(
                "synapse_tim.OidcMapping needs synapse_tim.LoginPolicy: add it, or synapse_tim.TiMessenger, "
                "to 'modules'",
                path=("modules",),
            )
        provider = self._own_provider(config)
        self._accounts = Accounts(api, self._homeserver.accounts, NewAccounts(api))
        self._rules = IdentityProvider(
            id=provider.id,
            signature=SignatureRules(frozenset()),  # which is Synapse's business here
            claims=config.claim_rules(provider.issuer, provider.client_id),
            accounts=config.account_rules(),
            registration=True,  # likewise: oidc_providers[].enable_registration
        )
        if not self._homeserver.config.option("sso", "sso_update_profile_information"):
            logger.warning(
                "homeserver.yaml: set sso.update_profile_information: true, so that display names follow the "
                "identity provider (R4.4)"
            )

    @staticmethod
    def parse_config(config: dict[str, Any]) -> OidcMappingConfig:
        """Check the block of ``homeserver.yaml``; the ``ConfigError`` names the key and what is expected."""
        return parse_block(OidcMappingConfig, config)

    def get_remote_user_id(self, userinfo: Mapping[str, Any]) -> str:
        """The id of a person at the provider.

        Raises:
            TokenRefusedError: the claim is missing; Synapse shows it.
        """
        return text(userinfo, self._rules.accounts.subject_claim)

    async def get_extra_attributes(
        self, userinfo: Mapping[str, Any], token: Mapping[str, Any]
    ) -> dict[str, Any]:
        """Refuse a person who may not log in; the only callback that Synapse makes at every login."""
        context = self._context()
        if not context.permits_single_sign_on:
            raise MappingException(referred(LOGIN_METHOD, NOT_USED))
        try:
            await self._check(context, userinfo, token)
        except TokenRefusedError as error:
            count_refused(error)
            raise MappingException(referred(ID_TOKEN, page_text(error.reason))) from None
        except Exception as error:
            logger.error("Single sign-on could not be checked: %s", type(error).__name__)
            count_refused(TokenRefusedError(TokenRefusal.INTERNAL))
            raise MappingException(referred(ID_TOKEN, page_text(TokenRefusal.INTERNAL))) from None
        count_accepted()
        return {}

    async def map_user_attributes(
        self, userinfo: Mapping[str, Any], token: Mapping[str, Any], failures: int
    ) -> dict[str, Any]:
        """Name an account that is to be made, or that has another display name now."""
        context = self._context()
        try:
            claims = _claims(userinfo, token)
            person = self._person(context, claims)
            user_id = await self._accounts.find(self._rules, person)
            # Of an account that exists Synapse asks for the name only; a localpart would have to be free.
            name = None if user_id else await self._begin(context, person, claims)
        except TokenRefusedError as error:
            count_refused(error)
            raise MappingException(referred(ID_TOKEN, page_text(error.reason))) from None
        return {
            "localpart": name,
            "confirm_localpart": False,
            "display_name": person.display_name,
            "picture": None,
            "emails": [],
        }

    async def _check(
        self, context: LoginContext, userinfo: Mapping[str, Any], token: Mapping[str, Any]
    ) -> None:
        claims = _claims(userinfo, token)
        person = self._person(context, claims)
        if self.get_remote_user_id(userinfo) != person.subject:
            raise TokenRefusedError(TokenRefusal.CLAIMS_MALFORMED, self._rules.accounts.subject_claim)
        use = self._rules.use(claims, _id_token(token).digest)
        user_id = await self._accounts.find(self._rules, person)
        await context.used.use(VerifiedLogin(self._rules, claims, person, use, utc_now()))
        if user_id is None:
            await self._accounts.take_up(self._rules, person, claims)

    async def _begin(self, context: LoginContext, person: Person, claims: Mapping[str, Any]) -> str:
        """Note that Synapse is about to make an account; returns its localpart."""
        name, account = await self._accounts.begin(self._rules, person, claims)
        context.marks[self._rules.id, name] = account.mark
        return name

    def _person(self, context: LoginContext, claims: Mapping[str, Any]) -> Person:
        return context.person(self._rules, claims, utc_now())

    def _context(self) -> LoginContext:
        context: LoginContext | None = registry.find(self._homeserver.modules_api, "LoginContext")
        if context is None:
            raise MappingException(page_text(TokenRefusal.INTERNAL))
        return context

    def _own_provider(self, config: OidcMappingConfig) -> OidcProvider:
        """The provider of this mapping, which Synapse does not pass; ``ConfigError`` without one."""
        own = [each for each in self._homeserver.config.oidc_providers() if each.mapping_config is config]
        if len(own) != 1:
            raise ConfigError(
                "synapse_tim does not know this Synapse: its OpenID providers are not as expected",
                path=("oidc_providers",),
            )
        return own[0]


def _claims(userinfo: Mapping[str, Any], token: Mapping[str, Any]) -> Mapping[str, Any]:
    """The claims of the ID token, which Synapse has verified, with what the provider says besides.

    Raises:
        TokenRefusedError: there is no ID token, or the rest is about another person.
    """
    claims = _id_token(token).unverified_claims
    if userinfo.get("sub", claims.get("sub")) != claims.get("sub"):
        raise TokenRefusedError(TokenRefusal.CLAIMS_MALFORMED, "sub")
    return {**userinfo, **claims}


def _id_token(token: Mapping[str, Any]) -> SignedToken:
    id_token = token.get("id_token")
    if not isinstance(id_token, str) or not id_token.isascii():
        raise TokenRefusedError(TokenRefusal.NOT_A_TOKEN)
    with as_refusals():
        return SignedToken.parse(id_token.encode())
