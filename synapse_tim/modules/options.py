"""Holds ``homeserver.yaml`` against what the policies rely on, at start-up."""

from __future__ import annotations

import json
import logging

from synapse.module_api.errors import ConfigError

from synapse_tim.modules.synapse_internals import SynapseInternals
from synapse_tim.rules.homeserver_options import Option, Severity, options_for
from synapse_tim.rules.products import Product

logger = logging.getLogger(__name__)


def check_options(internals: SynapseInternals, part: str, product: Product) -> None:
    """Refuse to start with options that let a requirement be violated; warn of the others.

    Args:
        internals: for the values.
        part: whose options.
        product: of this server.

    Raises:
        ConfigError: naming every option that has to be changed.
    """
    wrong = []
    for option in options_for(part, product):
        value = internals.option(option.section, option.attribute)
        if value is None and option.section == "media":
            continue  # a worker without media does not read it
        if bool(value) is option.wanted:
            continue
        if option.severity is Severity.ERROR:
            wrong.append(option)
        else:
            logger.warning("homeserver.yaml: %s", _explain(option))
    if wrong:
        raise ConfigError(
            "synapse_tim needs other values in homeserver.yaml:\n"
            + "\n".join(_explain(option) for option in wrong),
            path=wrong[0].key.split("."),
        )


def _explain(option: Option) -> str:
    value = json.dumps(option.value)
    return f"set {option.key}: {value}, because {option.reason} ({option.requirement})"
