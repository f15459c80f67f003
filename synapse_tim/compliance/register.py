"""gematik's requirements on a server: what enforces each of them, or who else has to see to it.

A rule carries the ids that it enforces: denials and options of ``homeserver.yaml`` name them, and the entries
here add titles, for which products and generations they count, the modules where they are asked, and what is
missing. Tests carry the same ids. ``synapse-tim compliance`` puts the three together; a test fails if an id
that is enforced has no test on real servers, and if a rule or a test names an id that is not here.
"""

from __future__ import annotations

from typing import Final

from synapse_tim.compliance.cleanup import CLEANUP
from synapse_tim.compliance.client_api import CLIENT_API
from synapse_tim.compliance.federation import FEDERATION
from synapse_tim.compliance.information import INFORMATION
from synapse_tim.compliance.invitations import INVITATIONS
from synapse_tim.compliance.legacy import LEGACY_PRODUCT
from synapse_tim.compliance.login import LOGIN
from synapse_tim.compliance.operations import OPERATIONS
from synapse_tim.compliance.raw_data import RAW_DATA
from synapse_tim.compliance.requirement import Requirement
from synapse_tim.compliance.rooms import ROOMS

#: All requirements, in the order of the page.
REQUIREMENTS: Final = (
    *FEDERATION,
    *INVITATIONS,
    *ROOMS,
    *CLEANUP,
    *CLIENT_API,
    *INFORMATION,
    *LOGIN,
    *LEGACY_PRODUCT,
    *OPERATIONS,
    *RAW_DATA,
)

#: The requirements by every id that means them.
BY_ID: Final[dict[str, Requirement]] = {
    name: requirement for requirement in REQUIREMENTS for name in requirement.names
}
