"""The blocks of ``synapse_tim.InvitePolicy``: the default permission configuration, and switches."""

from collections.abc import Mapping
from typing import Annotated, Any, Literal, Self

from pydantic import BeforeValidator, Field, ValidationInfo, field_validator, model_validator

from synapse_tim.core.config_types import Block, PartConfig, WrongValueError
from synapse_tim.core.products import Product
from synapse_tim.core.server_name import normalise
from synapse_tim.invites.permission_config import PermissionConfigError, parse
from synapse_tim.invites.rules import InviteSwitches


class PermissionsConfig(Block):
    """``permissions``: who may invite users that have said nothing about it."""

    default: dict[str, Any] = Field(default_factory=lambda: {"defaultSetting": "allow all"})
    """The permission configuration of users who have stored none; gematik's schema for the product.
    `@LOCAL_SERVER@` as a server stands for this one: with `block all`, colleagues are the exception. It is
    shown to clients that ask for the account data.
    """
    store_default: bool = False
    """Whether the default is stored for users who have stored none when they log in, so that clients see it
    in `/sync`. What is stored does not follow later changes of the default. Not with Matrix Authentication
    Service, which logs users in by itself.
    """


class OutgoingConfig(Block):
    """``invites.outgoing``: the servers whose users may be invited."""

    members_of: list[str]
    """Names of the other servers whose users may be invited from here, in lower case."""


def _outgoing(value: object) -> object:
    """Say in one sentence what is wrong, before each of two types says it for itself."""
    match value:
        case "allow" | "refuse":
            return value
        case {"members_of": [_, *_] as names, **more} if not more and all(map(_is_server_name, names)):
            return value
    raise ValueError("expected 'allow', 'refuse', or members_of with a list of server names in lower case")


def _is_server_name(name: object) -> bool:
    return isinstance(name, str) and normalise(name) == name


class InvitesConfig(Block):
    """``invites``: what may be allowed or not beside gematik's rules."""

    insured: Literal["allow", "refuse"] = "allow"
    """Whether professionals and insured persons may invite and contact each other, in both directions
    (A_25704). For `pro` only: insured persons have nobody else.
    """
    outgoing: Annotated[Literal["allow", "refuse"] | OutgoingConfig, BeforeValidator(_outgoing)] = "allow"
    """Whom of other servers the users of this one may invite: all, nobody, or the users of some servers."""
    into_direct_chats: Literal["allow", "refuse"] = "allow"
    """Whether a third person may be invited into a conversation of two."""

    @property
    def switches(self) -> InviteSwitches:
        """What the operator allows."""
        servers: Mapping[str, list[str] | None] = {"allow": None, "refuse": []}
        outgoing = self.outgoing
        named = servers[outgoing] if isinstance(outgoing, str) else outgoing.members_of
        return InviteSwitches(self.insured == "allow", None if named is None else frozenset(named))


class InvitePolicyConfig(PartConfig):
    """The block of ``synapse_tim.InvitePolicy``."""

    invites: InvitesConfig = Field(default_factory=InvitesConfig)
    """Who may be invited, beside gematik's rules ([invitations.md](invitations.md))."""

    permissions: PermissionsConfig = Field(default_factory=PermissionsConfig)
    """Who may invite users that have said nothing about it ([invitations.md](invitations.md)). Not for
    `legacy-1.1`, which has approval lists instead.
    """

    @field_validator("permissions")
    @classmethod
    def _are_of_the_generation(
        cls, permissions: PermissionsConfig, known: ValidationInfo
    ) -> PermissionsConfig:
        spec_version = known.data.get("spec_version")
        if spec_version is not None and spec_version.is_legacy:
            raise ValueError("legacy-1.1 has approval lists and no permission configurations; leave it out")
        return permissions

    @model_validator(mode="after")
    def _default_can_be_read(self) -> Self:
        try:
            parse(self.permissions.default, self.product)
        except PermissionConfigError as error:
            keys = ("permissions", "default", *([error.path] if error.path else []))
            raise WrongValueError(str(error).removeprefix(f"{error.path}: "), *keys) from None
        return self

    @field_validator("invites")
    @classmethod
    def _are_of_the_product(cls, invites: InvitesConfig, known: ValidationInfo) -> InvitesConfig:
        if known.data.get("product") is Product.EPA and invites.insured == "refuse":
            raise WrongValueError("is for pro: insured persons could talk to nobody; leave it out", "insured")
        return invites

    @property
    def default(self) -> Mapping[str, Any]:
        """The document for users who have stored none."""
        return self.permissions.default
