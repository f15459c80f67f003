"""Users who share a room or an invitation, in one query however many there are, and servers of a room.

Read from the database at this moment: Synapse's caches of another process may lag behind a join that was
answered already.
"""

from collections.abc import Collection
from typing import Final

import attrs
from synapse.module_api import LoggingTransaction, ModuleApi

from synapse_tim.core.sql import rows_for
from synapse_tim.core.text import is_storable

_JOINED: Final = """
    SELECT DISTINCT other.state_key
    FROM current_state_events AS own
    INNER JOIN current_state_events AS other ON other.room_id = own.room_id
    WHERE own.type = 'm.room.member' AND own.state_key = ? AND own.membership = 'join'
    AND other.type = 'm.room.member' AND other.state_key IN ({places}) AND other.membership = 'join'
"""

#: Members and invitees of rooms that the user is in or invited to, by an index on both sides.
_KNOWN_NOW: Final = """
    SELECT DISTINCT other.state_key
    FROM local_current_membership AS own
    INNER JOIN current_state_events AS other ON other.room_id = own.room_id
    WHERE own.user_id = ? AND own.membership IN ('join', 'invite')
    AND other.type = 'm.room.member' AND other.state_key IN ({places})
    AND other.membership IN ('join', 'invite')
"""

#: Users who invited the user to a room of other servers.
_INVITERS: Final = """
    SELECT DISTINCT invitation.sender
    FROM local_current_membership AS own
    INNER JOIN room_memberships AS invitation ON invitation.event_id = own.event_id
    WHERE own.user_id = ? AND own.membership = 'invite' AND invitation.sender IN ({places})
"""

#: Those who were in such a room, or were before the user left it. What never took effect does not count.
_KNOWN_ONCE: Final = """
    SELECT DISTINCT other.user_id
    FROM local_current_membership AS own
    INNER JOIN events AS own_event ON own_event.event_id = own.event_id
    INNER JOIN room_memberships AS other ON other.room_id = own.room_id
    INNER JOIN events AS other_event ON other_event.event_id = other.event_id
    WHERE own.user_id = ? AND other.user_id IN ({places}) AND other.membership IN ('join', 'invite')
    AND NOT other_event.outlier AND other_event.rejection_reason IS NULL
    AND (
        own.membership IN ('join', 'invite')
        OR (
            other_event.stream_ordering < own_event.stream_ordering
            AND EXISTS (
                SELECT 1 FROM room_memberships AS once
                WHERE once.user_id = own.user_id AND once.room_id = own.room_id
                AND once.membership IN ('join', 'invite')
            )
        )
    )
"""

_WITH_SERVER: Final = """
    SELECT 1
    FROM current_state_events AS own
    INNER JOIN current_state_events AS other ON other.room_id = own.room_id
    WHERE own.type = 'm.room.member' AND own.state_key = ? AND own.membership = 'join'
    AND other.type = 'm.room.member' AND other.membership = 'join' AND other.state_key LIKE ? ESCAPE '!'
    LIMIT 1
"""

#: Members and invitees of a room that the user is in or invited to, of any server.
_IN_A_ROOM: Final = """
    SELECT DISTINCT other.state_key
    FROM (
        SELECT room_id FROM current_state_events
        WHERE type = 'm.room.member' AND membership IN ('join', 'invite') AND state_key = ?
    ) AS own
    INNER JOIN (
        SELECT room_id, state_key FROM current_state_events
        WHERE type = 'm.room.member' AND membership IN ('join', 'invite') AND state_key IN ({places})
    ) AS other USING (room_id)
"""
#: Invitations of local users, with those into rooms that only other servers have.
_INVITED: Final = """
    SELECT own.user_id, own.room_id, invitation.sender, EXISTS (
        SELECT 1 FROM current_state_events AS here
        WHERE here.room_id = own.room_id AND here.type = 'm.room.member' AND here.membership = 'join'
    )
    FROM local_current_membership AS own
    INNER JOIN room_memberships AS invitation ON invitation.event_id = own.event_id
    WHERE own.membership = 'invite' AND own.user_id IN ({places})
"""


@attrs.frozen
class _Invitation:
    room_id: str
    inviter: str
    room_is_here: bool


@attrs.frozen
class Common:
    """What was found out about one user and several others."""

    sharing: frozenset[str]  #: those who share a room or an invitation with the user
    #: Those with an invitation into a room whose members only other servers know.
    invited_elsewhere: frozenset[str]


class SharedRooms:
    """Looks up common rooms."""

    def __init__(self, api: ModuleApi) -> None:
        self._api = api

    async def joined_with(self, user_id: str, others: Collection[str]) -> set[str]:
        """Those of several users who are in a room together with a local user."""
        return await self._sharing(user_id, others, _JOINED)

    async def known_to(self, user_id: str, others: Collection[str]) -> set[str]:
        """Those of several users who are or were in a room, or invited to it, as a local user is or was.

        After leaving a room, the user still knows those who were in it before. Bans, kicks and knocks do not
        count: anyone can ban a stranger from their own room.
        """
        unknown = set(others)
        for query in (_KNOWN_NOW, _INVITERS, _KNOWN_ONCE):
            unknown -= await self._sharing(user_id, unknown, query)
        return set(others) - unknown

    async def server_shares(self, server: str, user_id: str) -> bool:
        """Whether any user of a server is in a room together with a local user."""
        escaped = server.replace("!", "!!").replace("%", "!%").replace("_", "!_")

        def ask(txn: LoggingTransaction) -> bool:
            txn.execute(_WITH_SERVER, (user_id, f"@%:{escaped}"))
            return txn.fetchone() is not None

        return await self._api.run_db_interaction("synapse_tim_server_shares", ask)

    async def in_common(self, user_id: str, others: Collection[str]) -> Common:
        """What a user has in common with others.

        A room is shared if each of the two is in it or invited to it. An invitation is shared by the one who
        invites and the one who is invited, and by all who are invited to the same room.
        """

        def ask(txn: LoggingTransaction) -> Common:
            return self._common(txn, user_id, list(others))

        return await self._api.run_db_interaction("synapse_tim_common_rooms", ask)

    def _common(self, txn: LoggingTransaction, user_id: str, others: list[str]) -> Common:
        sharing = {row[0] for row in rows_for(txn, _IN_A_ROOM, others, user_id)}
        invitations = self._invitations(txn, [user_id, *others])
        own = invitations.get(user_id, ())
        inviters = {each.inviter for each in own}
        rooms = {each.room_id for each in own}
        for other in others:
            theirs = invitations.get(other, ())
            if other in inviters or any(each.inviter == user_id or each.room_id in rooms for each in theirs):
                sharing.add(other)
        elsewhere = {
            other for other in others if any(not each.room_is_here for each in invitations.get(other, ()))
        }
        return Common(frozenset(sharing), frozenset(elsewhere))

    def _invitations(self, txn: LoggingTransaction, users: list[str]) -> dict[str, list[_Invitation]]:
        found: dict[str, list[_Invitation]] = {}
        ours = [user for user in users if self._api.is_mine(user)]
        for user, room_id, inviter, room_is_here in rows_for(txn, _INVITED, ours):
            found.setdefault(user, []).append(_Invitation(room_id, inviter, bool(room_is_here)))
        return found

    async def _sharing(self, user_id: str, others: Collection[str], query: str) -> set[str]:
        wanted = [user for user in others if is_storable(user)]

        def ask(txn: LoggingTransaction) -> set[str]:
            return {row[0] for row in rows_for(txn, query, wanted, user_id)}

        return await self._api.run_db_interaction("synapse_tim_shared_rooms", ask) if wanted else set()
