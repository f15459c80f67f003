"""Effect of an event that a member relays for a server outside the federation (AF_10064-02, AF_10062-03).

It is not shown and changes nothing, with one exception: state that says who is in a room and who may do and
read what there. Without that, this server would hold another room than the other members do, for instance
with users who have left. Of memberships, only the membership itself counts: no name, no picture, no reason.
"""

from typing import Final

from synapse_tim.core.effect import Effect
from synapse_tim.core.matrix import CREATE, HISTORY_VISIBILITY, JOIN_RULES, MEMBER, THIRD_PARTY_INVITE

#: State without which the members of a room would disagree about who may do and read what in it.
ROOM_FRAME: Final = frozenset(
    {
        CREATE,
        MEMBER,
        JOIN_RULES,
        HISTORY_VISIBILITY,
        THIRD_PARTY_INVITE,
        "m.room.power_levels",
        "m.room.encryption",
    }
)


def effect_of_relayed(kind: str, *, is_state: bool) -> Effect:
    """The effect of an event of a server outside the federation.

    Args:
        is_state: whether it is a state event.
    """
    if not is_state or kind not in ROOM_FRAME:
        return Effect.NONE
    return Effect.REDACTED if kind == MEMBER else Effect.FULL
