"""A homeserver's database over a connection of one's own, which cannot change anything unless it has to.

For commands that run beside the homeserver or while it is down. For reading, SQLite is opened read-only, and
with PostgreSQL every transaction is. Changed are tables of this project only: Synapse remembers what its
own have in them; and, while it is down, sequences.
"""

from __future__ import annotations

import contextlib
import sqlite3
from collections.abc import Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, Final

import attrs

from synapse_tim.core.sql import has_table

#: A host that swallows packets would keep a command waiting for minutes.
_CONNECT_SECONDS: Final = 30


class DatabaseUnusableError(Exception):
    """The database cannot be read; says why."""


@attrs.frozen(eq=False)
class ReadOnlyDatabase:
    """An open database."""

    postgresql: bool  #: whether it is PostgreSQL; otherwise it is SQLite
    _connection: Any

    @contextlib.contextmanager
    def transaction(self) -> Iterator[_Cursor]:
        """A cursor with question marks as placeholders; ``DatabaseUnusableError`` if a query fails."""
        cursor = self._connection.cursor()
        try:
            yield _Cursor(cursor, "%s" if self.postgresql else "?")
        except Exception as error:
            if isinstance(error, self._errors):
                raise DatabaseUnusableError(f"the database does not answer: {_first_line(error)}") from None
            raise
        finally:
            cursor.close()
            self._connection.rollback()

    def has_table(self, name: str) -> bool:
        """Whether there is a table: this project's are made at the first start with a module."""
        with self.transaction() as cursor:
            return has_table(cursor, name, postgresql=self.postgresql)

    @property
    def _errors(self) -> tuple[type[Exception], ...]:
        if not self.postgresql:
            return (sqlite3.Error,)
        import psycopg2

        return (psycopg2.Error,)


@attrs.frozen(eq=False)
class WritableDatabase(ReadOnlyDatabase):
    """An open database in which tables of this project can be changed."""

    @contextlib.contextmanager
    def change(self) -> Iterator[_Cursor]:
        """A cursor of a transaction; ``DatabaseUnusableError``, and no change, if a statement fails."""
        with self.transaction() as cursor:
            yield cursor
            self._connection.commit()


class _Cursor:
    def __init__(self, cursor: Any, place: str) -> None:
        self._cursor = cursor
        self._place = place

    def execute(self, sql: str, parameters: Sequence[Any] = ()) -> None:
        self._cursor.execute(sql.replace("?", self._place), tuple(parameters))

    def fetchone(self) -> Sequence[Any] | None:
        row: Sequence[Any] | None = self._cursor.fetchone()
        return row

    def fetchall(self) -> Iterable[Sequence[Any]]:
        rows: Iterable[Sequence[Any]] = self._cursor.fetchall()
        return rows


@contextlib.contextmanager
def open_database(document: Mapping[str, Any], directory: Path) -> Iterator[ReadOnlyDatabase]:
    """Open the database that a homeserver's configuration names.

    Args:
        directory: that relative paths are meant from.

    Raises:
        DatabaseUnusableError: it names none, or the database cannot be opened.
    """
    with _open(document, directory, writable=False) as opened:
        yield ReadOnlyDatabase(*opened)


@contextlib.contextmanager
def open_for_changes(document: Mapping[str, Any], directory: Path) -> Iterator[WritableDatabase]:
    """Open the same database, to change tables of this project.

    Args:
        directory: that relative paths are meant from.

    Raises:
        DatabaseUnusableError: it names none, or the database cannot be opened.
    """
    with _open(document, directory, writable=True) as opened:
        yield WritableDatabase(*opened)


@contextlib.contextmanager
def _open(document: Mapping[str, Any], directory: Path, *, writable: bool) -> Iterator[tuple[bool, Any]]:
    """Whether it is PostgreSQL, and the connection."""
    settings = _main_database(document)
    name, arguments = settings.get("name"), settings.get("args") or {}
    if not isinstance(arguments, dict) or name not in ("sqlite3", "psycopg2"):
        raise DatabaseUnusableError("database.name has to be sqlite3 or psycopg2, with args")
    if name == "sqlite3":
        connection = _open_sqlite(
            directory / str(arguments.get("database", "homeserver.db")), writable=writable
        )
    else:
        connection = _open_postgresql(arguments, writable=writable)
    with contextlib.closing(connection):
        yield name == "psycopg2", connection


def _main_database(document: Mapping[str, Any]) -> Mapping[str, Any]:
    several = document.get("databases")
    found: list[Any] = [document.get("database")]
    if isinstance(several, dict):
        found = [
            each
            for each in several.values()
            if isinstance(each, dict) and "main" in (each.get("data_stores") or ["main"])
        ]
    if not found or not isinstance(found[0], dict):
        raise DatabaseUnusableError("the configuration has no database with a name and args")
    return found[0]


def _open_sqlite(path: Path, *, writable: bool) -> sqlite3.Connection:
    mode = "rw" if writable else "ro"
    try:
        return sqlite3.connect(f"{path.absolute().as_uri()}?mode={mode}", uri=True, timeout=30)
    except (sqlite3.Error, ValueError) as error:
        raise DatabaseUnusableError(f"{path}: {error}") from None


def _open_postgresql(arguments: Mapping[str, Any], *, writable: bool) -> Any:
    try:
        import psycopg2
    except ImportError:
        raise DatabaseUnusableError("psycopg2 is not installed here") from None
    # What begins with cp_ is for Synapse's pool of connections.
    options = {key: value for key, value in arguments.items() if not key.startswith("cp_")}
    options.setdefault("connect_timeout", _CONNECT_SECONDS)
    try:
        connection = psycopg2.connect(**options)
        connection.set_session(isolation_level="REPEATABLE READ", readonly=not writable)
    except (psycopg2.Error, TypeError) as error:
        raise DatabaseUnusableError(f"PostgreSQL: {_first_line(error)}") from None
    return connection


def _first_line(error: Exception) -> str:
    return next(iter(str(error).splitlines()), type(error).__name__)
