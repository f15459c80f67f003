"""The block of ``synapse_tim.TiMessenger``: the blocks of all parts in one."""

from collections.abc import Mapping
from typing import Any, Final, Self

import attrs

from synapse_tim.adapter.config_block import BlockError, validate_block, wrong
from synapse_tim.cleanup.config import RoomCleanupConfig
from synapse_tim.client_api.config import ClientApiPolicyConfig
from synapse_tim.contacts.config import ContactManagementConfig
from synapse_tim.core.config_types import PartConfig, WrongValueError
from synapse_tim.directory.config import DirectoryPartConfig
from synapse_tim.events.config import EventPolicyConfig
from synapse_tim.federation.config import AllowListConfig
from synapse_tim.gateway.config import IdentityGatewayConfig
from synapse_tim.information.config import InformationServicesConfig
from synapse_tim.invites.config import InvitePolicyConfig
from synapse_tim.login.config import LoginPolicyConfig
from synapse_tim.rooms.config import RoomPolicyConfig


@attrs.frozen
class TiMessengerConfig:
    """The block of each part; a part checks its own.

    All blocks have the product and the generation, and each other key belongs to one part.
    """

    federation_allow_list: AllowListConfig
    directory: DirectoryPartConfig
    contact_management: ContactManagementConfig
    invite_policy: InvitePolicyConfig
    room_policy: RoomPolicyConfig
    event_policy: EventPolicyConfig
    client_api_policy: ClientApiPolicyConfig
    login_policy: LoginPolicyConfig
    identity_gateway: IdentityGatewayConfig
    room_cleanup: RoomCleanupConfig
    information_services: InformationServicesConfig

    @classmethod
    def parse(cls, block: object) -> Self:
        """Divide the block among the parts.

        Raises:
            ConfigError: naming each key that is wrong and what is expected there.
        """
        if not isinstance(block, Mapping):
            raise wrong("expected a mapping")
        known = {key for model in BLOCKS.values() for key in model.model_fields}
        parsed: dict[str, Any] = {}
        problems: list[WrongValueError] = []
        trust = None
        list_is_wrong = False
        for name, model in BLOCKS.items():
            own = {
                key: value for key, value in block.items() if key in model.model_fields or key not in known
            }
            found = validate_block(model, own, trust=trust, list_is_wrong=list_is_wrong)
            if isinstance(found, list):
                problems.extend(found)
                list_is_wrong = list_is_wrong or model is AllowListConfig
                continue
            parsed[name] = found
            if isinstance(found, AllowListConfig):
                trust = found.federation_list.trust
        if problems:
            raise BlockError(problems)
        config = cls(**parsed)
        config._check_directory()
        return config

    def _check_directory(self) -> None:
        """Refuse a generation without the directory that it needs, and a directory without a login."""
        directory = self.directory.directory
        if directory is not None:
            directory.log_in(self.federation_allow_list.federation_list)
        elif self.directory.spec_version.is_legacy:
            raise wrong(
                "this key is required: in legacy-1.1 the directory says who may be invited", "directory"
            )


#: The model of each part's block. The federation list comes first: others have their defaults from it.
BLOCKS: Final[Mapping[str, type[PartConfig]]] = {
    field.name: field.type for field in attrs.fields(attrs.resolve_types(TiMessengerConfig)) if field.type
}
