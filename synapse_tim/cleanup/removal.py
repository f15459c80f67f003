"""Removal of rooms that are due, or their local users' departure.

A room is removed in two steps, a round of cleanup or more apart, so that clients and other servers learn of
it:

1. Local users decline invitations and withdraw knocks, invitations of users of other servers are withdrawn,
   and the local users leave; all of that is sent to the other servers.
2. Synapse's own task deletes what is stored of the room. It goes on after a restart. Only a few are under way
   at a time.
"""

import logging
from collections.abc import Awaitable, Callable, Iterable, Sequence
from typing import Final

from synapse.module_api import ModuleApi
from synapse.module_api.errors import SynapseError

from synapse_tim.adapter.clock import now_ms
from synapse_tim.cleanup.room_members import Attendance, read_attendance, read_untold
from synapse_tim.cleanup.survey import RoomSurvey
from synapse_tim.cleanup.withdrawal_order import who_may_withdraw

logger = logging.getLogger(__name__)

#: Ends a membership: who does it, whose it is, the room.
EndMembership = Callable[[str, str, str], Awaitable[None]]

#: Fewer than Synapse works on at once: one that has to wait is deleted later without another look, and
#: a user may have joined meanwhile.
_AT_A_TIME: Final = 4
_POLL_SECONDS: Final = 1.0
_PATIENCE_SECONDS: Final = 600
#: Of several users who may take an invitation back, how many try.
_TRIES: Final = 5
_POWER_LEVELS: Final = "m.room.power_levels"
_CREATE: Final = "m.room.create"


class RoomRemoval:
    """Removes rooms, or has local users leave them.

    Args:
        survey: to see what is going on already.
        may_reach: whether this server may talk to another one.
    """

    def __init__(
        self, api: ModuleApi, survey: RoomSurvey, end: EndMembership, may_reach: Callable[[str], bool]
    ) -> None:
        self._api = api
        self._survey = survey
        self._end = end
        self._may_reach = may_reach

    async def has_room_for_more(self) -> bool:
        """Wait until Synapse can take another deletion; false if it takes too long."""
        for _ in range(int(_PATIENCE_SECONDS / _POLL_SECONDS)):
            under_way = await self._api.run_db_interaction(
                "synapse_tim_cleanup_under_way", self._survey.deletions_under_way, now_ms()
            )
            if under_way < _AT_A_TIME:
                return True
            await self._api.sleep(_POLL_SECONDS)
        return False

    async def take_apart(self, room_id: str) -> bool:
        """End all memberships of local users in a room, invitations and knocks first.

        An invitation of another server's user is withdrawn by its sender, the only one that server accepts;
        if no user of another server is in the room, also by other users who may. If users of other servers
        are in the room, it goes on without this server, and what they have to do with each other is left
        alone.

        Returns:
            Whether there was nothing to do any more.
        """
        there = await self._api.run_db_interaction(
            "synapse_tim_cleanup_attendance", read_attendance, room_id, self._api.server_name
        )
        await self._end_each(there.waiting, room_id)
        await self._take_back(there, room_id)
        await self._end_each(there.joined, room_id)
        return not (there.waiting or there.joined)

    async def is_told(self, room_id: str) -> bool:
        """Whether the other servers have received all events of a room.

        Servers that this one must not talk to are not waited for.
        """
        untold = await self._api.run_db_interaction("synapse_tim_cleanup_told", read_untold, room_id)
        return untold is not None and not any(map(self._may_reach, untold))

    async def delete(self, room_id: str) -> bool:
        """Have Synapse delete a room, again if need be; false if it does so already or may not."""
        try:
            await self._api.delete_room(room_id)
        except SynapseError:
            return False
        return True

    async def has_failed(self, room_id: str) -> bool:
        """Whether Synapse has tried in vain to delete a room, which only shows afterwards."""
        return await self._api.run_db_interaction(
            "synapse_tim_cleanup_failed", self._survey.deletion_failed, room_id
        )

    async def leave(self, room_id: str) -> int:
        """Have the local users leave a room, which they can still read; returns how many could not."""
        users = await self._api.run_db_interaction(
            "synapse_tim_cleanup_users", self._survey.local_users, room_id
        )
        return await self._end_each(users, room_id)

    async def _end_each(self, users: Iterable[str], room_id: str) -> int:
        """Have users leave or decline; returns how many could not."""
        failed = 0
        for user_id in users:
            try:
                await self._end(user_id, user_id, room_id)
            except Exception as error:
                logger.warning("A user could not leave a room: %s", type(error).__name__)
                failed += 1
        return failed

    async def _take_back(self, there: Attendance, room_id: str) -> None:
        """Take invitations of users of other servers back, as far as users of this server may."""
        if not there.invited or not there.joined:
            return
        state = await self._api.get_state_events_in_room(room_id, [(_POWER_LEVELS, ""), (_CREATE, "")])
        contents = {event.type: event.content for event in state}
        creators = [event.sender for event in state if event.type == _CREATE]
        powerful = who_may_withdraw(there.joined, contents.get(_POWER_LEVELS, {}), creators)
        for user_id, inviter in there.invited:
            able = [] if there.others else [each for each in powerful if each != inviter]
            senders = [inviter, *able] if inviter in there.joined else able
            if senders and not await self._kick(senders[:_TRIES], user_id, room_id):
                logger.warning("An invitation to a room that is being removed could not be withdrawn")

    async def _kick(self, senders: Sequence[str], user_id: str, room_id: str) -> bool:
        for sender in senders:
            try:
                await self._end(sender, user_id, room_id)
            except SynapseError:
                continue  # has not the power
            return True
        return False
