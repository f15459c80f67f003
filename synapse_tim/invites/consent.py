"""Whether the invitee wants the invitation: what each generation has for it."""

from __future__ import annotations

from typing import Protocol

from synapse_tim.core.denial import Denial
from synapse_tim.invites.rules import Parties


class Consent(Protocol):
    """Knows what a local user wants.

    Attributes:
        denial: the one for an invitee who does not; names the rule that was looked at.
    """

    denial: Denial

    async def refuses(self, parties: Parties, inviter: str, invitee: str) -> Denial | None:
        """Why a local user must not be invited, or ``None``.

        Args:
            parties: the federation.
            inviter: user id, of a member of the federation or of this server.
            invitee: user id of this server.
        """

    async def refuses_contact(self, parties: Parties, sender: str, addressee: str) -> Denial | None:
        """Why somebody who shares no room with a local user must not address the user, or ``None``.

        Asked about messages, of which there are many: whatever it takes is in a cache.

        Args:
            parties: the federation.
            sender: user id, of a member of the federation or of this server.
            addressee: user id of this server.
        """
