"""Checks of rooms before they are created: each request is read once for all parts."""

from __future__ import annotations

import weakref
from collections.abc import Awaitable, Callable, Mapping
from typing import Any, Final

from synapse.module_api import ModuleApi

from synapse_tim.core.create_room import CreateRoom

#: Called with the creator's user id and what is asked for; raises to refuse it, and returns members of the
#: body that have to be put in the place of the client's.
NewRoomCheck = Callable[[str, CreateRoom], Awaitable[Mapping[str, Any]]]

_CHECKS: Final[weakref.WeakKeyDictionary[ModuleApi, list[NewRoomCheck]]] = weakref.WeakKeyDictionary()


def check_new_rooms(api: ModuleApi, check: NewRoomCheck) -> None:
    """Have rooms checked before anything of them exists, in the order in which parts ask for it.

    Synapse calls this for ``createRoom``, administrators' included, and for rooms that it and modules make
    (server notices, rooms that new users join, the room that is left after a shutdown); not for upgrades.

    Args:
        api: Synapse's module API.
        check: of a part.
    """
    checks = _CHECKS.get(api)
    if checks is not None:
        checks.append(check)
        return
    checks = _CHECKS[api] = [check]

    async def on_create_room(requester: Any, config: dict[str, Any], is_requester_admin: bool) -> None:
        room, creator = CreateRoom.parse(config), requester.user.to_string()
        for each in checks:
            config.update(await each(creator, room))

    api.register_third_party_rules_callbacks(on_create_room=on_create_room)
