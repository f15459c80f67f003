"""Accounts of people who log in with an identity provider (R4.4, R4.5, R4.15).

An account belongs to the person (provider and subject) that it was made for; Synapse keeps the link. Refused:
a person whose account name is taken: linking an existing account is an
administrator's action. Nothing that a token says makes an administrator.

An account that was made for a person and not linked, because the process ended in between, is theirs: their
next login goes on where the last one stopped (see ``new_accounts``).
"""

import logging
from collections.abc import Mapping
from typing import Any

import attrs
from synapse.module_api import ModuleApi
from synapse.module_api.errors import Codes, SynapseError
from synapse.types import UserID

from synapse_tim.adapter.accounts import SynapseAccounts
from synapse_tim.adapter.clock import utc_now
from synapse_tim.login.pending_accounts import Name, NewAccount, NewAccounts
from synapse_tim.login.rules.account_naming import localpart
from synapse_tim.login.rules.identity_provider import IdentityProvider, Person
from synapse_tim.login.rules.refusals import TokenRefusal, TokenRefusedError

logger = logging.getLogger(__name__)


@attrs.frozen
class Accounts:
    """Finds, makes and names accounts."""

    api: ModuleApi
    synapse: SynapseAccounts
    new: NewAccounts

    async def find(self, provider: IdentityProvider, person: Person) -> str | None:
        """The user id linked to a person, if any; refused if ``deactivated`` or ``locked``."""
        user_id = await self.synapse.by_external_id(provider.id, person.subject)
        return None if user_id is None else await self.usable(user_id)

    async def check_new(self, provider: IdentityProvider, person: Person, claims: Mapping[str, Any]) -> str:
        """The localpart of an account that may be made, or was made for this person and not linked.

        Raises:
            TokenRefusedError: ``registration_off``, ``not_linked`` or ``localpart``.
        """
        name = localpart(provider.accounts.localpart, claims, self.api.server_name)
        if await self._look_up(provider, person, name) is Name.TAKEN:
            raise TokenRefusedError(TokenRefusal.NOT_LINKED)
        if not provider.registration:
            raise TokenRefusedError(TokenRefusal.REGISTRATION_OFF)
        return name

    async def find_or_check(
        self, provider: IdentityProvider, person: Person, claims: Mapping[str, Any]
    ) -> str | None:
        """The user id of the account of a person; ``None`` if one may be made."""
        user_id = await self.find(provider, person)
        if user_id is not None:
            return user_id
        try:
            await self.check_new(provider, person, claims)
        except TokenRefusedError as error:
            if error.reason is not TokenRefusal.NOT_LINKED:
                raise
            return await self._linked_meanwhile(provider, person)
        return None

    async def make(self, provider: IdentityProvider, person: Person, claims: Mapping[str, Any]) -> str:
        """Make or finish the account that ``find_or_check`` missed; another request may be first."""
        name = localpart(provider.accounts.localpart, claims, self.api.server_name)
        account = await self._begin(provider, person, name)
        if account is not None and not account.exists:
            try:
                await self.synapse.register(name, account.mark, person.display_name)
            except SynapseError as error:
                if error.errcode != Codes.USER_IN_USE:  # kept for application services, for instance
                    raise TokenRefusedError(TokenRefusal.LOCALPART, error.errcode) from None
                account = await self._begin(provider, person, name)
                if account is not None and not account.exists:
                    account = None  # the name is taken in other letters
            else:
                logger.info("Identity provider %s: account created", provider.id)
        if account is None:
            return await self._linked_meanwhile(provider, person)
        await self._link(provider, person, account)
        if account.exists:
            await self._complete(provider, person, account)
        return account.user_id

    async def begin(
        self, provider: IdentityProvider, person: Person, claims: Mapping[str, Any]
    ) -> tuple[str, NewAccount]:
        """Note that an account is about to be made by others; its localpart, and what to make it with."""
        name = await self.check_new(provider, person, claims)
        account = await self._begin(provider, person, name)
        if account is None or account.exists:
            raise TokenRefusedError(TokenRefusal.NOT_LINKED)
        return name, account

    async def take_up(self, provider: IdentityProvider, person: Person, claims: Mapping[str, Any]) -> None:
        """Link the account of a person that was made by a process that ended before it linked it, if any."""
        name = localpart(provider.accounts.localpart, claims, self.api.server_name)
        if await self._look_up(provider, person, name) is Name.THEIRS:
            await self.make(provider, person, claims)

    def rename(self, user_id: str, display_name: str | None) -> None:
        """Give an account the name that the token has, if it is another one.

        The login does not wait for it: a new name is told to each room of the user.
        """
        if display_name is not None:
            self.api.delayed_background_call(
                0, self._rename, user_id, display_name, desc="synapse_tim_rename"
            )

    async def _rename(self, user_id: str, display_name: str) -> None:
        user = UserID.from_string(user_id)
        try:
            profile = await self.api.get_profile_for_user(user.localpart)
            if profile.display_name != display_name:
                await self.api.set_displayname(user, display_name)
        except Exception as error:
            logger.warning("The display name of an account could not be set: %s", type(error).__name__)

    async def usable(self, user_id: str) -> str:
        """The user id again; refused if the account is ``deactivated`` or ``locked``."""
        user = await self.api.get_userinfo_by_id(user_id)
        if user is None or user.is_deactivated:
            raise TokenRefusedError(TokenRefusal.DEACTIVATED)
        if await self.synapse.is_locked(user_id):
            raise TokenRefusedError(TokenRefusal.LOCKED)
        return user_id

    async def _look_up(self, provider: IdentityProvider, person: Person, name: str) -> Name:
        return await self.new.look_up(self.user_id_of(name), provider.id, person.subject)

    async def _begin(self, provider: IdentityProvider, person: Person, name: str) -> NewAccount | None:
        return await self.new.begin(self.user_id_of(name), provider.id, person.subject, utc_now())

    async def _linked_meanwhile(self, provider: IdentityProvider, person: Person) -> str:
        """The account that another process has linked to a person since ``find`` found none."""
        user_id = await self.new.linked_to(provider.id, person.subject)
        if user_id is None:
            raise TokenRefusedError(TokenRefusal.NOT_LINKED)
        return await self.usable(user_id)

    async def _link(self, provider: IdentityProvider, person: Person, account: NewAccount) -> None:
        try:
            await self.api.record_user_external_id(provider.id, person.subject, account.user_id)
        except Exception as error:
            if await self.new.linked_to(provider.id, person.subject) != account.user_id:
                logger.error("A new account could not be linked: %s", type(error).__name__)
                raise TokenRefusedError(TokenRefusal.LINKED_OTHERWISE) from None
        try:
            await self.new.finish(account)
        except Exception as error:
            # It is done when the tables are tidied up.
            logger.warning("A new account will be completed later: %s", type(error).__name__)

    async def _complete(self, provider: IdentityProvider, person: Person, account: NewAccount) -> None:
        """Do what making the account may not have come to: its profile in the user directory."""
        logger.info("Identity provider %s: account linked that was created earlier", provider.id)
        user = UserID.from_string(account.user_id)
        try:
            await self.api.set_displayname(user, person.display_name or user.localpart)
        except Exception as error:
            logger.warning("The display name of an account could not be set: %s", type(error).__name__)

    def user_id_of(self, name: str) -> str:
        """The user id of a localpart."""
        return UserID(name, self.api.server_name).to_string()
