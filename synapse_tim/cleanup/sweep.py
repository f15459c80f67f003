"""Goes through all rooms and finds those that are due; the caller cleans them up.

A page is judged in one transaction. Where the last one ended is all that is needed to go on, in another
process or after a restart.
"""

from collections.abc import Iterator, Sequence, Set

import attrs

from synapse_tim.cleanup.rules import CleanupRules, Due, InsurersOf
from synapse_tim.cleanup.survey import PAGE, RoomSurvey
from synapse_tim.core.sql import Cursor


@attrs.frozen
class JudgedPage:
    """Some of the rooms."""

    last: str | None  #: the room after which the next page begins, or ``None`` if there are no more
    rooms: int
    due: Sequence[Due]  #: which of them are to be cleaned up


@attrs.frozen
class RoomSweep:
    """Judges rooms."""

    survey: RoomSurvey  #: reads what has to be known
    rules: CleanupRules  #: what is to be cleaned up
    #: Whose users are insured; ``None`` if unknown, and no room is left then.
    insurers: InsurersOf | None = None

    def page(self, cursor: Cursor, after: str, now_ms: int, limit: int = PAGE) -> JudgedPage:
        """Judge the next rooms.

        Args:
            after: where the last page ended; empty for the first one.
            limit: how many rooms at most.
        """
        last_messages = self.survey.page(cursor, after, limit)
        if not last_messages:
            return JudgedPage(None, 0, ())
        due = tuple(self._judge(cursor, last_messages, now_ms))
        return JudgedPage(next(reversed(last_messages)), len(last_messages), due)

    def still_due(self, cursor: Cursor, due: Due, now_ms: int) -> Due | None:
        """The same as of now, of a room that is still to be cleaned up as was judged a while ago."""
        judged = self._judge(cursor, self.survey.room(cursor, due.room_id), now_ms)
        return next((each for each in judged if each.kind is due.kind), None)

    def _judge(self, cursor: Cursor, last_messages: dict[str, int | None], now_ms: int) -> Iterator[Due]:
        candidates = {
            room_id: last for room_id, last in last_messages.items() if self.rules.may_be_due(last, now_ms)
        }
        deleted = set()
        for facts in self.survey.facts(cursor, candidates):
            due = self.rules.judge(facts, now_ms)
            if due is not None:
                deleted.add(due.room_id)
                yield due
        if self.insurers is not None and self.rules.insured_only_ms is not None:
            yield from self._judge_insured(cursor, last_messages.keys() - deleted, now_ms, self.insurers)

    def _judge_insured(
        self, cursor: Cursor, rooms: Set[str], now_ms: int, insurers: InsurersOf
    ) -> Iterator[Due]:
        if not rooms:
            return
        left = rooms & self.survey.insured_only(cursor, min(rooms), max(rooms), insurers)
        for room in self.survey.insured(cursor, left):
            due = self.rules.judge_insured(room, insurers, now_ms)
            if due is not None:
                yield due
