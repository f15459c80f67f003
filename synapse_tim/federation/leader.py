"""Leader: the one process that fetches, verifies and stores the federation list.

Synapse runs background tasks in one process only; that one creates the tables, keeps the schedule and tells
the others. A step is stored before it is enforced: after a crash the floor is never lower than what was in
force.
"""

from __future__ import annotations

import logging
import time
from typing import Final

from synapse_tim.adapter import metrics
from synapse_tim.federation.schedule import RefreshSchedule
from synapse_tim.federation.services import ListServices
from synapse_tim.federation.updater import Update

logger = logging.getLogger(__name__)

_TICK_MS: Final = 1000


class ListLeader:
    """Runs the update cycle.

    Args:
        services: of this process.
        schedule: says when.
    """

    def __init__(self, services: ListServices, schedule: RefreshSchedule) -> None:
        self._services = services
        self._schedule = schedule
        self._loaded = False
        self._running = False

    def start(self) -> None:
        """Begin as soon as the reactor is free; everything else follows from the schedule."""
        self._services.api.delayed_background_call(0, self._listen, desc="synapse_tim_listen")
        self._services.api.delayed_background_call(0, self._tick, desc="synapse_tim_first_refresh")
        self._services.api.looping_background_call(self._tick, _TICK_MS, desc="synapse_tim_refresh")

    def force(self) -> None:
        """Have the list fetched out of turn."""
        self._schedule.force(time.monotonic())

    async def _listen(self) -> None:
        await self._services.signals.on_refresh_wanted(self._refresh_wanted)

    async def _refresh_wanted(self) -> None:
        self.force()
        await self._listen()

    async def _tick(self) -> None:
        if self._running or not self._schedule.due(time.monotonic()):
            return
        self._running = True
        try:
            if not self._loaded:
                await self._load()
                if self._services.in_force.members.usable_list is not None:
                    self._schedule.restored(time.monotonic())
                    return
            await self._refresh()
        except Exception:
            # Nothing but a database that does not answer gets here: the list in force stays as it is.
            logger.exception("The federation list could not be loaded or stored")
            metrics.LIST_UPDATES.labels("database").inc()
            self._schedule.failed(time.monotonic())
        finally:
            self._running = False

    async def _load(self) -> None:
        services = self._services
        await services.database.create_tables()
        await services.in_force.take(await services.restore(), restored=True)
        self._loaded = True

    async def _refresh(self) -> None:
        before = self._services.in_force.state
        with metrics.LIST_UPDATE_DURATION.time():
            update = await self._services.threads.run(self._services.updater.refresh, before)
        metrics.LIST_UPDATES.labels(update.result).inc()
        if update.refusal is not None or update.state.remembered is None:
            logger.error(
                "The federation list was not updated: %s; version %s stays in force",
                update.refusal,
                before.in_force.content.version if before.in_force else "none",
            )
            self._services.in_force.not_confirmed()
            self._schedule.failed(time.monotonic())
            return
        if await self._store_and_take(update):
            self._schedule.succeeded(time.monotonic())
        else:
            logger.warning("Another process has stored a later federation list: reading that one")
            self._loaded = False
            self._schedule.failed(time.monotonic())

    async def _store_and_take(self, update: Update) -> bool:
        remembered, services = update.state.remembered, self._services
        if remembered is None or not await services.database.write(
            remembered, update.data, services.trust.material
        ):
            return False
        await services.in_force.take(update.state)
        await services.signals.tell_list_stored()
        return True
