"""``synapse_tim.TiMessenger``: all parts, built from one configuration block."""

from __future__ import annotations

from typing import Any

from synapse.module_api import ModuleApi

from synapse_tim.modules.config import TiMessengerConfig, parse_block
from synapse_tim.modules.federation_allow_list import FederationAllowList


class TiMessenger:
    """Makes a homeserver a TI-Messenger service.

    Args:
        config: the checked block.
        api: Synapse's module API.

    Raises:
        ConfigError: the homeserver is not configured for it, or is an unknown Synapse.
    """

    def __init__(self, config: TiMessengerConfig, api: ModuleApi) -> None:
        self.federation_allow_list = FederationAllowList(config, api)

    @staticmethod
    def parse_config(config: dict[str, Any]) -> TiMessengerConfig:
        """Check the block of ``homeserver.yaml``.

        Raises:
            ConfigError: naming the key and what is expected.
        """
        return parse_block(TiMessengerConfig, config)
