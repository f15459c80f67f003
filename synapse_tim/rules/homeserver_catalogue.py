"""All checks of a homeserver's configuration; ``docs/checks.md`` is generated from it."""

from __future__ import annotations

from typing import Final

from synapse_tim.rules import (
    homeserver_check_blocks,
    homeserver_check_lifetimes,
    homeserver_check_listeners,
    homeserver_check_logging,
    homeserver_check_modules,
    homeserver_check_options,
    homeserver_check_privacy,
    homeserver_check_tls,
)
from synapse_tim.rules.homeserver_check import Check
from synapse_tim.rules.homeserver_check_online import CHECKS as ONLINE_CHECKS

__all__ = ["CHECKS", "ONLINE_CHECKS"]

CHECKS: Final[tuple[Check, ...]] = (
    *homeserver_check_modules.CHECKS,
    *homeserver_check_blocks.CHECKS,
    *homeserver_check_options.CHECKS,
    *homeserver_check_lifetimes.CHECKS,
    *homeserver_check_listeners.CHECKS,
    *homeserver_check_tls.CHECKS,
    *homeserver_check_logging.CHECKS,
    *homeserver_check_privacy.CHECKS,
)
