"""Log-ins under way, codes, sessions and persons of the gateway, in Synapse's database: for all workers.

What a browser or a relying party shows (state, code, access token) is stored as SHA-256 only, for minutes,
and taken in one transaction, so that each is worth one use whichever process it comes to.
"""

import datetime as dt
import hashlib
import json
import secrets
from collections.abc import Iterable, Mapping
from typing import Any, Final

import attrs
from synapse.module_api import LoggingTransaction, ModuleApi

from synapse_tim.adapter.database import create_tables
from synapse_tim.login.store import ProviderSession, to_ms

#: How long a session of a relying party may be ended by the provider: the longest session there is (R4.12).
SESSION_LIFETIME: Final = dt.timedelta(days=182)
_TABLES: Final = (
    """CREATE TABLE IF NOT EXISTS synapse_tim_gateway_state (
        state_key TEXT PRIMARY KEY,
        sid TEXT NOT NULL,
        until_ts BIGINT NOT NULL,
        content TEXT NOT NULL
    )""",
    "CREATE INDEX IF NOT EXISTS synapse_tim_gateway_state_until ON synapse_tim_gateway_state (until_ts)",
    "CREATE INDEX IF NOT EXISTS synapse_tim_gateway_state_sid ON synapse_tim_gateway_state (sid)",
    """CREATE TABLE IF NOT EXISTS synapse_tim_gateway_session (
        sid TEXT PRIMARY KEY,
        client_id TEXT NOT NULL,
        sub TEXT NOT NULL,
        provider TEXT NOT NULL,
        session_key TEXT NOT NULL,
        person_key TEXT NOT NULL,
        issued_ts BIGINT NOT NULL,
        until_ts BIGINT NOT NULL,
        ended_ts BIGINT
    )""",
    "CREATE INDEX IF NOT EXISTS synapse_tim_gateway_session_key"
    " ON synapse_tim_gateway_session (provider, session_key)",
    "CREATE INDEX IF NOT EXISTS synapse_tim_gateway_session_person"
    " ON synapse_tim_gateway_session (provider, person_key)",
    """CREATE TABLE IF NOT EXISTS synapse_tim_gateway_person (
        provider TEXT NOT NULL,
        person_key TEXT NOT NULL,
        sub TEXT NOT NULL UNIQUE,
        user_id TEXT NOT NULL,
        claimed_name TEXT UNIQUE,
        PRIMARY KEY (provider, person_key)
    )""",
)


def new_secret() -> str:
    """Something that cannot be guessed: 43 characters of base64url."""
    return secrets.token_urlsafe(32)


def digest(value: str) -> str:
    """What stands for a secret in a table."""
    return hashlib.sha256(value.encode("utf-8", "surrogatepass")).hexdigest()


@attrs.frozen
class EndedSession:
    """A session that its relying party has to be told is over."""

    sid: str
    client_id: str
    sub: str = attrs.field(repr=False)


@attrs.frozen
class KnownPerson:
    """What the gateway has noted of a person at a provider."""

    sub: str = attrs.field(repr=False)  #: what relying parties know them as
    user_id: str = attrs.field(repr=False)  #: their account, which may still have to be made


class GatewayStore:
    """Reads and writes the tables ``synapse_tim_gateway_…``."""

    def __init__(self, api: ModuleApi, *, postgresql: bool) -> None:
        self._api = api
        self._postgresql = postgresql  # on SQLite there is one connection only

    async def create_tables(self) -> None:
        """Create what is missing; for one process only."""
        await create_tables(self._api, _TABLES, "synapse_tim_create_gateway_tables")

    async def put(
        self, kind: str, secret: str, content: Mapping[str, Any], until: dt.datetime, sid: str = ""
    ) -> bool:
        """Keep something under a secret.

        Args:
            kind: of the secret; another kind of the same secret is another one.
            content: JSON.
            sid: of the session that it belongs to, and ends with.

        Returns:
            Whether it is kept: not if that session is over.
        """

        def insert(txn: LoggingTransaction) -> bool:
            going_on = "SELECT 1 FROM synapse_tim_gateway_session WHERE sid = ? AND ended_ts IS NULL"
            if sid:
                txn.execute(going_on + (" FOR UPDATE" if self._postgresql else ""), (sid,))
                if txn.fetchone() is None:
                    return False
            txn.execute(
                "INSERT INTO synapse_tim_gateway_state (state_key, sid, until_ts, content)"
                " VALUES (?, ?, ?, ?)",
                (_key(kind, secret), sid, to_ms(until), json.dumps(content)),
            )
            return True

        return await self._api.run_db_interaction("synapse_tim_gateway_put", insert)

    async def peek(self, kind: str, secret: str, now: dt.datetime) -> dict[str, Any] | None:
        """What is kept under a secret, or ``None``."""

        def read(txn: LoggingTransaction) -> dict[str, Any] | None:
            return _read(txn, _key(kind, secret), now)

        return await self._api.run_db_interaction("synapse_tim_gateway_peek", read)

    async def take(
        self, kind: str, secret: str, now: dt.datetime, *, used_until: dt.datetime | None = None, **only: str
    ) -> dict[str, Any] | None:
        """What is kept under a secret, once.

        Args:
            used_until: how long to remember that it was taken (``was_taken``).
            **only: what has to be in the content; with something else it stays, and nothing is returned.
        """
        key = _key(kind, secret)

        def take(txn: LoggingTransaction) -> dict[str, Any] | None:
            content = _read(txn, key, now)
            if content is None or any(content.get(name) != value for name, value in only.items()):
                return None
            if used_until is None:
                txn.execute("DELETE FROM synapse_tim_gateway_state WHERE state_key = ?", (key,))
            else:
                # PostgreSQL repeats the later one of two at once, SQLite has one connection only.
                txn.execute(
                    "UPDATE synapse_tim_gateway_state SET state_key = ?, until_ts = ?, content = '{}'"
                    " WHERE state_key = ?",
                    (_key(f"used {kind}", secret), to_ms(used_until), key),
                )
            return content if txn.rowcount == 1 else None

        return await self._api.run_db_interaction("synapse_tim_gateway_take", take)

    async def session_of_taken(self, kind: str, secret: str) -> str | None:
        """The ``sid`` of what was kept under a secret that was taken before; ``None`` if it was not."""

        def read(txn: LoggingTransaction) -> str | None:
            key = _key(f"used {kind}", secret)
            txn.execute("SELECT sid FROM synapse_tim_gateway_state WHERE state_key = ?", (key,))
            row = txn.fetchone()
            return None if row is None else str(row[0])

        return await self._api.run_db_interaction("synapse_tim_gateway_taken", read)

    # Sessions of relying parties

    async def add_session(
        self, sid: str, client_id: str, sub: str, session: ProviderSession, now: dt.datetime
    ) -> None:
        """Note which session of a provider a relying party's belongs to."""

        def insert(txn: LoggingTransaction) -> None:
            txn.execute(
                "INSERT INTO synapse_tim_gateway_session (sid, client_id, sub, provider, session_key,"
                " person_key, issued_ts, until_ts, ended_ts) VALUES (?, ?, ?, ?, ?, ?, ?, ?, NULL)",
                (
                    sid,
                    client_id,
                    sub,
                    session.provider,
                    session.key,
                    session.person_key,
                    to_ms(session.issued_at),
                    to_ms(now + SESSION_LIFETIME),
                ),
            )

        await self._api.run_db_interaction("synapse_tim_gateway_add_session", insert)

    async def end_session(self, sid: str, now: dt.datetime) -> None:
        """End a session and all that came of it; its relying party has to be told."""
        await self._end("sid = ?", (sid,), now)

    async def end_sessions_of_provider(self, session: ProviderSession, now: dt.datetime) -> None:
        """End what belongs to a session of a provider, or began before and has no name there."""
        which = "provider = ? AND session_key = ? AND session_key <> ''"
        await self._end(which, (session.provider, session.key), now)

    async def end_sessions_of_person(self, session: ProviderSession, now: dt.datetime) -> None:
        """End those of a person that had begun by then: all, or of a named session those without a name."""
        unnamed = " AND session_key = ''" if session.key else ""
        await self._end(
            "provider = ? AND person_key = ? AND issued_ts <= ?" + unnamed,
            (session.provider, session.person_key, to_ms(session.issued_at)),
            now,
        )

    async def _end(self, which: str, values: Iterable[object], now: dt.datetime) -> None:
        def end(txn: LoggingTransaction) -> None:
            txn.execute(
                f"SELECT sid FROM synapse_tim_gateway_session WHERE ended_ts IS NULL AND {which}",  # noqa: S608
                tuple(values),
            )
            for (sid,) in txn.fetchall():
                txn.execute(
                    "UPDATE synapse_tim_gateway_session SET ended_ts = ? WHERE sid = ?", (to_ms(now), sid)
                )
                txn.execute("DELETE FROM synapse_tim_gateway_state WHERE sid = ?", (sid,))

        await self._api.run_db_interaction("synapse_tim_gateway_end", end)

    async def ended_sessions(self) -> list[EndedSession]:
        """Those whose relying party has not been told yet."""

        def read(txn: LoggingTransaction) -> list[EndedSession]:
            txn.execute(
                "SELECT sid, client_id, sub FROM synapse_tim_gateway_session WHERE ended_ts IS NOT NULL"
                " ORDER BY ended_ts LIMIT 1000"
            )
            return [EndedSession(*row) for row in txn.fetchall()]

        return await self._api.run_db_interaction("synapse_tim_gateway_ended", read)

    async def forget_session(self, sid: str) -> None:
        """Forget a session whose relying party knows that it is over."""

        def delete(txn: LoggingTransaction) -> None:
            txn.execute("DELETE FROM synapse_tim_gateway_session WHERE sid = ?", (sid,))

        await self._api.run_db_interaction("synapse_tim_gateway_forget", delete)

    # Persons

    async def person(self, provider: str, person_key: str) -> KnownPerson | None:
        """What is noted of a person."""

        def read(txn: LoggingTransaction) -> KnownPerson | None:
            return _person(txn, provider, person_key)

        return await self._api.run_db_interaction("synapse_tim_gateway_person", read)

    async def note_person(
        self, provider: str, person_key: str, user_id: str, *, claim: bool
    ) -> KnownPerson | None:
        """Note whose account is a person's. They get a ``sub`` for as long as it is the same one.

        Args:
            claim: whether the account is still to be made, so that nobody else may get the name.

        Returns:
            What is noted now; ``None`` if somebody else has claimed the name.
        """
        fresh, whose = new_secret(), (provider, person_key)

        def note(txn: LoggingTransaction) -> KnownPerson | None:
            claimed = user_id if claim else None
            if claim:
                txn.execute(
                    "SELECT 1 FROM synapse_tim_gateway_person WHERE claimed_name = ?"
                    " AND NOT (provider = ? AND person_key = ?)",
                    (user_id, *whose),
                )
                if txn.fetchone() is not None:
                    return None
            # Two at once: PostgreSQL has the later one repeated, or do nothing.
            txn.execute(
                "INSERT INTO synapse_tim_gateway_person (provider, person_key, sub, user_id, claimed_name)"
                " VALUES (?, ?, ?, ?, ?) ON CONFLICT DO NOTHING",
                (*whose, fresh, user_id, claimed),
            )
            txn.execute(
                "UPDATE synapse_tim_gateway_person SET sub = ?, user_id = ?, claimed_name = ?"
                " WHERE provider = ? AND person_key = ? AND user_id <> ?",
                (fresh, user_id, claimed, *whose, user_id),
            )
            return _person(txn, *whose)

        return await self._api.run_db_interaction("synapse_tim_gateway_note_person", note)

    async def tidy(self, now: dt.datetime) -> None:
        """Forget what is over; a relying party that does not answer for a day is not told any more."""

        def tidy(txn: LoggingTransaction) -> None:
            txn.execute("DELETE FROM synapse_tim_gateway_state WHERE until_ts < ?", (to_ms(now),))
            txn.execute(
                "DELETE FROM synapse_tim_gateway_session WHERE until_ts < ? OR ended_ts < ?",
                (to_ms(now), to_ms(now - dt.timedelta(days=1))),
            )

        await self._api.run_db_interaction("synapse_tim_gateway_tidy", tidy)


def _key(kind: str, secret: str) -> str:
    return digest(f"{kind}\0{secret}")


def _read(txn: LoggingTransaction, key: str, now: dt.datetime) -> dict[str, Any] | None:
    txn.execute(
        "SELECT content FROM synapse_tim_gateway_state WHERE state_key = ? AND until_ts >= ?",
        (key, to_ms(now)),
    )
    row = txn.fetchone()
    if row is None:
        return None
    content: dict[str, Any] = json.loads(row[0])
    return content


def _person(txn: LoggingTransaction, provider: str, person_key: str) -> KnownPerson | None:
    txn.execute(
        "SELECT sub, user_id FROM synapse_tim_gateway_person WHERE provider = ? AND person_key = ?",
        (provider, person_key),
    )
    row = txn.fetchone()
    return None if row is None else KnownPerson(*row)
