"""Approval lists that are left over when a homeserver moves on from ``legacy-1.1``.

Later generations do not look at them: who is on a list that was not migrated may find that an invitation is
refused, or anyone may invite a user; and who was taken off a list after it was migrated may still
invite. So start-up says once what is left, and so does the migration, which notes what it did in two tables.
"""

from __future__ import annotations

import logging
from typing import TYPE_CHECKING, Final

import attrs

from synapse_tim.adapter.clock import now_s
from synapse_tim.core.sql import Cursor, has_table

if TYPE_CHECKING:  # the migration works without loading Synapse
    from synapse.module_api import LoggingTransaction, ModuleApi

logger = logging.getLogger(__name__)

CONTACTS: Final = "synapse_tim_contacts"
#: The outcome that is noted of an approval that is in the user's permission configuration now.
MIGRATED: Final = "migrated"
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
# Of active accounts only.
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


@attrs.frozen
class Left:
    """What another run would have to do."""

    approvals: int = 0  #: that were neither migrated nor decided on, or have changed since
    users: int = 0
    withdrawn: int = 0  #: approvals that were taken off a list after they were migrated

    def __bool__(self) -> bool:
        return bool(self.approvals or self.withdrawn)

    def __str__(self) -> str:
        return (
            f"{self.approvals} approvals of {self.users} users were neither migrated nor decided on, "
            f"{self.withdrawn} were withdrawn after they were migrated"
        )


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
    cursor.execute(_WITHDRAWN, (MIGRATED,))
    (withdrawn,) = cursor.fetchone() or (0,)
    return Left(int(approvals), int(users), int(withdrawn))


def tell_of_leftover_approvals(api: ModuleApi, *, postgresql: bool) -> None:
    """Have a warning logged if another run of the migration has something to do.

    Only the process that runs background tasks looks, once.

    Args:
        postgresql: whether the database is PostgreSQL; otherwise it is SQLite.
    """
    if not api.should_run_background_tasks():
        return
    now = now_s()

    def count(txn: LoggingTransaction) -> Left:
        return count_left(txn, now, postgresql=postgresql)

    async def tell() -> None:
        try:
            left = await api.run_db_interaction("synapse_tim_contacts_left", count)
        except Exception as error:
            logger.error("The remaining contacts could not be looked up: %s", type(error).__name__)
            return
        if left:
            logger.warning(
                "Approval lists of legacy-1.1 have no effect any more, and %s: "
                "run 'synapse-tim contacts migrate'",
                left,
            )

    api.delayed_background_call(0, tell, desc="synapse_tim_contacts_left")
