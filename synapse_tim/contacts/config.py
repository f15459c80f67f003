"""The block ``contacts``: contact management of the legacy generation."""

from typing import Annotated, Final, Self

from pydantic import Field, model_validator

from synapse_tim.contacts.rules import VERSION
from synapse_tim.core.config_types import Block, PartConfig, Text, WrongValueError
from synapse_tim.core.products import SpecVersion
from synapse_tim.information.rules import ServiceInfo

DEFAULT_TITLE: Final = "Contact Management des TI-Messengers"
DEFAULT_DESCRIPTION: Final = "Who may invite the users of this server, and when."


class ContactsConfig(Block):
    """``contacts``: all of it."""

    title: Text = DEFAULT_TITLE
    """What `GET /tim-contact-mgmt/v1.0.2/` says the service is called."""
    description: Text | None = DEFAULT_DESCRIPTION
    """What it says about itself; `null` for nothing."""
    contact: Text | None = None
    """How to reach the operator."""
    max_contacts: Annotated[int, Field(ge=1, le=10_000)] = 5_000
    """How many contacts a user may have that have not expired. Of more than about 4,000, not all fit into a
    permission configuration of the later generations.
    """

    @property
    def info(self) -> ServiceInfo:
        """Who runs the service."""
        return ServiceInfo(self.title, self.description, self.contact, VERSION)


class ContactManagementConfig(PartConfig):
    """The block of ``synapse_tim.ContactManagement``."""

    contacts: ContactsConfig | None = None
    """Contact management ([contacts.md](contacts.md)); for `legacy-1.1` only, where it is always there."""

    @model_validator(mode="after")
    def _is_of_the_generation(self) -> Self:
        if self.contacts is not None and self.spec_version is not SpecVersion.LEGACY_1_1:
            raise WrongValueError(
                "contact management belongs to spec_version 'legacy-1.1'; later generations have permission "
                "configurations instead. Leave it out, and move the lists with "
                "'synapse-tim contacts migrate'",
                "contacts",
            )
        return self

    @property
    def contacts_in_force(self) -> ContactsConfig:
        """What is configured, or the defaults."""
        return self.contacts or ContactsConfig()
