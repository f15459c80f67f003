"""Follower, in every process that does not fetch: reads what the leader has stored, verifies and enforces it.

The leader's signal arrives within milliseconds; a poll once a minute makes up for one that got lost. At the
very first start the tables may not exist yet: then this process denies and looks again soon, and says so as a
warning only if it lasts.
"""

from __future__ import annotations

import logging
import time
from typing import Final

from synapse_tim.adapter.database import is_missing_table
from synapse_tim.federation.acceptance import Acceptance
from synapse_tim.federation.schedule import Throttle
from synapse_tim.federation.services import ListServices
from synapse_tim.federation.updater import ListState

logger = logging.getLogger(__name__)

_TICK_MS: Final = 1000
_POLL_SECONDS: Final = 60.0
#: Within this time the process that makes the tables is expected to have started.
_FIRST_START_SECONDS: Final = 120.0


class ListFollower:
    """Keeps one process in step with the leader.

    Args:
        services: of this process.
    """

    def __init__(self, services: ListServices) -> None:
        self._services = services
        self._wish = Throttle()
        self._read_again_at = 0.0
        self._failures = 0
        self._stored = True
        self._running = False
        self._started_at = time.monotonic()

    def start(self) -> None:
        """Begin as soon as the reactor is free."""
        self._started_at = time.monotonic()
        self._services.api.delayed_background_call(0, self._list_stored, desc="synapse_tim_first_list")
        self._services.api.looping_background_call(
            self._tick, _TICK_MS, desc="synapse_tim_follow", run_on_all_instances=True
        )

    def force(self) -> None:
        """Have the leader fetch the list out of turn; at most one such wish a minute is sent."""
        self._wish.ask(time.monotonic())

    async def _list_stored(self) -> None:
        # Listen before reading: whatever is stored while reading is then read as well.
        self._stored = True
        await self._services.signals.on_list_stored(self._list_stored)
        await self._read()

    async def _tick(self) -> None:
        now = time.monotonic()
        if now >= self._read_again_at:
            self._stored = True
            await self._read()
        if self._wish.take(now):
            try:
                await self._services.signals.ask_for_refresh()
            except Exception:
                self._wish.ask(now)
                raise

    async def _read(self) -> None:
        if self._running:
            return
        self._running = True
        try:
            while self._stored:
                self._stored = False
                await self._take(await self._services.database.read_acceptance())
                self._failures = 0
                self._read_again_at = time.monotonic() + _POLL_SECONDS
        except Exception as error:
            # No tables yet, or no database: the list in force stays. Soon, then less and less often.
            if is_missing_table(error) and time.monotonic() - self._started_at < _FIRST_START_SECONDS:
                logger.info("There are no tables yet; the process that runs background tasks makes them")
            else:
                logger.warning("The federation list could not be read: %s", type(error).__name__)
            self._read_again_at = time.monotonic() + min(2.0**self._failures, _POLL_SECONDS)
            self._failures = min(self._failures + 1, 10)
        finally:
            self._running = False

    async def _take(self, remembered: Acceptance | None) -> None:
        state = self._services.in_force.state
        if remembered is None or remembered == state.remembered:
            return
        if state.remembered is not None and remembered.version < state.remembered.version:
            logger.error("The stored federation list is older than the one in force, which stays")
            return
        same = state.in_force is not None and remembered.jws_digest == state.in_force.jws_digest
        if state.in_force is not None and same and state.in_force.path.valid_at(remembered.confirmed_at):
            await self._services.in_force.take(ListState(remembered, state.in_force))
            return
        restored = await self._services.restore()
        if restored.in_force is None and state.in_force is not None:
            logger.error("The stored federation list does not verify here; the one in force stays")
            return
        await self._services.in_force.take(restored, restored=True)
