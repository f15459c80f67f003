"""``synapse_tim.TiMessenger``: all parts, built from one configuration block."""

from __future__ import annotations

from typing import Any

from synapse.module_api import ModuleApi

from synapse_tim.modules.client_api_policy import ClientApiPolicy
from synapse_tim.modules.config import parse_block
from synapse_tim.modules.contact_management import ContactManagement
from synapse_tim.modules.directory import Directory
from synapse_tim.modules.event_policy import EventPolicy
from synapse_tim.modules.federation_allow_list import FederationAllowList
from synapse_tim.modules.information_services import InformationServices
from synapse_tim.modules.invite_policy import InvitePolicy
from synapse_tim.modules.login_policy import LoginPolicy
from synapse_tim.modules.options import refuse_wrong_options
from synapse_tim.modules.policy_config import TiMessengerConfig
from synapse_tim.modules.room_cleanup import RoomCleanup
from synapse_tim.modules.room_policy import RoomPolicy
from synapse_tim.modules.synapse_internals import SynapseInternals


class TiMessenger:
    """Makes a homeserver a TI-Messenger service.

    Args:
        config: the checked block.
        api: Synapse's module API.

    Raises:
        ConfigError: the homeserver is not configured for it, or is an unknown Synapse.
    """

    def __init__(self, config: TiMessengerConfig, api: ModuleApi) -> None:
        refuse_wrong_options(
            SynapseInternals(api), ("rooms", "client_api", "login", "cleanup"), config.product
        )
        self.federation_allow_list = FederationAllowList(config, api)
        if config.spec_version.is_legacy:
            self.directory = Directory(config, api)
            self.contact_management = ContactManagement(config, api)
        self.invite_policy = InvitePolicy(config, api)
        self.room_policy = RoomPolicy(config, api)
        self.event_policy = EventPolicy(config, api)
        self.client_api_policy = ClientApiPolicy(config, api)
        self.login_policy = LoginPolicy(config, api)
        self.room_cleanup = RoomCleanup(config, api)
        self.information_services = InformationServices(config, api)

    @staticmethod
    def parse_config(config: dict[str, Any]) -> TiMessengerConfig:
        """Check the block of ``homeserver.yaml``.

        Raises:
            ConfigError: naming the key and what is expected.
        """
        parsed = parse_block(TiMessengerConfig, config)
        parsed.check()
        parsed.check_directory()
        parsed.check_contacts()
        parsed.check_login()
        parsed.check_cleanup()
        return parsed
