"""Durations as Synapse's configuration has them: ``30s``, ``24h``, ``2w``."""

from typing import Final

#: In milliseconds.
MINUTE: Final = 60_000
HOUR: Final = 60 * MINUTE
DAY: Final = 24 * HOUR

_UNITS: Final = (("w", 7 * DAY), ("d", DAY), ("h", HOUR), ("m", MINUTE), ("s", 1000))
_SIZES: Final = {**dict(_UNITS), "y": 365 * DAY}


def parse(value: int | str) -> int:
    """Milliseconds of a duration, exactly as Synapse's ``Config.parse_duration`` understands it.

    Args:
        value: a number with one of the units s, m, h, d, w and y, or of milliseconds.

    Raises:
        ValueError: it is none.
    """
    if isinstance(value, int):
        return value
    if value[-1:] in _SIZES:
        return int(value[:-1]) * _SIZES[value[-1]]
    if not value[-1:].isdigit():
        raise ValueError("unknown unit")
    return int(value)


def to_text(milliseconds: int) -> str:
    """A duration with the longest unit that goes into it."""
    for unit, size in _UNITS:
        if milliseconds % size == 0:
            return f"{milliseconds // size}{unit}"
    return f"{milliseconds}ms"
