"""``synapse_tim.EventPolicy``: reactions (A_26228-01), threads (A_25395-02), redactions (A_28358).

Judged are events that local users send. A text message costs a comparison of its type, and nothing is loaded
for it. A redaction costs a look-up of its target: first whether the user may see it, then how old it is.
Server administrators may redact what they like; redactions of other servers are not judged here.
"""

from __future__ import annotations

import datetime as dt
import logging
import time
from collections.abc import Mapping
from typing import Any, Literal

from synapse.events import EventBase
from synapse.http.site import SynapseRequest
from synapse.module_api import NOT_SPAM, LoggingTransaction, ModuleApi

from synapse_tim.modules import metrics, parts
from synapse_tim.modules.config import parse_block
from synapse_tim.modules.decisions import decide, refuse
from synapse_tim.modules.policy_config import EventPolicyConfig
from synapse_tim.modules.request_body import read_json
from synapse_tim.modules.synapse_internals import Answer, Proceed, SynapseInternals
from synapse_tim.rules.denials import (
    REACTION,
    REDACTION_MALFORMED,
    REDACTION_TARGET,
    REDACTION_TOO_LATE,
    REDACTION_UNAVAILABLE,
)
from synapse_tim.rules.events import REACTION_TYPE, REDACTION_TYPE, is_one_emoji

logger = logging.getLogger(__name__)


class EventPolicy:
    """Judges events in one Synapse process.

    Args:
        config: the checked block.
        api: Synapse's module API.

    Raises:
        ConfigError: this is an unknown Synapse.
    """

    def __init__(self, config: EventPolicyConfig, api: ModuleApi) -> None:
        self._api = api
        self._internals = SynapseInternals(api)
        self._internals.assert_lookups()
        self._rules = config.event_rules
        is_one_emoji("\N{THUMBS UP SIGN}")  # the library reads its tables now, not at the first reaction
        api.register_spam_checker_callbacks(check_event_for_spam=self.check_event_for_spam)
        self._internals.allow_redactions_by_send()
        servlet = "room.RoomSendEventRestServlet"
        self._internals.guard_client_api(
            {(servlet, "PUT"): self.check_redaction_body, (servlet, "POST"): self.check_redaction_body}
        )
        parts.register(api, self)

    @staticmethod
    def parse_config(config: dict[str, Any]) -> EventPolicyConfig:
        """Check the block of ``homeserver.yaml``.

        Raises:
            ConfigError: naming the key and what is expected.
        """
        return parse_block(EventPolicyConfig, config)

    async def check_event_for_spam(self, event: EventBase) -> Literal["NOT_SPAM"]:
        """Judge an event of a local user.

        Raises:
            SynapseError: 400, 403 or 404, as the denial says; 503 if a redaction cannot be judged now.
        """
        if not self._api.is_mine(event.sender):
            return NOT_SPAM
        kind = event.type
        denial = self._rules.denies(kind, event.content)
        if denial is not None:
            refuse(denial)
        if kind == REACTION_TYPE:
            metrics.count_allowed(REACTION.policy, REACTION.rule)
        elif kind == REDACTION_TYPE and self._rules.redaction_window is not None:
            await self._check_redaction(event)
        return NOT_SPAM

    async def check_redaction_body(
        self, request: SynapseRequest, proceed: Proceed, path: Mapping[str, str]
    ) -> Answer:
        """Refuse a redaction that names no event, which Synapse would trip over.

        Raises:
            SynapseError: 400 ``M_BAD_JSON``.
        """
        if path["event_type"] == REDACTION_TYPE:
            await self._internals.user_of(request)
            if not isinstance(read_json(request).get("redacts"), str):
                refuse(REDACTION_MALFORMED)
        return await proceed()

    async def _check_redaction(self, event: EventBase) -> None:
        target = event.redacts
        if not isinstance(target, str):
            refuse(REDACTION_MALFORMED)
        try:
            if await self._api.is_user_admin(event.sender):
                return
            age = await self._age(event, target)
        except Exception as error:
            logger.error("A redaction could not be judged: %s", type(error).__name__)
            refuse(REDACTION_UNAVAILABLE)
        if age is None:
            refuse(REDACTION_TARGET)
        decide(self._rules.redaction_denied(age), REDACTION_TOO_LATE.policy, REDACTION_TOO_LATE.rule)

    async def _age(self, redaction: EventBase, target: str) -> dt.timedelta | None:
        """How old the target is; ``None`` if the user cannot see it in this room."""
        seen = await self._internals.visible_event(redaction.sender, redaction.room_id, target)
        if seen is None:
            return None
        sent = seen.origin_server_ts
        received = await self._api.run_db_interaction("synapse_tim_received", _received, target)
        if received is not None:
            sent = min(sent, received)  # another server's clock does not make an event younger
        return dt.timedelta(milliseconds=time.time() * 1000 - sent)


def _received(txn: LoggingTransaction, event_id: str) -> int | None:
    """When this server got an event, in milliseconds since the epoch."""
    txn.execute("SELECT received_ts FROM events WHERE event_id = ?", (event_id,))
    row = txn.fetchone()
    return None if row is None else row[0]
