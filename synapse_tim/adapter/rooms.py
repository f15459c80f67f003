"""Members of rooms, leaving rooms, and rooms that Synapse purges."""

from collections.abc import Awaitable, Callable, Collection, Mapping
from typing import Any, Final

from synapse.types import UserID, create_requester

from synapse_tim.adapter.shape import Touches
from synapse_tim.adapter.stores import main_store

_SYNAPSE: Final = Touches("rooms")
_ROOMS_OF: Final = _SYNAPSE.calls(
    "synapse.storage.databases.main.DataStore.get_rooms_for_users(user_ids)",
    "who shares a room, out of a cache that all processes keep up to date",
)
_ROOMS_OF_ONE: Final = _SYNAPSE.reads(
    "synapse.storage.databases.main.DataStore.get_rooms_for_user", "that cache, which is looked into first"
)
_CACHE: Final = _SYNAPSE.reads("synapse.util.caches.descriptors.CachedFunction.cache", "likewise")
_CACHED: Final = _SYNAPSE.calls(
    "synapse.util.caches.deferred_cache.DeferredCache.get_immediate(key, default, …)",
    "likewise: `get_rooms_for_users` costs many times as much, also if it finds all of it there",
)
_MEMBERS: Final = _SYNAPSE.getter("get_room_member_handler", "RoomMemberHandler")
_UPDATE: Final = _SYNAPSE.calls(
    "synapse.handlers.room_member.RoomMemberHandler.update_membership(…, ratelimit, require_consent)",
    "users leave rooms that are cleaned up beyond the rate at which they may act themselves",
)

_PURGES: Final = Touches("purges")
_CONTROLLERS: Final = _PURGES.getter("get_storage_controllers", "StorageControllers")
_PURGING: Final = _PURGES.reads(
    "synapse.storage.controllers.StorageControllers.purge_events", "rooms are purged there"
)
_PURGE: Final = _PURGES.wraps(
    "synapse.storage.controllers.purge_events.PurgeEventsStorageController.purge_room(…, room_id)",
    "rows that a purge leaves are removed; cleanup, administrators and rooms that everybody has forgotten "
    "all end here",
)


class Rooms:
    """Looks up rooms of users, and ends memberships."""

    def __init__(self, hs: Any) -> None:
        store = main_store(hs)
        self._rooms_of = _ROOMS_OF.of(store)
        self._cached = _CACHED.of(_CACHE.of(_ROOMS_OF_ONE.of(store)))
        self._update = _UPDATE.of(_MEMBERS.of(hs)())

    async def joined(self, user_ids: Collection[str]) -> Mapping[str, frozenset[str]]:
        """Rooms of this server that users (each named once) are in, from a cache that is kept up to date."""
        known = {user_id: self._cached(user_id, None) for user_id in user_ids}
        missing = [user_id for user_id, rooms in known.items() if rooms is None]
        return known | await self._rooms_of(missing) if missing else known

    async def end_membership(self, sender: str, user_id: str, room_id: str) -> None:
        """End a user's membership.

        Users of this server leave or decline by themselves; others are kicked, or their invitation is taken
        back. What users do themselves is limited in its rate, and the module API counts this as theirs: they
        could not leave many rooms, nor write a message after it.
        """
        action = "leave" if sender == user_id else "kick"
        requester, target = create_requester(sender), UserID.from_string(user_id)
        await self._update(requester, target, room_id, action, ratelimit=False, require_consent=False)


class Purges:
    """Reports each room that Synapse has purged in this process."""

    def __init__(self, hs: Any) -> None:
        self._then: list[Callable[[], Awaitable[None]]] = []
        _PURGE.wrap(_PURGING.of(_CONTROLLERS.of(hs)()), self._purge)

    def after_each(self, run: Callable[[], Awaitable[None]]) -> None:
        """Have something done after each purge of a room."""
        self._then.append(run)

    async def _purge(self, proceed: Callable[[], Awaitable[Any]], arguments: dict[str, Any]) -> Any:
        purged = await proceed()
        for run in self._then:
            await run()
        return purged
