"""The blocks of ``synapse_tim.EventPolicy``: reactions, threads, redactions."""

from __future__ import annotations

import datetime as dt

from pydantic import Field

from synapse_tim.core.config_types import Block, DurationOrOff, PartConfig
from synapse_tim.core.products import SpecVersion
from synapse_tim.events.rules import EventRules

_DAY_MS = 24 * 60 * 60 * 1000


class EventsConfig(Block):
    """``events``: reactions, threads, redactions."""

    single_emoji_reactions: bool | None = None
    """Whether a reaction has to be exactly one emoji (A_26228-01). Default: `true`; `false` in the legacy
    generation.
    """
    threads: bool | None = None
    """Whether threads are allowed (A_25395). Default: `true`; `false` in 1.1."""
    redaction_window: DurationOrOff = None
    """How old an event may be when it is redacted (A_28358). Default: `24h` in 1.2, `off` before."""

    def rules(self, spec_version: SpecVersion) -> EventRules:
        """The rules for a generation, with what the operator has said."""
        window = self.redaction_window
        if "redaction_window" not in self.model_fields_set:
            window = _DAY_MS if spec_version is SpecVersion.V1_2 else None
        return EventRules(
            single_emoji_reactions=_said(self.single_emoji_reactions, not spec_version.is_legacy),
            threads=_said(self.threads, spec_version is not SpecVersion.V1_1),
            redaction_window=None if window is None else dt.timedelta(milliseconds=window),
        )


def _said(value: bool | None, default: bool) -> bool:
    return default if value is None else value


class EventPolicyConfig(PartConfig):
    """The block of ``synapse_tim.EventPolicy``."""

    events: EventsConfig = Field(default_factory=EventsConfig)
    """Reactions, threads, redactions ([events.md](events.md))."""

    @property
    def event_rules(self) -> EventRules:
        """What events may be."""
        return self.events.rules(self.spec_version)
