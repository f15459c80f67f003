"""What a server tells about itself (requirements §5)."""

from __future__ import annotations

from typing import Final

from synapse_tim.compliance.requirement import Requirement, Status

INFORMATION: Final = (
    Requirement(
        "A_26265",
        "The well-known document that names whom to ask for support",
        Status.ENFORCED,
        rules=("synapse_tim.information.support_contacts",),
        where=("synapse_tim.information.module",),
        note="With `information.support`; without it, start-up warns and there is no such document.",
    ),
)
