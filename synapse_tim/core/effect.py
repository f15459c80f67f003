"""Effect of an event of another server: all, part or none of it."""

import enum


class Effect(enum.Enum):
    """How much of an event takes effect.

    Attributes:
        FULL: all of it.
        REDACTED: what a redaction would leave of it.
        NONE: nothing; it is stored as rejected.
    """

    FULL = enum.auto()
    REDACTED = enum.auto()
    NONE = enum.auto()
