"""The blocks of ``synapse_tim.InvitePolicy``: the default for users without a permission configuration."""

from collections.abc import Mapping
from typing import Any, Self

from pydantic import Field, ValidationInfo, field_validator, model_validator

from synapse_tim.core.config_types import Block, PartConfig, WrongValueError
from synapse_tim.invites.permission_config import PermissionConfigError, parse


class PermissionsConfig(Block):
    """``permissions``: who may invite users that have said nothing about it."""

    default: dict[str, Any] = Field(default_factory=lambda: {"defaultSetting": "allow all"})
    """The permission configuration of users who have stored none; gematik's schema for the product.
    `@LOCAL_SERVER@` as a server stands for this one: with `block all`, colleagues are the exception. It is
    shown to clients that ask for the account data, and never stored.
    """


class InvitePolicyConfig(PartConfig):
    """The block of ``synapse_tim.InvitePolicy``."""

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

    @property
    def default(self) -> Mapping[str, Any]:
        """The document for users who have stored none."""
        return self.permissions.default
