"""The legacy generation's check of an invitation: approval list, then directory (AF_10061-01, §2.5).

A database or a directory that does not answer refuses the invitation for the moment, with 503: the inviter's
server may try again. So does a server that has too many invitations waiting for the directory: it must not
take the time of all others.
"""

import logging
from collections import Counter
from collections.abc import Awaitable, Callable
from typing import Final

from synapse.module_api import ModuleApi

from synapse_tim.adapter.clock import now_s
from synapse_tim.adapter.users import LocalUsers
from synapse_tim.contacts.three_stage_rules import decided_by_invitee, stage_three
from synapse_tim.core.denial import Denial
from synapse_tim.core.server_name import of_matrix_id
from synapse_tim.core.text import is_storable
from synapse_tim.directory.failures import DirectoryError, DirectoryFailure
from synapse_tim.directory.module import Directory
from synapse_tim.invites.denials import APPROVAL_UNAVAILABLE, INVITEE_NOT_APPROVED, INVITEE_NOT_REGISTERED

logger = logging.getLogger(__name__)

#: Of the invitations that one server sends. As Synapse is shipped it takes three at a time, but any number of
#: those that are slipped in among the events of rooms.
MAX_WAITING_OF_A_SERVER: Final = 10


class ThreeStageCheck:
    """Looks up what a local user of the legacy generation wants.

    Args:
        permits: whether a user's approval list, the user first, lets another user invite them at a time
            in seconds since 1970.
        directory: says who is an organisation's and who is a practitioner's.
    """

    denial = INVITEE_NOT_APPROVED

    def __init__(
        self,
        api: ModuleApi,
        users: LocalUsers,
        permits: Callable[[str, str, int], Awaitable[bool]],
        directory: Directory,
    ) -> None:
        self._api = api
        self._users = users
        self._permits = permits
        self._directory = directory
        self._waiting: Counter[str | None] = Counter()

    async def check(self, inviter: str, invitee: str, *, inviter_is_insured: bool) -> Denial | None:
        """See ``Consent.check``; stage 1 has been passed."""
        try:
            if not await self._users.may_be_invited(invitee):
                return INVITEE_NOT_REGISTERED
            if self._api.is_mine(inviter):
                return None
            if not is_storable(inviter):  # so it is on no list, and the database would fail
                return INVITEE_NOT_APPROVED
            if await self._permits(invitee, inviter, now_s()):
                return None
        except Exception as error:
            logger.error("An approval list could not be looked up: %s", type(error).__name__)
            return APPROVAL_UNAVAILABLE
        server = of_matrix_id(inviter)
        if self._waiting[server] >= MAX_WAITING_OF_A_SERVER:
            return APPROVAL_UNAVAILABLE
        self._waiting[server] += 1
        try:
            return await self._stage_three(inviter, invitee)
        except DirectoryError as error:  # which has been logged
            # What the directory cannot be asked about it cannot list; asking again would not change that.
            never = error.reason is DirectoryFailure.NOT_AN_ID
            return INVITEE_NOT_APPROVED if never else APPROVAL_UNAVAILABLE
        finally:
            self._waiting[server] -= 1
            if not self._waiting[server]:
                del self._waiting[server]

    async def check_contact(self, sender: str, addressee: str, *, sender_is_insured: bool) -> Denial | None:
        """See ``Consent.check_contact``: users of other servers.

        Approvals and the directory would have to be asked for each message.
        """
        return None if self._api.is_mine(sender) else INVITEE_NOT_APPROVED

    async def _stage_three(self, inviter: str, invitee: str) -> Denial | None:
        ends = self._directory.deadline()  # one for both: the inviter's server does not wait for ever
        owner = await self._directory.owner_type(invitee, ends)
        if decided_by_invitee(owner):
            return stage_three(owner)
        return stage_three(owner, await self._directory.owner_type(inviter, ends))
