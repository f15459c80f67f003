"""Search in Synapse's user directory."""

from typing import Any, Final

from synapse_tim.adapter.shape import Touches

_SYNAPSE: Final = Touches("user directory")
_HANDLER: Final = _SYNAPSE.getter("get_user_directory_handler", "UserDirectoryHandler")
_SEARCH: Final = _SYNAPSE.calls(
    "synapse.handlers.user_directory.UserDirectoryHandler.search_users(user_id, search_term, limit, …)",
    "hits that are hidden do not count against the limit",
)


class UserDirectory:
    """Searches for users."""

    def __init__(self, hs: Any) -> None:
        self._search = _SEARCH.of(_HANDLER.of(hs)())

    async def search(self, user_id: str, term: str, limit: int) -> dict[str, Any]:
        """Search for more hits than the client API returns."""
        return dict(await self._search(user_id, term, limit))
