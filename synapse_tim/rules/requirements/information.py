"""What a server tells about itself (requirements §5)."""

from __future__ import annotations

from typing import Final

from synapse_tim.rules.requirements.requirement import Requirement, Status

INFORMATION: Final = (
    Requirement(
        "A_26265",
        "The well-known document that names whom to ask for support",
        Status.ENFORCED,
        rules=("synapse_tim.rules.support_contacts",),
        where=("synapse_tim.modules.information_services",),
        note="With `information.support`; without it, start-up warns and there is no such document.",
    ),
)
