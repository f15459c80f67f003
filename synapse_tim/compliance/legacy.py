"""TI-Messenger-Dienst 1.1.x, the legacy generation (requirements §2.5, §7.4).

What it has in common with the later ones stands where those have it, with its generation.
"""

from __future__ import annotations

from typing import Final

from synapse_tim.compliance.requirement import LEGACY, PRO, Requirement, Status
from synapse_tim.federation.denials import NO_USABLE_LIST, NOT_A_MEMBER, RELAYED_FOR_NON_MEMBER
from synapse_tim.invites.denials import INVITE_BY_ADDRESS

_INVITES: Final = ("synapse_tim.invites.module", "synapse_tim.contacts.three_stage_check")
_LIST: Final = "synapse_tim.federation.module"
_MEMBERSHIP: Final = "synapse_tim.federation.federation_members.Membership"

LEGACY_PRODUCT: Final = (
    Requirement(
        "AF_10061-01",
        "Inviting somebody of another organisation, in three stages",
        Status.ENFORCED,
        products=PRO,
        generations=LEGACY,
        more_denials=(NOT_A_MEMBER, NO_USABLE_LIST, INVITE_BY_ADDRESS),
        rules=(
            "synapse_tim.contacts.rules.Contact",
            "synapse_tim.contacts.three_stages.stage_three",
        ),
        where=(*_INVITES, "synapse_tim.contacts.module", "synapse_tim.directory.module"),
    ),
    Requirement(
        "AF_10062-01",
        "Events between organisations",
        Status.ENFORCED,
        products=PRO,
        generations=LEGACY,
        more_denials=(NOT_A_MEMBER, NO_USABLE_LIST, RELAYED_FOR_NON_MEMBER),
        rules=(_MEMBERSHIP,),
        where=(_LIST, "synapse_tim.adapter.whitelist"),
        note="Who is in a room and who may do what is believed of a server that left, too (limits.md).",
    ),
    Requirement(
        "AF_10064-01",
        "Only members of the federation are talked to",
        Status.ENFORCED,
        products=PRO,
        generations=LEGACY,
        more_denials=(NOT_A_MEMBER, NO_USABLE_LIST),
        rules=(_MEMBERSHIP,),
        where=(_LIST, "synapse_tim.adapter.whitelist"),
        note="By the list in clear text, of 1.1.1. Lists of hashes, of 1.1.0, are refused.",
    ),
    Requirement(
        "AF_10104-01",
        "Inviting somebody of the own organisation: both have an account here",
        Status.ENFORCED,
        products=PRO,
        generations=LEGACY,
        where=_INVITES,
    ),
)
