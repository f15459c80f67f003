"""Rooms before they are created: each request is read once for all parts."""

from collections.abc import Awaitable, Callable, Mapping
from typing import Any

from synapse.module_api import ModuleApi

from synapse_tim.core.create_room import CreateRoom

#: Called with the creator's user id and what is asked for; raises to refuse it, and returns members of the
#: body that have to be put in the place of the client's.
NewRoomCheck = Callable[[str, CreateRoom], Awaitable[Mapping[str, Any]]]


class NewRooms:
    """Has rooms checked before anything of them exists."""

    def __init__(self, api: ModuleApi) -> None:
        self._checks: list[NewRoomCheck] = []
        api.register_third_party_rules_callbacks(on_create_room=self._on_create_room)

    def add_check(self, check: NewRoomCheck) -> None:
        """Have rooms checked by one part more, after those that asked for it before.

        Asked about ``createRoom``, administrators' included, and about rooms that Synapse and modules make
        (server notices, rooms that new users join, the room left after a shutdown); not about upgrades.
        """
        self._checks.append(check)

    async def _on_create_room(self, requester: Any, config: dict[str, Any], is_requester_admin: bool) -> None:
        room, creator = CreateRoom.parse(config), requester.user.to_string()
        for check in self._checks:
            config.update(await check(creator, room))
