"""Ending sessions because the identity provider says so (A_22936, R4.2; OpenID Connect Back-Channel Logout).

For sessions that began with an ID token; those of Synapse's own single sign-on have Synapse's own endpoint.
A logout that is told twice is no mistake: providers try again when they got no answer. It ends what had begun
when the provider said so, and no token from before is accepted any more.
"""

import datetime as dt
import itertools
import logging
from collections.abc import Awaitable, Callable

import attrs

from synapse_tim.adapter.accounts import SynapseAccounts
from synapse_tim.jose.signed_token import SignatureRules
from synapse_tim.login.rules import logout_token
from synapse_tim.login.rules.claims import CLOCK_SKEW
from synapse_tim.login.rules.identity_provider import IdentityProvider
from synapse_tim.login.rules.logout_token import Logout
from synapse_tim.login.rules.refusals import TokenRefusal, TokenRefusedError
from synapse_tim.login.store import LoginStore, ProviderSession
from synapse_tim.login.token_login import LoggedIn, TokenLogin

logger = logging.getLogger(__name__)


class SessionEndedError(Exception):
    """A session that had just begun is over again."""


@attrs.frozen(eq=False)
class ProviderLogout:
    """Ends sessions."""

    login: TokenLogin
    store: LoginStore  #: which device belongs to which session
    accounts: SynapseAccounts
    clock: Callable[[], dt.datetime]  #: the time, with a time zone
    #: Told of each logout, once it is noted: others may have sessions at the provider, too.
    others: list[Callable[[IdentityProvider, Logout], Awaitable[None]]] = attrs.field(factory=list)

    async def began(self, logged_in: LoggedIn, device_id: str) -> None:
        """Note that a session has begun; it ends at once if the provider's has ended meanwhile.

        Raises:
            SessionEndedError: it could not be noted, and was ended.
        """
        try:
            goes_on = await self.store.add_session(logged_in.user_id, device_id, logged_in.session)
        except Exception as error:
            # What is not noted could not be ended.
            await self.accounts.end_sessions(logged_in.user_id, [device_id])
            raise SessionEndedError(type(error).__name__) from None
        if not goes_on:
            await self.accounts.end_sessions(logged_in.user_id, [device_id])
            await self.store.remove_session(logged_in.user_id, device_id)

    async def end(self, token: object) -> int:
        """End the sessions that a logout token names; returns how many they were."""
        signed, provider, _ = self.login.read(token)
        rules = SignatureRules(provider.rules.signature.algorithms, logout_token.TYPES)
        claims = await provider.verify(signed, rules)
        logout = logout_token.read_logout(claims, provider.rules.claims, self.clock())
        devices = sorted(await self._devices(provider.rules, logout))
        for user_id, group in itertools.groupby(devices, key=lambda each: each[0]):
            await self.accounts.end_sessions(user_id, [device_id for _, device_id in group])
        for user_id, device_id in devices:
            await self.store.remove_session(user_id, device_id)
        for tell in self.others:
            await tell(provider.rules, logout)
        logger.info("Identity provider %s: %d sessions ended", provider.rules.id, len(devices))
        return len(devices)

    async def _devices(self, provider: IdentityProvider, logout: Logout) -> set[tuple[str, str]]:
        until = self.clock() + provider.claims.max_age + 2 * CLOCK_SKEW
        devices: set[tuple[str, str]] = set()
        if logout.session_id is not None:
            devices.update(await self.store.end_session(provider.id, logout.session_id, until))
        if logout.subject is not None and provider.accounts.subject_claim == "sub":
            session = ProviderSession(provider.id, logout.session_id, logout.subject, logout.issued_at)
            devices.update(await self.store.end_sessions_of(session, until))
        elif logout.session_id is None:
            raise TokenRefusedError(TokenRefusal.CLAIM_MISSING, "sid")
        return devices
