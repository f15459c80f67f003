"""Warns at start-up of what ``synapse-tim check`` calls a violation, and what does not stop a homeserver.

Done by ``synapse_tim.FederationAllowList``, which every TI-Messenger service has: the same checks on the same
files, in the one process that runs background tasks, before Synapse opens its listeners. They need neither
the network nor the database. What was found is not logged, since it may hold addresses: the command shows it.
A failure of the checks stops nothing.
"""

from __future__ import annotations

import logging
from collections.abc import Iterable, Sequence
from typing import Final

from synapse.module_api import ModuleApi

from synapse_tim.adapter.clock import utc_now
from synapse_tim.adapter.config import HomeserverConfig
from synapse_tim.check.catalogue import CHECKS
from synapse_tim.check.checks import Result, judge_all
from synapse_tim.check.facts import Verdict

logger = logging.getLogger(__name__)

#: What shows everything that is wrong, and what was found.
COMMAND: Final = "synapse-tim check homeserver.yaml"


def warn_of_violations(api: ModuleApi, config: HomeserverConfig) -> None:
    """Hold the files of this process against all checks, and log a warning for each violation.

    Args:
        api: Synapse's module API.
        config: knows the files.
    """
    if not api.should_run_background_tasks():
        return
    try:
        for line in _violations(config.config_files):
            logger.warning(
                "homeserver.yaml violates %s at %s: wanted is %s, because %s; '%s' shows what was found",
                line.requirement,
                line.key,
                line.wanted,
                line.reason,
                COMMAND,
            )
    except Exception as error:
        logger.error("homeserver.yaml could not be checked (%s); run '%s'", type(error).__name__, COMMAND)
        logger.debug("The configuration could not be checked", exc_info=True)


def _violations(paths: Sequence[str]) -> Iterable[Result]:
    # Reads much that a homeserver without this has no use for.
    from synapse_tim.check.reading import read_homeserver

    homeserver = read_homeserver(paths)
    known = (homeserver.product, homeserver.spec_version)
    for line in judge_all(CHECKS, homeserver.processes, *known, utc_now()):
        if line.verdict is Verdict.VIOLATION:
            yield line
