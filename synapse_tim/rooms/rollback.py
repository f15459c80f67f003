"""Rollback of rooms whose creation is refused half-way (requirement R2.17).

Synapse makes a room step by step. What can be known before is judged before; but whether a user of another
server may be invited is that server's to say, and it is asked last. What exists of the room then is removed:
its creator leaves at once, the rest is purged in the background.
"""

import contextlib
import logging
from collections.abc import Mapping

import attrs
from synapse.module_api import EventBase, ModuleApi, SynapseRequest
from synapse.module_api.errors import SynapseError

from synapse_tim.adapter.answers import Answer, Proceed
from synapse_tim.adapter.current_request import current_request
from synapse_tim.adapter.events import StateBefore
from synapse_tim.adapter.homeserver import Homeserver
from synapse_tim.core.matrix import CREATE, MEMBER

logger = logging.getLogger(__name__)


@attrs.define
class _Begun:
    """A room that a request has begun to create."""

    room_id: str = ""
    creator: str = ""


class RoomRollback:
    """Removes what is left of rooms whose creation is refused half-way."""

    def __init__(self, api: ModuleApi, homeserver: Homeserver) -> None:
        self._api = api
        self._begun: dict[int, _Begun] = {}  # by the identity of what stands for the request
        homeserver.events.add_check(self.note, [CREATE])
        servlet = "room.RoomCreateRestServlet"
        homeserver.client_api.guard({(servlet, "POST"): self.create, (servlet, "PUT"): self.create})

    async def create(self, request: SynapseRequest, proceed: Proceed, path: Mapping[str, str]) -> Answer:
        """Go on with a request to create a room, and clean up should it fail."""
        standing = current_request()  # kept alive: another could get the same identity
        begun = self._begun[id(standing)] = _Begun()
        try:
            return await proceed()
        except Exception:
            if begun.room_id:
                await self._remove(begun)
            raise
        finally:
            del self._begun[id(standing)]

    async def note(self, event: EventBase, state_before: StateBefore) -> None:
        """Note which room a request begins to create."""
        begun = self._begun.get(id(current_request()))
        if begun is not None:
            begun.room_id, begun.creator = event.room_id, event.sender

    async def _remove(self, begun: _Begun) -> None:
        try:
            if await self._is_used(begun):
                logger.warning("A room whose creation was refused is already in use and stays")
                return
            with contextlib.suppress(SynapseError):  # so early that the creator is not even in it
                await self._api.update_room_membership(begun.creator, begun.creator, begun.room_id, "leave")
            if not await self._is_used(begun):
                await self._api.delete_room(begun.room_id)
        except Exception as error:
            logger.error("A refused room was not completely removed: %s", type(error).__name__)

    async def _is_used(self, begun: _Begun) -> bool:
        """Whether the room has members besides its creator.

        The creator sees it before the request is answered; where there are several processes, others can be
        invited and join while another server takes its time to answer.
        """
        members = await self._api.get_state_events_in_room(begun.room_id, [(MEMBER, None)])
        return any(
            member.state_key != begun.creator and member.content.get("membership") == "join"
            for member in members
        )
