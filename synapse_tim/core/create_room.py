"""Whose servers a ``createRoom`` request would invite.

Synapse makes the room first and sends the invitations after, so a refused one would leave a room behind, and
so would a body that it cannot read half-way through. Invitations are in ``invite``, can be hidden in
``initial_state`` as membership events, and ``invite_3pid`` names people whose server shows only later.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

import attrs

from synapse_tim.core.server_name import of_matrix_id
from synapse_tim.core.text import is_storable


@attrs.frozen
class Malformed:
    """The request names invitees, or state, in a form that cannot be read."""


def invited_servers(request: Mapping[str, object]) -> frozenset[str] | Malformed:
    """The servers of all users that the request names.

    Args:
        request: the body of ``POST /_matrix/client/v3/createRoom``, as the client sent it.

    Returns:
        Server names.
    """
    invite = request.get("invite", [])
    initial_state = request.get("initial_state", [])
    if not isinstance(invite, list) or not all(is_user_id(user) for user in invite):
        return Malformed()
    if not isinstance(initial_state, list) or not all(_is_state(event) for event in initial_state):
        return Malformed()
    if not isinstance(request.get("invite_3pid", []), list):
        return Malformed()
    users = list(invite)
    for event in initial_state:
        # Whatever the type: a user id as the key of state is a user that the state is about.
        state_key = event.get("state_key", "")
        if state_key.startswith("@") or event["type"] == "m.room.member":
            if of_matrix_id(state_key) is None:
                return Malformed()
            users.append(state_key)
    return frozenset(name for user in users if (name := of_matrix_id(user)) is not None)


def invites_by_address(request: Mapping[str, object]) -> bool:
    """Whether the request invites people by e-mail address or telephone number."""
    return bool(request.get("invite_3pid"))


#: Members of a body that invites somebody by address.
_ADDRESS: Final = ("medium", "address")
_ADDRESS_OR_SERVICE: Final = (*_ADDRESS, "id_server", "id_access_token")


def names_address(body: Mapping[str, object]) -> bool:
    """Whether a body of ``POST /rooms/{roomId}/invite`` names an e-mail address or telephone number.

    With ``medium`` and ``address`` Synapse does not look at ``user_id``; with a part of them it says that
    something else is missing, which would not help either.
    """
    return all(name in body for name in _ADDRESS) or (
        "user_id" not in body and any(name in body for name in _ADDRESS_OR_SERVICE)
    )


def is_user_id(user: object) -> bool:
    """Whether something that a client sent can be a user id; Synapse looks closer."""
    return (
        isinstance(user, str)
        and user.startswith("@")
        and of_matrix_id(user) is not None
        and is_storable(user)
    )


def _is_state(event: object) -> bool:
    return (
        isinstance(event, Mapping)
        and isinstance(event.get("type"), str)
        and isinstance(event.get("content"), Mapping)
        and isinstance(event.get("state_key", ""), str)
    )
