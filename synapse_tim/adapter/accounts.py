"""Accounts of users, their sessions, and who makes the request that is being served."""

from collections.abc import Awaitable, Callable, Iterable
from typing import Any, Final

from synapse.handlers.sso import MappingException as MappingException

from synapse_tim.adapter.shape import Touches
from synapse_tim.adapter.stores import main_store

_SYNAPSE: Final = Touches("accounts")
_STORE: Final = "synapse.storage.databases.main.DataStore"
_EXTERNAL_ID: Final = _SYNAPSE.calls(f"{_STORE}.get_user_by_external_id", "finds the account of a person")
_LOCKED: Final = _SYNAPSE.calls(f"{_STORE}.get_user_locked_status", "who is locked may not log in")
_REGISTRATION: Final = _SYNAPSE.getter("get_registration_handler", "RegistrationHandler")
_REGISTER: Final = _SYNAPSE.wraps(
    "synapse.handlers.register.RegistrationHandler.register_user"
    "(…, localpart, password_hash, default_display_name, auth_provider_id)",
    "accounts get a password hash, which the module API cannot give; also those that single sign-on makes",
)
_DEVICES: Final = _SYNAPSE.getter("get_device_handler", "DeviceHandler")
_DELETE: Final = _SYNAPSE.calls(
    "synapse.handlers.device.DeviceHandler.delete_devices(user_id, device_ids, …)", "ends sessions"
)

_SYNAPSE.calls("synapse.handlers.sso.MappingException", "shows a page when a user mapping provider raises it")

#: Says which password hash an account gets: provider's id and localpart in, the hash or ``None`` out.
Mark = Callable[[str, str], str | None]


class SynapseAccounts:
    """Makes accounts, and looks them up."""

    def __init__(self, hs: Any) -> None:
        store = main_store(hs)
        self._by_external_id = _EXTERNAL_ID.of(store)
        self._locked = _LOCKED.of(store)
        self._delete_devices = _DELETE.of(_DEVICES.of(hs)())
        self._mark: Mark = lambda provider, localpart: None
        self._registration = _REGISTRATION.of(hs)()
        _REGISTER.wrap(self._registration, self._with_mark)

    async def by_external_id(self, provider: str, subject: str) -> str | None:
        """The user id that is linked to a person at an identity provider, or ``None`` if not found."""
        user_id: str | None = await self._by_external_id(provider, subject)
        return user_id

    async def is_locked(self, user_id: str) -> bool:
        """Whether an administrator has locked an account."""
        return bool(await self._locked(user_id))

    async def register(self, localpart: str, password_hash: str, display_name: str | None) -> None:
        """Make an account, as the module API does, which lacks the hash.

        Raises:
            SynapseError: the name is taken or kept for others.
        """
        await self._registration.register_user(
            localpart=localpart, password_hash=password_hash, default_display_name=display_name
        )

    def mark_registrations(self, mark: Mark) -> None:
        """Give accounts that single sign-on makes the password hash that ``mark`` names, if any."""
        self._mark = mark

    async def _with_mark(self, proceed: Callable[[], Awaitable[Any]], arguments: dict[str, Any]) -> Any:
        provider, localpart = arguments.get("auth_provider_id"), arguments.get("localpart")
        if provider is not None and localpart is not None and not arguments.get("password_hash"):
            arguments["password_hash"] = self._mark(provider, localpart)
        return await proceed()

    async def end_sessions(self, user_id: str, device_ids: Iterable[str]) -> None:
        """Delete devices of a user, and with them their access tokens, on all workers."""
        await self._delete_devices(user_id, list(device_ids))
