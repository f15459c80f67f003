"""The block ``cleanup``: which rooms are cleaned up, and after how long.

Refused: periods under a day, which would take rooms away that are in use; a period for the rooms of a product
or a generation that must not be cleaned up.
"""

from typing import Annotated, Self

from pydantic import BeforeValidator, Field, model_validator

from synapse_tim.cleanup.rules import CleanupRules
from synapse_tim.core.config_types import (
    Block,
    ByProduct,
    InMilliseconds,
    PartConfig,
    WrongValueError,
    duration,
    duration_or_off,
)
from synapse_tim.core.durations import DAY
from synapse_tim.core.products import Product


def _period(value: object) -> int | None:
    milliseconds = duration_or_off(value)
    if milliseconds is not None and milliseconds < DAY:
        raise ValueError("expected a day (1d) or more, or off")
    return milliseconds


def _interval(value: object) -> int:
    milliseconds = duration(value)
    if milliseconds > 7 * DAY:
        raise ValueError("expected a week (1w) or less")
    return milliseconds


Period = Annotated[int | None, BeforeValidator(_period), InMilliseconds()]


class CleanupConfig(Block):
    """``cleanup``: periods (A_25319, A_22811), how often, and whether anything is done at all."""

    inactive_rooms: Annotated[Period, ByProduct(lambda *of: CleanupRules.of(*of).inactive_ms)] = None
    """After how long without anything said a room is deleted (A_25318, A_25319, A_22811). A day or more. Not
    for `epa` of 1.2.
    """
    orphaned_rooms: Annotated[Period, ByProduct(lambda *of: CleanupRules.of(*of).orphaned_ms)] = None
    """After how long a room without messages and members is deleted (A_28564-01). A day or more.
    """
    insured_only_rooms: Annotated[Period, ByProduct(lambda *of: CleanupRules.of(*of).insured_only_ms)] = None
    """After how long insured persons leave a room in which only they are left (A_26348). A day or more. For
    `epa` only.
    """
    invitations_count_for: Period = None
    """For how long an unanswered invitation keeps an inactive room, and the insured persons in one. A day or
    more; `off` is for ever. Default: `off`.
    """
    interval: Annotated[int, BeforeValidator(_interval), InMilliseconds()] = 60 * 60 * 1000
    """How often all rooms are looked at; a week at most."""
    dry_run: bool = False
    """Whether it only looks and counts."""


class RoomCleanupConfig(PartConfig):
    """The block of ``synapse_tim.RoomCleanup``."""

    cleanup: CleanupConfig = Field(default_factory=CleanupConfig)
    """Which rooms are cleaned up ([cleanup.md](cleanup.md))."""

    @model_validator(mode="after")
    def _periods_are_permitted(self) -> Self:
        epa = self.product is Product.EPA
        if epa and self.spec_version.has_rules_of_1_2 and self.cleanup.inactive_rooms is not None:
            raise WrongValueError(
                "what insured persons wrote is not deleted without their consent (R3.29); leave it out",
                "cleanup",
                "inactive_rooms",
            )
        if not epa and self.cleanup.insured_only_rooms is not None:
            raise WrongValueError(
                "is for product epa (A_26348); leave it out", "cleanup", "insured_only_rooms"
            )
        return self

    @property
    def cleanup_rules(self) -> CleanupRules:
        """What is cleaned up when."""
        wanted = self.cleanup
        return CleanupRules(
            wanted.inactive_rooms,
            wanted.orphaned_rooms,
            wanted.insured_only_rooms,
            wanted.invitations_count_for,
        )
