"""Pluggable modules that make an unmodified Synapse enforce gematik's TI-Messenger policies.

``homeserver.yaml`` names the classes below; they are imported on first use, so that the rules, the
services and the commands work without loading Synapse.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

__version__ = "0.1.0"

if TYPE_CHECKING:
    from synapse_tim.modules.federation_allow_list import FederationAllowList
    from synapse_tim.modules.ti_messenger import TiMessenger

__all__ = ["FederationAllowList", "TiMessenger", "__version__"]

_MODULES = {
    "FederationAllowList": "synapse_tim.modules.federation_allow_list",
    "TiMessenger": "synapse_tim.modules.ti_messenger",
}


def __getattr__(name: str) -> object:
    """Import a Synapse module class when it is first asked for (PEP 562)."""
    if name not in _MODULES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    from importlib import import_module

    return getattr(import_module(_MODULES[name]), name)
