"""Last message and last event of rooms, read from Synapse's database for many rooms at a time.

Rejected events have no effect, and users don't see soft-failed ones, such as what another
member relays from a server that is not in the federation list any more: neither counts. Whether an event is
soft-failed is in a table of its own with a row for each event. It is looked at only where that can make a
difference: never for what users of this server sent, and of a room's other events only if one of them is the
newest.
"""

from collections.abc import Sequence
from typing import Final

import attrs

from synapse_tim.core.sql import Cursor, rows_for

#: Time of an event whose arrival is unknown: later than all others, so that the room stays.
UNKNOWN: Final = 2**61

_OURS: Final = "substr(e.sender, {position}(e.sender, ':') + 1) = {server_name}"
_SEEN: Final = (
    "NOT EXISTS (SELECT 1 FROM event_json AS j WHERE j.event_id = e.event_id"
    """ AND {position}(j.internal_metadata, '"soft_failed":true') > 0)"""
)
_EFFECTIVE: Final = f"({_OURS} OR {_SEEN})"
# Synapse goes on from the newest events of a room, but never from one that it has soft-failed. This small
# table answers for most rooms what would have to be looked up in the largest one.
_TIP: Final = "EXISTS (SELECT 1 FROM event_forward_extremities AS x WHERE x.event_id = e.event_id)"
# Dummy events are neither a message nor a sign of life: Synapse sends them by itself.
_STORED: Final = "e.type <> 'org.matrix.dummy_event' AND e.rejection_reason IS NULL"
_SAID: Final = f"e.state_key IS NULL AND NOT e.outlier AND {_STORED}"

_LAST_MESSAGES: Final = f"""
    SELECT r.room_id, (
        SELECT COALESCE(e.received_ts, 0) FROM events AS e
        WHERE e.room_id = r.room_id AND {_SAID} AND ({_OURS} OR {_TIP} OR {_SEEN})
        ORDER BY e.stream_ordering DESC LIMIT 1
    )
    FROM rooms AS r
    WHERE r.room_id {{which}} ? AND (r.creator IS NULL OR r.creator <> ?)
    AND NOT EXISTS (SELECT 1 FROM partial_state_rooms AS p WHERE p.room_id = r.room_id)
    ORDER BY r.room_id LIMIT ?
"""  # noqa: S608

# Twice the time, and one more if a user of this server did it: such an event has its effect for certain.
_WHEN: Final = f"COALESCE(e.received_ts, {UNKNOWN}) * 2 + (CASE WHEN {_OURS} THEN 1 ELSE 0 END)"
# The clock may have been behind for a while: the latest time counts, not that of the last event.
_NEWEST: Final = f"""
    SELECT r.room_id,
        (SELECT MAX({_WHEN}) FROM events AS e WHERE e.room_id = r.room_id AND {_SAID} AND {{also}}),
        (SELECT MAX({_WHEN}) FROM events AS e WHERE e.room_id = r.room_id AND {_STORED} AND {{also}}),
        (SELECT MAX({_WHEN}) FROM room_memberships AS m
         INNER JOIN events AS e ON e.event_id = m.event_id
         WHERE m.room_id = r.room_id AND m.membership IN ('invite', 'knock') AND {_STORED} AND {{also}}),
        (SELECT MAX(each.ts) FROM (
            SELECT {_WHEN} AS ts, m.membership AS now,
                LAG(m.membership) OVER (PARTITION BY m.user_id ORDER BY e.stream_ordering) AS before
            FROM room_memberships AS m
            INNER JOIN events AS e ON e.event_id = m.event_id
            WHERE m.room_id = r.room_id AND {_STORED} AND {{also}}
         ) AS each WHERE each.now = 'join' AND COALESCE(each.before, '') <> 'join')
    FROM rooms AS r WHERE r.room_id IN ({{places}})
"""  # noqa: S608


@attrs.frozen
class Newest:
    """When things last happened in a room; milliseconds."""

    said_ts: int | None  #: when an event that is not state arrived, or ``None`` if there is none
    event_ts: int | None  #: when an event of any kind arrived, or ``None`` if there is none
    arrival_ts: int  #: of the newest invitation, knock or join, also of a returning user; 0 if there is none


@attrs.frozen
class RoomActivity:
    """Reads when something was last said, or happened."""

    postgresql: bool  #: whether the database is PostgreSQL; otherwise it is SQLite
    server_name: str

    def last_messages(
        self, cursor: Cursor, which: str, room_id: str, creator: str, limit: int
    ) -> dict[str, int | None]:
        """When something was said last, by room id, in order of the room ids.

        Args:
            which: ``=`` for a room, ``>`` for those after it.
            limit: how many rooms at most.
        """
        query = self.written_for_here(_LAST_MESSAGES).replace("{which}", which)
        cursor.execute(query, (room_id, creator, limit))
        return dict(map(tuple, cursor.fetchall()))

    def newest(self, cursor: Cursor, rooms: Sequence[str]) -> dict[str, Newest]:
        """When things last happened in some rooms."""
        query = self.written_for_here(_NEWEST)
        found = {
            room_id: times for room_id, *times in rows_for(cursor, query.replace("{also}", "TRUE"), rooms)
        }
        unsure = [room_id for room_id, times in found.items() if any(at and not at % 2 for at in times)]
        effective = self.written_for_here(_EFFECTIVE)
        for room_id, *times in rows_for(cursor, query.replace("{also}", effective), unsure):
            found[room_id] = times
        return {room_id: _newest(*times) for room_id, times in found.items()}

    def written_for_here(self, query: str) -> str:
        """A query with this server's name, and this database's function for the position of a text."""
        name = self.server_name.replace("'", "''")
        position = "strpos" if self.postgresql else "instr"
        return query.replace("{position}", position).replace("{server_name}", f"'{name}'")


def _newest(said: int | None, event: int | None, invited: int | None, came: int | None) -> Newest:
    return Newest(
        None if said is None else said // 2,
        None if event is None else event // 2,
        max(invited or 0, came or 0) // 2,
    )
