"""Store of the mirror: one SQLite file, with the tables that a homeserver has for the list.

Everything that is read from it is verified again. Used by one thread at a time.
"""

import contextlib
import sqlite3
import threading
from collections.abc import Iterator
from typing import Final

from synapse_tim.federation.acceptance import Acceptance
from synapse_tim.federation.store import TABLES, read_stored, write_step
from synapse_tim.jose.large_jws import JwsLimits
from synapse_tim.pki.trust_store import TrustMaterial

_DOCUMENTS: Final = """CREATE TABLE IF NOT EXISTS synapse_tim_mirror_document (
    name TEXT PRIMARY KEY,
    data BYTEA NOT NULL,
    fetched_ts BIGINT NOT NULL
)"""
#: Roots, sub-CAs and OCSP answers; the oldest go first.
MAX_DOCUMENTS: Final = 500


class MirrorStore:
    """Keeps the list, what it rests on, and what was looked up.

    Args:
        file: the database; made if it is not there.

    Raises:
        sqlite3.Error: it cannot be used.
    """

    def __init__(self, file: str) -> None:
        self._lock = threading.Lock()
        self._connection = sqlite3.connect(file, check_same_thread=False, timeout=30)
        with self._transaction() as cursor:
            for statement in (*TABLES, _DOCUMENTS):
                cursor.execute(statement)

    @contextlib.contextmanager
    def _transaction(self) -> Iterator[sqlite3.Cursor]:
        with self._lock, self._connection:
            yield self._connection.cursor()

    def read(self) -> tuple[Acceptance | None, bytearray | None, TrustMaterial]:
        """What was stored of the list."""
        with self._transaction() as cursor:
            return read_stored(cursor, JwsLimits().total)

    def write(self, remembered: Acceptance, data: bytearray | None, material: TrustMaterial) -> None:
        """Store a step of the update cycle; arguments as for ``ListStore.write``."""
        with self._transaction() as cursor:
            write_step(cursor, remembered, data, material)

    def documents(self) -> dict[str, tuple[bytes, int]]:
        """What was looked up, with the seconds since 1970 when it was, by name."""
        with self._transaction() as cursor:
            cursor.execute("SELECT name, data, fetched_ts FROM synapse_tim_mirror_document")
            return {name: (bytes(data), fetched) for name, data, fetched in cursor}

    def keep(self, name: str, data: bytes, fetched_ts: int) -> None:
        """Keep what was looked up."""
        with self._transaction() as cursor:
            cursor.execute(
                "INSERT OR REPLACE INTO synapse_tim_mirror_document VALUES (?, ?, ?)",
                (name, data, fetched_ts),
            )
            cursor.execute(
                "DELETE FROM synapse_tim_mirror_document WHERE name NOT IN"
                " (SELECT name FROM synapse_tim_mirror_document ORDER BY fetched_ts DESC LIMIT ?)",
                (MAX_DOCUMENTS,),
            )

    def close(self) -> None:
        """Close the file."""
        self._connection.close()
