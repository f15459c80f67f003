"""Pluggable modules that make an unmodified Synapse enforce gematik's TI-Messenger policies.

``homeserver.yaml`` names the classes below; they are imported on first use, so that the rules, the
services and the commands work without loading Synapse.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from synapse_tim import parts
from synapse_tim.core.checks import AT_START_UP

__version__ = "0.2.0"

if TYPE_CHECKING:
    from synapse_tim.cleanup.module import RoomCleanup
    from synapse_tim.client_api.module import ClientApiPolicy
    from synapse_tim.contacts.module import ContactManagement
    from synapse_tim.directory.module import Directory
    from synapse_tim.events.module import EventPolicy
    from synapse_tim.federation.module import FederationAllowList
    from synapse_tim.gateway.module import IdentityGateway
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
    "IdentityGateway",
    "InformationServices",
    "InvitePolicy",
    "LoginPolicy",
    "OidcMapping",
    "RoomCleanup",
    "RoomPolicy",
    "TiMessenger",
    "__version__",
]


def _check_files(paths: Sequence[str]) -> None:
    """Look at the files of a homeserver as a whole, which takes knowing all parts."""
    from synapse_tim.check.start_up import warn_of_violations

    warn_of_violations(paths)


AT_START_UP.append(_check_files)


def __getattr__(name: str) -> object:
    """Import a Synapse module class when it is first asked for (PEP 562)."""
    if name not in parts.MODULES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return parts.load(name)
