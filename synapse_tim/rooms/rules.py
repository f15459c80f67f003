"""Rules of rooms: of their creation, upgrades and changes (requirements §3.1 to §3.6, A_28271).

Refused: versions other than the configured ones (A_26202, A_26203), the room type of the next generation
(A_28596, spec 1.2), encryption with another algorithm, or that changes (A_25323-01), a world-readable history
where other servers could read it (A_25481, A_26515-01); for insured persons public rooms and every way in but
an invitation (A_25996, A_26015-02); bodies that Synapse would trip over when half of the room exists, and
state that cannot be read. No room becomes public later.

Put in: the version, where the client names none (A_26248); ``m.federate: false`` into public rooms
(A_25324-01, A_25325-01, A_26515, A_26515-01); the history visibility ``invited`` into private ones, where the
client sets none (A_25323-01, A_25481), and encryption likewise, but not into spaces, which hold no
conversation (A_25323-01, A_25324-01, A_25996). Public rooms keep the ``shared`` of A_25325-01, which is
Synapse's preset for them. What is not encrypted does not leave its server: ``entry_rules``.
"""

import enum
from collections.abc import Mapping
from typing import Any, Final

import attrs

from synapse_tim.core.create_room import CreateRoom, validate_state
from synapse_tim.core.denial import Denial
from synapse_tim.core.matrix import (
    ENCRYPTION,
    FEDERATE,
    HISTORY_VISIBILITY,
    JOIN_RULES,
    MEGOLM,
    PUBLIC,
    SPACE,
)
from synapse_tim.core.products import Product, SpecVersion
from synapse_tim.core.server_name import of_matrix_id
from synapse_tim.rooms.denials import (
    ENCRYPTION_ALGORITHM,
    ENCRYPTION_CHANGE,
    JOIN_RULE,
    PUBLIC_ROOM_OF_INSURED,
    PUBLIC_ROOM_UPGRADE,
    PUBLIC_SWITCHED_OFF,
    REMOTE_USER_IN_PUBLIC_ROOM,
    ROOM_MALFORMED,
    ROOM_TYPE_V2,
    ROOM_VERSION,
    STATE_MALFORMED,
    UNENCRYPTED_UPGRADE,
    WORLD_READABLE,
)

ROOM_TYPE_V2_NAME: Final = "de.gematik.tim.roomtype.default.v2"

#: The versions that rooms are created in (A_26202, A_26203); Matrix v1.3 knows no newer ones either.
VERSIONS: Final = ("9", "10")
_DEFAULT_VERSION: Final = "10"
#: The one that Matrix v1.3 suggests; servers of its time may not know the other.
_LEGACY_DEFAULT_VERSION: Final = "9"

#: Join rules under which a room is entered by invitation only.
INVITE_ONLY: Final = ("invite", "private")


def default_version(spec_version: SpecVersion) -> str:
    """The version of rooms for which clients name none (A_26202; for the legacy generation Matrix v1.3)."""
    return _LEGACY_DEFAULT_VERSION if spec_version.is_legacy else _DEFAULT_VERSION


class PublicRooms(enum.StrEnum):
    """Who may make public rooms."""

    ALLOW = "allow"
    ADMINISTRATORS = "administrators"
    NEVER = "never"


@attrs.frozen
class RoomRules:
    """What rooms of a server may be."""

    product: Product
    spec_version: SpecVersion
    versions: tuple[str, ...] = VERSIONS  #: room versions that may be created and upgraded to
    default_version: str = _DEFAULT_VERSION  #: the one for clients that name none
    public: PublicRooms = PublicRooms.ALLOW  #: who makes public rooms, of professionals
    never_world_readable: bool = False  #: not even where gematik allows it

    def check_new(self, room: CreateRoom, own_server_name: str) -> Denial | None:
        """Judge a ``createRoom`` request."""
        if room.fault:
            return ROOM_MALFORMED.with_detail(room.fault)
        if self._version(room) not in self.versions:
            return ROOM_VERSION
        if self._is_forbidden_type(room.creation_content):
            return ROOM_TYPE_V2
        if not all(is_encryption(content) for content in room.state(ENCRYPTION)):
            return ENCRYPTION_ALGORITHM
        if room.is_public:
            if self.product is Product.EPA:
                return PUBLIC_ROOM_OF_INSURED
            if any(of_matrix_id(user) != own_server_name for user in room.invite):
                return REMOTE_USER_IN_PUBLIC_ROOM
            if not self.may_make_public(by_admin=room.by_admin):
                return PUBLIC_SWITCHED_OFF
            # It does not federate.
            return WORLD_READABLE if self.never_world_readable and _is_world_readable(room) else None
        if self.product is Product.EPA and any(
            content["join_rule"] not in INVITE_ONLY for content in room.state(JOIN_RULES)
        ):
            return PUBLIC_ROOM_OF_INSURED
        if _is_world_readable(room) and not self.may_be_world_readable(room.creation_content):
            return WORLD_READABLE
        return None

    def complete(self, room: CreateRoom, *, is_exempt: bool = False) -> dict[str, Any]:
        """The members that replace the client's in the ``createRoom`` body of a permitted room.

        Args:
            is_exempt: the room is for server notices, which nobody could encrypt.
        """
        changes: dict[str, Any] = {"room_version": self._version(room)}
        if room.is_public:
            changes["creation_content"] = {**room.creation_content, FEDERATE: False}
            return changes
        defaults = {
            ENCRYPTION: None if is_exempt or room.is_space else {"algorithm": MEGOLM},
            HISTORY_VISIBILITY: {"history_visibility": "invited"},
        }
        added = [
            {"type": kind, "state_key": "", "content": content}
            for kind, content in defaults.items()
            if content is not None and not room.sets(kind)
        ]
        if added:
            changes["initial_state"] = [*added, *room.body.get("initial_state", [])]
        return changes

    def check_upgrade(
        self,
        new_version: object,
        creation: Mapping[str, Any],
        join_rule: object = None,
        history: object = None,
        encryption: Mapping[str, Any] | None = None,
        *,
        is_opened: bool = False,
        by_admin: bool = False,
    ) -> Denial | None:
        """Judge the upgrade of a room, which makes a new one in the likeness of the old.

        Args:
            creation: content of the old room's ``m.room.create``.
            encryption: content of its ``m.room.encryption``, empty if there is none; ``None`` if nothing is
                to be said about that.
            is_opened: the old room's join rule is one that a user of another server has set.
            by_admin: a server administrator asks.
        """
        if new_version not in self.versions:
            return ROOM_VERSION
        if self._is_forbidden_type(creation):
            return ROOM_TYPE_V2
        if self.product is Product.EPA and join_rule is not None and join_rule not in INVITE_ONLY:
            return PUBLIC_ROOM_OF_INSURED
        if is_opened or (join_rule == PUBLIC and may_federate(creation)):
            return PUBLIC_ROOM_UPGRADE
        if join_rule == PUBLIC and not self.may_make_public(by_admin=by_admin):
            return PUBLIC_SWITCHED_OFF
        if encryption is not None and not self._may_be_encrypted_so(encryption, creation):
            return UNENCRYPTED_UPGRADE
        if history == "world_readable" and not self.may_be_world_readable(creation):
            return WORLD_READABLE
        return None

    def check_change(
        self,
        kind: str,
        content: Mapping[str, Any],
        creation: Mapping[str, Any],
        before: Mapping[str, Any] | None = None,
    ) -> Denial | None:
        """Judge a state event of a local user in a room that exists.

        Args:
            creation: content of the room's ``m.room.create``; empty if that is unknown.
            before: content of the same state until now, if there is any; a room that is public as it may be
                can be made so again, and one whose encryption a user of another server has broken can be
                encrypted as it should.
        """
        fault = validate_state(kind, content)
        if fault:
            return STATE_MALFORMED.with_detail(fault)
        if kind == JOIN_RULES:
            rule = content["join_rule"]
            opens = rule == PUBLIC or (self.product is Product.EPA and rule not in INVITE_ONLY)
            was_public = before is not None and before.get("join_rule") == PUBLIC
            is_public = was_public and self.product is Product.PRO and not may_federate(creation)
            return JOIN_RULE if opens and not is_public else None
        if kind == HISTORY_VISIBILITY and content["history_visibility"] == "world_readable":
            return None if self.may_be_world_readable(creation) else WORLD_READABLE
        if kind == ENCRYPTION:
            if not is_encryption(content):
                return ENCRYPTION_ALGORITHM
            known = dict(before or {})
            return ENCRYPTION_CHANGE if is_encryption(known) and dict(content) != known else None
        return None

    def may_be_world_readable(self, creation: Mapping[str, Any]) -> bool:
        """Whether a room's history may be world-readable (R3.8), by its ``m.room.create`` content."""
        is_local = self.product is Product.PRO and not may_federate(creation)
        return is_local and not self.never_world_readable

    def may_make_public(self, *, by_admin: bool) -> bool:
        """Whether a professional may make a public room."""
        return self.public is PublicRooms.ALLOW or (self.public is PublicRooms.ADMINISTRATORS and by_admin)

    def capabilities(self, body: Mapping[str, Any]) -> dict[str, Any]:
        """Synapse's ``/_matrix/client/v3/capabilities`` with our room versions (A_25641-01)."""
        named = body.get("capabilities", {})
        available = named.get("m.room_versions", {}).get("available", {})
        offered = {version: available.get(version, "stable") for version in self.versions}
        versions = {"default": self.default_version, "available": offered}
        return {**body, "capabilities": {**named, "m.room_versions": versions}}

    def _version(self, room: CreateRoom) -> str:
        return self.default_version if room.room_version is None else room.room_version

    def _may_be_encrypted_so(self, encryption: Mapping[str, Any], creation: Mapping[str, Any]) -> bool:
        """Whether the likeness of a room may be encrypted as that room is, or not at all."""
        if encryption or creation.get("type") == SPACE:
            return not encryption or is_encryption(encryption)
        return self.product is Product.PRO and not may_federate(creation)

    def _is_forbidden_type(self, creation: Mapping[str, Any]) -> bool:
        return self.spec_version.has_rules_of_1_2 and creation.get("type") == ROOM_TYPE_V2_NAME


def may_federate(creation: Mapping[str, Any]) -> bool:
    """Whether other servers may take part in a room, by the content of its ``m.room.create``."""
    return creation.get(FEDERATE, True) is not False


def _is_world_readable(room: CreateRoom) -> bool:
    return any(
        content["history_visibility"] == "world_readable" for content in room.state(HISTORY_VISIBILITY)
    )


def is_encryption(content: Mapping[str, Any]) -> bool:
    """Whether the content of ``m.room.encryption`` says that a room is encrypted, as rooms have to be."""
    return content.get("algorithm") == MEGOLM
