"""All checks of a homeserver's configuration; ``docs/checks.md`` is generated from it."""

from __future__ import annotations

from typing import Final

from synapse_tim.check.catalogue import (
    blocks as homeserver_check_blocks,
)
from synapse_tim.check.catalogue import (
    lifetimes as homeserver_check_lifetimes,
)
from synapse_tim.check.catalogue import (
    listeners as homeserver_check_listeners,
)
from synapse_tim.check.catalogue import (
    logging as homeserver_check_logging,
)
from synapse_tim.check.catalogue import (
    modules as homeserver_check_modules,
)
from synapse_tim.check.catalogue import (
    options as homeserver_check_options,
)
from synapse_tim.check.catalogue import (
    privacy as homeserver_check_privacy,
)
from synapse_tim.check.catalogue import (
    tls as homeserver_check_tls,
)
from synapse_tim.check.catalogue.online import CHECKS as ONLINE_CHECKS
from synapse_tim.check.checks import Check

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
