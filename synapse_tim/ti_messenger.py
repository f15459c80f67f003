"""``synapse_tim.TiMessenger``: all parts, built from one configuration block."""

from typing import Any

from synapse.module_api import ModuleApi

from synapse_tim.adapter.homeserver import Homeserver
from synapse_tim.adapter.start_up import refuse_wrong_options
from synapse_tim.cleanup.module import RoomCleanup
from synapse_tim.client_api.module import ClientApiPolicy
from synapse_tim.contacts.module import ContactManagement
from synapse_tim.directory.module import Directory
from synapse_tim.events.module import EventPolicy
from synapse_tim.federation.module import FederationAllowList
from synapse_tim.gateway.module import IdentityGateway
from synapse_tim.information.module import InformationServices
from synapse_tim.invites.module import InvitePolicy
from synapse_tim.login.module import LoginPolicy
from synapse_tim.rooms.module import RoomPolicy
from synapse_tim.ti_messenger_config import TiMessengerConfig


class TiMessenger:
    """Makes a homeserver a TI-Messenger service."""

    def __init__(self, config: TiMessengerConfig, api: ModuleApi) -> None:
        product = config.federation_allow_list.product
        refuse_wrong_options(Homeserver.of(api).config, ("rooms", "client_api", "login", "cleanup"), product)
        self.federation_allow_list = FederationAllowList(config.federation_allow_list, api)
        if config.directory.spec_version.is_legacy:
            self.directory = Directory(config.directory, api)
            self.contact_management = ContactManagement(config.contact_management, api)
        self.invite_policy = InvitePolicy(config.invite_policy, api)
        self.room_policy = RoomPolicy(config.room_policy, api)
        self.event_policy = EventPolicy(config.event_policy, api)
        self.client_api_policy = ClientApiPolicy(config.client_api_policy, api)
        self.login_policy = LoginPolicy(config.login_policy, api)
        self.identity_gateway = IdentityGateway(config.identity_gateway, api)
        self.room_cleanup = RoomCleanup(config.room_cleanup, api)
        self.information_services = InformationServices(config.information_services, api)

    @staticmethod
    def parse_config(config: dict[str, Any]) -> TiMessengerConfig:
        """Check the block of ``homeserver.yaml``; the ``ConfigError`` names the key and what is expected."""
        return TiMessengerConfig.parse(config)
