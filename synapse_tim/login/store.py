"""Used tokens and provider sessions, in Synapse's database: for all workers, and across restarts.

Tokens that were used, as hashes, until they could not be used again anyway; sessions of the provider, or all
of a person at the provider, that ended, likewise; and which device belongs to which session of a provider.
Nothing of it names a person but the user id of a session that exists.
"""

import datetime as dt
import hashlib
from collections.abc import Iterable, Sequence
from typing import Final

import attrs
from synapse.module_api import LoggingTransaction, ModuleApi

from synapse_tim.adapter.database import create_tables, execute
from synapse_tim.core.sql import places

_FOR_EVER: Final = 2**62
_DEVICES: Final = (
    "SELECT DISTINCT user_id, device_id FROM synapse_tim_provider_session WHERE provider = ? AND"
)
_TABLES: Final = (
    """CREATE TABLE IF NOT EXISTS synapse_tim_used_token (
        token_key TEXT PRIMARY KEY,
        until_ts BIGINT NOT NULL,
        issued_ts BIGINT NOT NULL
    )""",
    "CREATE INDEX IF NOT EXISTS synapse_tim_used_token_until ON synapse_tim_used_token (until_ts)",
    """CREATE TABLE IF NOT EXISTS synapse_tim_provider_session (
        user_id TEXT NOT NULL,
        device_id TEXT NOT NULL,
        provider TEXT NOT NULL,
        session_key TEXT NOT NULL,
        person_key TEXT NOT NULL,
        issued_ts BIGINT NOT NULL,
        PRIMARY KEY (user_id, device_id, provider, session_key)
    )""",
    "CREATE INDEX IF NOT EXISTS synapse_tim_provider_session_key"
    " ON synapse_tim_provider_session (provider, session_key)",
    "CREATE INDEX IF NOT EXISTS synapse_tim_provider_session_person"
    " ON synapse_tim_provider_session (provider, person_key)",
)


def _key(kind: str, *values: str) -> str:
    """A key in the table of used tokens, or a session's: a hash, which reveals nothing."""
    return hashlib.sha256("\0".join((kind, *values)).encode()).hexdigest()


def person_key(provider: str, subject: str) -> str:
    """What stands for a person at a provider in the tables."""
    return _key("subject", provider, subject)


@attrs.frozen
class ProviderSession:
    """A session of a person at a provider."""

    provider: str
    #: Of the session, or ``None`` if the provider names none.
    session_id: str | None = attrs.field(repr=False)
    subject: str = attrs.field(repr=False)  #: id of the person at the provider
    issued_at: dt.datetime  #: when the token was issued that began the session here

    @property
    def key(self) -> str:
        """What stands for the session in the tables; empty if it has no name."""
        return _session_key(self.provider, self.session_id)

    @property
    def keys(self) -> tuple[str, ...]:
        """Under which its end may be noted: its own, and that of all sessions of the person."""
        return (self.key, self.person_key) if self.key else (self.person_key,)

    @property
    def person_key(self) -> str:
        """What stands for the person in the tables."""
        return person_key(self.provider, self.subject)


class LoginStore:
    """Reads and writes the tables ``synapse_tim_…`` of logins."""

    def __init__(self, api: ModuleApi) -> None:
        self._api = api

    async def create_tables(self) -> None:
        """Create what is missing; for one process only."""
        await create_tables(self._api, _TABLES, "synapse_tim_create_login_tables")

    async def use_once(
        self, things: Sequence[tuple[str, str, dt.datetime]], session: ProviderSession | None = None
    ) -> str | None:
        """Note that something is used that may be used once only, in one transaction.

        Args:
            things: kind and value of each, and until when it could be used. What two kinds have in common
                does not matter.
            session: that must not have ended.

        Returns:
            ``"session"`` if that has ended, or the kind of what was used before, by any process; nothing that
            follows it is noted. ``None`` if all of it was noted.
        """

        def insert(txn: LoggingTransaction) -> str | None:
            if session is not None and _has_ended(txn, session):
                return "session"
            for kind, value, until in things:
                txn.execute(
                    "INSERT INTO synapse_tim_used_token (token_key, until_ts, issued_ts) VALUES (?, ?, 0)"
                    " ON CONFLICT (token_key) DO NOTHING",
                    (_key(kind, value), to_ms(until)),
                )
                if txn.rowcount != 1:
                    return kind
            return None

        return await self._api.run_db_interaction("synapse_tim_use_token", insert)

    async def release(self, used: Iterable[tuple[str, str]]) -> None:
        """Let things be used after all, that were noted by the caller and came to nothing."""
        keys = [_key(kind, value) for kind, value in used]

        def delete(txn: LoggingTransaction) -> None:
            for key in keys:
                txn.execute("DELETE FROM synapse_tim_used_token WHERE token_key = ?", (key,))

        await self._api.run_db_interaction("synapse_tim_release_tokens", delete)

    async def forget(self, now: dt.datetime) -> None:
        """Forget what cannot be used again anyway."""
        await execute(
            self._api,
            "synapse_tim_forget_tokens",
            "DELETE FROM synapse_tim_used_token WHERE until_ts < ?",
            (to_ms(now),),
        )

    async def add_session(self, user_id: str, device_id: str, session: ProviderSession) -> bool:
        """Note which device belongs to a session of a provider; a device may belong to several.

        It is noted first, and then looked whether the session has ended: in two transactions, as ending one
        is. Whichever of both looks later sees what the other has written, and no login waits for another.

        Returns:
            Whether that session is still going on.
        """
        await execute(
            self._api,
            "synapse_tim_add_session",
            "INSERT INTO synapse_tim_provider_session"
            " (user_id, device_id, provider, session_key, person_key, issued_ts)"
            " VALUES (?, ?, ?, ?, ?, ?)"
            " ON CONFLICT (user_id, device_id, provider, session_key) DO UPDATE SET"
            " person_key = excluded.person_key, issued_ts = excluded.issued_ts",
            (user_id, device_id, session.provider, session.key, session.person_key, to_ms(session.issued_at)),
        )
        return not await self._api.run_db_interaction("synapse_tim_has_ended", _has_ended, session)

    async def end_session(self, provider: str, session_id: str, until: dt.datetime) -> list[tuple[str, str]]:
        """Note that a provider has ended a session.

        Args:
            until: as long as tokens of the session may still come.

        Returns:
            User id and device id of those whose session here has to end.
        """
        session_key = _session_key(provider, session_id)
        await self._note_end(session_key, until, _FOR_EVER)
        return await self._devices("session_key = ?", provider, session_key)

    async def end_sessions_of(self, session: ProviderSession, until: dt.datetime) -> list[tuple[str, str]]:
        """Note that a provider has ended sessions of a person that had begun by then.

        Args:
            session: whose, and when the provider said so; all of the person if it has no name, otherwise
                those that have none, since the provider may mean one of them.
            until: as long as older tokens may still come.

        Returns:
            User id and device id of those whose session here has to end.
        """
        issued_ts = to_ms(session.issued_at)
        unnamed = " AND session_key = ''" if session.key else ""
        if not unnamed:
            await self._note_end(session.person_key, until, issued_ts)
        return await self._devices(
            "person_key = ? AND issued_ts <= ?" + unnamed, session.provider, session.person_key, issued_ts
        )

    async def remove_session(self, user_id: str, device_id: str) -> None:
        """Forget what a device belonged to, if it is gone."""
        # Synapse calls for each access token, and a device may have several.
        await execute(
            self._api,
            "synapse_tim_remove_session",
            "DELETE FROM synapse_tim_provider_session WHERE user_id = ? AND device_id = ?"
            " AND NOT EXISTS (SELECT 1 FROM devices WHERE devices.user_id = ? AND devices.device_id = ?)",
            (user_id, device_id, user_id, device_id),
        )

    async def _note_end(self, key: str, until: dt.datetime, issued_ts: int) -> None:
        def note(txn: LoggingTransaction) -> None:
            txn.execute(
                "INSERT INTO synapse_tim_used_token AS noted (token_key, until_ts, issued_ts)"
                " VALUES (?, ?, ?) ON CONFLICT (token_key) DO UPDATE SET"
                " until_ts = CASE WHEN excluded.until_ts > noted.until_ts THEN excluded.until_ts"
                " ELSE noted.until_ts END,"
                " issued_ts = CASE WHEN excluded.issued_ts > noted.issued_ts THEN excluded.issued_ts"
                " ELSE noted.issued_ts END",
                (key, to_ms(until), issued_ts),
            )

        await self._api.run_db_interaction("synapse_tim_note_end", note)

    async def _devices(self, which: str, *values: object) -> list[tuple[str, str]]:
        def read(txn: LoggingTransaction) -> list[tuple[str, str]]:
            txn.execute(f"{_DEVICES} {which}", values)
            return [(user_id, device_id) for user_id, device_id in txn.fetchall()]

        return await self._api.run_db_interaction("synapse_tim_devices_of_session", read)


def _has_ended(txn: LoggingTransaction, session: ProviderSession) -> bool:
    """Whether a provider has ended a session, or all of a person, a short time ago."""
    txn.execute(
        f"SELECT 1 FROM synapse_tim_used_token WHERE token_key IN ({places(session.keys)})"  # noqa: S608
        " AND issued_ts >= ? LIMIT 1",
        (*session.keys, to_ms(session.issued_at)),
    )
    return txn.fetchone() is not None


def _session_key(provider: str, session_id: str | None) -> str:
    return "" if session_id is None else _key("session", provider, session_id)


def to_ms(moment: dt.datetime) -> int:
    """A moment as the tables have it."""
    return int(moment.timestamp() * 1000)
