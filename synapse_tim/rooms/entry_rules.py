"""Rules of entering rooms, knocking, and looking into them from outside (R3.11, A_26515-01, A_25996).

What counts is the room as it is now, not who created it: a user of another server who may change a room of
this one can set what local users could not. A room is entered by invitation only if another server created
it, or if it is one of this server's and open in a way that this server has not allowed: any way for insured
persons; for professionals ``public`` in a room that other servers take part in, and any join rule that a user
of another server has set. All other rooms of this server are left to Synapse, which knows join rules. Public
rooms in which other servers may take part are not entered at all, and users of other servers enter no public
room.

A room that is not encrypted does not leave its server (A_25324-01): no user of another server is invited to
it or joins it; spaces are exempt. Whether local users enter those of other servers is configured.

From outside, only users of this server read rooms, and only those of professionals in which no other server
may take part.
"""

from collections.abc import Iterator, Mapping
from typing import Any, Final

import attrs

from synapse_tim.core.denial import Denial
from synapse_tim.core.matrix import CREATE, ENCRYPTION, JOIN_RULES, PUBLIC, SPACE
from synapse_tim.core.products import Product
from synapse_tim.rooms.denials import (
    JOIN_WITHOUT_INVITE,
    REMOTE_USER_IN_PUBLIC_ROOM,
    REMOTE_USER_IN_UNENCRYPTED_ROOM,
    UNENCRYPTED_REMOTE_ROOM,
)
from synapse_tim.rooms.rules import INVITE_ONLY, is_encryption

#: Rooms without a join rule are entered by invitation only, as Matrix has it.
_CLOSED: Final = (*INVITE_ONLY, None)
_RESTRICTED: Final = "restricted"


@attrs.frozen
class Room:
    """What the state of a room says about its ways in."""

    product: Product
    is_own: bool  #: a user of this server created it
    federates: bool  #: whether other servers may take part in it
    join_rule: object  #: of the room, as it stands there
    is_rule_own: bool  #: a user of this server set the join rule
    world_readable: bool = False  #: whether its history is world-readable
    never_world_readable: bool = False  #: whether the operator lets nobody read rooms from outside
    is_in_clear: bool = False  #: whether it is not encrypted, and no space either

    @property
    def is_opened(self) -> bool:
        """Whether a room of this server is open in a way that this server has not allowed."""
        if not self.is_own or self.join_rule in _CLOSED:
            return False
        if self.product is Product.EPA:
            return True
        return self.federates and (self.join_rule == PUBLIC or not self.is_rule_own)

    @property
    def is_for_readers(self) -> bool:
        """Whether local users outside the room may read it, if its history is world-readable."""
        return self.product is Product.PRO and not self.federates and not self.never_world_readable

    @property
    def is_shown(self) -> bool:
        """Whether users outside the room see its name, if Synapse would show it."""
        if self.is_opened or (self.join_rule == PUBLIC and not self.is_own):
            return False
        if self.world_readable and (self.join_rule in _CLOSED or self.join_rule == _RESTRICTED):
            return self.is_for_readers  # its history may be the only reason
        return True


def check_local_join(
    room: Room, membership: object, *, is_withheld: bool = False, refuses_unencrypted: bool = False
) -> Denial | None:
    """Judge the join of a local user to a room that this server knows.

    Args:
        membership: of the joining user until now.
        is_withheld: whether the room's state has an invitation of that user which does not count.
        refuses_unencrypted: whether local users stay out of unencrypted rooms of other servers.
    """
    if membership == "join":
        return None  # a new name or picture, not a way in
    if room.is_own and not room.is_opened:
        # Synapse would accept the invitation under any join rule.
        return JOIN_WITHOUT_INVITE if is_withheld and room.join_rule != PUBLIC else None
    if room.join_rule == PUBLIC or membership != "invite":
        return JOIN_WITHOUT_INVITE
    if refuses_unencrypted and room.is_in_clear and not room.is_own:
        return UNENCRYPTED_REMOTE_ROOM
    return None


def check_remote_entry(room: Room, membership: object) -> Denial | None:
    """Judge an invitation or a join of another server's user, by their membership until now."""
    if room.join_rule == PUBLIC or not room.federates:
        return REMOTE_USER_IN_PUBLIC_ROOM
    if room.is_opened and membership not in ("invite", "join"):
        return JOIN_WITHOUT_INVITE
    if room.is_in_clear and membership != "join":
        return REMOTE_USER_IN_UNENCRYPTED_ROOM
    return None


def check_knock(room: Room) -> Denial | None:
    """Judge a knock, which carries a text to the members."""
    return JOIN_WITHOUT_INVITE if room.is_opened else None


def check_stripped_state(stripped_state: object, *, refuses_unencrypted: bool = False) -> Denial | None:
    """Judge an invitation to a room of another server by its ``invite_room_state``, which may be forged.

    One that shows nothing of its room says nothing about encryption either; the join is judged by the state
    itself.

    Args:
        refuses_unencrypted: whether local users stay out of unencrypted rooms of other servers.
    """
    if any(content.get("join_rule") == PUBLIC for content in _contents(stripped_state, JOIN_RULES)):
        return REMOTE_USER_IN_PUBLIC_ROOM
    if not refuses_unencrypted or not stripped_state:
        return None
    is_encrypted = any(map(is_encryption, _contents(stripped_state, ENCRYPTION)))
    is_space = any(content.get("type") == SPACE for content in _contents(stripped_state, CREATE))
    return None if is_encrypted or is_space else UNENCRYPTED_REMOTE_ROOM


def _contents(stripped_state: object, kind: str) -> Iterator[Mapping[str, Any]]:
    """The contents of one type of state in what another server sent, whatever else is in there."""
    for event in stripped_state if isinstance(stripped_state, list | tuple) else ():
        get = getattr(event, "get", None)
        content = get("content") if get is not None and get("type") == kind else None
        if content is not None and hasattr(content, "get"):
            yield content
