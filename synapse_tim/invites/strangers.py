"""Users who may not contact each other.

Users who may invite another user may also contact them otherwise, and so may users who share a room or an
invitation. All others are strangers, and nothing that carries text passes between them
(AF_10233, A_26021-01): messages to devices, and a knock's reason.

What is asked first costs nothing or is in Synapse's caches, which all processes keep up to date: who is in a
room together, and what the addressee allows. Only for those who are strangers by that the database is asked,
once for a request. So a key for a user who joined a moment ago is never refused because of what was known
before, and one that was let through is refused as soon as the process hears that a room is shared no longer.

The legacy generation's approval lists and directory are not asked: they would be for each message.
"""

import logging
from collections.abc import Callable, Collection, Mapping

from synapse.module_api import ModuleApi

from synapse_tim.adapter.answers import looked_up, reject
from synapse_tim.adapter.rooms import Rooms
from synapse_tim.adapter.shared_rooms import SharedRooms
from synapse_tim.core.denial import Denial
from synapse_tim.core.text import is_storable
from synapse_tim.invites.denials import CONTACT_UNAVAILABLE, INVITEE_UNKNOWN, PERMISSION_UNAVAILABLE
from synapse_tim.invites.rules import Consent, InviteRules

logger = logging.getLogger(__name__)


class Strangers:
    """Tells strangers from others in one Synapse process."""

    def __init__(
        self, api: ModuleApi, rooms: Rooms, rules: Callable[[], InviteRules], consent: Consent
    ) -> None:
        self._api = api
        self._joined = rooms.joined
        self._rules = rules
        self._consent = consent
        self._rooms = SharedRooms(api)

    async def among(
        self, user_id: str, others: Collection[str], *, invited_elsewhere: bool = False
    ) -> Mapping[str, Denial]:
        """Which of several users a user must not address, and why.

        Args:
            user_id: who addresses them, of any server.
            invited_elsewhere: let local users pass who have an invitation into a room whose members only
                other servers know: the user may be one of them.

        Raises:
            SynapseError: 503 if it cannot be looked up.
        """
        if not is_storable(user_id):
            return dict.fromkeys(others, INVITEE_UNKNOWN)
        denied = await self._denied(user_id, [other for other in others if other != user_id])
        asked = [other for other in denied if is_storable(other)]
        if not asked:
            return denied
        common = await looked_up(self._rooms.in_common(user_id, asked), CONTACT_UNAVAILABLE)
        known = common.sharing | common.invited_elsewhere if invited_elsewhere else common.sharing
        strangers = {other: denial for other, denial in denied.items() if other not in known}
        if PERMISSION_UNAVAILABLE in strangers.values():
            reject(PERMISSION_UNAVAILABLE)
        return strangers

    async def share(self, user_id: str, other: str, *, invited_elsewhere: bool = False) -> bool:
        """Whether two users share a room or an invitation, regardless of permissions; see ``among``.

        Raises:
            SynapseError: 503 if it cannot be looked up.
        """
        common = await looked_up(self._rooms.in_common(user_id, [other]), CONTACT_UNAVAILABLE)
        return other in common.sharing or (invited_elsewhere and other in common.invited_elsewhere)

    async def check(self, user_id: str, other: str) -> Denial | None:
        """Why a user may not address another one, common rooms aside."""
        rules = self._rules()
        denial = rules.check(user_id, other)
        if denial is not None or not self._api.is_mine(other):
            return denial  # the other's own server knows what the other wants
        insured = rules.is_insured(user_id)
        return await self._consent.check_contact(user_id, other, sender_is_insured=insured)

    async def _denied(self, user_id: str, others: Collection[str]) -> dict[str, Denial]:
        """Those who are strangers as far as the caches know."""
        rules = self._rules()
        asked = [other for other in others if self._api.is_mine(other) or rules.check(user_id, other)]
        storable = [other for other in asked if is_storable(other)]
        if not asked:
            return {}
        rooms = await looked_up(self._joined([user_id, *storable]), CONTACT_UNAVAILABLE)
        own = rooms[user_id]
        denied = {}
        for other in asked:
            if own.isdisjoint(rooms.get(other, ())):
                denial = await self.check(user_id, other)
                if denial is not None:
                    denied[other] = denial
        return denied
