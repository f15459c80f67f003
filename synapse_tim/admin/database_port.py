"""Carrying this project's tables from a homeserver's SQLite database over to PostgreSQL.

Synapse's own script, ``synapse_port_db``, copies the tables that Synapse knows, no others. It also derives
the sequences of PostgreSQL from the rows that are there: where the newest rows were deleted, as after a purge
of the newest room, a sequence ends up behind the position that Synapse has noted, and Synapse does not start.
Both are put right here, in one transaction.
"""

import re
from collections.abc import Iterator, Mapping, Sequence
from typing import Final

import attrs

from synapse_tim.admin.database import ReadOnlyDatabase, WritableDatabase
from synapse_tim.core.sql import Cursor, has_table, places

_PREFIX: Final = "synapse_tim_"
_CREATE: Final = re.compile(r"CREATE (TABLE|INDEX|UNIQUE INDEX) (synapse_tim_[a-z_]+)")
#: Synapse's streams whose positions it holds against a sequence when it starts.
_SEQUENCES: Final = {
    "account_data": "account_data_sequence",
    "caches": "cache_invalidation_stream_seq",
    "device_lists_stream": "device_lists_sequence",
    "e2e_cross_signing_keys": "e2e_cross_signing_keys_sequence",
    "events": "events_stream_seq",
    "presence_stream": "presence_stream_sequence",
    "profile_updates": "profile_updates_sequence",
    "push_rules_stream": "push_rules_stream_sequence",
    "pushers": "pushers_sequence",
    "quarantined_media": "quarantined_media_id_seq",
    "receipts": "receipts_sequence",
    "sticky_events": "sticky_events_sequence",
    "thread_subscriptions": "thread_subscriptions_sequence",
    "to_device": "device_inbox_sequence",
    "un_partial_stated_event_stream": "un_partial_stated_event_stream_sequence",
    "un_partial_stated_room_stream": "un_partial_stated_room_stream_sequence",
}


class PortRefusedError(Exception):
    """The new database is not as it has to be; says why. Nothing was changed."""


@attrs.frozen
class RaisedSequence:
    """A sequence of PostgreSQL that was behind."""

    name: str
    stream: str  #: of Synapse that it belongs to
    was: int  #: the last value that it had given
    now: int  #: the same after it was put right


@attrs.frozen
class Ported:
    """What was done."""

    tables: Mapping[str, int]  #: how many rows were copied, by table
    replaced: int  #: how many rows were deleted before
    sequences: Sequence[RaisedSequence]  #: those that were put right


def port(source: ReadOnlyDatabase, target: WritableDatabase, *, replace: bool = False) -> Ported:
    """Copy all tables of this project, and put Synapse's sequences right.

    Args:
        source: the SQLite database that Synapse's script has read.
        target: the PostgreSQL database that it has filled.
        replace: whether rows of this project that are there already are deleted.

    Raises:
        PortRefusedError: Synapse's script has not filled it, or there are rows already.
        DatabaseUnusableError: a statement failed, and nothing was changed.
    """
    with source.transaction() as old, target.change() as new:
        old.execute("BEGIN")  # one view of all tables
        if not has_table(new, "stream_positions", postgresql=True):
            raise PortRefusedError("the new database has no tables of Synapse: run synapse_port_db first")
        statements = dict(_definitions(old))
        tables = [name for name, statement in statements.items() if statement.startswith("CREATE TABLE")]
        replaced = _empty(new, replace=replace)
        for name, statement in statements.items():
            if not has_table(new, name, postgresql=True):
                new.execute(statement)
        copied = {table: _copy(old, new, table) for table in tables}
        return Ported(copied, replaced, tuple(_put_right(new)))


def _definitions(old: Cursor) -> Iterator[tuple[str, str]]:
    """The statements that make the tables and their indexes; this project writes them for both databases."""
    old.execute(
        "SELECT name, sql FROM sqlite_master WHERE name LIKE 'synapse_tim_%' AND sql IS NOT NULL"
        " ORDER BY type DESC, name"
    )
    for name, statement in old.fetchall():
        found = _CREATE.match(statement)
        if found is None or found[2] != name:
            raise PortRefusedError(f"the old database has a table that is not of this project: {name}")
        yield name, statement


def _empty(new: Cursor, *, replace: bool) -> int:
    """Delete what the new database has of this project; how many rows that were."""
    new.execute(
        "SELECT tablename FROM pg_tables WHERE schemaname = current_schema() AND left(tablename, ?) = ?",
        (len(_PREFIX), _PREFIX),
    )
    rows = 0
    for (table,) in list(new.fetchall()):
        new.execute(f"SELECT COUNT(*) FROM {table}")  # noqa: S608
        ((count,),) = new.fetchall()
        if count and not replace:
            raise PortRefusedError(
                f"the new database has rows in {table} already: Synapse has run on it. Say --replace to "
                "delete them in favour of those of the old database"
            )
        new.execute(f"DELETE FROM {table}")  # noqa: S608
        rows += count
    return rows


def _copy(old: Cursor, new: Cursor, table: str) -> int:
    """Copy the rows of a table; returns how many."""
    old.execute(f"SELECT name FROM pragma_table_info('{table}')")  # noqa: S608
    columns = [name for (name,) in old.fetchall()]
    names = ", ".join(columns)
    old.execute(f"SELECT {names} FROM {table}")  # noqa: S608
    count = 0
    while (row := old.fetchone()) is not None:
        new.execute(f"INSERT INTO {table} ({names}) VALUES ({places(columns)})", tuple(row))  # noqa: S608
        count += 1
    return count


def _put_right(new: Cursor) -> Iterator[RaisedSequence]:
    """Raise the sequences that are behind what Synapse has noted."""
    new.execute("SELECT stream_name, MAX(stream_id) FROM stream_positions GROUP BY stream_name")
    for stream, position in sorted(map(tuple, new.fetchall())):
        name = _SEQUENCES.get(stream)
        if name is None or not has_table(new, name, postgresql=True):
            continue
        new.execute(f"SELECT last_value, is_called FROM {name}")  # noqa: S608
        ((last, is_called),) = new.fetchall()
        given = last if is_called else last - 1
        if position > given:
            new.execute("SELECT setval(?, ?)", (name, position))
            yield RaisedSequence(name, stream, given, position)
