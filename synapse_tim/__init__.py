"""Pluggable modules that make an unmodified Synapse enforce gematik's TI-Messenger policies.

``homeserver.yaml`` names the classes below; they are imported on first use, so that the rules, the
services and the commands work without loading Synapse.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

__version__ = "0.1.0"

if TYPE_CHECKING:
    from synapse_tim.cleanup.module import RoomCleanup
    from synapse_tim.client_api.module import ClientApiPolicy
    from synapse_tim.contacts.module import ContactManagement
    from synapse_tim.directory.module import Directory
    from synapse_tim.events.module import EventPolicy
    from synapse_tim.federation.module import FederationAllowList
    from synapse_tim.information.module import InformationServices
    from synapse_tim.invites.module import InvitePolicy
    from synapse_tim.login.module import LoginPolicy
    from synapse_tim.login.oidc_mapping import OidcMapping
    from synapse_tim.rooms.module import RoomPolicy
    from synapse_tim.ti_messenger import TiMessenger

__all__ = [
    "ClientApiPolicy",
    "ContactManagement",
    "Directory",
    "EventPolicy",
    "FederationAllowList",
    "InformationServices",
    "InvitePolicy",
    "LoginPolicy",
    "OidcMapping",
    "RoomCleanup",
    "RoomPolicy",
    "TiMessenger",
    "__version__",
]

_MODULES = {
    "ClientApiPolicy": "synapse_tim.client_api.module",
    "ContactManagement": "synapse_tim.contacts.module",
    "Directory": "synapse_tim.directory.module",
    "EventPolicy": "synapse_tim.events.module",
    "FederationAllowList": "synapse_tim.federation.module",
    "InformationServices": "synapse_tim.information.module",
    "InvitePolicy": "synapse_tim.invites.module",
    "LoginPolicy": "synapse_tim.login.module",
    "OidcMapping": "synapse_tim.login.oidc_mapping",
    "RoomCleanup": "synapse_tim.cleanup.module",
    "RoomPolicy": "synapse_tim.rooms.module",
    "TiMessenger": "synapse_tim.ti_messenger",
}


def __getattr__(name: str) -> object:
    """Import a Synapse module class when it is first asked for (PEP 562)."""
    if name not in _MODULES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    from importlib import import_module

    return getattr(import_module(_MODULES[name]), name)
