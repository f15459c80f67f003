"""Warns at start-up of violations that ``synapse-tim check`` finds and that do not stop a homeserver.

The same checks on the same files, in the one process that runs background tasks, before Synapse opens its
listeners. They need neither the network nor the database. What was found is not logged, since it may hold
addresses: the command shows it. A failure of the checks stops nothing.
"""

import logging
from collections.abc import Sequence
from typing import Final

from synapse_tim.adapter.clock import utc_now
from synapse_tim.check.catalogue import CHECKS
from synapse_tim.check.reading import read_homeserver
from synapse_tim.core.checks import Verdict

logger = logging.getLogger(__name__)

#: What shows everything that is wrong, and what was found.
COMMAND: Final = "synapse-tim check homeserver.yaml"


def warn_of_violations(paths: Sequence[str]) -> None:
    """Hold the files of this process against all checks, and log a warning for each violation."""
    try:
        for line in read_homeserver(paths, (), utc_now()).judge(CHECKS):
            if line.verdict is Verdict.VIOLATION:
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
