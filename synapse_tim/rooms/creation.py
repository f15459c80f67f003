"""What a room may be when it is created or upgraded (requirements §3.1 to §3.6).

Refused: versions other than the configured ones (A_26202, A_26203), the room type of the next generation
(A_28596, spec 1.2), a world-readable history where other servers could read it (A_25481, A_26515-01); for
insured persons public rooms and every way in but an invitation (A_25996); bodies that Synapse would trip
over when half of the room exists.

Put in: the version, where the client names none (A_26248); ``m.federate: false`` into public rooms
(A_25324-01, A_25325-01, A_26515, A_26515-01); the history visibility ``invited`` into private ones, where the
client sets none (A_25323-01, A_25481).
Public rooms keep the ``shared`` of A_25325-01, which is Synapse's preset for them.

A room is public if any of visibility, preset and join rule says so: each of them alone lets strangers in or
lists the room.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any, Final

import attrs

from synapse_tim.core.denial import Denial
from synapse_tim.core.matrix import CREATE, FEDERATE, HISTORY_VISIBILITY, JOIN_RULES, PUBLIC
from synapse_tim.core.products import Product, SpecVersion
from synapse_tim.core.server_name import of_matrix_id
from synapse_tim.rooms.denials import (
    PUBLIC_ROOM_OF_INSURED,
    PUBLIC_ROOM_UPGRADE,
    REMOTE_USER_IN_PUBLIC_ROOM,
    ROOM_MALFORMED,
    ROOM_TYPE_V2,
    ROOM_VERSION,
    WORLD_READABLE,
)

ROOM_TYPE_V2_NAME: Final = "de.gematik.tim.roomtype.default.v2"

#: The versions that rooms are created in (A_26202, A_26203); Matrix v1.3 knows no newer ones either.
VERSIONS: Final = ("9", "10")
_DEFAULT_VERSION: Final = "10"
#: The one that Matrix v1.3 suggests; servers of its time may not know the other.
_LEGACY_DEFAULT_VERSION: Final = "9"


#: Join rules under which nobody enters a room without an invitation.
INVITE_ONLY: Final = ("invite", "private")

# Tuples: what a client sends need not be hashable.
_PRESETS: Final = ("private_chat", "trusted_private_chat", "public_chat")
_VISIBILITIES: Final = ("private", PUBLIC)
_NESTED_LEVELS: Final = 100


def default_version(spec_version: SpecVersion) -> str:
    """The version of rooms for which clients name none (A_26202; for the legacy generation Matrix v1.3)."""
    return _LEGACY_DEFAULT_VERSION if spec_version.is_legacy else _DEFAULT_VERSION


@attrs.frozen
class Refused:
    """The room is not created.

    Attributes:
        denial: why.
        fault: what exactly is wrong, for denials that leave that open.
    """

    denial: Denial
    fault: str = ""


@attrs.frozen
class RoomRules:
    """What rooms of a server may be.

    Attributes:
        product: of the server.
        spec_version: of the server.
        versions: room versions that may be created and upgraded to.
        default_version: the one for clients that name none.
    """

    product: Product
    spec_version: SpecVersion
    versions: tuple[str, ...] = VERSIONS
    default_version: str = _DEFAULT_VERSION

    def create(self, request: Mapping[str, Any], own_server_name: str) -> dict[str, Any] | Refused:
        """Judge a ``createRoom`` request.

        Args:
            request: its body.
            own_server_name: of the server that creates the room.

        Returns:
            The members of the body that have to be put in the place of the client's, or why there is no
            room.
        """
        fault = _fault(request)
        if fault:
            return Refused(ROOM_MALFORMED, fault)
        version = request.get("room_version", self.default_version)
        if version not in self.versions:
            return Refused(ROOM_VERSION)
        creation = request.get("creation_content", {})
        if self._is_forbidden_type(creation):
            return Refused(ROOM_TYPE_V2)
        changes: dict[str, Any] = {"room_version": version}
        if _is_public(request):
            if self.product is Product.EPA:
                return Refused(PUBLIC_ROOM_OF_INSURED)
            if any(of_matrix_id(user) != own_server_name for user in request.get("invite", [])):
                return Refused(REMOTE_USER_IN_PUBLIC_ROOM)
            creation = {**creation, FEDERATE: False}
            changes["creation_content"] = creation
        elif self.product is Product.EPA and any(
            content["join_rule"] not in INVITE_ONLY for content in _state(request, JOIN_RULES)
        ):
            return Refused(PUBLIC_ROOM_OF_INSURED)
        histories = [content["history_visibility"] for content in _state(request, HISTORY_VISIBILITY)]
        if "world_readable" in histories and not self.may_be_world_readable(creation):
            return Refused(WORLD_READABLE)
        if not _sets_history(request) and not _is_public(request):
            changes["initial_state"] = [*request.get("initial_state", []), _history("invited")]
        return changes

    def upgrade(
        self,
        new_version: object,
        creation: Mapping[str, Any],
        join_rule: object = None,
        history: object = None,
        *,
        is_opened: bool = False,
    ) -> Denial | None:
        """Judge the upgrade of a room, which makes a new one in the likeness of the old.

        Args:
            new_version: as the request names it.
            creation: content of the old room's ``m.room.create``.
            join_rule: of the old room.
            history: the old room's history visibility.
            is_opened: the old room's join rule is one that a user of another server has set.
        """
        if new_version not in self.versions:
            return ROOM_VERSION
        if self._is_forbidden_type(creation):
            return ROOM_TYPE_V2
        if self.product is Product.EPA and join_rule is not None and join_rule not in INVITE_ONLY:
            return PUBLIC_ROOM_OF_INSURED
        if is_opened or (join_rule == PUBLIC and may_federate(creation)):
            return PUBLIC_ROOM_UPGRADE
        if history == "world_readable" and not self.may_be_world_readable(creation):
            return WORLD_READABLE
        return None

    def may_be_world_readable(self, creation: Mapping[str, Any]) -> bool:
        """Whether everybody may read the history of a room (requirement R3.8).

        Args:
            creation: content of its ``m.room.create``.
        """
        return self.product is Product.PRO and not may_federate(creation)

    def _is_forbidden_type(self, creation: Mapping[str, Any]) -> bool:
        return self.spec_version is SpecVersion.V1_2 and creation.get("type") == ROOM_TYPE_V2_NAME


def may_federate(creation: Mapping[str, Any]) -> bool:
    """Whether other servers may take part in a room.

    Args:
        creation: content of its ``m.room.create``.
    """
    return creation.get(FEDERATE, True) is not False


def _is_public(request: Mapping[str, Any]) -> bool:
    return (
        request.get("visibility") == PUBLIC
        or request.get("preset") == "public_chat"
        or any(content["join_rule"] == PUBLIC for content in _state(request, JOIN_RULES))
    )


def _state(request: Mapping[str, Any], kind: str) -> Iterator[Mapping[str, Any]]:
    """The contents of one type of state in ``initial_state``, whatever their state key."""
    return (event["content"] for event in request.get("initial_state", []) if event["type"] == kind)


def _sets_history(request: Mapping[str, Any]) -> bool:
    """Whether the client sets the room's history visibility; under another state key it means nothing."""
    return any(
        event["type"] == HISTORY_VISIBILITY and event.get("state_key", "") == ""
        for event in request.get("initial_state", [])
    )


def _history(visibility: str) -> dict[str, Any]:
    return {"type": HISTORY_VISIBILITY, "state_key": "", "content": {"history_visibility": visibility}}


def _fault(request: Mapping[str, Any]) -> str:
    """What in the body cannot be read, or would break the creation half-way; empty if nothing."""
    if "room_version" in request and not isinstance(request["room_version"], str):
        return "'room_version' has to be a string"
    if request.get("visibility", PUBLIC) not in _VISIBILITIES:
        return "'visibility' has to be 'public' or 'private'"
    if request.get("preset", "private_chat") not in _PRESETS:
        return "'preset' has to be 'private_chat', 'trusted_private_chat' or 'public_chat'"
    for name in ("room_alias_name", "name", "topic"):
        if not isinstance(request.get(name, ""), str):
            return f"'{name}' has to be a string"
    levels = request.get("power_level_content_override") or {}
    if not isinstance(levels, Mapping) or not isinstance(levels.get("users", {}), Mapping):
        return "'power_level_content_override' has to be the content of m.room.power_levels"
    invite = request.get("invite", [])
    if not isinstance(invite, list) or not all(isinstance(user, str) for user in invite):
        return "'invite' has to be a list of user ids"
    return _creation_fault(request) or _state_fault(request.get("initial_state", []))


def _creation_fault(request: Mapping[str, Any]) -> str:
    creation = request.get("creation_content", {})
    if not isinstance(creation, Mapping):
        return "'creation_content' has to be an object"
    if not isinstance(creation.get(FEDERATE, True), bool):
        return "'m.federate' has to be true or false"
    if not isinstance(creation.get("type", ""), str):
        return "'type' in 'creation_content' has to be a string"
    return "" if _is_flat(creation) else "'creation_content' is nested too deeply"


def _state_fault(initial_state: object) -> str:
    if not isinstance(initial_state, list):
        return "'initial_state' has to be a list of state events"
    for event in initial_state:
        if (
            not isinstance(event, Mapping)
            or not isinstance(event.get("type"), str)
            or not isinstance(event.get("content"), Mapping)
            or not isinstance(event.get("state_key", ""), str)
        ):
            return "'initial_state' has to be a list of state events"
        if event["type"] == CREATE:
            return "'m.room.create' does not belong into 'initial_state'; use 'creation_content'"
        if not _is_flat(event["content"]):
            return "the content of an event in 'initial_state' is nested too deeply"
        fault = state_fault(event["type"], event["content"])
        if fault:
            return fault
    return ""


def state_fault(kind: str, content: Mapping[str, Any]) -> str:
    """What in the content of a piece of state cannot be read; empty if nothing, or if it has no rule.

    Args:
        kind: the type of the state.
        content: of the event.
    """
    name = {JOIN_RULES: "join_rule", HISTORY_VISIBILITY: "history_visibility"}.get(kind)
    if name is not None and not isinstance(content.get(name), str):
        return f"the content of {kind} has to have a string '{name}'"
    return ""


def _is_flat(value: object, levels: int = _NESTED_LEVELS) -> bool:
    """Whether a JSON value has no more than so many levels; deeper ones fail while the room is made."""
    if levels == 0:
        return False
    if isinstance(value, Mapping):
        return all(_is_flat(each, levels - 1) for each in value.values())
    if isinstance(value, list | tuple):
        return all(_is_flat(each, levels - 1) for each in value)
    return True
