"""Ways into a room, beside the invitee's permission (requirement R3.11, A_26515-01).

Refused: joins of rooms of other servers without an invitation, or of public ones at all; users of other
servers in public rooms, whether they are invited or come by themselves; invitations to public rooms of other
servers. Administrators are judged like everybody else, so this is not left to ``user_may_join_room``, which
they pass by.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Literal

from synapse.events import EventBase
from synapse.module_api import NOT_SPAM, ModuleApi

from synapse_tim.modules.decisions import decide, refuse
from synapse_tim.modules.synapse_internals import (
    Answer,
    FederationRequest,
    Proceed,
    StateBefore,
    SynapseInternals,
)
from synapse_tim.rules import joins
from synapse_tim.rules.denials import JOIN_WITHOUT_INVITE, REMOTE_USER_IN_PUBLIC_ROOM, Denial
from synapse_tim.rules.room_creation import CREATE, JOIN_RULES, MEMBER, may_federate

State = Mapping[tuple[str, str], EventBase]


class RoomEntry:
    """Watches the ways into rooms in one Synapse process.

    Args:
        api: Synapse's module API.
        internals: for joins through other servers, and for administrators.

    Raises:
        ConfigError: this is an unknown Synapse.
    """

    def __init__(self, api: ModuleApi, internals: SynapseInternals) -> None:
        internals.assert_lookups()
        self._api = api
        self._internals = internals
        api.register_spam_checker_callbacks(federated_user_may_invite=self.federated_user_may_invite)
        internals.check_local_events(self.check_local_event)
        internals.check_remote_joins(self.before_remote_join, self.after_remote_join)
        for servlet in ("FederationV1SendJoinServlet", "FederationV2SendJoinServlet"):
            internals.guard_federation(servlet, "PUT", self.send_join)

    async def check_local_event(self, event: EventBase, state_before: StateBefore) -> None:
        """Judge joins and invitations that are made here, and the templates of other servers' joins.

        Raises:
            SynapseError: 403 ``M_FORBIDDEN``.
        """
        if event.type != MEMBER:
            return
        subject, membership = event.get_state_key(), event.content.get("membership")
        if subject is None or membership not in ("join", "invite"):
            return
        is_local = self._api.is_mine(subject)
        if membership == "join" and is_local:
            state = await state_before([(CREATE, ""), (JOIN_RULES, ""), (MEMBER, subject)])
            membership_before = _content(state, MEMBER, subject).get("membership")
            if membership_before != "join" and not self._is_own(state):
                # What counts is the invitation that was accepted here: the room's state is made by others,
                # and gets here later.
                invited = await self._internals.is_invited(subject, event.room_id)
                membership_before = "invite" if invited else None
            denial = self._local_user_joins(state, membership_before)
            decide(denial, JOIN_WITHOUT_INVITE.policy, JOIN_WITHOUT_INVITE.rule)
        elif not is_local:
            self._require_private(await state_before([(CREATE, ""), (JOIN_RULES, "")]))

    async def federated_user_may_invite(self, event: EventBase) -> Literal["NOT_SPAM"]:
        """Refuse an invitation to a public room of another server.

        Raises:
            SynapseError: 403 ``M_FORBIDDEN``.
        """
        if joins.stripped_state_is_public(event.unsigned.get("invite_room_state")):
            refuse(REMOTE_USER_IN_PUBLIC_ROOM)
        return NOT_SPAM

    async def before_remote_join(self, user_id: str, room_id: str) -> None:
        """Refuse to join a room through another server without an invitation.

        Raises:
            SynapseError: 403 ``M_FORBIDDEN``.
        """
        known = await self._api.get_room_state(room_id, [(CREATE, "")])
        if not self._is_own(known) and not await self._internals.is_invited(user_id, room_id):
            refuse(JOIN_WITHOUT_INVITE)

    def after_remote_join(self, state: State) -> None:
        """Refuse to store a public room that was joined through another server.

        The invitation may have said otherwise, or may be older than this policy.

        Raises:
            SynapseError: 403 ``M_FORBIDDEN``.
        """
        denial = self._local_user_joins(state, "invite")
        decide(denial, JOIN_WITHOUT_INVITE.policy, JOIN_WITHOUT_INVITE.rule)

    async def send_join(self, request: FederationRequest, proceed: Proceed) -> Answer:
        """Judge a join that another server delivers without having asked for the template.

        Raises:
            SynapseError: 403 ``M_FORBIDDEN``.
        """
        wanted = ((CREATE, ""), (JOIN_RULES, ""))
        self._require_private(await self._api.get_room_state(request.path["room_id"], wanted))
        return await proceed()

    def _local_user_joins(self, state: State, membership: object) -> Denial | None:
        created = state.get((CREATE, ""))
        creator = created.sender if created is not None else None
        join_rule = _content(state, JOIN_RULES).get("join_rule")
        return joins.local_user_joins(self._api.server_name, creator, join_rule, membership)

    def _is_own(self, state: State) -> bool:
        """Whether the room was created here."""
        created = state.get((CREATE, ""))
        return created is not None and self._api.is_mine(created.sender)

    @staticmethod
    def _require_private(state: State) -> None:
        federates = may_federate(_content(state, CREATE))
        denial = joins.remote_user_enters(_content(state, JOIN_RULES).get("join_rule"), federates=federates)
        decide(denial, REMOTE_USER_IN_PUBLIC_ROOM.policy, REMOTE_USER_IN_PUBLIC_ROOM.rule)


def _content(state: State, kind: str, key: str = "") -> Mapping[str, Any]:
    event = state.get((kind, key))
    return event.content if event is not None else {}
