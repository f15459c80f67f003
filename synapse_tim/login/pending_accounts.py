"""Accounts that are being made: noted before, so that the next login finishes what a dead process began.

Synapse creates an account and links it to a person in two transactions. Before the first one, the person and
a random mark are noted here, and the account is created with the mark as its password hash: Synapse stores it
in the same transaction as the account, it cannot be chosen, and no password is known for it. So an
account with the mark was made for that person and is not linked yet, while one that an administrator has
created under the same name in between has another hash or none. Once the account is linked, the mark is
removed.
"""

import datetime as dt
import enum
import secrets
from typing import Final

import attrs
import bcrypt
from synapse.module_api import LoggingTransaction, ModuleApi

from synapse_tim.adapter.database import create_tables
from synapse_tim.login.store import person_key, to_ms

_TABLES: Final = (
    """CREATE TABLE IF NOT EXISTS synapse_tim_new_account (
        user_id TEXT NOT NULL,
        person_key TEXT NOT NULL,
        mark TEXT NOT NULL,
        noted_ts BIGINT NOT NULL,
        PRIMARY KEY (user_id, person_key)
    )""",
)
_KEPT: Final = dt.timedelta(days=1)
_COST: Final = 4  # 32 random bytes cannot be guessed, even if trying is cheap


class Name(enum.Enum):
    """What a user id is to a person."""

    FREE = enum.auto()
    THEIRS = enum.auto()  #: an account was made for them under it, and is not linked yet
    TAKEN = enum.auto()  #: another user has it, or had it


@attrs.frozen
class NewAccount:
    """An account that may be made, or was made and not linked."""

    user_id: str
    mark: str = attrs.field(repr=False)
    exists: bool  #: whether it has been made


class NewAccounts:
    """Reads and writes the table ``synapse_tim_new_account``."""

    def __init__(self, api: ModuleApi) -> None:
        self._api = api

    async def create_tables(self) -> None:
        """Create what is missing; for one process only."""
        await create_tables(self._api, _TABLES, "synapse_tim_create_new_account_table")

    async def look_up(self, user_id: str, provider: str, subject: str) -> Name:
        """What a user id is to a person without a linked account.

        The module API's ``check_user_exists`` would write each user id that is free to the log (A_22813).
        """

        def read(txn: LoggingTransaction) -> Name:
            # Old accounts may have capital letters, which Synapse does not distinguish.
            txn.execute("SELECT 1 FROM users WHERE lower(name) = ?", (user_id.lower(),))
            if txn.fetchone() is None:
                return Name.FREE
            mark = _noted(txn, user_id, person_key(provider, subject))
            ours = mark is not None and _is_unlinked(txn, user_id) and _hash_of(txn, user_id) == (mark,)
            return Name.THEIRS if ours else Name.TAKEN

        return await self._api.run_db_interaction("synapse_tim_look_up_name", read)

    async def begin(self, user_id: str, provider: str, subject: str, now: dt.datetime) -> NewAccount | None:
        """Note that an account is about to be made for a person, unless there is one already.

        Args:
            now: with a time zone.

        Returns:
            What to make it with, the same for all who make it for this person at once; ``None`` if the
            account exists and was not made for this person, or is linked.
        """
        person = person_key(provider, subject)
        fresh = bcrypt.hashpw(secrets.token_hex(32).encode(), bcrypt.gensalt(_COST)).decode()

        def note(txn: LoggingTransaction) -> NewAccount | None:
            existing = _hash_of(txn, user_id)
            mark = _noted(txn, user_id, person)
            if existing is not None:
                if mark is None or existing != (mark,) or not _is_unlinked(txn, user_id):
                    return None
                return NewAccount(user_id, mark, exists=True)
            if mark is None:
                # Two at once: the later one is repeated by Synapse, and finds the mark of the other.
                txn.execute(
                    "INSERT INTO synapse_tim_new_account (user_id, person_key, mark, noted_ts)"
                    " VALUES (?, ?, ?, ?) ON CONFLICT DO NOTHING",
                    (user_id, person, fresh, to_ms(now)),
                )
                mark = _noted(txn, user_id, person) or fresh
            return NewAccount(user_id, mark, exists=False)

        return await self._api.run_db_interaction("synapse_tim_note_account", note)

    async def linked_to(self, provider: str, subject: str) -> str | None:
        """The user id that is linked to a person, as the database has it now: Synapse's caches lag behind."""

        def read(txn: LoggingTransaction) -> str | None:
            txn.execute(
                "SELECT user_id FROM user_external_ids WHERE auth_provider = ? AND external_id = ?",
                (provider, subject),
            )
            row = txn.fetchone()
            return None if row is None else str(row[0])

        return await self._api.run_db_interaction("synapse_tim_linked_to", read)

    async def finish(self, account: NewAccount) -> None:
        """Take the mark from an account that is linked, and forget it."""
        await self._api.run_db_interaction(
            "synapse_tim_finish_account", _finish, account.user_id, account.mark
        )

    async def tidy(self, now: dt.datetime) -> None:
        """Finish linked accounts, and forget those that were not made within a day.

        What was made and never linked stays: its person may come back.
        """

        def tidy(txn: LoggingTransaction) -> None:
            txn.execute(
                "SELECT noted.user_id, noted.mark FROM synapse_tim_new_account AS noted"
                " INNER JOIN user_external_ids AS linked ON linked.user_id = noted.user_id"
            )
            for user_id, mark in txn.fetchall():
                _finish(txn, user_id, mark)
            txn.execute(
                "DELETE FROM synapse_tim_new_account WHERE noted_ts < ? AND NOT EXISTS (SELECT 1 FROM users"
                " WHERE users.name = synapse_tim_new_account.user_id"
                " AND users.password_hash = synapse_tim_new_account.mark)",
                (to_ms(now - _KEPT),),
            )

        await self._api.run_db_interaction("synapse_tim_tidy_accounts", tidy)


def _finish(txn: LoggingTransaction, user_id: str, mark: str) -> None:
    # Nothing caches a password hash. One that an administrator has set meanwhile stays.
    txn.execute("UPDATE users SET password_hash = NULL WHERE name = ? AND password_hash = ?", (user_id, mark))
    txn.execute("DELETE FROM synapse_tim_new_account WHERE user_id = ? AND mark = ?", (user_id, mark))


def _noted(txn: LoggingTransaction, user_id: str, person: str) -> str | None:
    txn.execute(
        "SELECT mark FROM synapse_tim_new_account WHERE user_id = ? AND person_key = ?", (user_id, person)
    )
    row = txn.fetchone()
    return None if row is None else str(row[0])


def _hash_of(txn: LoggingTransaction, user_id: str) -> tuple[str | None] | None:
    """The password hash of an account; ``None`` if there is no account."""
    txn.execute("SELECT password_hash FROM users WHERE name = ?", (user_id,))
    row = txn.fetchone()
    return None if row is None else (row[0],)


def _is_unlinked(txn: LoggingTransaction, user_id: str) -> bool:
    txn.execute("SELECT 1 FROM user_external_ids WHERE user_id = ?", (user_id,))
    return txn.fetchone() is None
