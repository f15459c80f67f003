"""What a room looks like in the interface, made of its state."""

from __future__ import annotations

import json
import secrets
from collections.abc import Iterable, Mapping
from typing import Any, Final

import attrs

from synapse_tim.testing.driver.errors import DriverError, refused_by_client
from synapse_tim.testing.driver.session import MatrixSession, path_of

_MEMBERSHIPS: Final = frozenset({"knock", "invite", "join", "ban", "leave"})
#: What the interface calls a property, and where it is in the state.
STATE_OF: Final[Mapping[str, tuple[str, str]]] = {
    "name": ("m.room.name", "name"),
    "theme": ("m.room.topic", "topic"),
    "joinRule": ("m.room.join_rules", "join_rule"),
    "historyVisibility": ("m.room.history_visibility", "history_visibility"),
}

Event = Mapping[str, Any]


@attrs.frozen
class RoomView:
    """A room, as far as the user sees it; of an invitation not much more than its name is known."""

    room_id: str
    state: Mapping[tuple[str, str], Event]  #: by type and state key

    @classmethod
    def of(cls, room_id: str, events: Iterable[Event]) -> RoomView:
        """Of state events, later ones over earlier ones."""
        found = {(each["type"], each.get("state_key", "")): each for each in events if "state_key" in each}
        return cls(room_id, found)

    def content(self, kind: str, key: str = "") -> Mapping[str, Any]:
        """Of a state event; empty if there is none."""
        content = self.state.get((kind, key), {}).get("content")
        return content if isinstance(content, dict) else {}

    def membership(self, user_id: str) -> str | None:
        """Of a user."""
        found = self.content("m.room.member", user_id).get("membership")
        return found if found in _MEMBERSHIPS else None

    @property
    def members(self) -> dict[str, str]:
        """Memberships by user."""
        users = (key for kind, key in self.state if kind == "m.room.member")
        return {user: found for user in users if (found := self.membership(user)) is not None}

    @property
    def is_encrypted(self) -> bool:
        """Whether it is."""
        return bool(self.content("m.room.encryption").get("algorithm"))

    @property
    def as_json(self) -> dict[str, Any]:
        """``Room``."""
        create = self.content("m.room.create")
        values: dict[str, Any] = {
            name: self.content(kind).get(member) for name, (kind, member) in STATE_OF.items()
        }
        values["name"] = values["name"] or ""
        if rule := values["joinRule"]:
            values["roomAccess"] = "public" if rule == "public" else "private"
        if create:
            values["isFederated"] = create.get("m.federate", True)
            values["roomVersion"] = create.get("room_version", "1")
        values["isEncrypted"] = self.is_encrypted
        members = [{"mxid": user, "membershipState": state} for user, state in self.members.items()]
        known = {name: value for name, value in values.items() if value is not None}
        return {"roomId": self.room_id, **known, "members": members}


def all_rooms(session: MatrixSession) -> dict[str, RoomView]:
    """The rooms that the user is in, is invited to, or has left and not forgotten."""
    rooms = sync(session)
    found = {}
    for kind, state in (("invite", "invite_state"), ("knock", "knock_state")):
        for room_id, room in rooms.get(kind, {}).items():
            found[room_id] = RoomView.of(room_id, room[state]["events"])
    for kind in ("join", "leave"):
        for room_id, room in rooms.get(kind, {}).items():
            events = [*room["state"]["events"], *room["timeline"]["events"]]
            found[room_id] = RoomView.of(room_id, events)
    return found


def sync(session: MatrixSession) -> dict[str, Any]:
    """The ``rooms`` of a first sync that waits for nothing."""
    wanted = {
        "presence": {"types": []},
        "account_data": {"types": []},
        # Another filter each time: Synapse answers an identical first sync out of its cache.
        "room": {
            "include_leave": True,
            "timeline": {"limit": 1, "not_senders": [f"@{secrets.token_hex(8)}:none.invalid"]},
            "ephemeral": {"types": []},
        },
    }
    answer = session.call("GET", path_of("sync"), params={"timeout": "0", "filter": json.dumps(wanted)})
    return dict(answer.get("rooms", {}))


def room(session: MatrixSession, room_id: str) -> RoomView:
    """One of them; ``DriverError`` as the homeserver says, which answers 403 for rooms of others."""
    try:
        return RoomView.of(room_id, session.call("GET", path_of("rooms", room_id, "state")))
    except DriverError as error:
        if error.status not in (403, 404):
            raise
        found = all_rooms(session).get(room_id)
        if found is None:
            raise
        return found


def encrypted(session: MatrixSession, room_id: str) -> bool:
    """Whether a room is encrypted."""
    found = session.find(path_of("rooms", room_id, "state", "m.room.encryption"))
    return bool(found and found.get("algorithm"))


def change_refused(name: str) -> DriverError:
    """For what no client can change."""
    return refused_by_client(400, f"{name} of a room cannot be changed")
