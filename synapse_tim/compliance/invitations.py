"""Who may invite whom, and the permission configuration (requirements §2)."""

from __future__ import annotations

from typing import Final

from synapse_tim.compliance.requirement import EPA, PRO, V1_1, V1_2, Requirement, Status

_INVITES: Final = "synapse_tim.invites.module"
_CONTACT: Final = (
    _INVITES,
    "synapse_tim.invites.device_messages",
    "synapse_tim.invites.stranger_memberships",
)
_PARTIES: Final = "synapse_tim.invites.rules.Parties"
_DOCUMENTS: Final = ("synapse_tim.invites.permission_routes", "synapse_tim.invites.permission_documents")
_PARSE: Final = "synapse_tim.invites.permission_config.parse"
_TYPE_OF_BASIS_1_0: Final = (
    "Basis 1.0 only; the types and schemas of the products replaced it (A_26389, A_26390)."
)

INVITATIONS: Final = (
    Requirement(
        "AF_10233",
        "Insured persons do not invite each other",
        Status.ENFORCED,
        products=EPA,
        rules=(_PARTIES,),
        where=_CONTACT,
    ),
    Requirement(
        "A_25704",
        "Insured persons and professionals invite each other, as the invitee allows",
        Status.ENFORCED,
        products=EPA,
        rules=(_PARTIES,),
        where=(_INVITES,),
    ),
    Requirement(
        "A_25705",
        "An invitation of one insured person by another is refused, whatever they have configured",
        Status.ENFORCED,
        products=EPA,
        rules=(_PARTIES,),
        where=(_INVITES,),
    ),
    Requirement(
        "A_25043",
        "The permission configuration is kept in the user's account data",
        Status.ENFORCED,
        rules=(_PARSE,),
        where=_DOCUMENTS,
    ),
    Requirement(
        "A_25044",
        "The account data type of the first generation",
        Status.NOT_APPLICABLE,
        generations=V1_1,
        note=_TYPE_OF_BASIS_1_0,
    ),
    Requirement(
        "A_25045-02",
        "What users can configure in their client",
        Status.NOT_APPLICABLE,
        note="Clients: they add and remove entries. What they store is validated here (A_26390).",
    ),
    Requirement(
        "A_25046",
        "The client applies the permission configuration",
        Status.NOT_APPLICABLE,
        generations=V1_1,
        note="Clients, in generation 1.1. This server applies it in both generations (A_26021-01).",
    ),
    Requirement(
        "A_26021-01",
        "The invitee's server applies the permission configuration to every invitation",
        Status.ENFORCED,
        generations=V1_2,
        rules=(_PARTIES, "synapse_tim.invites.permission_config.PermissionConfig"),
        where=(*_CONTACT, "synapse_tim.invites.permission_documents"),
        note="Enforced for 1.1, too.",
    ),
    Requirement(
        "A_25258",
        "The schema of the first generation",
        Status.NOT_APPLICABLE,
        generations=V1_1,
        note=_TYPE_OF_BASIS_1_0,
    ),
    Requirement(
        "A_26389",
        "The account data type of TI-M Pro",
        Status.ENFORCED,
        products=PRO,
        rules=(_PARSE,),
        where=_DOCUMENTS,
        note="The type of TI-M ePA is enforced likewise; its id was not seen.",
    ),
    Requirement(
        "A_26390",
        "The schema of the permission configuration of TI-M Pro",
        Status.ENFORCED,
        products=PRO,
        rules=(_PARSE,),
        where=_DOCUMENTS,
        note="TI-M ePA has the same without groups.",
    ),
    Requirement(
        "A_25368-01",
        "A room is created with one invitation at most",
        Status.ENFORCED,
        where=(_INVITES, "synapse_tim.federation.module"),
    ),
    Requirement(
        "A_25538",
        "The same, under its earlier number",
        Status.ENFORCED,
        generations=V1_1,
        where=(_INVITES,),
    ),
)
