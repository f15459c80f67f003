"""Users who share a room or an invitation, read from the database at this moment.

Asked about those for whom Synapse's caches show no common room: caches of another process may lag behind a
join that was answered already.
"""

from collections.abc import Collection, Iterable
from typing import Final

import attrs
from synapse.module_api import LoggingTransaction, ModuleApi

#: Users asked about in one query; SQLite allows no more than 999 parameters in older releases.
_AT_ONCE: Final = 500

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
    """What was found out about one user and several others.

    Attributes:
        sharing: those who share a room or an invitation with the user.
        invited_elsewhere: those with an invitation into a room whose members only other servers know.
    """

    sharing: frozenset[str]
    invited_elsewhere: frozenset[str]


class CommonRooms:
    """Looks up common rooms and invitations."""

    def __init__(self, api: ModuleApi) -> None:
        self._api = api

    async def of(self, user_id: str, others: Collection[str]) -> Common:
        """What a user has in common with others.

        A room is shared if each of the two is in it or invited to it. An invitation is shared by the one who
        invites and the one who is invited, and by all who are invited to the same room.

        Raises:
            Exception: whatever the database raises.
        """
        wanted = list(others)
        return await self._api.run_db_interaction("synapse_tim_common_rooms", self._ask, user_id, wanted)

    def _ask(self, txn: LoggingTransaction, user_id: str, others: list[str]) -> Common:
        sharing: set[str] = set()
        for part in _parts(others):
            txn.execute(_IN_A_ROOM.format(places=_places(part)), (user_id, *part))
            sharing.update(row[0] for row in txn.fetchall())
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
        for part in _parts([user for user in users if self._api.is_mine(user)]):
            txn.execute(_INVITED.format(places=_places(part)), part)
            for user, room_id, inviter, room_is_here in txn.fetchall():
                found.setdefault(user, []).append(_Invitation(room_id, inviter, bool(room_is_here)))
        return found


def _parts(users: list[str]) -> Iterable[list[str]]:
    return (users[start : start + _AT_ONCE] for start in range(0, len(users), _AT_ONCE))


def _places(users: list[str]) -> str:
    return ", ".join("?" * len(users))
