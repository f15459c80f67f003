"""What is remembered of log-ins, in Synapse's own database: for all workers, and across restarts.

Tokens that were used, as hashes, until they could not be used again anyway; sessions of the provider that
ended, likewise; and which device belongs to which session of a provider. Nothing of it names a person but
the user id of a session that exists.
"""

from __future__ import annotations

import datetime as dt
import hashlib
from collections.abc import Iterable
from typing import Final

from synapse.module_api import LoggingTransaction, ModuleApi

_TABLES: Final = (
    """CREATE TABLE IF NOT EXISTS synapse_tim_used_token (
        token_key TEXT PRIMARY KEY,
        until_ts BIGINT NOT NULL
    )""",
    "CREATE INDEX IF NOT EXISTS synapse_tim_used_token_until ON synapse_tim_used_token (until_ts)",
    """CREATE TABLE IF NOT EXISTS synapse_tim_provider_session (
        user_id TEXT NOT NULL,
        device_id TEXT NOT NULL,
        provider TEXT NOT NULL,
        session_key TEXT,
        PRIMARY KEY (user_id, device_id)
    )""",
    "CREATE INDEX IF NOT EXISTS synapse_tim_provider_session_key"
    " ON synapse_tim_provider_session (provider, session_key)",
)


def _key(kind: str, *values: str) -> str:
    """A key in the table of used tokens, or a session's: a hash, which tells nobody anything."""
    return hashlib.sha256("\0".join((kind, *values)).encode()).hexdigest()


class LoginStore:
    """Reads and writes the tables ``synapse_tim_…`` of log-ins.

    Args:
        api: Synapse's module API.
    """

    def __init__(self, api: ModuleApi) -> None:
        self._api = api

    async def create_tables(self) -> None:
        """Create what is missing; for one process only."""

        def create(txn: LoggingTransaction) -> None:
            for statement in _TABLES:
                txn.execute(statement)

        await self._api.run_db_interaction("synapse_tim_create_login_tables", create)

    async def use_once(self, kind: str, value: str, until: dt.datetime) -> bool:
        """Note that something is used that may be used once only.

        Args:
            kind: of the value: what two kinds have in common does not matter.
            value: tells it apart.
            until: when it can be forgotten.

        Returns:
            Whether it was not used before, by any process.
        """

        def insert(txn: LoggingTransaction) -> bool:
            txn.execute(
                "INSERT INTO synapse_tim_used_token (token_key, until_ts) VALUES (?, ?)"
                " ON CONFLICT (token_key) DO NOTHING",
                (_key(kind, value), _to_ms(until)),
            )
            return bool(txn.rowcount == 1)

        return await self._api.run_db_interaction("synapse_tim_use_token", insert)

    async def forget(self, now: dt.datetime) -> None:
        """Forget what cannot be used again anyway."""

        def delete(txn: LoggingTransaction) -> None:
            txn.execute("DELETE FROM synapse_tim_used_token WHERE until_ts < ?", (_to_ms(now),))

        await self._api.run_db_interaction("synapse_tim_forget_tokens", delete)

    async def add_session(self, user_id: str, device_id: str, provider: str, session_id: str | None) -> bool:
        """Note which device belongs to a session of a provider.

        Returns:
            Whether that session is still going on; what has ended meanwhile is not noted.
        """
        session_key = None if session_id is None else _key("session", provider, session_id)

        def insert(txn: LoggingTransaction) -> bool:
            if session_key is not None and _has_ended(txn, session_key):
                return False
            txn.execute(
                "INSERT INTO synapse_tim_provider_session (user_id, device_id, provider, session_key)"
                " VALUES (?, ?, ?, ?) ON CONFLICT (user_id, device_id) DO UPDATE SET"
                " provider = excluded.provider, session_key = excluded.session_key",
                (user_id, device_id, provider, session_key),
            )
            return True

        return await self._api.run_db_interaction("synapse_tim_add_session", insert)

    async def has_ended(self, provider: str, session_id: str) -> bool:
        """Whether a provider has ended a session a short time ago."""
        session_key = _key("session", provider, session_id)
        return await self._api.run_db_interaction("synapse_tim_has_ended", _has_ended, session_key)

    async def end_session(self, provider: str, session_id: str, until: dt.datetime) -> list[tuple[str, str]]:
        """Note that a provider has ended a session.

        Args:
            provider: which.
            session_id: of the session.
            until: as long as tokens of the session may still come.

        Returns:
            User id and device id of those whose session here has to end.
        """
        session_key = _key("session", provider, session_id)

        def end(txn: LoggingTransaction) -> list[tuple[str, str]]:
            txn.execute(
                "INSERT INTO synapse_tim_used_token (token_key, until_ts) VALUES (?, ?)"
                " ON CONFLICT (token_key) DO UPDATE SET until_ts = excluded.until_ts",
                (session_key, _to_ms(until)),
            )
            return _sessions(txn, "provider = ? AND session_key = ?", (provider, session_key))

        return await self._api.run_db_interaction("synapse_tim_end_session", end)

    async def sessions_of(self, provider: str, user_id: str) -> list[tuple[str, str]]:
        """User id and device id of all sessions of a user that a provider vouched for."""

        def select(txn: LoggingTransaction) -> list[tuple[str, str]]:
            return _sessions(txn, "provider = ? AND user_id = ?", (provider, user_id))

        return await self._api.run_db_interaction("synapse_tim_sessions_of", select)

    async def remove_session(self, user_id: str, device_id: str) -> None:
        """Forget a session that is over."""

        def delete(txn: LoggingTransaction) -> None:
            txn.execute(
                "DELETE FROM synapse_tim_provider_session WHERE user_id = ? AND device_id = ?",
                (user_id, device_id),
            )

        await self._api.run_db_interaction("synapse_tim_remove_session", delete)


def _has_ended(txn: LoggingTransaction, session_key: str) -> bool:
    txn.execute("SELECT 1 FROM synapse_tim_used_token WHERE token_key = ?", (session_key,))
    return txn.fetchone() is not None


def _sessions(txn: LoggingTransaction, condition: str, values: Iterable[str]) -> list[tuple[str, str]]:
    txn.execute(
        f"SELECT user_id, device_id FROM synapse_tim_provider_session WHERE {condition}",  # noqa: S608
        tuple(values),
    )
    return [(user_id, device_id) for user_id, device_id in txn.fetchall()]


def _to_ms(moment: dt.datetime) -> int:
    return int(moment.timestamp() * 1000)
