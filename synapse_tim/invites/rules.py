"""Rules of invitations (requirements §2.7), applied where a request is made or arrives.

Refused, in this order, by the first that applies:

1. a user of a server that is not in the federation, on either side (AF_10061-04, AF_10064-02, A_25534);
2. an insured person inviting another, regardless of their permissions, on one server or two (AF_10233,
   A_25705);
3. between professionals and insured persons, in both directions, or by users of this server to others, if the
   operator has switched that off (``InviteSwitches``);
4. an inviter that the invitee refuses: by a permission configuration (A_26021-01, AF_10104-03; between
   insured persons and professionals A_25704), or in the legacy generation by approval list and directory
   (AF_10061-01); only the invitee's own server knows it, and asks.
"""

from typing import Protocol

import attrs

from synapse_tim.core.create_room import CreateRoom
from synapse_tim.core.denial import Denial
from synapse_tim.core.matrix import MEMBER, THIRD_PARTY_INVITE
from synapse_tim.core.products import Product
from synapse_tim.core.server_name import of_matrix_id
from synapse_tim.federation.federation_members import FederationMembers
from synapse_tim.invites.denials import (
    INSURED_INVITES_INSURED,
    INSURED_SWITCHED_OFF,
    INVITE_BY_ADDRESS,
    INVITE_SWITCHED_OFF,
    MEMBERSHIP_IN_INITIAL_STATE,
    THIRD_PERSON,
    TOO_MANY_INVITES,
)


@attrs.frozen
class InviteSwitches:
    """What the operator allows beside gematik's rules."""

    insured: bool = True  #: conversations with insured persons, in both directions; for professionals
    #: Servers whose users may be invited from here; ``None`` for all. The own server always may.
    outgoing: frozenset[str] | None = None


@attrs.frozen(eq=False)
class InviteRules:
    """What the federation says about an invitation at the moment, and what this server is in it."""

    members: FederationMembers
    product: Product
    switches: InviteSwitches = InviteSwitches()

    def check(self, inviter: str, invitee: str) -> Denial | None:
        """Deny an invitation regardless of the invitee's settings; ``None`` if these decide."""
        servers = (of_matrix_id(inviter), of_matrix_id(invitee))
        denial = self.members.check(servers[0]) or self.members.check(servers[1])
        if denial is not None:
            return denial
        insured = [self.is_insurer(server) for server in servers]
        if all(insured):
            return INSURED_INVITES_INSURED
        if any(insured) and not self.switches.insured:
            return INSURED_SWITCHED_OFF
        own, outgoing = self.members.own_server_name, self.switches.outgoing
        if outgoing is not None and servers[0] == own and servers[1] not in (own, *outgoing):
            return INVITE_SWITCHED_OFF
        return None

    def is_insurer(self, server: str | None) -> bool:
        """Whether the users of a server are insured persons.

        The list says so. The own server is an insurer's also if just the configuration says so: there may
        be no list, and of two that disagree the stricter one counts.
        """
        if server == self.members.own_server_name and self.product is Product.EPA:
            return True
        usable = self.members.usable_list
        return usable is not None and server in usable.insurance_domains

    def is_insured(self, user_id: str) -> bool:
        """Whether a user is an insured person."""
        return self.is_insurer(of_matrix_id(user_id))


def check_new_room(
    room: CreateRoom, *, one_invitation: bool, into_direct_chats: bool = True
) -> Denial | None:
    """Check number and form of invitations in ``createRoom`` (A_25368-01); legacy: any number."""
    types = [event.type for event in room.initial_state]
    if MEMBER in types:
        return MEMBERSHIP_IN_INITIAL_STATE
    if THIRD_PARTY_INVITE in types:
        return INVITE_BY_ADDRESS
    if len(room.invite) > 1 and one_invitation:
        return TOO_MANY_INVITES
    is_direct = room.body.get("is_direct") is True
    return THIRD_PERSON if len(set(room.invite)) > 1 and is_direct and not into_direct_chats else None


class Consent(Protocol):
    """Knows what a local user wants, in the way of a generation."""

    denial: Denial  #: the one for an invitee who does not; names the rule that was looked at

    async def check(self, inviter: str, invitee: str, *, inviter_is_insured: bool) -> Denial | None:
        """Why a local user must not be invited, or ``None``.

        Args:
            inviter: user id, of a member of the federation or of this server.
            inviter_is_insured: the inviter's server belongs to an insurer.
        """

    async def check_contact(self, sender: str, addressee: str, *, sender_is_insured: bool) -> Denial | None:
        """Why a user who shares no room with a local user must not contact them, or ``None``.

        Asked for every message to a device, so it has to be answered from caches. Arguments as for
        ``check``.
        """
