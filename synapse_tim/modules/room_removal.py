"""What is done to rooms that are due: deleted by Synapse's own persistent task, or left by the local users.

Synapse's task has local users leave first, so that other servers learn of it, and then deletes what is stored
of the room. It goes on after a restart. Only a few are under way at a time.
"""

from __future__ import annotations

import logging
from collections.abc import Awaitable, Callable
from typing import Final

from synapse.module_api import ModuleApi
from synapse.module_api.errors import SynapseError

from synapse_tim.modules.clock import now_ms
from synapse_tim.services.room_survey import RoomSurvey

logger = logging.getLogger(__name__)

#: Has a user leave a room.
Leave = Callable[[str, str], Awaitable[None]]

#: Fewer than Synapse works on at once: one that has to wait is deleted later without another look, and
#: somebody may have come meanwhile.
_AT_A_TIME: Final = 4
_POLL_SECONDS: Final = 1.0
_PATIENCE_SECONDS: Final = 600


class RoomRemoval:
    """Deletes rooms, or has local users leave them.

    Args:
        api: Synapse's module API.
        survey: to see what is going on already.
        leave: has a user leave a room.
    """

    def __init__(self, api: ModuleApi, survey: RoomSurvey, leave: Leave) -> None:
        self._api = api
        self._survey = survey
        self._leave = leave

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

    async def delete(self, room_id: str) -> bool:
        """Have Synapse delete a room, also if it has tried in vain before.

        Returns:
            Whether it is going to; false if that is under way already, or forbidden by another module.
        """
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
        """Have the local users leave a room; what they have read stays readable for them.

        Returns:
            How many could not.
        """
        failed = 0
        users = await self._api.run_db_interaction(
            "synapse_tim_cleanup_users", self._survey.local_users, room_id
        )
        for user_id in users:
            try:
                await self._leave(user_id, room_id)
            except Exception as error:
                logger.warning("Somebody could not leave a room: %s", type(error).__name__)
                failed += 1
        return failed
