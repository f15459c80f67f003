"""Approval lists of synapse-invite-checker 0.2, taken over from its table in the same database.

Its table ``famedly_invite_checker_contacts`` has one row for an owner and a contact, with times in seconds as
the interface of both has them. Rows are copied, never changed; a contact that is there already stays as it
is, so another run goes on where one stopped.
"""

import enum
from collections.abc import Mapping
from typing import Final

from synapse_tim.admin.database import ReadOnlyDatabase, WritableDatabase
from synapse_tim.contacts.rules import Contact, ContactError
from synapse_tim.contacts.store import TABLE, TABLES
from synapse_tim.core.sql import Cursor, has_table

FOREIGN: Final = "famedly_invite_checker_contacts"
_ROWS: Final = (
    "SELECT owning_user, contact_display_name, contact_mxid, contact_invite_settings_start,"
    " contact_invite_settings_end FROM famedly_invite_checker_contacts ORDER BY owning_user, contact_mxid"
)
_PUT: Final = (
    "INSERT INTO synapse_tim_contacts (owner, contact, display_name, start_s, end_s) VALUES (?, ?, ?, ?, ?)"
    " ON CONFLICT (owner, contact) DO NOTHING"
)


class Imported(enum.StrEnum):
    """Outcome of taking one approval over."""

    COPIED = "copied"
    THERE = "there already"
    EXPIRED = "expired"
    NO_ACCOUNT = "no account"
    INVALID = "invalid"


#: In words, for people.
MEANING: Final[Mapping[Imported, str]] = {
    Imported.COPIED: "is in the approval list",
    Imported.THERE: "the owner has an approval of this contact, which is kept",
    Imported.EXPIRED: "has expired",
    Imported.NO_ACCOUNT: "the owner's account is deactivated or was never here",
    Imported.INVALID: "names no possible user, or impossible times: nobody could be let in by it",
}


def exists(database: ReadOnlyDatabase) -> bool:
    """Whether there is a table of the other product."""
    return database.has_table(FOREIGN)


def look_at(database: ReadOnlyDatabase, now: int) -> list[tuple[str, str, Imported]]:
    """What would become of each approval: owner, contact, outcome; ``now`` in seconds since 1970."""
    with database.transaction() as cursor:
        return [(owner, mxid, outcome) for owner, mxid, outcome, _ in _plan(database, cursor, now)]


def take_over(database: WritableDatabase, now: int) -> list[tuple[str, str, Imported]]:
    """Copy what can be used, in one transaction; the same answer."""
    with database.change() as cursor:
        for statement in TABLES:
            cursor.execute(statement)
        plan = _plan(database, cursor, now)
        for owner, _, outcome, contact in plan:
            if outcome is Imported.COPIED and contact is not None:
                values = (owner, contact.mxid, contact.display_name, contact.start, contact.end)
                cursor.execute(_PUT, values)
    return [(owner, mxid, outcome) for owner, mxid, outcome, _ in plan]


def _plan(
    database: ReadOnlyDatabase, cursor: Cursor, now: int
) -> list[tuple[str, str, Imported, Contact | None]]:
    cursor.execute("SELECT name FROM users WHERE deactivated = 0")
    accounts = {row[0] for row in cursor.fetchall()}
    there: set[tuple[str, str]] = set()
    if has_table(cursor, TABLE, postgresql=database.postgresql):
        cursor.execute("SELECT owner, contact FROM synapse_tim_contacts")
        there = {(row[0], row[1]) for row in cursor.fetchall()}
    cursor.execute(_ROWS)
    found = []
    for owner, name, mxid, start, end in cursor.fetchall():
        contact = _contact(name, mxid, start, end)
        if contact is None:
            outcome = Imported.INVALID
        elif owner not in accounts:
            outcome = Imported.NO_ACCOUNT
        elif contact.is_expired(now):
            outcome = Imported.EXPIRED
        elif (owner, contact.mxid) in there:
            outcome = Imported.THERE
        else:
            outcome = Imported.COPIED
            there.add((owner, contact.mxid))
        found.append((owner, mxid, outcome, contact))
    return found


def _contact(name: object, mxid: object, start: object, end: object) -> Contact | None:
    """The contact of a row; ``None`` for one that the interface would refuse."""
    settings = {"start": start, **({} if end is None else {"end": end})}
    try:
        return Contact.from_json({"displayName": name, "mxid": mxid, "inviteSettings": settings})
    except ContactError:
        return None
