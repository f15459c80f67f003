"""Rows that Synapse's purge of a room leaves behind and that break the room if it is joined again.

They refer to events of the room. Synapse inserts them again with the same events, without looking whether
they are there, and fails: with a stale retention policy the room can never be joined again, with a stale
label or expiry its history cannot be read.

Only rows whose event is not stored are removed. Synapse inserts a row and its event in one transaction, so no
row of a room that is being joined again is removed, whenever that happens. What else a purge leaves behind
does no harm: streams of changes, reports to administrators, push rules and scheduled messages of users.
"""

from typing import Final

from synapse_tim.core.sql import Cursor

#: Tables of Synapse with a column ``event_id`` that is part of a unique index.
STALE_TABLES: Final = ("room_retention", "event_labels", "event_expiry")


def remove_stale_rows(cursor: Cursor) -> None:
    """Remove the rows of all rooms that were purged."""
    for table in STALE_TABLES:
        cursor.execute(
            f"DELETE FROM {table} WHERE NOT EXISTS"  # noqa: S608
            f" (SELECT 1 FROM events WHERE events.event_id = {table}.event_id)"
        )
