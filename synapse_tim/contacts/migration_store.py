"""Approval lists in a homeserver's database, and notes about which of them were migrated.

The notes are two tables of this project: what was decided about which approval, as it was then, and digests
of the documents that were written for a user. A digest is noted before its document is written, so that a run
that was interrupted in between knows the document as its own.
"""

import json
from collections.abc import Mapping
from typing import Final

from synapse_tim.admin.database import ReadOnlyDatabase, WritableDatabase
from synapse_tim.contacts.migration_rules import DECIDED, Account, Note, Outcome, Plan, UserList
from synapse_tim.contacts.rules import Contact
from synapse_tim.core.sql import Cursor, has_table
from synapse_tim.invites.leftover_approvals import CONTACTS, NOTES, Left, count_left
from synapse_tim.invites.permission_config import is_empty

_MIGRATED: Final = "synapse_tim_contacts_migrated"
_DOCUMENTS: Final = "synapse_tim_contacts_documents"


class ContactLists:
    """Reads lists and notes."""

    def __init__(self, database: ReadOnlyDatabase, kind: str) -> None:
        self._database = database
        self._kind = kind
        with database.transaction() as cursor:
            #: Whether there is a table of contacts.
            self.exist = self._has(cursor, CONTACTS)
            self._noted = all(self._has(cursor, name) for name in (_MIGRATED, _DOCUMENTS))

    def owners(self) -> list[str]:
        """All users with a list or a document that was written for them."""
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
    """Writes notes, and removes what is not needed any more."""

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
