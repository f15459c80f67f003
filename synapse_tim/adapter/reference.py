"""Everything of Synapse that the adapter touches, for documentation."""

import pkgutil
from collections.abc import Sequence
from importlib import import_module

from synapse_tim import adapter
from synapse_tim.adapter.shape import TOUCHED, Touched


def touched() -> Sequence[Touched]:
    """What the modules of the adapter declare, by capability."""
    for module in pkgutil.iter_modules(adapter.__path__):
        import_module(f"{adapter.__name__}.{module.name}")
    return sorted(TOUCHED, key=lambda each: (each.capability.lower(), each.path))
