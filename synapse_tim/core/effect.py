"""Effect of an event of another server: all, part or none of it."""

import enum


class Effect(enum.Enum):
    """How much of an event takes effect."""

    FULL = enum.auto()  #: all of it
    REDACTED = enum.auto()  #: what a redaction would leave of it
    NONE = enum.auto()  #: nothing; it is stored as rejected
