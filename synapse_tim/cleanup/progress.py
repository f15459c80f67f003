"""Progress of cleanup, in Synapse's own database: after a restart it continues where it stopped.

Rooms are judged by the clock, and a clock that is suddenly months ahead would make them all due. After such a
leap, which looks like a long time without cleanup, it only looks for a day: time to notice.
"""

from __future__ import annotations

from typing import Final

import attrs
from synapse.module_api import LoggingTransaction, ModuleApi

from synapse_tim.adapter.database import create_tables, execute
from synapse_tim.cleanup.rules import Due
from synapse_tim.core.durations import DAY, MINUTE

_TABLES: Final = (
    """CREATE TABLE IF NOT EXISTS synapse_tim_cleanup (
        id INTEGER PRIMARY KEY,
        after_room_id TEXT NOT NULL,
        finished_ts BIGINT NOT NULL,
        seen_ts BIGINT NOT NULL,
        acts_from_ts BIGINT NOT NULL
    )""",
    """CREATE TABLE IF NOT EXISTS synapse_tim_cleanup_rooms (
        room_id TEXT PRIMARY KEY,
        kind TEXT NOT NULL,
        since_ts BIGINT NOT NULL,
        begun_ts BIGINT NOT NULL
    )""",
)
_ROW: Final = 1


@attrs.frozen
class Progress:
    """Where cleanup is."""

    after_room_id: str = ""  #: the last room that was dealt with; empty between two rounds
    finished_ts: int = 0  #: when the last round ended, in milliseconds; 0 if none has
    seen_ts: int = 0  #: when cleanup was last seen at work; 0 if never
    acts_from_ts: int = 0  #: until when it only looks

    def at(self, now_ms: int) -> Progress:
        """The same, seen at work at a time."""
        passed = now_ms - self.seen_ts
        leaps = bool(self.seen_ts) and not -MINUTE <= passed <= DAY
        acts_from = now_ms + DAY if leaps else self.acts_from_ts
        return attrs.evolve(self, seen_ts=now_ms, acts_from_ts=acts_from)

    def acts(self) -> bool:
        """Whether what is due is done, not only counted."""
        return self.seen_ts >= self.acts_from_ts

    def is_due(self, now_ms: int, interval_ms: int) -> bool:
        """Whether a round is due or unfinished. A clock that was ahead and is right again delays nothing."""
        waited = now_ms - self.finished_ts
        return bool(self.after_room_id) or waited < 0 or waited >= interval_ms


class ProgressStore:
    """Reads and writes the tables ``synapse_tim_cleanup`` and ``synapse_tim_cleanup_rooms``.

    The second one has the rooms whose removal was begun. A row stays until the room is gone; what happens in
    the room after ``begun_ts`` counts for more.
    """

    def __init__(self, api: ModuleApi) -> None:
        self._api = api

    async def create_tables(self) -> None:
        """Create them if they are missing; for one process only."""
        await create_tables(self._api, _TABLES, "synapse_tim_create_cleanup")

    async def read(self) -> Progress:
        """Where cleanup is."""

        def read(txn: LoggingTransaction) -> Progress:
            txn.execute(
                "SELECT after_room_id, finished_ts, seen_ts, acts_from_ts"
                " FROM synapse_tim_cleanup WHERE id = ?",
                (_ROW,),
            )
            row = txn.fetchone()
            return Progress() if row is None else Progress(*row)

        return await self._api.run_db_interaction("synapse_tim_read_cleanup", read)

    async def write(self, progress: Progress) -> None:
        """Note where cleanup is."""
        await execute(
            self._api,
            "synapse_tim_write_cleanup",
            "INSERT INTO synapse_tim_cleanup (id, after_room_id, finished_ts, seen_ts, acts_from_ts)"
            " VALUES (?, ?, ?, ?, ?) ON CONFLICT (id) DO UPDATE SET"
            " after_room_id = excluded.after_room_id, finished_ts = excluded.finished_ts,"
            " seen_ts = excluded.seen_ts, acts_from_ts = excluded.acts_from_ts",
            (_ROW, *attrs.astuple(progress)),
        )

    async def begin(self, due: Due, at_ms: int) -> None:
        """Note that the removal of a room is begun."""
        await execute(
            self._api,
            "synapse_tim_begin_removal",
            "INSERT INTO synapse_tim_cleanup_rooms (room_id, kind, since_ts, begun_ts)"
            " VALUES (?, ?, ?, ?) ON CONFLICT (room_id) DO UPDATE SET kind = excluded.kind,"
            " since_ts = excluded.since_ts, begun_ts = excluded.begun_ts",
            (due.room_id, due.kind.value, due.since_ts, at_ms),
        )

    async def forget_gone(self) -> None:
        """Delete the notes about rooms that are gone."""
        await execute(
            self._api,
            "synapse_tim_forget_removals",
            "DELETE FROM synapse_tim_cleanup_rooms WHERE NOT EXISTS"
            " (SELECT 1 FROM rooms WHERE rooms.room_id = synapse_tim_cleanup_rooms.room_id)",
        )
