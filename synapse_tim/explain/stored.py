"""What a homeserver has stored about its list, its users and what they allow; read-only."""

import datetime as dt
import json
from collections.abc import Sequence
from typing import Any

import attrs

from synapse_tim.admin.database import ReadOnlyDatabase
from synapse_tim.core.products import Product
from synapse_tim.federation.acceptance import Acceptance
from synapse_tim.federation.list import FederationList
from synapse_tim.federation.store import read_stored_list
from synapse_tim.invites.permission_config import ACCOUNT_DATA_TYPES, is_empty
from synapse_tim.login.store import person_key


class UnreadableDocument:
    """Stands for a stored permission configuration that is no JSON."""


@attrs.frozen
class Account:
    """A local user's account."""

    is_deactivated: bool
    is_administrator: bool


@attrs.frozen
class Link:
    """A person at an identity provider to whom an account belongs."""

    provider: str
    #: When the provider ended all sessions of the person, as long as that matters to older tokens.
    ended_at: dt.datetime | None


@attrs.frozen
class Session:
    """A device that belongs to a session of a provider, or of whose session nothing is noted."""

    device_id: str
    providers: tuple[str, ...]


class Stored:
    """Reads the database of one homeserver."""

    def __init__(self, database: ReadOnlyDatabase, product: Product) -> None:
        self._database = database
        self._kind = ACCOUNT_DATA_TYPES[product]

    def federation_list(self) -> tuple[Acceptance, FederationList] | None:
        """The list in force, which the homeserver verified when it stored it; ``None`` if there is none."""
        if not self._database.has_table("synapse_tim_federation_list"):
            return None
        with self._database.transaction() as cursor:
            return read_stored_list(cursor)

    def account(self, user_id: str) -> Account | None:
        """A local user's account; application services' users may have none."""
        rows = self._select("SELECT deactivated, admin FROM users WHERE name = ?", user_id)
        return Account(bool(rows[0][0]), bool(rows[0][1])) if rows else None

    def permissions(self, user_id: str) -> object:
        """The stored permission configuration; ``UnreadableDocument`` if it is no JSON, ``None`` for none."""
        rows = self._select(
            "SELECT content FROM account_data WHERE user_id = ? AND account_data_type = ?",
            user_id,
            self._kind,
        )
        if not rows:
            return None
        try:
            document = json.loads(str(rows[0][0]))
        except (ValueError, RecursionError):
            return UnreadableDocument()
        return None if is_empty(document) else document

    def approval(self, owner: str, contact: str) -> tuple[int, int | None] | None:
        """From when to when a user's approval list lets somebody in, in seconds since 1970."""
        if not self._database.has_table("synapse_tim_contacts"):
            return None
        rows = self._select(
            "SELECT start_s, end_s FROM synapse_tim_contacts WHERE owner = ? AND contact = ?", owner, contact
        )
        return (rows[0][0], rows[0][1]) if rows else None

    def links(self, user_id: str) -> list[Link]:
        """The persons to whom an account belongs."""
        persons = self._select(
            "SELECT auth_provider, external_id FROM user_external_ids WHERE user_id = ?"
            " ORDER BY auth_provider",
            user_id,
        )
        return [Link(provider, self._ended(provider, subject)) for provider, subject in persons]

    def _ended(self, provider: str, subject: str) -> dt.datetime | None:
        if not self._database.has_table("synapse_tim_used_token"):
            return None
        rows = self._select(
            "SELECT issued_ts FROM synapse_tim_used_token WHERE token_key = ?", person_key(provider, subject)
        )
        return dt.datetime.fromtimestamp(rows[0][0] / 1000, dt.UTC) if rows else None

    def sessions(self, user_id: str) -> list[Session]:
        """The devices of a user, with the providers to whose sessions they belong."""
        devices = self._select(
            "SELECT device_id FROM devices WHERE user_id = ? AND NOT hidden ORDER BY device_id", user_id
        )
        noted: dict[str, list[str]] = {device_id: [] for (device_id,) in devices}
        if self._database.has_table("synapse_tim_provider_session"):
            for device_id, provider in self._select(
                "SELECT DISTINCT device_id, provider FROM synapse_tim_provider_session WHERE user_id = ?",
                user_id,
            ):
                noted.setdefault(device_id, []).append(provider)
        return [Session(device_id, tuple(providers)) for device_id, providers in noted.items()]

    def _select(self, sql: str, *values: object) -> Sequence[Sequence[Any]]:
        with self._database.transaction() as cursor:
            cursor.execute(sql, values)
            return list(cursor.fetchall())
