"""The federation list and who may be talked to (requirements §1)."""

from __future__ import annotations

from typing import Final

from synapse_tim.compliance.requirement import PRO, V1_2, Requirement, Status
from synapse_tim.federation.denials import NO_USABLE_LIST, NOT_A_MEMBER, RELAYED_FOR_NON_MEMBER
from synapse_tim.invites.denials import INVITE_BY_ADDRESS, INVITEE_REFUSES

_LIST: Final = "synapse_tim.federation.module"
_INVITES: Final = "synapse_tim.invites.module"
_MEMBERSHIP: Final = "synapse_tim.federation.federation_members.Membership"

FEDERATION: Final = (
    Requirement(
        "AF_10061-04",
        "Inviting somebody of another organisation",
        Status.ENFORCED,
        generations=V1_2,
        more_denials=(NOT_A_MEMBER, NO_USABLE_LIST, INVITEE_REFUSES, INVITE_BY_ADDRESS),
        rules=("synapse_tim.invites.rules.Parties",),
        where=(_INVITES, _LIST),
    ),
    Requirement(
        "AF_10062-03",
        "Events between organisations",
        Status.ENFORCED,
        generations=V1_2,
        more_denials=(NOT_A_MEMBER, NO_USABLE_LIST, RELAYED_FOR_NON_MEMBER),
        rules=(_MEMBERSHIP,),
        where=(_LIST, "synapse_tim.adapter.whitelist"),
        note="Who is in a room and who may do what is believed of a server that left, too (limits.md).",
    ),
    Requirement(
        "AF_10063-01",
        "Events inside an organisation",
        Status.SYNAPSE,
        generations=V1_2,
        note="The own server always counts as a member, with or without a list.",
    ),
    Requirement(
        "AF_10064-02",
        "Only members of the federation are talked to, in both directions and at every event",
        Status.ENFORCED,
        rules=(_MEMBERSHIP,),
        where=(_LIST, "synapse_tim.adapter.whitelist", "synapse_tim.federation.enforcement"),
    ),
    Requirement(
        "AF_10104-03",
        "Finding and inviting somebody of the own organisation",
        Status.ENFORCED,
        products=PRO,
        generations=V1_2,
        more_denials=(INVITEE_REFUSES,),
        where=(_INVITES, "synapse_tim.client_api.module"),
        note="Synapse's user directory finds; the colleague's permission configuration decides.",
    ),
    Requirement(
        "A_25534",
        "A request that fails the membership check is refused with 403",
        Status.ENFORCED,
        rules=(_MEMBERSHIP,),
        where=(_LIST, "synapse_tim.adapter.whitelist"),
    ),
    Requirement(
        "A_25537",
        "The list is fetched anew when a server is not in it",
        Status.ENFORCED,
        rules=("synapse_tim.federation.schedule.UnknownDomains",),
        where=(_LIST, "synapse_tim.federation.leader"),
        note="The request that asked is answered by the list in force; the next one by the new list.",
    ),
    Requirement(
        "A_25632",
        "The certificate of the list's signer is verified down to a root that the operator pinned",
        Status.ENFORCED,
        rules=(
            "synapse_tim.pki.signer_path.verify_signer_path",
            "synapse_tim.federation.verifier.ListVerifier",
        ),
        where=("synapse_tim.federation.assembly", "synapse_tim.federation.leader"),
        note="Only the number was seen; the behaviour is that of gematik's reference implementation.",
    ),
    Requirement(
        "A_25635",
        "Whether that certificate was revoked is asked by OCSP",
        Status.ENFORCED,
        rules=(
            "synapse_tim.pki.revocation.judge_answer",
            "synapse_tim.pki.ocsp_client.OcspClient",
        ),
        where=("synapse_tim.federation.assembly", "synapse_tim.federation.leader"),
        note="The operator may say `ocsp: soft` or `off`, which is logged at start-up.",
    ),
    Requirement(
        "A_26224",
        "The endpoints of the server-server API are offered",
        Status.SYNAPSE,
        note="All but the open ones (A_26244) demand the signature of a member.",
    ),
    Requirement(
        "A_26244",
        "The endpoints for server keys are open to everybody",
        Status.SYNAPSE,
        note="They are left out of the check, as are `openid/userinfo` and the well-known documents.",
    ),
    Requirement(
        "A_26328",
        "Media of servers outside the federation are not fetched and not served",
        Status.ENFORCED,
        more_denials=(NOT_A_MEMBER,),
        rules=(_MEMBERSHIP,),
        where=(_LIST, "synapse_tim.adapter.whitelist"),
    ),
    Requirement(
        "A_26330",
        "Own requests for another server's version are signed",
        Status.NOT_APPLICABLE,
        note="Synapse asks no other server for its version.",
    ),
    Requirement(
        "A_26331",
        "Requests for this server's version are served to signed requests of members only",
        Status.ENFORCED,
        more_denials=(NOT_A_MEMBER,),
        rules=("synapse_tim.adapter.internals.SynapseInternals.require_signed_requests",),
        where=(_LIST,),
    ),
)
