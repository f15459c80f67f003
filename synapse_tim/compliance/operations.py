"""Operations, data protection, transport (requirements §7.2, §7.3): mostly duties outside the homeserver."""

from __future__ import annotations

from typing import Final

from synapse_tim.compliance.requirement import ALWAYS, LEGACY, Requirement, Status

_PUSH: Final = (
    "Clients ask for pushes without content (`event_id_only`); `push.include_content: false` keeps it out of "
    "all, and `synapse-tim check` demands it. The push gateway is the vendor's."
)
_TLS: Final = (
    "Synapse verifies other servers' certificates. TLS of clients, of the database and between processes are "
    "the operator's to configure; `synapse-tim check` looks at what stands in homeserver.yaml."
)
_REGISTRATION: Final = (
    "Registration service. A domain that is no longer listed shows in "
    "`synapse_tim_federation_list_own_domain_listed`."
)

OPERATIONS: Final = (
    Requirement(
        "A_22808",
        "Pushes carry no content",
        Status.OPERATION,
        generations=ALWAYS,
        note=_PUSH,
    ),
    Requirement(
        "A_22965",
        "The push gateway is the provider's, and gets as little as possible",
        Status.OPERATION,
        generations=ALWAYS,
        note=_PUSH,
    ),
    Requirement(
        "A_22809",
        "TLS on every connection between machines",
        Status.OPERATION,
        generations=ALWAYS,
        note=_TLS,
    ),
    Requirement(
        "A_22929",
        "At least the server authenticates itself",
        Status.OPERATION,
        generations=ALWAYS,
        note=_TLS,
    ),
    Requirement(
        "A_18464",
        "TLS 1.1 is not used",
        Status.OPERATION,
        generations=ALWAYS,
        note=_TLS,
    ),
    Requirement(
        "A_17124-01",
        "TLS with suites on elliptic curves and AES-GCM",
        Status.OPERATION,
        generations=ALWAYS,
        note=_TLS,
    ),
    Requirement(
        "A_21275-01",
        "TLS with SHA-256, SHA-384 or SHA-512",
        Status.OPERATION,
        generations=ALWAYS,
        note=_TLS,
    ),
    Requirement(
        "A_22810",
        "Deviations from the Matrix specification are documented",
        Status.OPERATION,
        generations=ALWAYS,
        note="Those of this project are in the pages of the policies, denials.md and limits.md.",
    ),
    Requirement(
        "A_22812",
        "Additional functions do no harm to interoperability",
        Status.OPERATION,
        generations=ALWAYS,
        note="The vendor's; this project adds no function that other servers would see.",
    ),
    Requirement(
        "A_22813",
        "Logs hold no more about people than the analysis of a fault needs",
        Status.PARTLY,
        generations=ALWAYS,
        rules=("synapse_tim.core.denial.Denial",),
        where=("synapse_tim.adapter.decisions",),
        note=(
            "Logs of this project name no user and no room. Synapse's own log does: its levels and how long "
            "it is kept are the operator's to configure."
        ),
    ),
    Requirement(
        "A_22814",
        "Clients draw no profiles",
        Status.NOT_APPLICABLE,
        generations=ALWAYS,
        note="Clients.",
    ),
    Requirement(
        "A_22815",
        "Secrets for the log-in to the directory are brought in safely",
        Status.OPERATION,
        generations=LEGACY,
        note="The provider's process. Here the secret is read from a file (`vzd_credentials`), which "
        "`synapse-tim check` wants closed to others, and appears in no message.",
    ),
    Requirement(
        "A_22816",
        "Cross-signing, secret storage and the verification of devices",
        Status.SYNAPSE,
        generations=ALWAYS,
    ),
    Requirement(
        "A_22817",
        "Nobody evaluates who communicates with whom",
        Status.PARTLY,
        generations=ALWAYS,
        rules=("synapse_tim.adapter.metrics.count_denied", "synapse_tim.adapter.metrics.count_allowed"),
        where=("synapse_tim.adapter.decisions",),
        note=(
            "Metrics and logs of this project count decisions and name no user and no room. What is made of "
            "Synapse's own log and database is the operator's to answer for."
        ),
    ),
    Requirement(
        "A_22818",
        "Risks of libraries are kept small",
        Status.OPERATION,
        generations=ALWAYS,
        note="The vendor's.",
    ),
    Requirement(
        "A_22819",
        "An evaluation by Common Criteria as a substitute",
        Status.NOT_APPLICABLE,
        generations=LEGACY,
        note="Dropped in 1.1.1.",
    ),
    Requirement(
        "A_23092",
        "It is checked every day whether the organisation is active in the directory",
        Status.OPERATION,
        generations=ALWAYS,
        note=_REGISTRATION,
    ),
    Requirement(
        "A_23093",
        "An organisation that is not is told",
        Status.OPERATION,
        generations=ALWAYS,
        note=_REGISTRATION,
    ),
    Requirement(
        "A_23094",
        "After 30 days its domain leaves the federation",
        Status.OPERATION,
        generations=ALWAYS,
        note=_REGISTRATION,
    ),
)
