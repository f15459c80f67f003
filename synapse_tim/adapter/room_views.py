"""Views of rooms from outside, where Synapse gives them: a part of ``synapse_internals``.

Synapse lets strangers read a room whose history is ``world_readable``, tells them its name if they might
enter it, and answers other servers about any room differently than about none. There is no callback for
that. As everywhere, the shape of what is touched is asserted at start-up.
"""

from __future__ import annotations

import functools
import hashlib
import hmac
import inspect
from collections.abc import Awaitable, Callable, Mapping
from typing import Any, Final

from synapse.api.errors import AuthError
from synapse.events import EventBase
from synapse.events.utils import FilteredEvent
from synapse.federation.transport.server import federation as federation_servlets
from synapse.handlers import events as events_handler
from synapse.handlers import room as room_handler
from synapse.module_api import ModuleApi
from synapse.module_api.errors import SynapseError
from synapse.types.state import StateFilter

from synapse_tim.adapter import shape
from synapse_tim.core.matrix import HISTORY_VISIBILITY, MEMBER

#: Says whether something is so, of a room.
OfRoom = Callable[[str], Awaitable[bool]]
#: Says whether something is so, of a room, a local user or ``None``, and another server or ``None``.
OfViewer = Callable[[str, str | None, str | None], Awaitable[bool]]

#: Endpoints that have to be among those about a room; there are more, and others may be added.
_ABOUT_ROOMS: Final = {
    "FederationMakeJoinServlet",
    "FederationMakeKnockServlet",
    "FederationMakeLeaveServlet",
    "FederationV2SendJoinServlet",
    "FederationV1SendKnockServlet",
    "FederationV2SendLeaveServlet",
    "FederationStateV1Servlet",
    "FederationBackfillServlet",
    "FederationRoomHierarchyServlet",
    "RoomComplexityServlet",
}


class SynapseRooms:
    """Closes views of rooms in one Synapse process.

    Args:
        api: Synapse's module API.
        secret: that all processes of this server share.

    Raises:
        ConfigError: this is an unknown Synapse.
    """

    def __init__(self, api: ModuleApi, secret: bytes) -> None:
        self._hs = shape.attribute(api, "_hs", "ModuleApi._hs")
        self._secret = secret

    def close_histories(self, may_read: OfRoom) -> None:
        """Let ``world_readable`` mean nothing where strangers may not read.

        Whoever is not in the room is answered as if its history were for its members only: at all endpoints
        that ask whether a room may be read, at the old way to follow one (``/events``), and for single
        events and what is around them, where their history visibility at that time counts.

        Args:
            may_read: whether those who are not in a room may read it, if its history is for everybody.

        Raises:
            ConfigError: this is an unknown Synapse.
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

        readers = shape.attribute(self._hs, "get_auth", "HomeServer.get_auth")()
        shape.around(readers, "check_user_in_room_or_world_readable", ("room_id", "requester"), check)
        notifier = shape.attribute(self._hs, "get_notifier", "HomeServer.get_notifier")()
        shape.around(notifier, "_is_world_readable", ("room_id",), follow)
        name = "filter_and_transform_events_for_client"
        for module in (events_handler, room_handler):
            shape.around(module, name, ("storage", "user_id", "is_peeking"), see)

    @staticmethod
    async def _seen_by_right(
        storage: Any, user_id: str, seen: list[FilteredEvent], closed: set[str]
    ) -> list[FilteredEvent]:
        """Events that somebody outside may see for another reason than that everybody may."""
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
            # A change of the visibility is seen by everybody who may see what was before it, too.
            return history == "world_readable" or event.type == HISTORY_VISIBILITY

        return [each for each in seen if not is_public(each.event)]

    def close_summaries(self, is_shown: OfViewer) -> None:
        """Have summaries of rooms, in spaces and by themselves, checked once Synapse would give them.

        Args:
            is_shown: whether a room is shown to a local user, or to another server.

        Raises:
            ConfigError: this is an unknown Synapse.
        """

        async def check(proceed: Callable[[], Awaitable[Any]], arguments: dict[str, Any]) -> Any:
            shown = await proceed()
            viewer = arguments["room_id"], arguments["requester"], arguments.get("origin")
            return shown and await is_shown(*viewer)

        summaries = shape.attribute(self._hs, "get_room_summary_handler", "HomeServer")()
        parameters = ("room_id", "requester", "origin")
        shape.around(summaries, "_is_local_room_accessible", parameters, check)

    async def has_host(self, room_id: str, server: str) -> bool:
        """Whether a user of another server is in a room, or invited to it."""
        store = self._hs.get_datastores().main
        return bool(
            await self._hs.get_event_auth_handler().is_host_in_room(room_id, server)
            or await store.is_host_invited(room_id, server)
        )

    def assert_hosts(self) -> None:
        """Assert that it can be looked up which servers take part in a room.

        Raises:
            ConfigError: it cannot.
        """
        handler = shape.attribute(self._hs, "get_event_auth_handler", "HomeServer")()
        shape.attribute(handler, "is_host_in_room", "EventAuthHandler.is_host_in_room")
        store = shape.attribute(self._hs.get_datastores(), "main", "Databases.main")
        shape.attribute(store, "is_host_invited", "DataStore.is_host_invited")
        shape.attribute(store, "get_event", "DataStore.get_event")

    def hide_from_federation(self, is_hidden: OfRoom, always: frozenset[str]) -> None:
        """Answer other servers about some rooms as about none, at whatever endpoint.

        Synapse is asked about a room that there is not, so that the answer is the one that it gives then, and
        takes as long. Call it after all guards, which then hear of no hidden room.

        Args:
            is_hidden: whether a room is hidden.
            always: endpoints at which every room is hidden.

        Raises:
            ConfigError: the endpoints do not look as expected.
        """
        what = "FEDERATION_SERVLET_CLASSES"
        servlets = shape.attribute(federation_servlets, what, what)
        about_rooms = {servlet for servlet in servlets if "(?P<room_id>" in servlet.PATH}
        if not {servlet.__name__ for servlet in about_rooms} >= _ABOUT_ROOMS:
            raise shape.incompatible(what)

        def around(servlet: type, name: str) -> None:
            async def run(proceed: Callable[..., Awaitable[Any]], path: dict[str, str], content: Any) -> Any:
                asked = path["room_id"]
                if servlet.__name__ not in always and not await is_hidden(asked):
                    return await proceed(content, **path)
                decoy = self._decoy(asked)
                if isinstance(content, Mapping) and content.get("room_id") == asked:
                    content = {**content, "room_id": decoy}
                return await _with_decoy(proceed, content, {**path, "room_id": decoy}, decoy, asked)

            _around_endpoint(servlet, name, run)

        for servlet in about_rooms:
            for name in ("on_GET", "on_PUT", "on_POST"):
                if hasattr(servlet, name):
                    around(servlet, name)
        _around_endpoint(federation_servlets.FederationSendServlet, "on_PUT", _without_hidden(is_hidden))
        _around_endpoint(federation_servlets.FederationEventServlet, "on_GET", self._event)

    async def _event(self, proceed: Callable[..., Awaitable[Any]], path: dict[str, str], content: Any) -> Any:
        """An event of a room that the other server is not in is none, instead of a forbidden one."""
        try:
            return await proceed(content, **path)
        except AuthError:
            decoy = self._decoy(path["event_id"])
            return await _with_decoy(proceed, content, {"event_id": decoy}, decoy, path["event_id"])

    def _decoy(self, identifier: str) -> str:
        """An id like another that there is not, always the same for it, as limits of rates count by it."""
        local, colon, server = identifier.partition(":")
        digest = hmac.digest(self._secret, b"decoy " + identifier.encode("utf-8", "replace"), hashlib.sha256)
        letters = "".join(chr(ord("a") + octet % 26) for octet in digest * (len(local) // len(digest) + 1))
        return local[:1] + letters[: max(len(local) - 1, 1)] + colon + server


async def _with_decoy(
    proceed: Callable[..., Awaitable[Any]], content: Any, path: Mapping[str, str], decoy: str, asked: str
) -> Any:
    try:
        return await proceed(content, **path)
    except SynapseError as error:
        error.msg = error.msg.replace(decoy, asked)
        raise


def _content(state: Mapping[tuple[str, str], EventBase], kind: str, key: str = "") -> Mapping[str, Any]:
    event = state.get((kind, key))
    return event.content if event is not None else {}


def _without_hidden(is_hidden: OfRoom) -> Callable[..., Awaitable[Any]]:
    """Leaves out what another server sends to hidden rooms: Synapse says nothing of events in no room."""

    async def run(proceed: Callable[..., Awaitable[Any]], path: dict[str, str], content: Any) -> Any:
        sent = content.get("pdus")
        if isinstance(sent, list):
            named = {room for pdu in sent if (room := _room_of(pdu)) is not None}
            hidden = {room for room in named if await is_hidden(room)}
            if hidden:
                content = {**content, "pdus": [pdu for pdu in sent if _room_of(pdu) not in hidden]}
        return await proceed(content, **path)

    return run


def _room_of(pdu: object) -> str | None:
    """Which room an event is sent to; another server may send anything."""
    room = pdu.get("room_id") if isinstance(pdu, Mapping) else None
    return room if isinstance(room, str) else None


def _around_endpoint(servlet: type, name: str, run: Callable[..., Awaitable[Any]]) -> None:
    original = getattr(servlet, name)
    if list(inspect.signature(original).parameters)[:4] != ["self", "origin", "content", "query"]:
        raise shape.incompatible(f"{servlet.__name__}.{name}(origin, content, query)")

    @functools.wraps(original)
    async def wrapped(endpoint: Any, origin: Any, content: Any, query: Any, **path: str) -> Any:
        async def proceed(content: Any, **path: str) -> Any:
            return await original(endpoint, origin, content, query, **path)

        return await run(proceed, path, content)

    setattr(servlet, name, wrapped)
