"""Facts about rooms that cleanup needs, read from Synapse's database a page at a time.

One query looks at every room of a page, and only at its newest message; the few rooms that may be due are
looked at closely then, in a handful of queries for all of them together. No query is made for a single room,
none is judged by a limited number of its events, and rooms whose state is not complete yet are left out.

All of it runs on SQLite and on PostgreSQL, in Synapse's transactions and over a connection of one's own.
"""

import json
from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Final

import attrs

from synapse_tim.cleanup.activity import UNKNOWN, RoomActivity
from synapse_tim.cleanup.rules import Begun, CleanupKind, InsuredRoom, InsurersOf, RoomFacts
from synapse_tim.core.sql import Cursor, places, rows_for

#: Rooms looked at in one transaction.
PAGE: Final = 1000
#: Stands for no creator: that of a room made elsewhere may be empty.
_NOBODY: Final = "@"

_CREATIONS: Final = f"""
    SELECT c.room_id, e.sender, COALESCE(e.received_ts, {UNKNOWN})
    FROM current_state_events AS c
    INNER JOIN events AS e ON e.event_id = c.event_id
    WHERE c.type = 'm.room.create' AND c.state_key = '' AND c.room_id IN ({{places}})
"""  # noqa: S608

_CREATION_EVENTS: Final = """
    SELECT c.room_id, j.json
    FROM current_state_events AS c
    INNER JOIN event_json AS j ON j.event_id = c.event_id
    WHERE c.type = 'm.room.create' AND c.state_key = '' AND c.room_id IN ({places})
"""

# The smallest of one user id is that user id.
_JOINED: Final = """
    SELECT room_id, COUNT(*), MIN(state_key) FROM current_state_events
    WHERE type = 'm.room.member' AND membership = 'join' AND room_id IN ({places})
    GROUP BY room_id
"""

_INVITED: Final = f"""
    SELECT c.room_id, c.state_key, COALESCE(e.received_ts, {UNKNOWN})
    FROM current_state_events AS c
    INNER JOIN events AS e ON e.event_id = c.event_id
    WHERE c.type = 'm.room.member' AND c.membership = 'invite' AND c.room_id IN ({{places}})
"""  # noqa: S608

_LOCAL: Final = f"""
    SELECT m.room_id, m.membership, MAX(COALESCE(e.received_ts, {UNKNOWN}))
    FROM local_current_membership AS m
    LEFT JOIN events AS e ON e.event_id = m.event_id
    WHERE m.membership IN ('join', 'invite', 'knock') AND m.room_id IN ({{places}})
    GROUP BY m.room_id, m.membership
"""  # noqa: S608

_BEGUN: Final = """
    SELECT room_id, kind, since_ts, begun_ts FROM synapse_tim_cleanup_rooms WHERE room_id IN ({places})
"""

_LEAVING: Final = """
    SELECT resource_id FROM scheduled_tasks
    WHERE action IN ('shutdown_and_purge_room', 'purge_room') AND status IN ('scheduled', 'active')
    AND resource_id IN ({places})
"""

# The room has a local member, and no members of servers other than insurers'.
_INSURED_ONLY: Final = """
    SELECT room_id FROM (
        SELECT room_id, substr(state_key, {position}(state_key, ':') + 1) AS server
        FROM current_state_events
        WHERE type = 'm.room.member' AND membership = 'join' AND room_id >= ? AND room_id <= ?
    ) AS members
    GROUP BY room_id
    HAVING SUM(CASE WHEN server IN ({places}) THEN 0 ELSE 1 END) = 0
    AND SUM(CASE WHEN server = ? THEN 1 ELSE 0 END) > 0
"""

_DEPARTURES: Final = f"""
    SELECT c.room_id, c.state_key, COALESCE(e.received_ts, {UNKNOWN})
    FROM current_state_events AS c
    INNER JOIN events AS e ON e.event_id = c.event_id
    WHERE c.type = 'm.room.member' AND c.membership NOT IN ('join', 'invite') AND c.room_id IN ({{places}})
"""  # noqa: S608

# Rooms that all users have forgotten are scheduled days ahead (forgotten_room_retention_period).
_UNDER_WAY: Final = """
    SELECT COUNT(*) FROM scheduled_tasks
    WHERE action IN ('shutdown_and_purge_room', 'purge_room')
    AND (status = 'active' OR (status = 'scheduled' AND timestamp <= ?))
"""

_FAILED: Final = """
    SELECT 1 FROM scheduled_tasks
    WHERE action IN ('shutdown_and_purge_room', 'purge_room') AND status = 'failed' AND resource_id = ?
    LIMIT 1
"""

_LOCAL_USERS: Final = "SELECT user_id FROM local_current_membership WHERE membership = 'join' AND room_id = ?"


@attrs.frozen
class RoomSurvey:
    """Reads what cleanup has to know."""

    activity: RoomActivity  #: reads when something was last said
    notices_user: str | None = None  #: who sends server notices, whose rooms are left out, or ``None``
    knows_begun: bool = True  #: whether there is a table of the removals that were begun

    def page(self, cursor: Cursor, after: str, limit: int = PAGE) -> dict[str, int | None]:
        """When something was said last, by room id, of the next rooms.

        Args:
            after: the last room of the page before; empty for the first page.
            limit: how many rooms at most.

        Returns:
            In order of the room ids; milliseconds, ``None`` where nothing was ever said. Empty at the end.
        """
        return self._last_messages(cursor, ">", after, limit)

    def room(self, cursor: Cursor, room_id: str) -> dict[str, int | None]:
        """The same of a single room; empty if it is not there, or left out."""
        return self._last_messages(cursor, "=", room_id, 1)

    def facts(self, cursor: Cursor, last_messages: Mapping[str, int | None]) -> Iterator[RoomFacts]:
        """The other facts about rooms of a ``page``, without those that are being deleted already."""
        rooms = list(last_messages)
        leaving = {room_id for (room_id,) in rows_for(cursor, _LEAVING, rooms)}
        newest = self.activity.newest(cursor, rooms)
        creators = {room_id: sender for room_id, sender, _ in rows_for(cursor, _CREATIONS, rooms)}
        spaces = {room for room, event in rows_for(cursor, _CREATION_EVENTS, rooms) if _is_space(event)}
        joined = {room_id: (count, anybody) for room_id, count, anybody in rows_for(cursor, _JOINED, rooms)}
        invited = self._invited(cursor, rooms)
        local = {(room_id, what): at for room_id, what, at in rows_for(cursor, _LOCAL, rooms)}
        begun = self._begun(cursor, rooms)
        for room_id in rooms:
            if room_id in leaving or room_id not in newest:
                continue
            last = newest[room_id]
            if last.event_ts is None:
                continue  # Synapse notes a room first and stores its first event, or an invitation, then
            count, anybody = joined.get(room_id, (0, None))
            waiting = [local[room_id, what] for what in ("invite", "knock") if (room_id, what) in local]
            yield RoomFacts(
                room_id,
                last_message_ts=last.said_ts,
                last_event_ts=last.event_ts,
                last_arrival_ts=last.arrival_ts,
                creator=creators.get(room_id),
                joined=count,
                alone=anybody if count == 1 else None,
                invited_ts=max(invited[room_id].values(), default=None),
                awaiting_ts=max(waiting, default=None),
                local=(room_id, "join") in local,
                space=room_id in spaces,
                begun=begun.get(room_id),
            )

    def insured_only(self, cursor: Cursor, first: str, last: str, insurers: InsurersOf) -> set[str]:
        """The rooms with a local member and with insured persons only.

        Args:
            first: id of the first room to look at.
            last: id of the last one.
        """
        query = self.activity.written_for_here(_INSURED_ONLY)
        cursor.execute(
            query.format(places=places(list(insurers.servers))),
            (first, last, *insurers.servers, insurers.own_server_name),
        )
        return {room_id for (room_id,) in cursor.fetchall()}

    def insured(self, cursor: Cursor, rooms: Iterable[str]) -> Iterator[InsuredRoom]:
        """Since when what is the case in rooms in which only insured persons are left."""
        wanted = list(rooms)
        departures: dict[str, dict[str, int]] = {room_id: {} for room_id in wanted}
        for room_id, user_id, at in rows_for(cursor, _DEPARTURES, wanted):
            departures[room_id][user_id] = at
        invitations = self._invited(cursor, wanted)
        for room_id, _, created_ts in rows_for(cursor, _CREATIONS, wanted):
            yield InsuredRoom(room_id, created_ts, departures[room_id], invitations[room_id])

    @staticmethod
    def _invited(cursor: Cursor, rooms: Sequence[str]) -> dict[str, dict[str, int]]:
        """Who is invited and has not answered, and when the invitation arrived, by room."""
        found: dict[str, dict[str, int]] = {room_id: {} for room_id in rooms}
        for room_id, user_id, at in rows_for(cursor, _INVITED, rooms):
            found[room_id][user_id] = at
        return found

    def _begun(self, cursor: Cursor, rooms: Sequence[str]) -> dict[str, Begun]:
        """The removals that were begun, by room."""
        found = rows_for(cursor, _BEGUN, rooms) if self.knows_begun else ()
        return {room_id: Begun(CleanupKind(kind), since, at) for room_id, kind, since, at in found}

    @staticmethod
    def deletions_under_way(cursor: Cursor, now_ms: int) -> int:
        """How many rooms Synapse is deleting, or going to as soon as it can."""
        cursor.execute(_UNDER_WAY, (now_ms,))
        ((count,),) = cursor.fetchall()
        return int(count)

    @staticmethod
    def deletion_failed(cursor: Cursor, room_id: str) -> bool:
        """Whether Synapse has tried in vain to delete a room; it remembers that for a week."""
        cursor.execute(_FAILED, (room_id,))
        return bool(list(cursor.fetchall()))

    def _last_messages(self, cursor: Cursor, which: str, room_id: str, limit: int) -> dict[str, int | None]:
        left_out = self.notices_user or _NOBODY
        return self.activity.last_messages(cursor, which, room_id, left_out, limit)

    def local_users(self, cursor: Cursor, room_id: str) -> list[str]:
        """The local users in a room."""
        cursor.execute(_LOCAL_USERS, (room_id,))
        return [user_id for (user_id,) in cursor.fetchall()]


def _is_space(creation: str | None) -> bool:
    try:
        event = json.loads(creation or "{}")
    except ValueError:
        return False
    content = event.get("content")
    return isinstance(content, dict) and content.get("type") == "m.space"
