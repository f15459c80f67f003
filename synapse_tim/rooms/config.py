"""The blocks of ``synapse_tim.RoomPolicy``: the versions of new rooms."""

from __future__ import annotations

from pydantic import Field, ValidationInfo, field_validator
from synapse.api.room_versions import KNOWN_ROOM_VERSIONS

from synapse_tim.core.config_types import Block, PartConfig
from synapse_tim.core.products import Product, SpecVersion
from synapse_tim.rooms.rules import VERSIONS, RoomRules, default_version


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
