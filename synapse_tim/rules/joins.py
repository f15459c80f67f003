"""Which rooms a local user may join (requirement R3.11, A_26515-01).

Refused: a room that another server created, without an invitation; a public one also with it. Rooms of the
own server are left to Synapse, which knows join rules. Users of other servers do not join public rooms.
"""

from __future__ import annotations

from synapse_tim.rules.denials import JOIN_WITHOUT_INVITE, REMOTE_USER_IN_PUBLIC_ROOM, Denial
from synapse_tim.rules.room_creation import PUBLIC
from synapse_tim.rules.server_name import of_matrix_id


def local_user_joins(
    own_server_name: str, creator: str | None, join_rule: object, membership: object
) -> Denial | None:
    """Judge the join of a local user to a room that this server knows.

    Args:
        own_server_name: of this server.
        creator: the user who created the room; ``None`` if that is not known.
        join_rule: of the room.
        membership: of the joining user until now.
    """
    if membership == "join":
        return None  # a new name or picture, not a way in
    if creator is not None and of_matrix_id(creator) == own_server_name:
        return None
    if join_rule == PUBLIC or membership != "invite":
        return JOIN_WITHOUT_INVITE
    return None


def remote_user_enters(join_rule: object, *, federates: bool) -> Denial | None:
    """Judge an invitation or a join of another server's user.

    Args:
        join_rule: of the room.
        federates: whether other servers may take part in it.
    """
    return REMOTE_USER_IN_PUBLIC_ROOM if join_rule == PUBLIC or not federates else None


def stripped_state_is_public(stripped_state: object) -> bool:
    """Whether the state that comes with an invitation shows a public room.

    Args:
        stripped_state: ``invite_room_state``, as another server sent it: nothing in it can be relied on.
    """
    if not isinstance(stripped_state, list | tuple):
        return False
    for event in stripped_state:
        get = getattr(event, "get", None)
        if get is None or get("type") != "m.room.join_rules":
            continue
        content = get("content")
        if content is not None and hasattr(content, "get") and content.get("join_rule") == PUBLIC:
            return True
    return False
