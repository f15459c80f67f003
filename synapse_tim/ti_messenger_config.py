"""The blocks of the policies: ``permissions``, ``rooms``, ``events``, ``client_api``.

Every default follows ``product`` and ``spec_version``: who says nothing gets what gematik demands.
"""

from __future__ import annotations

import datetime as dt
from collections.abc import Mapping
from typing import Annotated, Any

from pydantic import BeforeValidator, Field, ValidationInfo, field_validator
from synapse.api.room_versions import KNOWN_ROOM_VERSIONS

from synapse_tim.adapter.config_block import Block, DurationOrOff, PartConfig, wrong
from synapse_tim.cleanup.config import RoomCleanupConfig
from synapse_tim.contacts.config import ContactManagementConfig
from synapse_tim.core.products import Product, SpecVersion
from synapse_tim.directory.config import DirectoryPartConfig
from synapse_tim.events.rules import EventRules
from synapse_tim.federation.config import AllowListConfig, TrustConfig
from synapse_tim.information.config import InformationServicesConfig
from synapse_tim.invites.permission_config import PermissionConfigError, parse
from synapse_tim.login.config import LoginPolicyConfig
from synapse_tim.rooms.creation import VERSIONS, RoomRules, default_version

_DAY_MS = 24 * 60 * 60 * 1000


def _names_or_all(value: object) -> object:
    """The names, or ``None`` for all."""
    if value == "all":
        return None
    if not isinstance(value, list):
        raise ValueError("expected all, or a list of names")
    return value


class PermissionsConfig(Block):
    """``permissions``: who may invite users that have said nothing about it."""

    default: dict[str, Any] = Field(default_factory=lambda: {"defaultSetting": "allow all"})
    """The permission configuration of users who have stored none; gematik's schema for the product.
    `@LOCAL_SERVER@` as a server stands for this one: with `block all`, colleagues are the exception. It is
    shown to clients that ask for the account data, and never stored.
    """


class RoomsConfig(Block):
    """``rooms``: the versions of new rooms."""

    versions: list[str] = Field(min_length=1, default_factory=lambda: list(VERSIONS))
    """Room versions that may be created and upgraded to, in quotes (A_26203)."""
    default_version: str | None = None
    """The one for clients that name none, whatever Synapse's `default_room_version` says. Default: `"10"`;
    `"9"` in the legacy generation.
    """

    @field_validator("versions")
    @classmethod
    def _known(cls, versions: list[str]) -> list[str]:
        unknown = [version for version in versions if version not in KNOWN_ROOM_VERSIONS]
        if unknown:
            raise ValueError(f"this Synapse does not know {', '.join(unknown):.60}")
        return versions

    def rules(self, product: Product, spec_version: SpecVersion) -> RoomRules:
        """The rules for a product and a generation, with what the operator has said."""
        named = self.default_version
        default = default_version(spec_version) if named is None else named
        return RoomRules(product, spec_version, tuple(self.versions), default)


class EventsConfig(Block):
    """``events``: reactions, threads, redactions."""

    single_emoji_reactions: bool | None = None
    """Whether a reaction has to be exactly one emoji (A_26228-01). Default: `true`; `false` in the legacy
    generation.
    """
    threads: bool | None = None
    """Whether threads are allowed (A_25395). Default: `true`; `false` in 1.1."""
    redaction_window: DurationOrOff = None
    """How old an event may be when it is redacted (A_28358). Default: `24h` in 1.2, `off` before."""

    def rules(self, spec_version: SpecVersion) -> EventRules:
        """The rules for a generation, with what the operator has said."""
        window = self.redaction_window
        if "redaction_window" not in self.model_fields_set:
            window = _DAY_MS if spec_version is SpecVersion.V1_2 else None
        return EventRules(
            single_emoji_reactions=_said(self.single_emoji_reactions, not spec_version.is_legacy),
            threads=_said(self.threads, spec_version is not SpecVersion.V1_1),
            redaction_window=None if window is None else dt.timedelta(milliseconds=window),
        )


def _said(value: bool | None, default: bool) -> bool:
    return default if value is None else value


class ClientApiConfig(Block):
    """``client_api``: what clients are told and shown."""

    unstable_features: Annotated[list[str] | None, BeforeValidator(_names_or_all)] = None
    """Which of Synapse's `unstable_features` clients are told of: `all`, or a list of names. Default: `all`.
    """
    hide_keys_of_strangers: bool = False
    """Whether `keys/query` answers only for users of whom there is a membership in a room of the caller, as
    gematik's proposal GSC298 has it.
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

    def check(self) -> None:
        """Read the default permission configuration.

        Raises:
            ConfigError: it is none.
        """
        try:
            parse(self.permissions.default, self.product)
        except PermissionConfigError as error:
            keys = ("permissions", "default", *([error.path] if error.path else []))
            raise wrong(str(error).removeprefix(f"{error.path}: "), *keys) from None

    @property
    def default(self) -> Mapping[str, Any]:
        """The document for users who have stored none."""
        return self.permissions.default


class RoomPolicyConfig(PartConfig):
    """The block of ``synapse_tim.RoomPolicy``."""

    rooms: RoomsConfig = Field(default_factory=RoomsConfig)
    """The versions of new rooms ([rooms.md](rooms.md))."""

    @field_validator("rooms")
    @classmethod
    def _default_is_one_of_the_versions(cls, rooms: RoomsConfig, known: ValidationInfo) -> RoomsConfig:
        if "product" in known.data and "spec_version" in known.data:
            rules = rooms.rules(known.data["product"], known.data["spec_version"])
            if rules.default_version not in rules.versions:
                raise ValueError(
                    f"default_version has to be one of versions; it is {rules.default_version!r:.20}"
                )
        return rooms

    @property
    def room_rules(self) -> RoomRules:
        """What rooms may be."""
        return self.rooms.rules(self.product, self.spec_version)


class EventPolicyConfig(PartConfig):
    """The block of ``synapse_tim.EventPolicy``."""

    events: EventsConfig = Field(default_factory=EventsConfig)
    """Reactions, threads, redactions ([events.md](events.md))."""

    @property
    def event_rules(self) -> EventRules:
        """What events may be."""
        return self.events.rules(self.spec_version)


class ClientApiPolicyConfig(PartConfig):
    """The block of ``synapse_tim.ClientApiPolicy``."""

    client_api: ClientApiConfig = Field(default_factory=ClientApiConfig)
    """What clients are told and shown ([client-api.md](client-api.md))."""

    @property
    def insured_persons(self) -> bool:
        """Whether the users are insured persons, who find nobody they do not know already."""
        return self.product is Product.EPA


class TiMessengerConfig(
    AllowListConfig,
    DirectoryPartConfig,
    ContactManagementConfig,
    InvitePolicyConfig,
    RoomPolicyConfig,
    EventPolicyConfig,
    ClientApiPolicyConfig,
    LoginPolicyConfig,
    RoomCleanupConfig,
    InformationServicesConfig,
):
    """The block of ``synapse_tim.TiMessenger``: everything that its parts need."""

    def check_directory(self) -> None:
        """Refuse a generation without the directory that it needs, and a directory nobody can log in to.

        Raises:
            ConfigError: naming the key.
        """
        if self.directory is not None:
            self.directory.log_in(self.federation_list)
        elif self.spec_version.is_legacy:
            raise wrong(
                "this key is required: in legacy-1.1 the directory says who may be invited", "directory"
            )

    @property
    def trust_of_providers(self) -> TrustConfig | None:
        """What a signed discovery document has to rest on: the same as the list, unless said otherwise."""
        return self.login.trust or self.federation_list.trust
