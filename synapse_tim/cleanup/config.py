"""The block ``cleanup``: which rooms are cleaned up, and after how long.

Refused: periods under a day, which would take rooms away that are in use; a period for the rooms of a product
or a generation that must not be cleaned up.
"""

from __future__ import annotations

from typing import Annotated

from pydantic import BeforeValidator, Field

from synapse_tim.adapter.config_block import wrong
from synapse_tim.cleanup.rules import CleanupRules
from synapse_tim.core.config_types import Block, InMilliseconds, PartConfig, duration, duration_or_off
from synapse_tim.core.products import Product, SpecVersion

_DAY_MS = 24 * 60 * 60 * 1000


def _period(value: object) -> int | None:
    milliseconds = duration_or_off(value)
    if milliseconds is not None and milliseconds < _DAY_MS:
        raise ValueError("expected a day (1d) or more, or off")
    return milliseconds


def _interval(value: object) -> int:
    milliseconds = duration(value)
    if milliseconds > 7 * _DAY_MS:
        raise ValueError("expected a week (1w) or less")
    return milliseconds


Period = Annotated[int | None, BeforeValidator(_period), InMilliseconds()]


class CleanupConfig(Block):
    """``cleanup``: periods (A_25319, A_22811), how often, and whether anything is done at all."""

    inactive_rooms: Period = None
    """After how long without anything said a room is deleted (A_25318, A_25319, A_22811). A day or more. Not
    for `epa` of 1.2. Default: `off` in 1.2, `26w` before.
    """
    orphaned_rooms: Period = None
    """After how long a room is deleted in which nothing was ever said and nobody is (A_28564-01). A day or
    more. Default: `2w` in 1.2, `off` before.
    """
    insured_only_rooms: Period = None
    """After how long insured persons leave a room in which only they are left (A_26348). A day or more. For
    `epa` only. Default: `1w`.
    """
    invitations_count_for: Period = None
    """For how long an invitation that nobody answers keeps an inactive room, and the insured persons in
    one. A day or more; `off` is for ever. Default: `off`.
    """
    interval: Annotated[int, BeforeValidator(_interval), InMilliseconds()] = 60 * 60 * 1000
    """How often all rooms are looked at; a week at most."""
    dry_run: bool = False
    """Whether it only looks and counts."""


class RoomCleanupConfig(PartConfig):
    """The block of ``synapse_tim.RoomCleanup``."""

    cleanup: CleanupConfig = Field(default_factory=CleanupConfig)
    """Which rooms are cleaned up ([cleanup.md](cleanup.md))."""

    def check_cleanup(self) -> None:
        """Refuse periods that this server must not have.

        Raises:
            ConfigError: naming the key.
        """
        epa = self.product is Product.EPA
        if epa and self.spec_version is SpecVersion.V1_2 and self.cleanup.inactive_rooms is not None:
            raise wrong(
                "what insured persons wrote is not deleted without their consent (R3.29); leave it out",
                "cleanup",
                "inactive_rooms",
            )
        if not epa and self.cleanup.insured_only_rooms is not None:
            raise wrong("is for product epa (A_26348); leave it out", "cleanup", "insured_only_rooms")

    @property
    def cleanup_rules(self) -> CleanupRules:
        """What gematik demands, with what the operator has said."""
        demanded = CleanupRules.of(self.product, self.spec_version)
        said = self.cleanup.model_fields_set
        return CleanupRules(
            self.cleanup.inactive_rooms if "inactive_rooms" in said else demanded.inactive_ms,
            self.cleanup.orphaned_rooms if "orphaned_rooms" in said else demanded.orphaned_ms,
            self.cleanup.insured_only_rooms if "insured_only_rooms" in said else demanded.insured_only_ms,
            self.cleanup.invitations_count_for,
        )
