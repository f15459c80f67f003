"""What may be changed in a room after its creation (A_28271, A_26015-02, requirement R3.8).

Refused: making a room public; for insured persons every join rule but an invitation; a world-readable
history in a room that other servers may take part in, for insured persons always; contents that cannot be
read. Judged where the event is made: what other servers do in a room is theirs to judge.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from synapse_tim.core.matrix import HISTORY_VISIBILITY, JOIN_RULES, PUBLIC
from synapse_tim.core.products import Product
from synapse_tim.rooms.creation import INVITE_ONLY, Refused, RoomRules, may_federate, state_fault
from synapse_tim.rooms.denials import JOIN_RULE, STATE_MALFORMED, WORLD_READABLE


def change(rules: RoomRules, kind: str, content: Mapping[str, Any]) -> Refused | None:
    """Judge a state event of a local user by itself.

    Args:
        rules: of the server.
        kind: the type of the event.
        content: of the event.

    Returns:
        Why it is refused. ``None`` is not the last word if it ``makes_world_readable``, nor is ``JOIN_RULE``
        if the room ``is_public``.
    """
    fault = state_fault(kind, content)
    if fault:
        return Refused(STATE_MALFORMED, fault)
    if kind == JOIN_RULES:
        rule = content["join_rule"]
        if rule == PUBLIC or (rules.product is Product.EPA and rule not in INVITE_ONLY):
            return Refused(JOIN_RULE)
    return None


def is_public(rules: RoomRules, creation: Mapping[str, Any], join_rules: Mapping[str, Any]) -> bool:
    """Whether a room is public as it may be: the join rule ``public`` does not make it so (A_28271).

    Args:
        rules: of the server.
        creation: content of the room's ``m.room.create``.
        join_rules: content of its ``m.room.join_rules``, before the event.
    """
    public = join_rules.get("join_rule") == PUBLIC
    return public and rules.product is Product.PRO and not may_federate(creation)


def makes_world_readable(kind: str, content: Mapping[str, Any]) -> bool:
    """Whether the event opens the history to everybody, so that it matters whether the room federates."""
    return kind == HISTORY_VISIBILITY and content.get("history_visibility") == "world_readable"


def world_readable(rules: RoomRules, creation: Mapping[str, Any]) -> Refused | None:
    """Judge an event that opens the history to everybody.

    Args:
        rules: of the server.
        creation: content of the room's ``m.room.create``.
    """
    return None if rules.may_be_world_readable(creation) else Refused(WORLD_READABLE)
