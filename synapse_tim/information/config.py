"""The block ``information``: what this server says about itself and about the federation."""

from __future__ import annotations

from typing import Annotated, Any

from pydantic import Field, model_validator

from synapse_tim.core.config_types import Block, PartConfig, Text, checked
from synapse_tim.information.rules import DEFAULT_DESCRIPTION, DEFAULT_TITLE, ServiceInfo
from synapse_tim.information.support_contacts import (
    ROLES,
    SupportContact,
    is_email_address,
    is_page,
    is_role,
    is_user_id,
    support_document,
)

Role = Annotated[
    str, checked(is_role, f"{', '.join(ROLES)}, or a role with a namespace such as com.example.role")
]
EmailAddress = Annotated[str, checked(is_email_address, "an e-mail address such as support@example.de")]
UserId = Annotated[str, checked(is_user_id, "a user id such as @support:example.de")]
Page = Annotated[str, checked(is_page, "an https URL")]


class ContactConfig(Block):
    """One of ``contacts``."""

    role: Role
    """`m.role.admin`, `m.role.security`, or one with a namespace such as `com.example.role`."""
    email_address: EmailAddress | None = None
    """This, `matrix_id` or both."""
    matrix_id: UserId | None = None
    """This, `email_address` or both."""

    @model_validator(mode="after")
    def _can_be_reached(self) -> ContactConfig:
        if self.email_address is None and self.matrix_id is None:
            raise ValueError("expected email_address, matrix_id or both")
        return self


class SupportConfig(Block):
    """``support``: the document ``/.well-known/matrix/support``."""

    contacts: Annotated[list[ContactConfig], Field(min_length=1)] | None = None
    """Whom to turn to. This, `support_page` or both."""
    support_page: Page | None = None
    """Where to find help."""

    @model_validator(mode="after")
    def _says_something(self) -> SupportConfig:
        if self.contacts is None and self.support_page is None:
            raise ValueError("expected contacts, support_page or both")
        return self

    def document(self) -> dict[str, Any]:
        """As clients read it."""
        contacts = [
            SupportContact(each.role, each.email_address, each.matrix_id) for each in self.contacts or ()
        ]
        return support_document(contacts, self.support_page)


class InformationConfig(Block):
    """``information``: all of it."""

    title: Text = DEFAULT_TITLE
    """What `GET /tim-information` says the service is called."""
    description: Text | None = DEFAULT_DESCRIPTION
    """What it says about itself; `null` for nothing."""
    contact: Text | None = None
    """How to reach the operator."""
    accept_access_tokens: bool = False
    """Whether `/tim-information` accepts access tokens besides OpenID tokens."""
    support: SupportConfig | None = None
    """The document `/.well-known/matrix/support` (A_26265); without it there is none, and a warning at
    start-up.
    """
    client_report: bool = False
    """Whether clients' reports about structured data are taken (`/tim-client-report/report`)."""
    client_report_procedures: list[Text] | None = None
    """The Fachverfahren that are counted by their names; all others are counted as `other`. Default: all with
    a usual name.
    """

    @property
    def info(self) -> ServiceInfo:
        """Who runs the service."""
        return ServiceInfo(self.title, self.description, self.contact)


class InformationServicesConfig(PartConfig):
    """The block of ``synapse_tim.InformationServices``."""

    information: InformationConfig = Field(default_factory=InformationConfig)
    """What this server says about itself and about the federation ([information.md](information.md))."""
