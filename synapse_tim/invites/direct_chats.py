"""Conversations of two, into which no third person is invited if the operator does not want it."""

import json
from typing import Final

from synapse.module_api import LoggingTransaction, ModuleApi

from synapse_tim.adapter.answers import looked_up
from synapse_tim.core.denial import Denial
from synapse_tim.invites.denials import CONTACT_UNAVAILABLE, THIRD_PERSON

#: Invitations ever made into a room, and who is in it or invited now.
_INVITATIONS: Final = """
    SELECT event.json FROM room_memberships AS member
    INNER JOIN event_json AS event ON event.event_id = member.event_id
    WHERE member.room_id = ? AND member.membership = 'invite'
"""
_MEMBERS: Final = """
    SELECT state_key FROM current_state_events
    WHERE room_id = ? AND type = 'm.room.member' AND membership IN ('join', 'invite')
"""


async def check_third_person(api: ModuleApi, room_id: str, invitee: str) -> Denial | None:
    """Judge an invitation into a room that began as a conversation of two.

    It did if one of its invitations says so (``is_direct``), as that of its creation does. Who left may be
    invited again, and the other may be replaced, as long as there are no more than two.

    Raises:
        SynapseError: 503 if it cannot be looked up.
    """

    def ask(txn: LoggingTransaction) -> tuple[list[tuple[str, ...]], set[str]]:
        txn.execute(_INVITATIONS, (room_id,))
        invitations = list(txn)
        txn.execute(_MEMBERS, (room_id,))
        return invitations, {user for (user,) in txn}

    invitations, members = await looked_up(
        api.run_db_interaction("synapse_tim_direct_chat", ask), CONTACT_UNAVAILABLE
    )
    if len(members - {invitee}) < 2:
        return None
    is_direct = any(json.loads(event)["content"].get("is_direct") is True for (event,) in invitations)
    return THIRD_PERSON if is_direct else None
