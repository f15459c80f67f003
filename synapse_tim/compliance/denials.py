"""All denials; ``docs/denials.md`` is made of them."""

from collections.abc import Mapping
from typing import Final

from synapse_tim.client_api import denials as client_api
from synapse_tim.contacts import denials as contacts
from synapse_tim.core import web_denials
from synapse_tim.core.denial import Denial
from synapse_tim.events import denials as events
from synapse_tim.federation import denials as federation
from synapse_tim.gateway import denials as gateway
from synapse_tim.information import denials as information
from synapse_tim.invites import denials as invites
from synapse_tim.login import denials as login
from synapse_tim.rooms import denials as rooms

#: The modules that have them.
SUBJECTS: Final = (
    federation,
    invites,
    rooms,
    events,
    client_api,
    login,
    gateway,
    web_denials,
    information,
    contacts,
)

#: Every denial there is by its name, that of its constant, in the order of the page.
CATALOGUE: Final[Mapping[str, Denial]] = {
    value.name: value for subject in SUBJECTS for value in vars(subject).values() if isinstance(value, Denial)
}
