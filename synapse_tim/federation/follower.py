"""Follower, in every process that does not fetch: reads what the leader has stored, enforces and verifies it.

The leader's signal arrives within milliseconds; a poll once a minute makes up for one that got lost. At the
very first start the tables may not exist yet: then this process denies and looks again soon, and says so as a
warning only if it lasts.

The compiled list is in force at once. The signed one is verified later, and by all processes at different
times: that takes a process each, with memory for the whole list.
"""

import logging
import random
import time
from typing import Final

from synapse.module_api import ModuleApi

from synapse_tim.adapter.database import is_missing_table
from synapse_tim.federation.acceptance import Acceptance, ListState
from synapse_tim.federation.enforcement import ListInForce
from synapse_tim.federation.refusals import ListRefusedError
from synapse_tim.federation.schedule import Throttle
from synapse_tim.federation.signals import ListSignals
from synapse_tim.federation.stored_list import StoredList

logger = logging.getLogger(__name__)

_TICK_MS: Final = 1000
_POLL_SECONDS: Final = 60.0
#: Within this time the process that makes the tables is expected to have started.
_FIRST_START_SECONDS: Final = 120.0
#: A list is verified again within so many seconds for each domain: half a minute for half a million.
_VERIFY_WITHIN: Final = 30 / 500_000
_VERIFY_AGAIN_SECONDS: Final = 300.0


class ListFollower:
    """Keeps one process in step with the leader."""

    def __init__(
        self, api: ModuleApi, in_force: ListInForce, stored: StoredList, signals: ListSignals
    ) -> None:
        self._api = api
        self._in_force = in_force
        self._stored_list = stored
        self._signals = signals
        self._refused: str | None = None  # digest of a list whose compiled form is not used any more
        self._wish = Throttle()
        self._read_again_at = 0.0
        self._failures = 0
        self._stored = True
        self._running = False
        self._started_at = time.monotonic()

    def start(self) -> None:
        """Begin as soon as the reactor is free."""
        self._started_at = time.monotonic()
        self._api.delayed_background_call(0, self._list_stored, desc="synapse_tim_first_list")
        self._api.looping_background_call(
            self._tick, _TICK_MS, desc="synapse_tim_follow", run_on_all_instances=True
        )

    def force(self) -> None:
        """Have the leader fetch the list out of turn; at most one such wish a minute is sent."""
        self._wish.ask(time.monotonic())

    async def _list_stored(self) -> None:
        # Listen before reading: whatever is stored while reading is then read as well.
        self._stored = True
        await self._signals.on_list_stored(self._list_stored)
        await self._read()

    async def _tick(self) -> None:
        now = time.monotonic()
        if now >= self._read_again_at:
            self._stored = True
            await self._read()
        if self._wish.take(now):
            try:
                await self._signals.ask_for_refresh()
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
                await self._take(await self._stored_list.read_acceptance())
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
        state = self._in_force.state
        if remembered is None or remembered == state.remembered:
            return
        if state.remembered is not None and remembered.version < state.remembered.version:
            logger.error("The stored federation list is older than the one in force, which stays")
            return
        same = state.in_force is not None and remembered.jws_digest == state.in_force.jws_digest
        if state.in_force is not None and same and state.in_force.path.valid_at(remembered.confirmed_at):
            self._in_force.take(ListState(remembered, state.in_force))
            return
        compiled = None
        if remembered.jws_digest != self._refused:
            compiled = await self._stored_list.compiled()
        if compiled is not None:
            self._in_force.take(compiled, restored=True)
            self._verify_later(compiled)
            return
        restored = await self._stored_list.verified()
        if restored.in_force is None and state.in_force is not None:
            logger.error("The stored federation list does not verify here; the one in force stays")
            return
        self._in_force.take(restored, restored=True)

    def _verify_later(self, compiled: ListState) -> None:
        domains = len(compiled.in_force.content.domains) if compiled.in_force is not None else 0
        seconds = random.random() * domains * _VERIFY_WITHIN
        self._verify_in(seconds, compiled)

    def _verify_in(self, seconds: float, compiled: ListState) -> None:
        self._api.delayed_background_call(
            seconds * 1000, self._verify, compiled, desc="synapse_tim_verify_again"
        )

    async def _verify(self, compiled: ListState) -> None:
        if not self._in_use(compiled):
            return
        try:
            instead = await self._stored_list.contradiction(compiled)
        except Exception as error:
            reason = error if isinstance(error, ListRefusedError) else type(error).__name__
            logger.warning("The stored federation list could not be verified again: %s", reason)
            self._verify_in(_VERIFY_AGAIN_SECONDS, compiled)
            return
        if instead is not None and self._in_use(compiled):
            self._refused = instead.remembered.jws_digest if instead.remembered is not None else None
            self._in_force.take(instead, restored=True)
        await self._stored_list.give_back_memory()

    def _in_use(self, compiled: ListState) -> bool:
        return self._in_force.state.in_force is compiled.in_force
