"""Members of the federation: the check of AF_10064-02 (A_25534; of the legacy generation AF_10064-01).

The own server always counts as a member (UC_10064), with or without a list. Any other server is refused
unless the list in force names it exactly, and every other server is refused while there is no usable list.
"""

from collections.abc import Iterable
from typing import Protocol

import attrs

from synapse_tim.core.denial import Denial
from synapse_tim.federation.denials import NO_USABLE_LIST, NOT_A_MEMBER
from synapse_tim.federation.list import FederationList


@attrs.frozen(eq=False)
class FederationMembers:
    """The federation as this server sees it at the moment."""

    own_server_name: str
    #: The list in force, or ``None`` if there is none or it is stale and denied.
    usable_list: FederationList | None = None

    def check(self, server_name: str | None) -> Denial | None:
        """Why a server may not be talked to, or ``None`` if it may.

        Args:
            server_name: as a request or an id names it; ``None`` for an id without one.
        """
        if server_name == self.own_server_name:
            return None
        if self.usable_list is None:
            return NO_USABLE_LIST
        if server_name is None or server_name not in self.usable_list:
            return NOT_A_MEMBER
        return None

    def own_kind_mismatch(self, *, product_is_insurance: bool) -> bool:
        """Whether the list knows this server as the other kind of product.

        ``isInsurance`` is true exactly for the servers of TI-M ePA (requirements §0.2). A server that is
        not in the list, or a list that is not there, is no mismatch.
        """
        if self.usable_list is None or self.own_server_name not in self.usable_list:
            return False
        return self.usable_list.domains[self.own_server_name] is not product_is_insurance


class Federation(Protocol):
    """What other parts use of ``synapse_tim.FederationAllowList``."""

    @property
    def members(self) -> FederationMembers:
        """The federation as it is at the moment."""
        ...

    @property
    def known_list(self) -> FederationList | None:
        """The last verified list, also when it is stale."""
        ...

    def ask_about_users(self, user_ids: Iterable[str]) -> None:
        """Find out whether the servers of some users have joined the federation recently (A_25537)."""
        ...
