"""The blocks of ``synapse_tim.EventPolicy``: reactions, threads, redactions, encryption."""

import datetime as dt
from typing import Annotated

from pydantic import Field

from synapse_tim.core.config_types import Block, ByProduct, DurationOrOff, PartConfig
from synapse_tim.core.durations import DAY
from synapse_tim.core.products import Product, SpecVersion
from synapse_tim.events.rules import EventRules


class EventsConfig(Block):
    """``events``: reactions, threads, redactions, encryption."""

    single_emoji_reactions: Annotated[bool | None, ByProduct(lambda _, version: not version.is_legacy)] = None
    """Whether a reaction has to be exactly one emoji (A_26228-01)."""
    threads: Annotated[bool | None, ByProduct(lambda _, version: version is not SpecVersion.V1_1)] = None
    """Whether threads are allowed (A_25395)."""
    redaction_window: Annotated[
        DurationOrOff, ByProduct(lambda _, version: DAY if version.has_rules_of_1_2 else None)
    ] = None
    """How old an event may be when it is redacted (A_28358)."""
    require_encryption: Annotated[bool | None, ByProduct(lambda product, _: product is Product.EPA)] = None
    """Whether messages in clear text are refused in encrypted rooms and in spaces (A_26015-02)."""

    @property
    def rules(self) -> EventRules:
        """What events may be."""
        window = self.redaction_window
        return EventRules(
            single_emoji_reactions=bool(self.single_emoji_reactions),
            threads=bool(self.threads),
            redaction_window=None if window is None else dt.timedelta(milliseconds=window),
        )


class EventPolicyConfig(PartConfig):
    """The block of ``synapse_tim.EventPolicy``."""

    events: EventsConfig = Field(default_factory=EventsConfig)
    """Reactions, threads, redactions, encryption ([events.md](events.md))."""
