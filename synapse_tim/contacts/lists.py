"""Approval lists in a homeserver's database, and notes about which of them were migrated.

The notes are two tables of this project: what was decided about which approval, as it was then, and digests
of the documents that were written for a user. A digest is noted before its document is written, so that a run
that was interrupted in between knows the document as its own.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping, Sequence
from typing import Any, Final, Protocol

import attrs

from synapse_tim.admin.database import ReadOnlyDatabase, WritableDatabase
from synapse_tim.contacts.migration_rules import DECIDED, Account, Note, Outcome, Plan, UserList
from synapse_tim.contacts.rules import Contact
from synapse_tim.invites.permission_config import is_empty

CONTACTS: Final = "synapse_tim_contacts"
_MIGRATED: Final = "synapse_tim_contacts_migrated"
_DOCUMENTS: Final = "synapse_tim_contacts_documents"
#: The tables of notes.
NOTES: Final = (
    """CREATE TABLE IF NOT EXISTS synapse_tim_contacts_migrated (
        owner TEXT NOT NULL,
        contact TEXT NOT NULL,
        start_s BIGINT NOT NULL,
        end_s BIGINT,
        outcome TEXT NOT NULL,
        noted_s BIGINT NOT NULL,
        PRIMARY KEY (owner, contact)
    )""",
    """CREATE TABLE IF NOT EXISTS synapse_tim_contacts_documents (
        owner TEXT NOT NULL,
        digest TEXT NOT NULL,
        PRIMARY KEY (owner, digest)
    )""",
)
# With accounts in use only: nobody else's approvals are of any use.
_LEFT: Final = """
    SELECT COUNT(*), COUNT(DISTINCT listed.owner) FROM synapse_tim_contacts AS listed
    JOIN users ON users.name = listed.owner AND users.deactivated = 0
    LEFT JOIN synapse_tim_contacts_migrated AS noted
    ON noted.owner = listed.owner AND noted.contact = listed.contact AND noted.start_s = listed.start_s
    AND COALESCE(noted.end_s, -1) = COALESCE(listed.end_s, -1)
    WHERE (listed.end_s IS NULL OR listed.end_s >= ?) AND noted.owner IS NULL
"""
# Of approvals that are not on the list any more: the document that was written may still have them.
_WITHDRAWN: Final = """
    SELECT COUNT(*) FROM synapse_tim_contacts_migrated AS noted
    JOIN users ON users.name = noted.owner AND users.deactivated = 0
    LEFT JOIN synapse_tim_contacts AS listed
    ON listed.owner = noted.owner AND listed.contact = noted.contact
    WHERE noted.outcome = ? AND listed.owner IS NULL
"""


class Cursor(Protocol):
    """What is needed of a cursor; placeholders are question marks."""

    def execute(self, sql: str, parameters: Sequence[Any] = ..., /) -> object:
        """Run a query."""

    def fetchone(self) -> Sequence[Any] | None:
        """The next row."""

    def fetchall(self) -> Iterable[Sequence[Any]]:
        """The rows."""


@attrs.frozen
class Left:
    """What another run would have to do.

    Attributes:
        approvals: that were neither migrated nor decided on, or have changed since.
        users: whose lists they are on.
        withdrawn: approvals that were taken off a list after they were migrated.
    """

    approvals: int = 0
    users: int = 0
    withdrawn: int = 0

    def __bool__(self) -> bool:
        return bool(self.approvals or self.withdrawn)

    def __str__(self) -> str:
        return (
            f"{self.approvals} approvals of {self.users} users were neither migrated nor decided on, "
            f"{self.withdrawn} were withdrawn after they were migrated"
        )


def has_table(cursor: Cursor, name: str, *, postgresql: bool) -> bool:
    """Whether there is a table."""
    if postgresql:
        cursor.execute("SELECT to_regclass(?)", (name,))
    else:
        cursor.execute("SELECT name FROM sqlite_master WHERE type = 'table' AND name = ?", (name,))
    row = cursor.fetchone()
    return row is not None and row[0] is not None


def count_left(cursor: Cursor, now: int, *, postgresql: bool) -> Left:
    """Count what another run would have to do.

    Args:
        cursor: of a transaction in which the tables of notes can be made if they are not there.
        now: seconds since 1970.
        postgresql: whether the database is PostgreSQL; otherwise it is SQLite.
    """
    if not has_table(cursor, CONTACTS, postgresql=postgresql):
        return Left()
    for statement in NOTES:
        cursor.execute(statement)
    cursor.execute(_LEFT, (now,))
    approvals, users = cursor.fetchone() or (0, 0)
    cursor.execute(_WITHDRAWN, (Outcome.MIGRATED.value,))
    (withdrawn,) = cursor.fetchone() or (0,)
    return Left(int(approvals), int(users), int(withdrawn))


class ContactLists:
    """Reads lists and notes.

    Args:
        database: of the homeserver.
        kind: the account data type of permission configurations.
    """

    def __init__(self, database: ReadOnlyDatabase, kind: str) -> None:
        self._database = database
        self._kind = kind
        with database.transaction() as cursor:
            #: Whether there is a table of contacts.
            self.exist = self._has(cursor, CONTACTS)
            self._noted = all(self._has(cursor, name) for name in (_MIGRATED, _DOCUMENTS))

    def owners(self) -> list[str]:
        """All users with a list, or for whom a document was written."""
        with self._database.transaction() as cursor:
            cursor.execute("SELECT DISTINCT owner FROM synapse_tim_contacts")
            found = {row[0] for row in cursor.fetchall()}
            if self._noted:
                cursor.execute("SELECT DISTINCT owner FROM synapse_tim_contacts_documents")
                found |= {row[0] for row in cursor.fetchall()}
        return sorted(found)

    def of(self, owner: str) -> UserList:
        """All that is known of a user."""
        with self._database.transaction() as cursor:
            cursor.execute(
                "SELECT display_name, contact, start_s, end_s FROM synapse_tim_contacts"
                " WHERE owner = ? ORDER BY contact",
                (owner,),
            )
            contacts = [Contact(*row) for row in cursor.fetchall()]
            written: set[str] = set()
            notes: Mapping[str, Note] = {}
            if self._noted:
                cursor.execute("SELECT digest FROM synapse_tim_contacts_documents WHERE owner = ?", (owner,))
                written = {row[0] for row in cursor.fetchall()}
                cursor.execute(
                    "SELECT contact, start_s, end_s, outcome FROM synapse_tim_contacts_migrated"
                    " WHERE owner = ?",
                    (owner,),
                )
                notes = {row[0]: Note(*row[1:]) for row in cursor.fetchall()}
            account, stored = _account(cursor, owner), self._stored(cursor, owner)
        return UserList(owner, contacts, account, stored, written, notes)

    def stored(self, owner: str) -> object:
        """The permission configuration that a user has stored, or ``None``; an empty one is none."""
        with self._database.transaction() as cursor:
            return self._stored(cursor, owner)

    def _stored(self, cursor: Cursor, owner: str) -> object:
        cursor.execute(
            "SELECT content FROM account_data WHERE user_id = ? AND account_data_type = ?",
            (owner, self._kind),
        )
        row = cursor.fetchone()
        if row is None:
            return None
        try:
            document = json.loads(row[0])
        except (ValueError, RecursionError):
            return "unreadable"
        return None if is_empty(document) else document

    def _has(self, cursor: Cursor, name: str) -> bool:
        return has_table(cursor, name, postgresql=self._database.postgresql)


class ContactNotes:
    """Writes notes, and removes what is not needed any more.

    Args:
        database: of the homeserver.
    """

    def __init__(self, database: WritableDatabase) -> None:
        self._database = database
        with database.change() as cursor:
            for statement in NOTES:
                cursor.execute(statement)

    def intend(self, owner: str, digest: str) -> None:
        """Note that a document is about to be written."""
        with self._database.change() as cursor:
            cursor.execute(
                "INSERT INTO synapse_tim_contacts_documents (owner, digest) VALUES (?, ?)"
                " ON CONFLICT (owner, digest) DO NOTHING",
                (owner, digest),
            )

    def done(self, plan: Plan, digest: str | None, now: int) -> None:
        """Note what was decided about a user.

        Args:
            plan: that was carried out.
            digest: of the document that is stored now and is ours; ``None`` if it is not.
            now: seconds since 1970.
        """
        with self._database.change() as cursor:
            if digest is not None:
                cursor.execute(
                    "DELETE FROM synapse_tim_contacts_documents WHERE owner = ? AND digest <> ?",
                    (plan.owner, digest),
                )
            cursor.execute("DELETE FROM synapse_tim_contacts_migrated WHERE owner = ?", (plan.owner,))
            for contact, outcome in plan.outcomes.items():
                if outcome in DECIDED:
                    _note(cursor, plan.owner, contact, outcome, now)

    def left(self, now: int) -> Left:
        """Count what another run would have to do."""
        with self._database.transaction() as cursor:
            return count_left(cursor, now, postgresql=self._database.postgresql)

    def remove_everything(self) -> None:
        """Remove the lists, and the notes about them."""
        with self._database.change() as cursor:
            for table in (CONTACTS, _MIGRATED, _DOCUMENTS):
                cursor.execute(f"DROP TABLE IF EXISTS {table}")


def _note(cursor: Cursor, owner: str, contact: Contact, outcome: Outcome, now: int) -> None:
    cursor.execute(
        "INSERT INTO synapse_tim_contacts_migrated (owner, contact, start_s, end_s, outcome, noted_s)"
        " VALUES (?, ?, ?, ?, ?, ?)",
        (owner, contact.mxid, contact.start, contact.end, outcome.value, now),
    )


def _account(cursor: Cursor, owner: str) -> Account:
    cursor.execute("SELECT deactivated, locked FROM users WHERE name = ?", (owner,))
    row = cursor.fetchone()
    if row is None or row[0]:
        return Account.GONE
    return Account.LOCKED if row[1] else Account.IN_USE
