"""What the client-server API offers, tells and hides (requirements §3.7, §4.3, §4.4)."""

from __future__ import annotations

from typing import Final

from synapse_tim.compliance.requirement import EPA, PRO, V1_2, Requirement, Status

_CLIENT_API: Final = "synapse_tim.client_api.module"
_OPTIONS: Final = "synapse_tim.adapter.start_up_options"
_DEHYDRATED: Final = (
    "Synapse has it behind `experimental_features.msc3814_enabled`, which is off by default: set it. "
    "`synapse-tim check` demands it; start-up does not."
)
CLIENT_API: Final = (
    Requirement(
        "A_25641-01",
        "Matrix v1.11, with its standard errors, and nothing newer promised",
        Status.ENFORCED,
        rules=("synapse_tim.client_api.rules.versions", "synapse_tim.rooms.capabilities.capabilities"),
        where=(_CLIENT_API, "synapse_tim.rooms.module"),
        note="Synapse's newer and unstable endpoints still answer those who know them.",
    ),
    Requirement(
        "A_26210",
        "The modules of the client-server API that the server implements",
        Status.SYNAPSE,
        note="Among them server-side search, which `enable_search` must not switch off.",
    ),
    Requirement(
        "A_26077",
        "Keys are backed up on the server",
        Status.SYNAPSE,
    ),
    Requirement(
        "A_26574",
        "Dehydrated devices",
        Status.OPERATION,
        generations=V1_2,
        note=_DEHYDRATED,
    ),
    Requirement(
        "A_26575",
        "Dehydrated devices are offered by the server",
        Status.OPERATION,
        generations=V1_2,
        note=_DEHYDRATED,
    ),
    Requirement(
        "A_26262",
        "Media are served to users with a token",
        Status.SETTING,
        where=(_OPTIONS,),
        note="A warning only: there are good reasons against the deprecated endpoints.",
    ),
    Requirement(
        "A_26263",
        "The deprecated endpoints for media answer, too",
        Status.SETTING,
        where=(_OPTIONS,),
        note="A warning only: there are good reasons against the deprecated endpoints.",
    ),
    Requirement(
        "A_26289",
        "Profiles are for users with a token",
        Status.SETTING,
        where=(_OPTIONS,),
    ),
    Requirement(
        "A_26374",
        "Whoever shares a room with somebody may see their profile",
        Status.SYNAPSE,
        note="Professionals see all profiles of the federation; insured persons those of A_26290.",
    ),
    Requirement(
        "A_26290",
        "Profiles of insured persons are shown to those who share a room with them",
        Status.ENFORCED,
        products=EPA,
        also=("A_26290-01",),
        where=(_CLIENT_API, _OPTIONS),
        note="Synapse's option for clients; a rule of this project for other servers.",
    ),
    Requirement(
        "A_26344",
        "There are no previews of links",
        Status.SETTING,
        where=(_OPTIONS,),
    ),
    Requirement(
        "A_26375",
        "Insured persons find nobody with whom they share no room",
        Status.ENFORCED,
        products=EPA,
        rules=("synapse_tim.adapter.shared_rooms.SharedRooms",),
        where=(_CLIENT_API, _OPTIONS),
    ),
    Requirement(
        "A_28342",
        "A room that one has left stays readable",
        Status.SETTING,
        generations=V1_2,
        where=(_OPTIONS,),
    ),
    Requirement(
        "A_28343",
        "A room that one has forgotten is gone",
        Status.SETTING,
        generations=V1_2,
        where=(_OPTIONS,),
    ),
    Requirement(
        "A_25479",
        "Tokens of the server open the search in the directory",
        Status.SYNAPSE,
        note="`openid/userinfo` is open to the directory, which is no member of the federation.",
    ),
    Requirement(
        "A_23104-02",
        "Clients say in their User-Agent who they are",
        Status.NOT_APPLICABLE,
        products=PRO,
        note="Clients; no request is refused for it.",
    ),
)
