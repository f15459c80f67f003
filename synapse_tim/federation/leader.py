"""Leader: the one process that fetches, verifies and stores the federation list.

Synapse runs background tasks in one process only; that one creates the tables, keeps the schedule and tells
the others. A step is stored before it is enforced: after a crash the floor is never lower than what was in
force.
"""

import logging
import time
from typing import Final

import attrs
from synapse.module_api import ModuleApi

from synapse_tim.adapter import metrics
from synapse_tim.adapter.threads import Threads
from synapse_tim.federation.acceptance import ListState
from synapse_tim.federation.enforcement import ListInForce
from synapse_tim.federation.refusals import ListRefusedError
from synapse_tim.federation.schedule import RefreshSchedule
from synapse_tim.federation.signals import ListSignals
from synapse_tim.federation.stored_list import StoredList
from synapse_tim.federation.updater import Update, Updater

logger = logging.getLogger(__name__)

_TICK_MS: Final = 1000


class ListLeader:
    """Runs the update cycle."""

    def __init__(
        self,
        api: ModuleApi,
        in_force: ListInForce,
        stored: StoredList,
        signals: ListSignals,
        updater: Updater,
        threads: Threads,
        schedule: RefreshSchedule,
    ) -> None:
        self._api = api
        self._in_force = in_force
        self._stored = stored
        self._signals = signals
        self._updater = updater
        self._threads = threads
        self._schedule = schedule
        self._loaded = False
        self._running = False

    def start(self) -> None:
        """Begin as soon as the reactor is free; everything else follows from the schedule."""
        self._api.delayed_background_call(0, self._listen, desc="synapse_tim_listen")
        self._api.delayed_background_call(0, self._tick, desc="synapse_tim_first_refresh")
        self._api.looping_background_call(self._tick, _TICK_MS, desc="synapse_tim_refresh")

    def force(self) -> None:
        """Have the list fetched out of turn."""
        self._schedule.force(time.monotonic())

    async def _listen(self) -> None:
        await self._signals.on_refresh_wanted(self._refresh_wanted)

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
                if self._in_force.members.usable_list is not None:
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
        """Put what is stored into force at once, verify it, and see to it that it is stored compiled."""
        await self._stored.create_tables()
        compiled = await self._stored.compiled()
        if compiled is None:
            state: ListState | None = await self._stored.verified()
        else:
            self._in_force.take(compiled, restored=True)
            state = await self._contradiction(compiled)
        if state is not None:
            self._in_force.take(state, restored=True)
            if state.in_force is not None:
                await self._stored.write_compiled(state.in_force)
                await self._signals.tell_list_stored()
        self._loaded = True

    async def _contradiction(self, compiled: ListState) -> ListState | None:
        try:
            return await self._stored.contradiction(compiled)
        except ListRefusedError as error:
            logger.error("The stored federation list could not be verified again: %s", error)
            return None

    def _step(self, before: ListState) -> Update:
        """Ask the source; of a new list only what is stored is kept, which is an eighth of it."""
        return attrs.evolve(self._updater.refresh(before), data=None)

    async def _refresh(self) -> None:
        before = self._in_force.state
        with metrics.LIST_UPDATE_DURATION.time():
            update = await self._threads.run(self._step, before)
        metrics.LIST_UPDATES.labels(update.result).inc()
        if update.refusal is not None or update.state.remembered is None:
            logger.error(
                "The federation list was not updated: %s; version %s stays in force",
                update.refusal,
                before.in_force.content.version if before.in_force else "none",
            )
            self._in_force.not_confirmed()
            self._schedule.failed(time.monotonic())
            return
        if await self._stored.write(update, before):
            self._in_force.take(update.state)
            await self._signals.tell_list_stored()
            self._schedule.succeeded(time.monotonic())
            if update.packed is not None:
                del update
                await self._stored.give_back_memory()
        else:
            logger.warning("Another process has stored a later federation list: reading that one")
            self._loaded = False
            self._schedule.failed(time.monotonic())
