"""Clean-up of rooms (requirements §3.8, §3.9)."""

from __future__ import annotations

from typing import Final

from synapse_tim.compliance.requirement import EPA, LEGACY, PRO, V1_1, V1_2, Requirement, Status

_INACTIVE: Final = "synapse_tim.cleanup.rules.CleanupRules.judge"
_INSURED: Final = "synapse_tim.cleanup.rules.CleanupRules.judge_insured"
_WHERE: Final = ("synapse_tim.cleanup.module", "synapse_tim.cleanup.rounds")

CLEANUP: Final = (
    Requirement(
        "A_25318",
        "A function deletes contents of rooms in which nothing has happened for some time",
        Status.ENFORCED,
        generations=V1_1,
        rules=(_INACTIVE,),
        where=_WHERE,
        note="Files go when Synapse's media_retention says so: what is encrypted belongs to no room.",
    ),
    Requirement(
        "A_25319",
        "That time is six months unless the organisation says otherwise",
        Status.ENFORCED,
        generations=V1_1,
        rules=("synapse_tim.cleanup.config.RoomCleanupConfig", _INACTIVE),
        where=_WHERE,
    ),
    Requirement(
        "A_22811",
        "The same, for the legacy product",
        Status.ENFORCED,
        products=PRO,
        generations=LEGACY,
        rules=("synapse_tim.cleanup.config.RoomCleanupConfig", _INACTIVE),
        where=_WHERE,
    ),
    Requirement(
        "A_28564-01",
        "Orphaned rooms, in which nobody ever wrote, are removed",
        Status.ENFORCED,
        generations=V1_2,
        rules=(_INACTIVE,),
        where=_WHERE,
    ),
    Requirement(
        "A_26348",
        "Insured persons who are left among themselves are taken out of the room",
        Status.ENFORCED,
        products=EPA,
        rules=(_INSURED,),
        where=_WHERE,
    ),
    Requirement(
        "A_26463",
        "The same, as other texts number it",
        Status.ENFORCED,
        products=EPA,
        rules=(_INSURED,),
        where=_WHERE,
        note="That it means the same is inferred.",
    ),
)
