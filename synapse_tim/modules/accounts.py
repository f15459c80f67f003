"""Accounts of people who log in with an identity provider (R4.4, R4.5, R4.15).

An account belongs to the person (provider and subject) that it was made for; Synapse keeps the link. Refused:
a person whose account would have a name that is taken, whoever has it: linking an account that exists is an
administrator's action. Nothing that a token says makes an administrator.
"""

from __future__ import annotations

import logging
from collections.abc import Mapping
from typing import Any, Final

import attrs
from synapse.module_api import ModuleApi
from synapse.module_api.errors import SynapseError
from synapse.types import UserID

from synapse_tim.modules.synapse_internals import SynapseInternals
from synapse_tim.rules.account_naming import localpart
from synapse_tim.rules.identity_provider import IdentityProvider, Person
from synapse_tim.rules.token_refusals import TokenRefusal, TokenRefusedError

logger = logging.getLogger(__name__)

_ATTEMPTS: Final = 4
_PAUSE_SECONDS: Final = 0.25


@attrs.frozen
class Accounts:
    """Finds, makes and names accounts.

    Attributes:
        api: Synapse's module API.
        internals: for what it lacks.
    """

    api: ModuleApi
    internals: SynapseInternals

    async def find(self, provider: IdentityProvider, person: Person) -> str | None:
        """The user id of the account that is linked to a person; ``None`` if there is none.

        Raises:
            TokenRefusedError: ``deactivated`` or ``locked``.
        """
        user_id = await self.internals.user_by_external_id(provider.id, person.subject)
        if user_id is None:
            return None
        user = await self.api.get_userinfo_by_id(user_id)
        if user is None or user.is_deactivated:
            raise TokenRefusedError(TokenRefusal.DEACTIVATED)
        if await self.internals.is_locked(user_id):
            raise TokenRefusedError(TokenRefusal.LOCKED)
        return user_id

    async def check_new(self, provider: IdentityProvider, claims: Mapping[str, Any]) -> str:
        """The localpart of an account that may be made.

        Args:
            provider: that vouches for the person.
            claims: of the token.

        Raises:
            TokenRefusedError: ``registration_off``, ``not_linked`` or ``localpart``.
        """
        name = localpart(provider.accounts.localpart, claims, self.api.server_name)
        if await self.api.check_user_exists(f"@{name}:{self.api.server_name}"):
            raise TokenRefusedError(TokenRefusal.NOT_LINKED)
        if not provider.registration:
            raise TokenRefusedError(TokenRefusal.REGISTRATION_OFF)
        return name

    async def find_or_check(
        self, provider: IdentityProvider, person: Person, claims: Mapping[str, Any]
    ) -> str | None:
        """The user id of the account of a person; ``None`` if one may be made.

        Two requests may make the same account at once, on two workers. One of them may find it before it is
        linked, and waits a little for that.

        Raises:
            TokenRefusedError: with the reason.
        """
        for attempt in range(_ATTEMPTS):
            user_id = await self.find(provider, person)
            if user_id is not None:
                return user_id
            try:
                await self.check_new(provider, claims)
            except TokenRefusedError as error:
                if error.reason is not TokenRefusal.NOT_LINKED or attempt == _ATTEMPTS - 1:
                    raise
            else:
                return None
            await self.api.sleep(_PAUSE_SECONDS)
        raise TokenRefusedError(TokenRefusal.NOT_LINKED)

    async def make(self, provider: IdentityProvider, person: Person, claims: Mapping[str, Any]) -> str:
        """Make an account that ``find_or_check`` found missing.

        Returns:
            The user id; that of an account that another request has made meanwhile for the same person.

        Raises:
            TokenRefusedError: with the reason.
        """
        try:
            return await self._make(provider, person, await self.check_new(provider, claims))
        except TokenRefusedError as error:
            if error.reason is not TokenRefusal.NOT_LINKED:
                raise
        made = await self.find_or_check(provider, person, claims)
        if made is None:
            raise TokenRefusedError(TokenRefusal.NOT_LINKED)
        return made

    async def rename(self, user_id: str, display_name: str | None) -> None:
        """Give an account the name that the token has, if it is another one.

        A name that cannot be set keeps nobody from logging in.
        """
        if display_name is None:
            return
        user = UserID.from_string(user_id)
        try:
            profile = await self.api.get_profile_for_user(user.localpart)
            if profile.display_name != display_name:
                await self.api.set_displayname(user, display_name)
        except Exception as error:
            logger.warning("The display name of an account could not be set: %s", type(error).__name__)

    async def _make(self, provider: IdentityProvider, person: Person, name: str) -> str:
        try:
            user_id = await self.api.register_user(name, displayname=person.display_name)
        except SynapseError as error:
            # Taken a moment ago, or kept for application services.
            taken = error.errcode == "M_USER_IN_USE"
            reason = TokenRefusal.NOT_LINKED if taken else TokenRefusal.LOCALPART
            raise TokenRefusedError(reason, error.errcode) from None
        try:
            await self.api.record_user_external_id(provider.id, person.subject, user_id)
        except Exception as error:
            if await self.internals.user_by_external_id(provider.id, person.subject) == user_id:
                return user_id
            logger.error("An account was made and could not be linked: %s", type(error).__name__)
            raise TokenRefusedError(TokenRefusal.LINKED_OTHERWISE) from None
        logger.info("Identity provider %s: account made", provider.id)
        return user_id
