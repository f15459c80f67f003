"""The body of a ``createRoom`` request, read once for all parts that judge it.

Synapse makes the room first and sends the invitations after, so a refused one would leave a room behind, and
so would a body that it cannot read half-way through. Invitations are in ``invite``, can be hidden in
``initial_state`` as membership events, and ``invite_3pid`` names people whose server shows only later.
"""

from collections.abc import Iterator, Mapping
from typing import Any, Final, Self

import attrs

from synapse_tim.core.matrix import CREATE, FEDERATE, HISTORY_VISIBILITY, JOIN_RULES, MEMBER, PUBLIC, SPACE
from synapse_tim.core.server_name import of_matrix_id
from synapse_tim.core.text import is_storable

# Tuples: what a client sends need not be hashable.
_PRESETS: Final = ("private_chat", "trusted_private_chat", "public_chat")
_VISIBILITIES: Final = ("private", PUBLIC)
_NESTED_LEVELS: Final = 100


@attrs.frozen
class StateEvent:
    """One of ``initial_state``."""

    type: str
    state_key: str
    content: Mapping[str, Any]


@attrs.frozen(kw_only=True)
class CreateRoom:
    """What a request to create a room asks for; what cannot be read is empty."""

    body: Mapping[str, Any] = attrs.field(repr=False)
    invite: tuple[str, ...]  #: user ids, or what the client takes for some
    invites_by_address: bool  #: it invites people by e-mail address or telephone number
    initial_state: tuple[StateEvent, ...]
    creation_content: Mapping[str, Any]  #: of the event ``m.room.create``
    room_version: str | None  #: ``None`` if the client names none
    #: Of all users that the request names; ``None`` if they cannot be read.
    servers: frozenset[str] | None
    fault: str  #: what cannot be read, or would break the creation half-way; empty if nothing
    by_admin: bool = False  #: whether a server administrator asks for it

    @classmethod
    def parse(cls, body: Mapping[str, Any], *, by_admin: bool = False) -> Self:
        """Read the body of ``POST /_matrix/client/v3/createRoom``, valid or not."""
        invite, creation = body.get("invite", []), body.get("creation_content", {})
        state, version = body.get("initial_state", []), body.get("room_version")
        can_read_state = isinstance(state, list) and all(map(_is_state, state))
        return cls(
            body=body,
            invite=tuple(invite) if _is_list_of_strings(invite) else (),
            invites_by_address=bool(body.get("invite_3pid")),
            initial_state=tuple(
                StateEvent(event["type"], event.get("state_key", ""), event["content"])
                for event in (state if can_read_state else ())
            ),
            creation_content=creation if isinstance(creation, Mapping) else {},
            room_version=version if isinstance(version, str) else None,
            servers=_servers(body) if can_read_state else None,
            fault=_fault(body),
            by_admin=by_admin,
        )

    @property
    def is_public(self) -> bool:
        """Whether any of visibility, preset and join rule makes the room public: each lets strangers in."""
        return (
            self.body.get("visibility") == PUBLIC
            or self.body.get("preset") == "public_chat"
            or any(content.get("join_rule") == PUBLIC for content in self.state(JOIN_RULES))
        )

    @property
    def is_space(self) -> bool:
        """Whether the room is a space."""
        return self.creation_content.get("type") == SPACE

    def sets(self, kind: str) -> bool:
        """Whether the client sets a piece of state; under another state key it means nothing."""
        return any(event.type == kind and not event.state_key for event in self.initial_state)

    def state(self, kind: str) -> Iterator[Mapping[str, Any]]:
        """The contents of one type of state in ``initial_state``, for all state keys."""
        return (event.content for event in self.initial_state if event.type == kind)


def _servers(body: Mapping[str, Any]) -> frozenset[str] | None:
    """The servers of all users that a body with readable state names; ``None`` if they cannot be read."""
    invite = body.get("invite", [])
    if not isinstance(invite, list) or not all(is_user_id(user) for user in invite):
        return None
    if not isinstance(body.get("invite_3pid", []), list):
        return None
    servers = {of_matrix_id(user) for user in invite}
    for event in body.get("initial_state", []):
        # For every type, a user id as the key of state is a user that the state is about.
        state_key = event.get("state_key", "")
        if state_key.startswith("@") or event["type"] == MEMBER:
            servers.add(of_matrix_id(state_key))
    return None if None in servers else frozenset(name for name in servers if name is not None)


#: Members of a body that invites by address.
_ADDRESS: Final = ("medium", "address")
_ADDRESS_OR_SERVICE: Final = (*_ADDRESS, "id_server", "id_access_token")


def names_address(body: Mapping[str, object]) -> bool:
    """Whether a body of ``POST /rooms/{roomId}/invite`` names an e-mail address or telephone number.

    With ``medium`` and ``address`` Synapse does not look at ``user_id``; with a part of them it says that
    something else is missing, which would not help either.
    """
    return all(name in body for name in _ADDRESS) or (
        "user_id" not in body and any(name in body for name in _ADDRESS_OR_SERVICE)
    )


def is_user_id(user: object) -> bool:
    """Whether something that a client sent can be a user id; Synapse looks closer."""
    return (
        isinstance(user, str)
        and user.startswith("@")
        and of_matrix_id(user) is not None
        and is_storable(user)
    )


def _is_list_of_strings(value: object) -> bool:
    return isinstance(value, list) and all(isinstance(each, str) for each in value)


def _is_state(event: object) -> bool:
    return (
        isinstance(event, Mapping)
        and isinstance(event.get("type"), str)
        and isinstance(event.get("content"), Mapping)
        and isinstance(event.get("state_key", ""), str)
    )


def _fault(body: Mapping[str, Any]) -> str:
    """What in the body cannot be read, or would break the creation half-way; empty if nothing."""
    if "room_version" in body and not isinstance(body["room_version"], str):
        return "'room_version' has to be a string"
    if body.get("visibility", PUBLIC) not in _VISIBILITIES:
        return "'visibility' has to be 'public' or 'private'"
    if body.get("preset", "private_chat") not in _PRESETS:
        return "'preset' has to be 'private_chat', 'trusted_private_chat' or 'public_chat'"
    for name in ("room_alias_name", "name", "topic"):
        if not isinstance(body.get(name, ""), str):
            return f"'{name}' has to be a string"
    levels = body.get("power_level_content_override") or {}
    if not isinstance(levels, Mapping) or not isinstance(levels.get("users", {}), Mapping):
        return "'power_level_content_override' has to be the content of m.room.power_levels"
    if not _is_list_of_strings(body.get("invite", [])):
        return "'invite' has to be a list of user ids"
    return _creation_fault(body.get("creation_content", {})) or _state_fault(body.get("initial_state", []))


def _creation_fault(creation: object) -> str:
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
        if not _is_state(event):
            return "'initial_state' has to be a list of state events"
        if event["type"] == CREATE:
            return "'m.room.create' does not belong into 'initial_state'; use 'creation_content'"
        if not _is_flat(event["content"]):
            return "the content of an event in 'initial_state' is nested too deeply"
        fault = validate_state(event["type"], event["content"])
        if fault:
            return fault
    return ""


def validate_state(kind: str, content: Mapping[str, Any]) -> str:
    """What in the content of a piece of state cannot be read; empty if nothing, or if it has no rule."""
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
