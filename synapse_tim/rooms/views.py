"""Views of rooms from outside: their history, their summaries, and that they exist (A_26515-01, A_26520).

- Only members read a room; local users also read those of professionals in which no other server may take
  part. A history that a user of another server opens to the world stays for members.
- The name of a room is shown to its members and to users who may join it.
- Other servers are answered about a room in which they may not take part as about none.
"""

import json
from collections.abc import Iterable, Mapping, Sequence
from typing import Any, Final

from synapse.module_api import EventBase, LoggingTransaction, ModuleApi

from synapse_tim.adapter.answers import count_denied
from synapse_tim.adapter.homeserver import Homeserver
from synapse_tim.core.matrix import CREATE, ENCRYPTION, HISTORY_VISIBILITY, JOIN_RULES, MEMBER, SPACE
from synapse_tim.core.products import Product
from synapse_tim.core.sql import rows_for
from synapse_tim.core.text import is_storable
from synapse_tim.rooms.denials import ROOM_NOT_FOUND, WORLD_READABLE
from synapse_tim.rooms.entry_rules import Room
from synapse_tim.rooms.rules import is_encryption, may_federate

State = Mapping[tuple[str, str], EventBase]

#: The state that says how a room is entered and read.
ENTRY: Final = ((CREATE, ""), (JOIN_RULES, ""), (HISTORY_VISIBILITY, ""), (ENCRYPTION, ""))
#: How many rooms are remembered; whether a room federates never changes.
_REMEMBERED: Final = 10_000

_CREATIONS = """
    SELECT state.room_id, event.json
    FROM current_state_events AS state
    INNER JOIN event_json AS event ON event.event_id = state.event_id
    WHERE state.type = 'm.room.create' AND state.state_key = '' AND state.room_id IN ({places})
"""


class RoomStates:
    """Reads from the state of rooms what matters for entering and seeing them."""

    def __init__(self, api: ModuleApi, product: Product, *, never_world_readable: bool) -> None:
        self._api = api
        self._never_world_readable = never_world_readable
        self._product = product
        self._federating: dict[str, bool] = {}

    def of(self, state: State) -> Room:
        """What a room is, by at least the ``ENTRY`` part of its state."""
        created, rule = state.get((CREATE, "")), state.get((JOIN_RULES, ""))
        return Room(
            product=self._product,
            is_own=created is not None and self._api.is_mine(created.sender),
            federates=created is None or may_federate(created.content),
            join_rule=content(state, JOIN_RULES).get("join_rule"),
            is_rule_own=rule is not None and self._api.is_mine(rule.sender),
            world_readable=content(state, HISTORY_VISIBILITY).get("history_visibility") == "world_readable",
            never_world_readable=self._never_world_readable,
            is_in_clear=(
                not is_encryption(content(state, ENCRYPTION)) and content(state, CREATE).get("type") != SPACE
            ),
        )

    async def not_federating(self, room_ids: Iterable[str]) -> set[str]:
        """Those of several rooms in which other servers may not take part."""
        wanted = set(room_ids)
        asked = [room for room in wanted if room not in self._federating and is_storable(room)]

        def ask(txn: LoggingTransaction) -> list[Sequence[str]]:
            return list(rows_for(txn, _CREATIONS, asked))

        if asked:
            found = await self._api.run_db_interaction("synapse_tim_not_federating", ask)
            if len(self._federating) + len(found) > _REMEMBERED:
                self._federating.clear()
            self._federating.update(
                (room, may_federate(json.loads(event)["content"])) for room, event in found
            )
        return {room for room in wanted if not self._federating.get(room, True)}


class RoomViews:
    """Closes views of rooms in one Synapse process."""

    def __init__(self, api: ModuleApi, homeserver: Homeserver, rooms: RoomStates) -> None:
        self._api = api
        self._rooms = rooms
        self._synapse = homeserver.room_previews
        self._synapse.close_histories(self.may_be_read)
        self._synapse.close_summaries(self.is_shown)
        # How complex a room is, Synapse says of public ones only, which none is that others may take part in.
        always = frozenset({"RoomComplexityServlet"})
        homeserver.federation_requests.hide_rooms(self.is_hidden, always)

    async def may_be_read(self, room_id: str) -> bool:
        """Whether users of this server may read a room that they are not in, if its history is open."""
        room = self._rooms.of(await self._api.get_room_state(room_id, ENTRY))
        if room.world_readable and not room.is_for_readers:
            count_denied(WORLD_READABLE)
        return room.is_for_readers

    async def is_shown(self, room_id: str, user_id: str | None, server: str | None) -> bool:
        """Whether a room is shown to a user, or to another server, that Synapse would show it to."""
        wanted = [*ENTRY, *([(MEMBER, user_id)] if user_id else [])]
        state = await self._api.get_room_state(room_id, wanted)
        if not state or self._rooms.of(state).is_shown:
            return True
        if user_id is not None:
            return content(state, MEMBER, user_id).get("membership") in ("join", "invite")
        return server is not None and await self._synapse.has_host(room_id, server)

    async def is_hidden(self, room_id: str) -> bool:
        """Whether other servers are answered as if there were no such room."""
        hidden = bool(await self._rooms.not_federating([room_id]))
        if hidden:
            count_denied(ROOM_NOT_FOUND)
        return hidden


def content(state: State, kind: str, key: str = "") -> Mapping[str, Any]:
    """The content of one piece of state; empty if there is none."""
    event = state.get((kind, key))
    return event.content if event is not None else {}
