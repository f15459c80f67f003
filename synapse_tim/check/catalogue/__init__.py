"""All checks of a homeserver's configuration; ``docs/checks.md`` is generated from it."""

from typing import Final

from synapse_tim.check.catalogue import blocks, listeners, logging, modules, options, privacy, retention, tls
from synapse_tim.check.catalogue.mas import CHECKS as MAS_CHECKS
from synapse_tim.check.catalogue.online import CHECKS as ONLINE_CHECKS
from synapse_tim.core.checks import Check

__all__ = ["CHECKS", "MAS_CHECKS", "ONLINE_CHECKS"]

CHECKS: Final[tuple[Check, ...]] = (
    *modules.CHECKS,
    *blocks.CHECKS,
    *options.CHECKS,
    *retention.CHECKS,
    *listeners.CHECKS,
    *tls.CHECKS,
    *logging.CHECKS,
    *privacy.CHECKS,
)
