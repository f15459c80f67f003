"""What a server tells about itself (requirements §5): not in this version.

With the part that answers, these become ``ENFORCED``, with ``where``; its tests are found by their names.
"""

from __future__ import annotations

from typing import Final

from synapse_tim.rules.requirements.requirement import Requirement, Status

INFORMATION: Final = (
    Requirement(
        "A_26265",
        "The well-known document that names whom to ask for support",
        Status.NOT_ENFORCED,
        note="The information services are not in this version; let the reverse proxy serve the document.",
    ),
)
