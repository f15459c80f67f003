"""Durations as Synapse's configuration has them: ``30s``, ``24h``, ``2w``."""

from __future__ import annotations

from typing import Final

_UNITS: Final = (("w", 604_800_000), ("d", 86_400_000), ("h", 3_600_000), ("m", 60_000), ("s", 1000))


def to_text(milliseconds: int) -> str:
    """A duration with the longest unit that goes into it.

    Args:
        milliseconds: how long.
    """
    for unit, size in _UNITS:
        if milliseconds % size == 0:
            return f"{milliseconds // size}{unit}"
    return f"{milliseconds}ms"
