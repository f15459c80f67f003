"""Bans, removals and knocks, with which one could write to strangers.

- A banned or removed user is told by whom and why, also if they were never in the room, and sees more of it.
  Unless they were in the room, invited to it or knocking at it, that is judged as an invitation would be.
- A knock shows its reason to all members. It has to do without if there is a stranger among them.

Judged are events that are made here, by any request, administrators' and delayed ones included, but not
the bans that an upgrade of a room takes over from the old one, nor a user's own leaving. Bans and removals
that other servers make are judged when they take effect, as invitations are; their knocks are hidden, which
do take effect.
"""

import logging
from collections.abc import Awaitable, Callable, Mapping
from typing import Any, Final, Literal

from synapse.module_api import NOT_SPAM, EventBase, LoggingTransaction, ModuleApi
from synapse.module_api.errors import Codes

from synapse_tim.adapter.answers import Answer, Proceed, count_denied, enforce, reject
from synapse_tim.adapter.events import StateBefore
from synapse_tim.adapter.federation_requests import FederationRequest
from synapse_tim.adapter.homeserver import Homeserver
from synapse_tim.core.denial import Denial
from synapse_tim.core.matrix import CREATE, JOIN_RULES, MEMBER
from synapse_tim.core.server_name import of_matrix_id
from synapse_tim.core.text import is_storable
from synapse_tim.invites.denials import KNOCK_WITH_TEXT
from synapse_tim.invites.strangers import Strangers

logger = logging.getLogger(__name__)

#: Proofs: what only the user's own server can have made, and invitations that were delivered or judged, which
#: those are not that were slipped in, be it into a state, into history, or soft-failed.
_WAS_IN_ROOM: Final = """
    SELECT 1
    FROM room_memberships AS member
    INNER JOIN events AS event ON event.event_id = member.event_id
    INNER JOIN event_json AS stored ON stored.event_id = member.event_id
    WHERE member.room_id = ? AND member.user_id = ? AND event.rejection_reason IS NULL AND (
        member.membership IN ('join', 'knock')
        OR member.membership = 'leave' AND member.sender = member.user_id
        OR member.membership = 'invite' AND (
            stored.internal_metadata LIKE ?
            OR NOT event.outlier AND event.stream_ordering > 0 AND stored.internal_metadata NOT LIKE ?
        )
    )
    LIMIT 1
"""
_DELIVERED: Final = '%"out_of_band_membership":true%'
_SOFT_FAILED: Final = '%"soft_failed":true%'
_IS_IN_ROOM: Final = """
    SELECT 1 FROM current_state_events
    WHERE room_id = ? AND state_key = ? AND type = 'm.room.member' AND membership = 'join'
"""
_IN_ROOM: Final = """
    SELECT state_key FROM current_state_events
    WHERE room_id = ? AND type = 'm.room.member' AND membership = 'join'
"""
_TOLD: Final = frozenset({"ban", "leave"})
_KNOCKABLE: Final = ("knock", "knock_restricted")
#: Of a knock without words; the name and the avatar are those of the profile.
_PLAIN: Final = frozenset({"membership", "displayname", "avatar_url", "join_authorised_via_users_server"})

#: Judges an invitation.
Judge = Callable[[str, str], Awaitable[Denial | None]]


class StrangerMemberships:
    """Watches membership events in one Synapse process.

    Args:
        homeserver: for events that are made here.
        invitation: says why one user may not invite another.
        allowed: whose policy and rule to count if it may be.
    """

    def __init__(
        self, api: ModuleApi, homeserver: Homeserver, strangers: Strangers, invitation: Judge, allowed: Denial
    ) -> None:
        self._api = api
        self._strangers = strangers
        self._invitation = invitation
        self._allowed = allowed
        self._server_notices_user = homeserver.config.server_notices_user
        homeserver.events.add_check(self.check_local_event, [MEMBER])
        homeserver.federation_requests.guard("FederationV1SendKnockServlet", "PUT", self.send_knock)
        homeserver.received_events.add_check(self.check_received_event)

    async def check_local_event(self, event: EventBase, state_before: StateBefore) -> None:
        """Judge a membership event that is made here, and knocks of users of other servers.

        Called for every event; also for the templates of other servers' joins, knocks and leaves. This comes
        before Synapse looks at who may do what: those who may not anyway learn nothing about others here.
        """
        membership, target = event.content.get("membership"), event.get_state_key()
        if membership == "knock":
            if _says_something(event.content) and _may_knock(await state_before([(JOIN_RULES, "")])):
                await self._refuse_knock(event.sender, event.room_id)
        elif membership in _TOLD and target is not None and target != event.sender:
            if event.sender == self._server_notices_user:
                return
            state = await state_before([(MEMBER, target), (MEMBER, event.sender), (CREATE, "")])
            sender = state.get((MEMBER, event.sender))
            is_in_room = sender is not None and sender.content.get("membership") == "join"
            if is_in_room and not await self._is_known(event, target, state):
                enforce(await self._invitation(event.sender, target), self._allowed)

    async def send_knock(self, request: FederationRequest, proceed: Proceed) -> Answer:
        """Refuse a knock of another server's user before Synapse hides it, so that the user is told.

        Nothing of the event is verified yet. What Synapse is to refuse is left to it: otherwise another
        server could probe permissions in the name of any user.
        """
        content, sender = request.content.get("content"), request.content.get("sender")
        if (
            isinstance(content, Mapping)
            and isinstance(sender, str)
            and of_matrix_id(sender) == request.origin
            and request.content.get("state_key") == sender
            and _says_something(content)
        ):
            room_id = request.path["room_id"]
            if _may_knock(await self._api.get_room_state(room_id, [(JOIN_RULES, "")])):
                await self._refuse_knock(sender, room_id)
        return await proceed()

    async def check_arriving(self, event: EventBase) -> Denial | None:
        """Why an event of another server must not ban or remove a stranger here, or ``None``.

        Asked when it is to take effect (``ArrivingMemberships``): Synapse would show the user the
        room. Everything that makes a user of this server known to a room is made here or was delivered here,
        so it is stored, unless the room was purged since.
        """
        target = event.state_key
        if (
            event.content.get("membership") not in _TOLD
            or target == event.sender
            or self._api.is_mine(event.sender)
            or not is_storable(target)
            or await self._was_in_room(event.room_id, target)
        ):
            return None
        return await self._strangers.check(event.sender, target)

    async def check_received_event(self, event: EventBase) -> Literal["NOT_SPAM"] | Codes:
        """Hide a knock of another server's user who has something to say to strangers here.

        Nothing is raised: it would put off everything else that arrives.
        """
        if (
            event.type != MEMBER
            or event.content.get("membership") != "knock"
            or not _says_something(event.content)
        ):
            return NOT_SPAM
        try:
            members = await self._members(event.room_id)
            ours = [member for member in members if self._api.is_mine(member)]
            strangers = await self._strangers.among(event.sender, ours)
        except Exception as error:
            logger.error("A knock that could not be judged is hidden: %s", type(error).__name__)
            return Codes.FORBIDDEN
        if not strangers:
            return NOT_SPAM
        count_denied(KNOCK_WITH_TEXT)
        return Codes.FORBIDDEN

    async def _is_known(
        self, event: EventBase, target: str, state: Mapping[tuple[str, str], EventBase]
    ) -> bool:
        """Whether the target had to do with the room, or with the one that it replaces."""
        before = state.get((MEMBER, target))
        # Who leaves by themselves, was in it, invited or knocking.
        if before is not None and (before.content.get("membership") not in _TOLD or before.sender == target):
            return True
        if await self._was_in_room(event.room_id, target):
            return True
        created = state.get((CREATE, ""))
        predecessor = created.content.get("predecessor") if created is not None else None
        old_room = predecessor.get("room_id") if isinstance(predecessor, Mapping) else None
        return (
            isinstance(old_room, str)
            and await self._found(_IS_IN_ROOM, old_room, event.sender)
            and await self._was_in_room(old_room, target)
        )

    async def _was_in_room(self, room_id: str, user_id: str) -> bool:
        """Whether a user is or was in a room, invited to it, or knocking at it."""
        return await self._found(_WAS_IN_ROOM, room_id, user_id, _DELIVERED, _SOFT_FAILED)

    async def _refuse_knock(self, user_id: str, room_id: str) -> None:
        """Refuse words if there is a stranger in the room."""
        if await self._strangers.among(user_id, await self._members(room_id)):
            reject(KNOCK_WITH_TEXT)

    async def _members(self, room_id: str) -> list[str]:
        def ask(txn: LoggingTransaction) -> list[str]:
            txn.execute(_IN_ROOM, (room_id,))
            return [row[0] for row in txn.fetchall()]

        return await self._api.run_db_interaction("synapse_tim_in_room", ask)

    async def _found(self, query: str, *arguments: str) -> bool:
        def ask(txn: LoggingTransaction) -> bool:
            txn.execute(query, arguments)
            return txn.fetchone() is not None

        return await self._api.run_db_interaction("synapse_tim_memberships", ask)


def _may_knock(state: Mapping[tuple[str, str], EventBase]) -> bool:
    rules = state.get((JOIN_RULES, ""))
    return rules is not None and rules.content.get("join_rule") in _KNOCKABLE


def _says_something(knock: Mapping[str, Any]) -> bool:
    return bool(knock.keys() - _PLAIN)
