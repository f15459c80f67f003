"""The approval lists of all users, in Synapse's own database (ML-132864).

One row for each owner and contact. What has expired is neither shown nor counted, whether it was removed
already or not. Writes wait for each other, in all processes, so that no user gets more contacts than
permitted. Transactions may be retried by Synapse, so each can run twice.
"""

import enum
from typing import Final

from synapse.module_api import LoggingTransaction, ModuleApi

from synapse_tim.adapter.database import SerialWrites, create_tables
from synapse_tim.contacts.rules import Contact

TABLE: Final = "synapse_tim_contacts"
TABLES: Final = (
    """CREATE TABLE IF NOT EXISTS synapse_tim_contacts (
        owner TEXT NOT NULL,
        contact TEXT NOT NULL,
        display_name TEXT NOT NULL,
        start_s BIGINT NOT NULL,
        end_s BIGINT,
        PRIMARY KEY (owner, contact)
    )""",
    "CREATE INDEX IF NOT EXISTS synapse_tim_contacts_end ON synapse_tim_contacts (end_s)"
    " WHERE end_s IS NOT NULL",
)
_ALL: Final = (
    "SELECT display_name, contact, start_s, end_s FROM synapse_tim_contacts"
    " WHERE owner = ? AND (end_s IS NULL OR end_s >= ?)"
)
_COUNT: Final = "SELECT COUNT(*) FROM synapse_tim_contacts WHERE owner = ? AND (end_s IS NULL OR end_s >= ?)"
_DELETE: Final = "DELETE FROM synapse_tim_contacts WHERE owner = ? AND contact = ?"
_PUT: Final = """
    INSERT INTO synapse_tim_contacts (owner, contact, display_name, start_s, end_s) VALUES (?, ?, ?, ?, ?)
    ON CONFLICT (owner, contact) DO UPDATE SET
    display_name = excluded.display_name, start_s = excluded.start_s, end_s = excluded.end_s
"""
# Synapse's own table: an account may have been deactivated while this table could not be written.
_DEACTIVATED: Final = """
    DELETE FROM synapse_tim_contacts
    WHERE owner IN (SELECT name FROM users WHERE deactivated = 1)
"""


class Put(enum.Enum):
    """What became of a contact that was to be stored."""

    STORED = enum.auto()
    UNKNOWN = enum.auto()
    TOO_MANY = enum.auto()


class ContactStore:
    """Reads and writes the table of contacts.

    Args:
        postgresql: whether the database is PostgreSQL; otherwise it is SQLite.
        max_contacts: that one user may have.
    """

    def __init__(self, api: ModuleApi, *, postgresql: bool, max_contacts: int) -> None:
        self._api = api
        self._max_contacts = max_contacts
        self._writes = SerialWrites(api, TABLE, postgresql=postgresql)

    async def create_tables(self) -> None:
        """Create what is missing; for one process only."""
        await create_tables(self._api, TABLES, "synapse_tim_create_contact_tables")

    async def contacts_of(self, owner: str, now: int) -> list[Contact]:
        """The contacts of a user that have not expired at ``now`` (seconds since 1970), by user id."""

        def select(txn: LoggingTransaction) -> list[Contact]:
            txn.execute(_ALL + " ORDER BY contact", (owner, now))
            return [Contact(*row) for row in txn.fetchall()]

        return await self._api.run_db_interaction("synapse_tim_contacts", select)

    async def contact_of(self, owner: str, mxid: str, now: int) -> Contact | None:
        """One contact of a user, unless it has expired at ``now`` (seconds since 1970)."""

        def select(txn: LoggingTransaction) -> Contact | None:
            return _find(txn, owner, mxid, now)

        return await self._api.run_db_interaction("synapse_tim_contact", select)

    async def put(self, owner: str, contact: Contact, now: int, *, only_if_there: bool = False) -> Put:
        """Store a contact, in place of the one with the same user id.

        One that has expired takes the place of the other, too: then there is none.

        Args:
            now: seconds since 1970.
            only_if_there: whether it has to be there already.
        """

        def write(txn: LoggingTransaction) -> Put:
            is_there = _find(txn, owner, contact.mxid, now) is not None
            if only_if_there and not is_there:
                return Put.UNKNOWN
            if contact.is_expired(now):
                txn.execute(_DELETE, (owner, contact.mxid))
                return Put.STORED
            if not is_there and _count(txn, owner, now) >= self._max_contacts:
                return Put.TOO_MANY
            txn.execute(_PUT, (owner, contact.mxid, contact.display_name, contact.start, contact.end))
            return Put.STORED

        return await self._writes.run("synapse_tim_put_contact", write)

    async def delete(self, owner: str, mxid: str, now: int) -> bool:
        """Delete a contact of a user.

        Args:
            now: seconds since 1970.

        Returns:
            Whether there was one that had not expired.
        """

        def write(txn: LoggingTransaction) -> bool:
            found = _find(txn, owner, mxid, now) is not None
            txn.execute(_DELETE, (owner, mxid))
            return found

        return await self._writes.run("synapse_tim_delete_contact", write)

    async def remove_expired(self, now: int) -> None:
        """Remove the contacts of all users that have expired at ``now``, in seconds since 1970."""
        await self._writes.run(
            "synapse_tim_expired_contacts",
            lambda txn: txn.execute("DELETE FROM synapse_tim_contacts WHERE end_s < ?", (now,)),
        )

    async def remove_of(self, owner: str) -> None:
        """Remove all contacts of a user."""
        await self._writes.run(
            "synapse_tim_contacts_of",
            lambda txn: txn.execute("DELETE FROM synapse_tim_contacts WHERE owner = ?", (owner,)),
        )

    async def remove_of_deactivated(self) -> None:
        """Remove all contacts of users whose account has been deactivated."""
        await self._writes.run("synapse_tim_contacts_of_deactivated", lambda txn: txn.execute(_DEACTIVATED))


def _find(txn: LoggingTransaction, owner: str, mxid: str, now: int) -> Contact | None:
    txn.execute(_ALL + " AND contact = ?", (owner, now, mxid))
    row = txn.fetchone()
    return None if row is None else Contact(*row)


def _count(txn: LoggingTransaction, owner: str, now: int) -> int:
    txn.execute(_COUNT, (owner, now))
    row = txn.fetchone()
    return 0 if row is None else int(row[0])
