"""Makes the tables of a part, and tidies them up regularly; in the process that runs background tasks."""

import logging
from collections.abc import Awaitable, Callable
from typing import Final

from synapse.module_api import ModuleApi

from synapse_tim.core.durations import HOUR

logger = logging.getLogger(__name__)

_RETRY_MS: Final = 10 * 1000


class TableKeeper:
    """Keeps the tables of one part. A database that does not answer is asked again after a while.

    Args:
        what: is in the tables, in one word; for the log and for Synapse's metrics.
        create: makes the tables that are missing.
        tidy: removes what is not needed any more.
        interval: between two times that it does, in milliseconds.
    """

    def __init__(
        self,
        api: ModuleApi,
        what: str,
        create: Callable[[], Awaitable[None]],
        tidy: Callable[[], Awaitable[None]],
        *,
        interval: int = HOUR,
    ) -> None:
        self._api = api
        self._what = what
        self._create = create
        self._tidy = tidy
        self._interval = interval
        self._has_tables = False

    def start(self) -> None:
        """Begin at once, in the one process that does."""
        if self._api.should_run_background_tasks():
            self._soon(0)
            self._api.looping_background_call(
                self.keep, self._interval, desc=f"synapse_tim_{self._what}_tidy"
            )

    async def keep(self) -> None:
        """Make the tables if that has not been done, and tidy them up."""
        try:
            if not self._has_tables:
                await self._create()
                self._has_tables = True
        except Exception as error:
            logger.error("The tables of %s were not made: %s", self._what, type(error).__name__)
            self._soon(_RETRY_MS)
            return
        try:
            await self._tidy()
        except Exception as error:
            logger.error("The tables of %s were not tidied up: %s", self._what, type(error).__name__)

    def _soon(self, milliseconds: int) -> None:
        self._api.delayed_background_call(milliseconds, self.keep, desc=f"synapse_tim_{self._what}_tables")
