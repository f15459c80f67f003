"""Merging configuration, and claims."""

import copy
import enum
from collections.abc import Mapping
from typing import Any, Final


class Removed(enum.Enum):
    """The type of ``REMOVED``."""

    REMOVED = "removed"


#: As a value for ``overlaid``: takes the member out. ``None`` stands for null, which a token may well say.
REMOVED: Final = Removed.REMOVED


def deep_merge(base: Mapping[str, Any], overrides: Mapping[str, Any]) -> dict[str, Any]:
    """``base`` with ``overrides`` laid over it.

    Mappings are merged key by key, anything else is replaced; ``None`` takes a key out. What comes out shares
    nothing with what went in.
    """
    merged = copy.deepcopy(dict(base))
    for key, value in overrides.items():
        if value is None:
            merged.pop(key, None)
        elif isinstance(value, Mapping) and isinstance(merged.get(key), Mapping):
            merged[key] = deep_merge(merged[key], value)
        else:
            merged[key] = copy.deepcopy(value)
    return merged


def overlaid(base: Mapping[str, Any], *layers: Mapping[str, Any]) -> dict[str, Any]:
    """``base`` with the members of ``layers`` in place of its own, the last layer winning.

    Unlike ``deep_merge`` it leaves what members contain alone, and ``REMOVED`` takes a member out.
    """
    merged = dict(base)
    for layer in layers:
        merged.update(layer)
    return {name: value for name, value in merged.items() if value is not REMOVED}
