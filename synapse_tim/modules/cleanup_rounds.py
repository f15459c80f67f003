"""Going through all rooms again and again, and doing what is due; in one process of a homeserver.

A restart goes on where the last process was. What fails is tried again in the next round.
"""

from __future__ import annotations

import logging
from collections import Counter
from collections.abc import Callable
from typing import Final

import attrs
from synapse.module_api import ModuleApi

from synapse_tim.modules import metrics
from synapse_tim.modules.cleanup_config import CleanupConfig
from synapse_tim.modules.cleanup_progress import Progress, ProgressStore
from synapse_tim.modules.clock import now_ms
from synapse_tim.modules.room_removal import Leave, RoomRemoval
from synapse_tim.rules.cleanup import CleanupKind, CleanupRules, Due, InsurersOf
from synapse_tim.services.room_survey import PAGE, RoomSurvey
from synapse_tim.services.room_sweep import RoomSweep

logger = logging.getLogger(__name__)

_TICK_MS: Final = 60 * 1000
_PAUSE_SECONDS: Final = 0.2


class CleanupRounds:
    """Goes through all rooms, again and again.

    Args:
        api: Synapse's module API.
        config: how often, and whether anything is done.
        rules: what is to be cleaned up.
        survey: reads what has to be known.
        insurers: whose users are insured persons, as of now; ``None`` if that is not known.
        leave: has a user leave a room.
    """

    def __init__(
        self,
        api: ModuleApi,
        config: CleanupConfig,
        rules: CleanupRules,
        survey: RoomSurvey,
        insurers: Callable[[], InsurersOf | None],
        leave: Leave,
    ) -> None:
        self._api = api
        self._config = config
        self._rules = rules
        self._survey = survey
        self._insurers = insurers
        self._store = ProgressStore(api)
        self._removal = RoomRemoval(api, survey, leave)
        self._found: Counter[CleanupKind] | None = None  # of a round that this process has begun
        self._has_table = False

    def start(self) -> None:
        """Look once a minute whether there is something to do."""
        tick = min(_TICK_MS, self._config.interval // 2)
        self._api.looping_background_call(self.tick, tick, desc="synapse_tim_cleanup")

    async def tick(self) -> None:
        """Begin a round, or go on with one, if it is time."""
        try:
            if not self._has_table:
                await self._store.create_table()
                self._has_table = True
            progress = self._seen(await self._store.read())
            metrics.CLEANUP_LAST_RUN.set(progress.finished_ts / 1000)
            await self._store.write(progress)
            if progress.is_due(progress.seen_ts, self._config.interval):
                await self._round(progress)
        except Exception as error:
            logger.warning("Clean-up stopped, and goes on in a while: %s", type(error).__name__)

    async def _round(self, progress: Progress) -> None:
        """Go through the rest of the rooms."""
        if not progress.after_room_id:
            self._found = Counter()
        while True:
            progress = self._seen(progress)
            page = await self._api.run_db_interaction(
                "synapse_tim_cleanup_page", self._sweep().page, progress.after_room_id, progress.seen_ts
            )
            for due in page.due:
                progress = self._seen(progress)  # deleting the one before may have taken long
                acts = progress.acts() and not self._config.dry_run
                if acts and not await self._clean_up(due):
                    return
            if self._found is not None:
                self._found.update(due.kind for due in page.due)
            if page.last is None or page.rooms < PAGE:
                break
            progress = attrs.evolve(progress, after_room_id=page.last)
            await self._store.write(progress)
            await self._api.sleep(_PAUSE_SECONDS)
        await self._finish(self._seen(progress))

    def _seen(self, progress: Progress) -> Progress:
        seen = progress.at(now_ms())
        if seen.acts_from_ts != progress.acts_from_ts:
            logger.warning(
                "The clock has leapt, or there was no clean-up for over a day: it only looks until tomorrow"
            )
        return seen

    def _sweep(self) -> RoomSweep:
        return RoomSweep(self._survey, self._rules, self._insurers())

    async def _clean_up(self, due: Due) -> bool:
        """Do what is to be done with a room; false if this has to wait."""
        if due.kind is not CleanupKind.INSURED_ONLY and not await self._removal.has_room_for_more():
            logger.warning("Synapse has been busy deleting rooms for long; clean-up goes on later")
            return False
        try:
            outcome = await self._do(due)
        except Exception as error:
            logger.warning("A room could not be cleaned up: %s", type(error).__name__)
            outcome = "failed"
        metrics.CLEANUP_ROOMS.labels(due.kind.value, outcome).inc()
        return True

    async def _do(self, due: Due) -> str:
        sweep = self._sweep()  # the list may have changed, or have become too old, since the page was judged
        still_due = await self._api.run_db_interaction(
            "synapse_tim_cleanup_again", sweep.still_due, due, now_ms()
        )
        if not still_due:
            return "skipped"
        if due.kind is CleanupKind.INSURED_ONLY:
            return "failed" if await self._removal.leave(due.room_id) else "left"
        has_failed = await self._removal.has_failed(due.room_id)
        if not await self._removal.delete(due.room_id):
            return "skipped"
        return "failed" if has_failed else "purged"

    async def _finish(self, progress: Progress) -> None:
        await self._store.write(attrs.evolve(progress, after_room_id="", finished_ts=progress.seen_ts))
        metrics.CLEANUP_LAST_RUN.set(progress.seen_ts / 1000)
        if self._found is None:
            logger.info("Clean-up has gone through the rest of the rooms")
            return
        for kind in CleanupKind:
            metrics.CLEANUP_DUE.labels(kind.value).set(self._found[kind])
        found = ", ".join(f"{kind.value} {self._found[kind]}" for kind in CleanupKind)
        logger.info("Clean-up has gone through all rooms; due: %s", found)
