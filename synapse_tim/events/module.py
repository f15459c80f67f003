"""``synapse_tim.EventPolicy``: clear text, reactions (A_26228-01), threads (A_25395-02), and redactions.

Redactions: A_28358. Clear text in encrypted rooms: A_26015-02.

Judged are events that local users make here, where they make them. An encrypted message costs a comparison of
its type, and nothing is loaded for it; one in clear text, where encryption is required, costs a look at two
pieces of the room's state, which Synapse has in memory. A redaction costs a look-up of its target: first
whether the user may see it, then how old it is. Server administrators may redact what they like. Events that
arrive are not judged, local users' own included: they come back in history, in the state of a join, or after
a backup was restored, and what was allowed once may be too old by then.
"""

import datetime as dt
import logging
from collections.abc import Mapping
from typing import Any

from synapse.module_api import EventBase, LoggingTransaction, ModuleApi, SynapseRequest

from synapse_tim.adapter import registry
from synapse_tim.adapter.answers import Answer, Proceed, count_allowed, enforce, reject
from synapse_tim.adapter.client_api import read_json
from synapse_tim.adapter.clock import now_ms
from synapse_tim.adapter.config_block import parse_block
from synapse_tim.adapter.events import StateBefore
from synapse_tim.adapter.homeserver import Homeserver
from synapse_tim.core.matrix import CREATE, ENCRYPTION, MEMBER, SPACE
from synapse_tim.core.text import is_storable
from synapse_tim.events.config import EventPolicyConfig
from synapse_tim.events.denials import (
    CLEAR_TEXT,
    REACTION,
    REDACTION_MALFORMED,
    REDACTION_TARGET,
    REDACTION_TOO_LATE,
    REDACTION_UNAVAILABLE,
)
from synapse_tim.events.rules import (
    MESSAGE_TYPES,
    REACTION_TYPE,
    REDACTION_TYPE,
    REDACTS_ALL,
    is_one_emoji,
    redacts_all,
)

logger = logging.getLogger(__name__)


class EventPolicy:
    """Judges events in one Synapse process."""

    def __init__(self, config: EventPolicyConfig, api: ModuleApi) -> None:
        self._api = api
        homeserver = Homeserver.of(api)
        self._client_api, self._events = homeserver.client_api, homeserver.events
        self._rules = config.events.rules
        # Without the feature, what a kick or a ban says of redactions has no effect.
        self._bans_redact = bool(homeserver.config.option("experimental", "msc4293_enabled"))
        is_one_emoji("\N{THUMBS UP SIGN}")  # the library reads its tables now, not at the first reaction
        # Threads can be made with events of any type.
        types = (REACTION_TYPE, REDACTION_TYPE, MEMBER) if self._rules.threads else None
        self._events.add_check(self.check_local_event, types)
        if config.events.require_encryption:
            self._events.add_check(self.check_clear_text, MESSAGE_TYPES)
        self._server_notices_user = homeserver.config.server_notices_user
        homeserver.config.allow_redactions_by_send()
        sends, redacts = "room.RoomSendEventRestServlet", "room.RoomRedactEventRestServlet"
        self._client_api.guard(
            {
                **{(sends, method): self.check_body for method in ("PUT", "POST")},
                **{(redacts, method): self.check_path for method in ("PUT", "POST")},
            }
        )
        registry.register(api, self, config)

    @staticmethod
    def parse_config(config: dict[str, Any]) -> EventPolicyConfig:
        """Check the block of ``homeserver.yaml``; the ``ConfigError`` names the key and what is expected."""
        return parse_block(EventPolicyConfig, config)

    async def check_local_event(self, event: EventBase, state_before: StateBefore) -> None:
        """Judge an event that a local user makes.

        Called for every event that is built here: by requests of clients, administrators, application
        services and modules, delayed events included; while rooms are created and upgraded; and for the
        templates of joins, knocks and leaves that other servers are given, whose senders are not local.

        Raises:
            SynapseError: 400, 403 or 404, as the denial says; 503 if a redaction cannot be judged now.
        """
        if not self._api.is_mine(event.sender):
            return
        kind = event.type
        enforce(self._rules.check(kind, event.content))
        if kind == REACTION_TYPE:
            count_allowed(REACTION)
        elif self._rules.redaction_window is None:
            return
        elif kind == REDACTION_TYPE:
            await self._check_redaction(event)
        elif self._bans_redact and redacts_all(kind, event.sender, event.get_state_key(), event.content):
            await self._check_ban(event, self._rules.redaction_window)

    async def check_clear_text(self, event: EventBase, state_before: StateBefore) -> None:
        """Refuse a message of a local user that is not encrypted, where it has to be.

        Called for messages in clear text that are built here, by requests of clients, administrators,
        application services and modules; also for state of those types. What matters is that the room was
        encrypted at all: another server's user may have broken its encryption since.

        Raises:
            SynapseError: 400 ``M_FORBIDDEN``.
        """
        if not self._api.is_mine(event.sender) or event.sender == self._server_notices_user:
            return
        state = await state_before([(ENCRYPTION, ""), (CREATE, "")])
        created = state.get((CREATE, ""))
        if (ENCRYPTION, "") in state or (created is not None and created.content.get("type") == SPACE):
            reject(CLEAR_TEXT)

    async def check_body(self, request: SynapseRequest, proceed: Proceed, path: Mapping[str, str]) -> Answer:
        """Refuse a reaction or a redaction that Synapse would fail on before its callbacks."""
        kind = path["event_type"]
        if kind in (REACTION_TYPE, REDACTION_TYPE):
            await self._client_api.user_of(request)
            content = read_json(request)
            if kind == REDACTION_TYPE and not _is_event_id(content.get("redacts")):
                reject(REDACTION_MALFORMED)
            enforce(self._rules.check(kind, content))
        return await proceed()

    async def check_path(self, request: SynapseRequest, proceed: Proceed, path: Mapping[str, str]) -> Answer:
        """Refuse a redaction of what cannot be an event id."""
        if not _is_event_id(path["event_id"]):
            await self._client_api.user_of(request)
            reject(REDACTION_MALFORMED)
        return await proceed()

    async def _check_redaction(self, event: EventBase) -> None:
        target = event.redacts
        if not isinstance(target, str):
            reject(REDACTION_MALFORMED)
        try:
            if await self._events.is_made_by_admin(event):
                return
            age = await self._age(event, target)
        except Exception as error:
            logger.error("A redaction could not be judged: %s", type(error).__name__)
            reject(REDACTION_UNAVAILABLE)
        if age is None:
            reject(REDACTION_TARGET)
        enforce(self._rules.check_redaction(age), REDACTION_TOO_LATE)

    async def _check_ban(self, event: EventBase, window: dt.timedelta) -> None:
        """Judge a kick or a ban that redacts all events of the user in the room.

        Memberships do not count: redacted, they lose a name.
        """
        subject = event.state_key
        oldest_ms = now_ms() - int(window.total_seconds() * 1000)
        query = _OLDER_OWN if self._api.is_mine(subject) else _OLDER

        def is_older(txn: LoggingTransaction) -> bool:
            txn.execute(query, (event.room_id, subject, oldest_ms, oldest_ms))
            return txn.fetchone() is not None

        try:
            if await self._events.is_made_by_admin(event):
                return
            is_too_late = await self._api.run_db_interaction("synapse_tim_older_events", is_older)
        except Exception as error:
            logger.error("A ban that redacts could not be judged: %s", type(error).__name__)
            reject(REDACTION_UNAVAILABLE)
        if is_too_late:
            reject(REDACTION_TOO_LATE.with_detail(f"the user has sent older ones; leave '{REDACTS_ALL}' out"))
        count_allowed(REDACTION_TOO_LATE)

    async def _age(self, redaction: EventBase, target: str) -> dt.timedelta | None:
        """How old the target is; ``None`` if the user cannot see it in this room."""
        seen = await self._events.visible_event(redaction.sender, redaction.room_id, target)
        if seen is None:
            return None
        sent = seen.origin_server_ts
        arrived, is_history = await self._api.run_db_interaction("synapse_tim_arrived", _arrival, target)
        # Another server may say what it likes about when it sent something.
        known = self._api.is_mine(seen.sender) or is_history
        sent = min(sent, arrived) if known else arrived
        return dt.timedelta(milliseconds=now_ms() - sent)


#: What a user has sent into a room before a moment, or got here before it: as ``_age`` reckons.
_OLDER = """
    SELECT 1 FROM events
    WHERE room_id = ? AND sender = ? AND type != 'm.room.member' AND NOT outlier
    AND (COALESCE(received_ts, 0) < ? OR (origin_server_ts < ? AND stream_ordering < 0))
    LIMIT 1
"""
_OLDER_OWN = _OLDER.replace(" AND stream_ordering < 0", "")


def _arrival(txn: LoggingTransaction, event_id: str) -> tuple[int, bool]:
    """When this server got an event, in milliseconds since the epoch, and whether as history."""
    txn.execute("SELECT received_ts, stream_ordering FROM events WHERE event_id = ?", (event_id,))
    row = txn.fetchone()
    if row is None:
        raise LookupError("an event that can be seen is not stored")
    received, position = row
    return received or 0, position < 0


def _is_event_id(text: object) -> bool:
    return isinstance(text, str) and is_storable(text)
