"""Pluggable modules that make an unmodified Synapse enforce gematik's TI-Messenger policies.

``homeserver.yaml`` names the classes below; they are imported on first use, so that the rules, the
services and the commands work without loading Synapse.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

__version__ = "0.1.0"

if TYPE_CHECKING:
    from synapse_tim.modules.client_api_policy import ClientApiPolicy
    from synapse_tim.modules.contact_management import ContactManagement
    from synapse_tim.modules.directory import Directory
    from synapse_tim.modules.event_policy import EventPolicy
    from synapse_tim.modules.federation_allow_list import FederationAllowList
    from synapse_tim.modules.information_services import InformationServices
    from synapse_tim.modules.invite_policy import InvitePolicy
    from synapse_tim.modules.login_policy import LoginPolicy
    from synapse_tim.modules.oidc_mapping import OidcMapping
    from synapse_tim.modules.room_cleanup import RoomCleanup
    from synapse_tim.modules.room_policy import RoomPolicy
    from synapse_tim.modules.ti_messenger import TiMessenger

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
    "ClientApiPolicy": "synapse_tim.modules.client_api_policy",
    "ContactManagement": "synapse_tim.modules.contact_management",
    "Directory": "synapse_tim.modules.directory",
    "EventPolicy": "synapse_tim.modules.event_policy",
    "FederationAllowList": "synapse_tim.modules.federation_allow_list",
    "InformationServices": "synapse_tim.modules.information_services",
    "InvitePolicy": "synapse_tim.modules.invite_policy",
    "LoginPolicy": "synapse_tim.modules.login_policy",
    "OidcMapping": "synapse_tim.modules.oidc_mapping",
    "RoomCleanup": "synapse_tim.modules.room_cleanup",
    "RoomPolicy": "synapse_tim.modules.room_policy",
    "TiMessenger": "synapse_tim.modules.ti_messenger",
}


def __getattr__(name: str) -> object:
    """Import a Synapse module class when it is first asked for (PEP 562)."""
    if name not in _MODULES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    from importlib import import_module

    return getattr(import_module(_MODULES[name]), name)
