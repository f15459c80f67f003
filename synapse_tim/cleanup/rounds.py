"""Goes through all rooms again and again and cleans up what is due; in one process of a homeserver.

A restart goes on where the last process was. What fails is tried again in the next round. A room is taken
apart in one round, and purged in a later one, when clients and other servers have had time to learn of it.
"""

import logging
from collections import Counter
from collections.abc import Callable
from typing import Final

import attrs
from synapse.module_api import ModuleApi

from synapse_tim.adapter import metrics
from synapse_tim.adapter.clock import now_ms
from synapse_tim.cleanup.config import CleanupConfig
from synapse_tim.cleanup.progress import Progress, ProgressStore
from synapse_tim.cleanup.purged_rooms import remove_stale_rows
from synapse_tim.cleanup.removal import EndMembership, RoomRemoval
from synapse_tim.cleanup.rules import CleanupKind, CleanupRules, Due, InsurersOf
from synapse_tim.cleanup.survey import PAGE, RoomSurvey
from synapse_tim.cleanup.sweep import RoomSweep

logger = logging.getLogger(__name__)

_TICK_MS: Final = 60 * 1000
_PAUSE_SECONDS: Final = 0.2
#: How long other servers that do not answer are waited for, before a room is purged all the same.
_PATIENCE_MS: Final = 3 * 24 * 60 * 60 * 1000


class CleanupRounds:
    """Goes through all rooms, again and again.

    Args:
        config: how often, and whether anything is done.
        rules: what is to be cleaned up.
        survey: reads what has to be known.
        insurers: whose users are insured persons, as of now; ``None`` if that is not known.
        may_reach: whether this server may talk to another one.
    """

    def __init__(
        self,
        api: ModuleApi,
        config: CleanupConfig,
        rules: CleanupRules,
        survey: RoomSurvey,
        insurers: Callable[[], InsurersOf | None],
        end: EndMembership,
        may_reach: Callable[[str], bool],
    ) -> None:
        self._api = api
        self._config = config
        self._rules = rules
        self._survey = survey
        self._insurers = insurers
        self._store = ProgressStore(api)
        self._removal = RoomRemoval(api, survey, end, may_reach)
        self._found: Counter[CleanupKind] | None = None  # of a round that this process has begun
        self._has_tables = False

    def start(self) -> None:
        """Look once a minute whether there is something to do."""
        tick = min(_TICK_MS, self._config.interval // 2)
        self._api.looping_background_call(self.tick, tick, desc="synapse_tim_cleanup")

    async def tick(self) -> None:
        """Begin a round, or go on with one, if it is time."""
        try:
            if not self._has_tables:
                await self._store.create_tables()
                self._has_tables = True
            progress = self._seen(await self._store.read())
            metrics.CLEANUP_LAST_RUN.set(progress.finished_ts / 1000)
            await self._store.write(progress)
            if progress.is_due(progress.seen_ts, self._config.interval):
                await self._round(progress)
        except Exception as error:
            logger.warning("Cleanup stopped and continues in a minute: %s", type(error).__name__)

    async def _round(self, progress: Progress) -> None:
        """Go through the rest of the rooms."""
        if not progress.after_room_id:
            self._found = Counter()
            await self._store.forget_gone()
            if progress.acts() and not self._config.dry_run:
                # Of rooms that were purged without this project, or before it was there.
                await self._api.run_db_interaction("synapse_tim_stale_rows", remove_stale_rows)
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
                "The clock has leapt, or there was no cleanup for over a day: it only looks until tomorrow"
            )
        return seen

    def _sweep(self) -> RoomSweep:
        return RoomSweep(self._survey, self._rules, self._insurers())

    async def _clean_up(self, due: Due) -> bool:
        """Do what is to be done with a room; false if this has to wait."""
        if due.kind is not CleanupKind.INSURED_ONLY and not await self._removal.has_room_for_more():
            logger.warning("Synapse has been deleting rooms for a long time; cleanup continues later")
            return False
        try:
            outcome = await self._do(due)
        except Exception as error:
            logger.warning("A room could not be cleaned up: %s", type(error).__name__)
            outcome = "failed"
        if outcome is not None:
            metrics.CLEANUP_ROOMS.labels(due.kind.value, outcome).inc()
        return True

    async def _do(self, due: Due) -> str | None:
        """Take the next step; returns its outcome, or ``None`` if the room waits for another round."""
        sweep = self._sweep()  # the list may have changed, or have become too old, since the page was judged
        now = now_ms()  # what happens in the room from here on counts
        again = await self._api.run_db_interaction("synapse_tim_cleanup_again", sweep.still_due, due, now)
        if again is None:
            return "skipped"
        if due.kind is CleanupKind.INSURED_ONLY:
            return "failed" if await self._removal.leave(due.room_id) else "left"
        if not await self._is_ready(again, now):
            return None
        has_failed = await self._removal.has_failed(due.room_id)
        if not await self._removal.delete(due.room_id):
            return "skipped"
        return "failed" if has_failed else "purged"

    async def _is_ready(self, due: Due, judged_ts: int) -> bool:
        """Take a room apart; returns whether it can be purged, which is in a later round."""
        if due.begun_ts is None:
            await self._store.begin(due, judged_ts)
        done = await self._removal.take_apart(due.room_id)
        if due.begun_ts is None:
            return False
        if judged_ts - due.begun_ts > _PATIENCE_MS:
            return True
        return done and await self._removal.is_told(due.room_id)

    async def _finish(self, progress: Progress) -> None:
        await self._store.write(attrs.evolve(progress, after_room_id="", finished_ts=progress.seen_ts))
        metrics.CLEANUP_LAST_RUN.set(progress.seen_ts / 1000)
        if self._found is None:
            logger.info("Cleanup has gone through the rest of the rooms")
            return
        for kind in CleanupKind:
            metrics.CLEANUP_DUE.labels(kind.value).set(self._found[kind])
        found = ", ".join(f"{kind.value} {self._found[kind]}" for kind in CleanupKind)
        logger.info("Cleanup has gone through all rooms; due: %s", found)
