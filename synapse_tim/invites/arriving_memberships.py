"""Memberships of local users that arrive outside ``/invite``: among the events or in the state of a room.

An invitation that is delivered as such is judged then, and counts while it is pending. One that was answered
has had its effect. Invitations of local users are judged like others: they come back after a backup was
restored or a room was purged.

An invitation that cannot be judged now is refused, too: waiting for it would hold up all later events of the
room, and a well-meaning server delivers it again. A ban or a removal is not: it may be what keeps a user out.

One that was refused comes back whenever the state of the room is resolved, and the room waits for the answer,
in the legacy generation for that of the directory. So a process remembers what it refused, and does
not ask again. Another process, or one that was started anew, judges it by what the invitee allows by then.
"""

import logging
from typing import Final

from synapse.module_api import EventBase, ModuleApi

from synapse_tim.adapter.answers import count_denied
from synapse_tim.adapter.arriving_events import ArrivingEvents
from synapse_tim.invites.denials import INVITE_BY_ADDRESS
from synapse_tim.invites.stranger_memberships import Judge, StrangerMemberships

logger = logging.getLogger(__name__)

#: Refused invitations that are remembered in a process.
MAX_REFUSED: Final = 10_000


class ArrivingMemberships:
    """Judges memberships when they take effect; ``invitation`` says why a user may not invite another."""

    def __init__(
        self, api: ModuleApi, arrivals: ArrivingEvents, invitation: Judge, strangers: StrangerMemberships
    ) -> None:
        self._api = api
        self._arrivals = arrivals
        self._invitation = invitation
        self._strangers = strangers
        self._refused: dict[str, None] = {}  # event ids, the oldest first
        arrivals.judge_memberships(self.refuses)

    async def refuses(self, event: EventBase) -> bool:
        """Whether a membership event does to a local user what its sender must not do; never raises.

        Asked whenever a membership takes effect that is not being made or delivered at the moment: a new one
        among the events of a room, or a local user's membership by the state of a join, by that after a gap,
        or by state resolution.
        """
        target = event.get_state_key()
        if target is None or not self._api.is_mine(target):
            return False
        is_invitation = event.content.get("membership") == "invite"
        try:
            now = await self._arrivals.local_membership(target, event.room_id)
            if not is_invitation:
                is_known = now is not None and now.membership in ("join", "invite", "knock")
                denial = None if is_known else await self._strangers.check_arriving(event)
            elif now is not None and now.event_id == event.event_id:
                return False
            elif event.event_id in self._refused or (
                now is not None and await self._arrivals.is_answered(event, now)
            ):
                return True
            elif "third_party_invite" in event.content:
                denial = INVITE_BY_ADDRESS
            else:
                denial = await self._invitation(event.sender, target)
        except Exception as error:
            logger.error("A membership that arrived could not be judged: %s", type(error).__name__)
            return is_invitation
        if denial is None:
            return False
        count_denied(denial)
        if is_invitation:
            self._refused[event.event_id] = None
            if len(self._refused) > MAX_REFUSED:
                del self._refused[next(iter(self._refused))]
        return True
