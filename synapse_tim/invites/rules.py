"""Whether one user may invite another (requirements §2.7), decided where the request is made or arrives.

Refused, in this order, by the first that applies:

1. a user of a server that is not in the federation, on either side (AF_10061-04, AF_10064-02, A_25534);
2. an insured person inviting another, whatever either of them allows, on one server or two (AF_10233,
   A_25705);
3. somebody whom the invitee's permission configuration refuses (A_26021-01, AF_10104-03; between insured
   persons and professionals A_25704); only the invitee's own server knows it, and asks.
"""

from __future__ import annotations

import attrs

from synapse_tim.core.denial import Denial
from synapse_tim.core.products import Product
from synapse_tim.core.server_name import of_matrix_id
from synapse_tim.federation.federation_members import Membership
from synapse_tim.invites.denials import INSURED_INVITES_INSURED, INVITEE_REFUSES
from synapse_tim.invites.permission_config import PermissionConfig


@attrs.frozen(eq=False)
class Parties:
    """The federation as it is at the moment, and what this server is in it.

    Attributes:
        membership: who belongs to the federation.
        product: of this server.
    """

    membership: Membership
    product: Product

    def denies(self, inviter: str, invitee: str) -> Denial | None:
        """Why an invitation must not be, whatever the invitee wants; ``None`` if that decides.

        Args:
            inviter: user id.
            invitee: user id.
        """
        servers = (of_matrix_id(inviter), of_matrix_id(invitee))
        denied = self.membership.denies_any(servers)
        if denied is not None:
            return denied[0]
        if all(self.is_insurer(server) for server in servers):
            return INSURED_INVITES_INSURED
        return None

    def is_insurer(self, server: str | None) -> bool:
        """Whether the users of a server are insured persons.

        The list says so. The own server is an insurer's also if just the configuration says so: there may
        be no list, and of two that disagree the stricter one counts.
        """
        if server == self.membership.own_server_name and self.product is Product.EPA:
            return True
        usable = self.membership.usable_list
        return usable is not None and server in usable.insurance_domains

    def permits(self, config: PermissionConfig, inviter: str) -> Denial | None:
        """Why the invitee's permission configuration refuses, or ``None``."""
        insured = self.is_insurer(of_matrix_id(inviter))
        return None if config.allows(inviter, inviter_is_insured=insured) else INVITEE_REFUSES
