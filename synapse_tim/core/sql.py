"""Queries that run in Synapse's transactions and over a command's connection, on SQLite and PostgreSQL."""

from collections.abc import Iterable, Iterator, Sequence
from typing import Any, Final, Protocol

#: Ids named in one query; older releases of SQLite allow no more than 999 parameters.
_AT_ONCE: Final = 500


class Cursor(Protocol):
    """What is needed of a cursor; placeholders are question marks."""

    def execute(self, sql: str, parameters: Sequence[Any] = ..., /) -> object:
        """Run a query."""

    def fetchone(self) -> Sequence[Any] | None:
        """The next row."""

    def fetchall(self) -> Iterable[Sequence[Any]]:
        """The rows."""


def rows_for(cursor: Cursor, query: str, ids: Sequence[str], *first: str) -> Iterator[Sequence[Any]]:
    """The rows of a query about some ids, a few at a time; ``{places}`` in it is where the ids belong."""
    for start in range(0, len(ids), _AT_ONCE):
        part = ids[start : start + _AT_ONCE]
        cursor.execute(query.replace("{places}", places(part)), (*first, *part))
        yield from cursor.fetchall()


def places(values: Sequence[object]) -> str:
    """A placeholder for each value."""
    return ", ".join("?" * len(values))


def has_table(cursor: Cursor, name: str, *, postgresql: bool) -> bool:
    """Whether there is a table; of PostgreSQL, also a sequence."""
    if postgresql:
        cursor.execute("SELECT to_regclass(?)", (name,))
    else:
        cursor.execute("SELECT name FROM sqlite_master WHERE type = 'table' AND name = ?", (name,))
    row = cursor.fetchone()
    return row is not None and row[0] is not None
