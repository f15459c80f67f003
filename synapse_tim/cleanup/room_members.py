"""Members, invitees and knockers of a room before its removal, and whether other servers were told.

For single rooms, shortly before they are purged; everything that is asked about all rooms is in
``survey.py``.
"""

from typing import Final

import attrs

from synapse_tim.core.sql import Cursor

_MEMBERS: Final = """
    SELECT c.state_key, c.membership, e.sender
    FROM current_state_events AS c
    INNER JOIN events AS e ON e.event_id = c.event_id
    WHERE c.type = 'm.room.member' AND c.membership IN ('join', 'invite') AND c.room_id = ?
"""

_LOCAL: Final = """
    SELECT user_id, membership FROM local_current_membership
    WHERE membership IN ('join', 'invite', 'knock') AND room_id = ?
"""

# Synapse's sender notes for each server what it has to get, and then what it has got.
_UNPROCESSED: Final = """
    SELECT 1 FROM events WHERE room_id = ? AND stream_ordering >
        (SELECT MIN(stream_id) FROM federation_stream_position WHERE type = 'events')
    LIMIT 1
"""
_UNDELIVERED: Final = """
    SELECT r.destination FROM destination_rooms AS r
    LEFT JOIN destinations AS d ON d.destination = r.destination
    WHERE r.room_id = ? AND r.stream_ordering > COALESCE(d.last_successful_stream_ordering, 0)
"""


@attrs.frozen
class Attendance:
    """Who is in a room and who waits at it."""

    joined: tuple[str, ...]  #: users of this server who are in it
    waiting: tuple[str, ...]  #: users of this server who are invited or knock
    invited: tuple[tuple[str, str], ...]  #: users of other servers who are invited, and who invited them
    others: bool  #: whether users of other servers are in it, as far as known


def read_attendance(cursor: Cursor, room_id: str, server_name: str) -> Attendance:
    """Who is in a room and who waits at it."""
    own = f":{server_name}"
    cursor.execute(_LOCAL, (room_id,))
    local = [tuple(row) for row in cursor.fetchall()]
    cursor.execute(_MEMBERS, (room_id,))
    remote = [tuple(row) for row in cursor.fetchall() if not row[0].endswith(own)]
    return Attendance(
        joined=tuple(sorted(user for user, membership in local if membership == "join")),
        waiting=tuple(sorted(user for user, membership in local if membership != "join")),
        invited=tuple(sorted((user, by) for user, membership, by in remote if membership == "invite")),
        others=any(membership == "join" for _, membership, _ in remote),
    )


def read_untold(cursor: Cursor, room_id: str) -> frozenset[str] | None:
    """Servers that Synapse has yet to send events of a room; ``None`` if it has not computed them yet."""
    cursor.execute(_UNPROCESSED, (room_id,))
    if list(cursor.fetchall()):
        return None
    cursor.execute(_UNDELIVERED, (room_id,))
    return frozenset(destination for (destination,) in cursor.fetchall())
