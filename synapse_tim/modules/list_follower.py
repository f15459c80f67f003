"""Every process that does not fetch: reads what the leader has stored, verifies it again, enforces it.

The leader's signal arrives within milliseconds; a poll once a minute makes up for one that got lost. At the
very first start the tables may not exist yet: then this process denies and looks again soon.
"""

from __future__ import annotations

import logging
import time
from typing import Final

from synapse_tim.modules.list_services import ListServices
from synapse_tim.rules.acceptance import Acceptance
from synapse_tim.services.schedule import Throttle
from synapse_tim.services.updater import ListState

logger = logging.getLogger(__name__)

_TICK_MS: Final = 1000
_POLL_SECONDS: Final = 60.0


class ListFollower:
    """Keeps one process in step with the leader.

    Args:
        services: of this process.
    """

    def __init__(self, services: ListServices) -> None:
        self._services = services
        self._wish = Throttle()
        self._read_at = 0.0
        self._stored = True
        self._running = False

    def start(self) -> None:
        """Begin as soon as the reactor is free."""
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
        if self._wish.take(now):
            await self._services.signals.ask_for_refresh()
        if self._stored or now - self._read_at >= _POLL_SECONDS:
            self._stored = True
            await self._read()

    async def _read(self) -> None:
        if self._running:
            return
        self._running = True
        try:
            while self._stored:
                self._stored = False
                await self._take(await self._services.database.read_acceptance())
                self._read_at = time.monotonic()
        except Exception as error:
            # No tables yet, or no database: the list in force stays, and the next tick tries again.
            self._stored = True
            logger.warning("The federation list could not be read: %s", type(error).__name__)
        finally:
            self._running = False

    async def _take(self, remembered: Acceptance | None) -> None:
        state = self._services.in_force.state
        if remembered is None or remembered == state.remembered:
            return
        if state.in_force is not None and remembered.jws_digest == state.in_force.jws_digest:
            await self._services.in_force.take(ListState(remembered, state.in_force))
            return
        remembered, octets, material = await self._services.database.read(self._services.max_octets)
        self._services.trust.restore(material)
        restored = await self._services.threads.run(self._services.updater.restore, remembered, octets)
        if restored.in_force is None and state.in_force is not None:
            logger.error("The stored federation list does not verify here; the one in force stays")
            return
        await self._services.in_force.take(restored)
