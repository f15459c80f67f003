"""Whose servers a ``createRoom`` request would invite.

Synapse makes the room first and sends the invitations after, so a refused one would leave a room behind.
Invitations are in ``invite``, and can be hidden in ``initial_state`` as membership events.
"""

from __future__ import annotations

from collections.abc import Mapping

import attrs

from synapse_tim.rules.server_name import of_matrix_id

_MEMBER = "m.room.member"


@attrs.frozen
class Malformed:
    """The request names invitees in a form that cannot be read."""


def invited_servers(request: Mapping[str, object]) -> frozenset[str] | Malformed:
    """The servers of all users that the request names as members.

    Args:
        request: the body of ``POST /_matrix/client/v3/createRoom``, as the client sent it.

    Returns:
        Server names. User ids without one are left to Synapse, which answers 400.
    """
    invite = request.get("invite", [])
    initial_state = request.get("initial_state", [])
    if not isinstance(invite, list) or not all(isinstance(user, str) for user in invite):
        return Malformed()
    if not isinstance(initial_state, list):
        return Malformed()
    users = list(invite)
    for event in initial_state:
        if isinstance(event, Mapping) and event.get("type") == _MEMBER:
            user = event.get("state_key")
            if not isinstance(user, str):
                return Malformed()
            users.append(user)
    return frozenset(name for user in users if (name := of_matrix_id(user)) is not None)
