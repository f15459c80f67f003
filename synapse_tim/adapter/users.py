"""Local users who can be invited, and the search in Synapse's user directory."""

from typing import Any, Final

from synapse.module_api import ModuleApi

from synapse_tim.adapter.shape import Touches
from synapse_tim.adapter.stores import main_store
from synapse_tim.core.text import is_storable

_SYNAPSE: Final = Touches("local users")
_SERVICE: Final = _SYNAPSE.calls(
    "synapse.storage.databases.main.DataStore.get_app_service_by_user_id",
    "application services have no account and may be invited",
)

_DIRECTORY: Final = Touches("user directory")
_HANDLER: Final = _DIRECTORY.getter("get_user_directory_handler", "UserDirectoryHandler")
_SEARCH: Final = _DIRECTORY.calls(
    "synapse.handlers.user_directory.UserDirectoryHandler.search_users(user_id, search_term, limit, …)",
    "hits that are hidden do not count against the limit",
)


class LocalUsers:
    """Looks up local users."""

    def __init__(self, hs: Any, api: ModuleApi) -> None:
        self._api = api
        self._service = _SERVICE.of(main_store(hs))

    async def may_be_invited(self, user_id: str) -> bool:
        """Whether there is such a user, who has not been deactivated."""
        if not is_storable(user_id):
            return False
        user = await self._api.get_userinfo_by_id(user_id)
        return not user.is_deactivated if user else self._service(user_id) is not None


class UserDirectory:
    """Searches for users."""

    def __init__(self, hs: Any) -> None:
        self._search = _SEARCH.of(_HANDLER.of(hs)())

    async def search(self, user_id: str, term: str, limit: int) -> dict[str, Any]:
        """Search for more hits than the client API returns."""
        return dict(await self._search(user_id, term, limit))
