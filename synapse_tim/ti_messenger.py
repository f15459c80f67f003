"""``synapse_tim.TiMessenger``: all parts, built from one configuration block."""

from __future__ import annotations

from typing import Any

from synapse.module_api import ModuleApi

from synapse_tim.adapter.config_block import parse_block
from synapse_tim.adapter.homeserver import Homeserver
from synapse_tim.adapter.start_up_options import refuse_wrong_options
from synapse_tim.cleanup.module import RoomCleanup
from synapse_tim.client_api.module import ClientApiPolicy
from synapse_tim.contacts.module import ContactManagement
from synapse_tim.directory.module import Directory
from synapse_tim.events.module import EventPolicy
from synapse_tim.federation.module import FederationAllowList
from synapse_tim.information.module import InformationServices
from synapse_tim.invites.module import InvitePolicy
from synapse_tim.login.module import LoginPolicy
from synapse_tim.rooms.module import RoomPolicy
from synapse_tim.ti_messenger_config import TiMessengerConfig


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
            Homeserver.of(api).config, ("rooms", "client_api", "login", "cleanup"), config.product
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
