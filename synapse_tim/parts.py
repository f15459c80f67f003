"""Table of the classes that ``homeserver.yaml`` names: where each is, and what is violated without it."""

from importlib import import_module
from typing import Any, Final

import attrs

from synapse_tim.core.products import SpecVersion


@attrs.frozen
class Part:
    """One part of ``TiMessenger``."""

    module: str
    #: That is violated first without it; ``None`` if only the legacy generation has it.
    requirement: str | None
    legacy: str | None  #: the same for the legacy generation


#: In the order in which they are made.
PARTS: Final = {
    "FederationAllowList": Part("synapse_tim.federation.module", "AF_10064-02", "AF_10064-02"),
    "Directory": Part("synapse_tim.directory.module", None, "AF_10061-01"),
    "ContactManagement": Part("synapse_tim.contacts.module", None, "AF_10061-01"),
    "InvitePolicy": Part("synapse_tim.invites.module", "A_26021-01", "AF_10061-01"),
    "RoomPolicy": Part("synapse_tim.rooms.module", "A_26203", "A_26203"),
    "EventPolicy": Part("synapse_tim.events.module", "A_26228-01", "A_26228-01"),
    "ClientApiPolicy": Part("synapse_tim.client_api.module", "A_25641-01", "A_25641-01"),
    "LoginPolicy": Part("synapse_tim.login.module", "AF_10057", "AF_10057"),
    "RoomCleanup": Part("synapse_tim.cleanup.module", "A_25318", "A_22811"),
    "InformationServices": Part("synapse_tim.information.module", "A_26265", "A_26265"),
}
#: All parts in one.
WHOLE: Final = "TiMessenger"
#: The modules of all classes, by name.
MODULES: Final = {
    **{name: part.module for name, part in PARTS.items()},
    WHOLE: "synapse_tim.ti_messenger",
    "OidcMapping": "synapse_tim.login.oidc_mapping",
    "IdentityGateway": "synapse_tim.gateway.module",  # nothing is violated without it
}


def of_generation(spec_version: SpecVersion | None) -> dict[str, str]:
    """Parts of a generation (``None``: the current ones), each with the requirement it is needed for."""
    legacy = spec_version is not None and spec_version.is_legacy
    found = {name: part.legacy if legacy else part.requirement for name, part in PARTS.items()}
    return {name: requirement for name, requirement in found.items() if requirement is not None}


def load(name: str) -> Any:
    """Import a class of ``MODULES``; only now, so that rules and commands work without Synapse."""
    return getattr(import_module(MODULES[name]), name)
