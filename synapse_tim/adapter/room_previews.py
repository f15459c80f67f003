"""Previews of rooms for those who are not in them, where Synapse gives them.

Synapse lets strangers read a room whose history is ``world_readable``, tells them its name if they might
enter it, and answers other servers about any room differently than about none. There is no callback for
that. The last is for ``federation_requests``.
"""

from collections.abc import Awaitable, Callable, Mapping
from typing import Any, Final

from synapse.api.errors import AuthError
from synapse.events.utils import FilteredEvent
from synapse.handlers import events as events_handler
from synapse.handlers import room as room_handler
from synapse.module_api import EventBase
from synapse.types.state import StateFilter

from synapse_tim.adapter.shape import Touches
from synapse_tim.adapter.stores import main_store
from synapse_tim.core.matrix import HISTORY_VISIBILITY, MEMBER

_SYNAPSE: Final = Touches("room previews")
_AUTH: Final = _SYNAPSE.getter("get_auth", "Auth")
_READABLE: Final = _SYNAPSE.wraps(
    "synapse.api.auth.base.BaseAuth.check_user_in_room_or_world_readable(…, room_id, requester)",
    "all endpoints that show a room to those who are not in it ask it",
)
_NOTIFIER: Final = _SYNAPSE.getter("get_notifier", "Notifier")
_FOLLOWED: Final = _SYNAPSE.wraps(
    "synapse.notifier.Notifier._is_world_readable(…, room_id)", "`/events` follows a room from outside"
)
_FILTERS: Final = {
    module: _SYNAPSE.wraps(
        f"{module.__name__}.filter_and_transform_events_for_client(…, storage, user_id, is_peeking)",
        "single events and their context are seen by their history visibility",
    )
    for module in (events_handler, room_handler)
}
_SUMMARIES: Final = _SYNAPSE.getter("get_room_summary_handler", "RoomSummaryHandler")
_ACCESSIBLE: Final = _SYNAPSE.wraps(
    "synapse.handlers.room_summary.RoomSummaryHandler._is_local_room_accessible"
    "(…, room_id, requester, origin)",
    "summaries of rooms, in spaces and by themselves, are checked",
)
_EVENT_AUTH: Final = _SYNAPSE.getter("get_event_auth_handler", "EventAuthHandler")
_IN_ROOM: Final = _SYNAPSE.calls(
    "synapse.handlers.event_auth.EventAuthHandler.is_host_in_room", "which servers take part in a room"
)
_INVITED: Final = _SYNAPSE.calls(
    "synapse.storage.databases.main.DataStore.is_host_invited", "which servers take part in a room"
)

#: Says whether something is so, of a room.
OfRoom = Callable[[str], Awaitable[bool]]
#: Says whether something is so, of a room, a local user or ``None``, and another server or ``None``.
OfViewer = Callable[[str, str | None, str | None], Awaitable[bool]]


class RoomPreviews:
    """Closes views of rooms in one Synapse process."""

    def __init__(self, hs: Any) -> None:
        self._hs = hs
        self._is_in_room = _IN_ROOM.of(_EVENT_AUTH.of(hs)())
        self._is_invited = _INVITED.of(main_store(hs))

    def close_histories(self, may_read: OfRoom) -> None:
        """Let ``world_readable`` mean nothing where strangers may not read.

        Users outside the room are answered as if its history were for members only: at all endpoints
        that ask whether a room may be read, at the old way to follow one (``/events``), and for single
        events and what is around them, where their history visibility at that time counts.

        Args:
            may_read: whether users outside a world-readable room may read it.
        """

        async def check(proceed: Callable[[], Awaitable[Any]], arguments: dict[str, Any]) -> Any:
            membership, event_id = await proceed()
            room_id = arguments["room_id"]
            if event_id is None and not await may_read(room_id):
                user = arguments["requester"].user
                # As Synapse says it of any other room.
                raise AuthError(403, f"User {user!r} not in room {room_id}, and room previews are disabled")
            return membership, event_id

        async def follow(proceed: Callable[[], Awaitable[Any]], arguments: dict[str, Any]) -> Any:
            return await proceed() and await may_read(arguments["room_id"])

        async def see(proceed: Callable[[], Awaitable[Any]], arguments: dict[str, Any]) -> Any:
            seen = await proceed()
            if not arguments.get("is_peeking") or not seen:
                return seen
            rooms = {each.event.room_id for each in seen}
            closed = {room for room in rooms if not await may_read(room)}
            return await self._seen_by_right(arguments["storage"], arguments["user_id"], seen, closed)

        _READABLE.wrap(_AUTH.of(self._hs)(), check)
        _FOLLOWED.wrap(_NOTIFIER.of(self._hs)(), follow)
        for module, touched in _FILTERS.items():
            touched.wrap(module, see)

    @staticmethod
    async def _seen_by_right(
        storage: Any, user_id: str, seen: list[FilteredEvent], closed: set[str]
    ) -> list[FilteredEvent]:
        """Events that a user outside the room may see even if it isn't world-readable."""
        doubtful = [
            each.event.event_id
            for each in seen
            if each.event.room_id in closed
            and not (each.event.type == MEMBER and each.event.get_state_key() == user_id)
        ]
        wanted = StateFilter.from_types([(HISTORY_VISIBILITY, ""), (MEMBER, user_id)])
        states = await storage.state.get_state_for_events(doubtful, wanted) if doubtful else {}

        def is_public(event: EventBase) -> bool:
            state = states.get(event.event_id)
            if state is None or _content(state, MEMBER, user_id).get("membership") == "join":
                return False
            history = _content(state, HISTORY_VISIBILITY).get("history_visibility")
            # A change of the visibility is visible to those who may see the history before it, too.
            return history == "world_readable" or event.type == HISTORY_VISIBILITY

        return [each for each in seen if not is_public(each.event)]

    def close_summaries(self, is_shown: OfViewer) -> None:
        """Have summaries of rooms, also in spaces, checked once Synapse would give them."""

        async def check(proceed: Callable[[], Awaitable[Any]], arguments: dict[str, Any]) -> Any:
            shown = await proceed()
            viewer = arguments["room_id"], arguments["requester"], arguments.get("origin")
            return shown and await is_shown(*viewer)

        _ACCESSIBLE.wrap(_SUMMARIES.of(self._hs)(), check)

    async def has_host(self, room_id: str, server: str) -> bool:
        """Whether a user of another server is in a room, or invited to it."""
        return bool(await self._is_in_room(room_id, server) or await self._is_invited(room_id, server))


def _content(state: Mapping[tuple[str, str], EventBase], kind: str, key: str = "") -> Mapping[str, Any]:
    event = state.get((kind, key))
    return event.content if event is not None else {}
