"""Holds ``homeserver.yaml`` against what the policies rely on, at start-up."""

from __future__ import annotations

import json
import logging
from collections.abc import Iterable

from synapse.module_api.errors import ConfigError

from synapse_tim.adapter.config import SynapseConfig
from synapse_tim.core.homeserver_options import Option, Severity, is_wrong, options_for
from synapse_tim.core.products import Product

logger = logging.getLogger(__name__)


def check_options(config: SynapseConfig, part: str, product: Product) -> None:
    """Refuse to start with options that let a requirement be violated; warn of the others.

    Args:
        config: for the values.
        part: whose options.
        product: of this server.

    Raises:
        ConfigError: naming every option of the part that has to be changed.
    """
    for option in options_for(part, product):
        if option.severity is Severity.WARNING and is_wrong(option, config.option):
            logger.warning("homeserver.yaml: %s", _explain(option))
    refuse_wrong_options(config, (part,), product)


def refuse_wrong_options(config: SynapseConfig, parts: Iterable[str], product: Product) -> None:
    """Refuse to start with options that let a requirement of any of several parts be violated.

    Args:
        config: for the values.
        parts: whose options.
        product: of this server.

    Raises:
        ConfigError: naming every option that has to be changed.
    """
    wrong = [
        option
        for part in parts
        for option in options_for(part, product)
        if option.severity is Severity.ERROR and is_wrong(option, config.option)
    ]
    if wrong:
        raise ConfigError(
            "synapse_tim needs other values in homeserver.yaml:\n"
            + "\n".join(_explain(option) for option in wrong),
            path=wrong[0].key.split("."),
        )


def _explain(option: Option) -> str:
    value = json.dumps(option.value)
    return f"set {option.key}: {value}, because {option.reason} ({option.requirement})"
