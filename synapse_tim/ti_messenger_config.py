"""The blocks of the policies: ``permissions``, ``rooms``, ``events``, ``client_api``.

Every default follows ``product`` and ``spec_version``: who says nothing gets what gematik demands.
"""

from __future__ import annotations

from synapse_tim.adapter.config_block import wrong
from synapse_tim.cleanup.config import RoomCleanupConfig
from synapse_tim.client_api.config import ClientApiPolicyConfig
from synapse_tim.contacts.config import ContactManagementConfig
from synapse_tim.directory.config import DirectoryPartConfig
from synapse_tim.events.config import EventPolicyConfig
from synapse_tim.federation.config import AllowListConfig
from synapse_tim.information.config import InformationServicesConfig
from synapse_tim.invites.config import InvitePolicyConfig
from synapse_tim.login.config import LoginPolicyConfig
from synapse_tim.pki.config import TrustConfig
from synapse_tim.rooms.config import RoomPolicyConfig


class TiMessengerConfig(
    AllowListConfig,
    DirectoryPartConfig,
    ContactManagementConfig,
    InvitePolicyConfig,
    RoomPolicyConfig,
    EventPolicyConfig,
    ClientApiPolicyConfig,
    LoginPolicyConfig,
    RoomCleanupConfig,
    InformationServicesConfig,
):
    """The block of ``synapse_tim.TiMessenger``: everything that its parts need."""

    def check_directory(self) -> None:
        """Refuse a generation without the directory that it needs, and a directory nobody can log in to.

        Raises:
            ConfigError: naming the key.
        """
        if self.directory is not None:
            self.directory.log_in(self.federation_list)
        elif self.spec_version.is_legacy:
            raise wrong(
                "this key is required: in legacy-1.1 the directory says who may be invited", "directory"
            )

    @property
    def trust_of_providers(self) -> TrustConfig | None:
        """What a signed discovery document has to rest on: the same as the list, unless said otherwise."""
        return self.login.trust or self.federation_list.trust
