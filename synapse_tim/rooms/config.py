"""The blocks of ``synapse_tim.RoomPolicy``: the versions of new rooms, and unencrypted ones elsewhere."""

from typing import Annotated, Literal, Self

from pydantic import Field, field_validator, model_validator
from synapse.api.room_versions import KNOWN_ROOM_VERSIONS

from synapse_tim.core.config_types import Block, ByProduct, PartConfig, WrongValueError, enum_value
from synapse_tim.core.products import Product
from synapse_tim.rooms.rules import VERSIONS, PublicRooms, RoomRules, default_version


class RoomsConfig(Block):
    """``rooms``: the versions of new rooms, and unencrypted ones of other servers."""

    versions: list[str] = Field(min_length=1, default_factory=lambda: list(VERSIONS))
    """Room versions that may be created and upgraded to, in quotes (A_26203)."""
    default_version: Annotated[str | None, ByProduct(lambda _, version: default_version(version))] = None
    """The one for clients that name none, instead of Synapse's `default_room_version`."""
    public: Annotated[PublicRooms, enum_value(PublicRooms)] = PublicRooms.ALLOW
    """Who may make public rooms, which are for users of this server: everybody, server administrators or
    nobody (A_25325-01). On a server for insured persons there are none anyway.
    """
    world_readable: Literal["as_specified", "never"] = "as_specified"
    """Whether colleagues may read rooms that they are not in, where a room is made so and stays on this
    server (R3.8); `never` also closes those that there are.
    """
    unencrypted_remote: Annotated[
        Literal["allow", "refuse"] | None,
        ByProduct(lambda product, _: "refuse" if product is Product.EPA else "allow"),
    ] = None
    """Whether users can be invited to, and join, rooms of other servers that are not encrypted (A_25996)."""

    @field_validator("versions")
    @classmethod
    def _known(cls, versions: list[str]) -> list[str]:
        unknown = [version for version in versions if version not in KNOWN_ROOM_VERSIONS]
        if unknown:
            raise ValueError(f"this Synapse does not know {', '.join(unknown):.60}")
        return versions


class RoomPolicyConfig(PartConfig):
    """The block of ``synapse_tim.RoomPolicy``."""

    rooms: RoomsConfig = Field(default_factory=RoomsConfig)
    """What rooms may be ([rooms.md](rooms.md))."""

    @model_validator(mode="after")
    def _default_is_one_of_the_versions(self) -> Self:
        rooms = self.rooms
        if rooms.default_version not in rooms.versions:
            raise WrongValueError(
                f"default_version has to be one of versions; it is {rooms.default_version!r:.20}", "rooms"
            )
        return self

    @property
    def refuses_unencrypted(self) -> bool:
        """Whether local users stay out of unencrypted rooms of other servers."""
        return self.rooms.unencrypted_remote == "refuse"

    @property
    def room_rules(self) -> RoomRules:
        """What rooms may be."""
        rooms = self.rooms
        return RoomRules(
            self.product,
            self.spec_version,
            tuple(rooms.versions),
            str(rooms.default_version),
            rooms.public,
            never_world_readable=rooms.world_readable == "never",
        )
