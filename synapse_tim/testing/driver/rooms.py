"""Operations: rooms."""

import contextlib
from typing import Any, Final

from synapse_tim.core.products import Product
from synapse_tim.testing.driver import bodies
from synapse_tim.testing.driver.call import NO_CONTENT, Call, answer
from synapse_tim.testing.driver.config import ApiConfig
from synapse_tim.testing.driver.errors import DriverError
from synapse_tim.testing.driver.room_views import (
    STATE_OF,
    RoomView,
    all_rooms,
    change_refused,
    room,
    sync,
)
from synapse_tim.testing.driver.session import MatrixSession, path_of
from synapse_tim.testing.http import Answer

_ALGORITHM: Final = {"algorithm": "m.megolm.v1.aes-sha2"}
#: The type of rooms that clients of TI-Messenger make.
_ROOM_TYPE: Final = "de.gematik.tim.roomtype.default.v1"
_CANNOT_CHANGE: Final = ("isFederated", "roomVersion")


def leave_all(session: MatrixSession) -> None:
    """Leave and forget every room."""
    rooms = sync(session)
    for kind in ("invite", "knock", "join", "leave"):
        for room_id in rooms.get(kind, {}):
            if kind != "leave":
                session.call("POST", path_of("rooms", room_id, "leave"), {})
            session.call("POST", path_of("rooms", room_id, "forget"), {})


def list_rooms(call: Call) -> Answer:
    """``getRooms``: the user's, and the public ones of the own server."""
    session = call.session
    mine = all_rooms(session)
    found = [each.as_json for each in mine.values()]
    if call.api.product is Product.PRO:
        public = session.call("GET", path_of("publicRooms"))["chunk"]
        found += [_public(each) for each in public if each["room_id"] not in mine]
    return answer(found)


def _public(listed: dict[str, Any]) -> dict[str, Any]:
    known = {"theme": listed.get("topic"), "joinRule": listed.get("join_rule")}
    return {
        "roomId": listed["room_id"],
        "name": listed.get("name") or "",
        "roomAccess": "public",
        **{name: value for name, value in known.items() if value is not None},
        "members": [],
    }


def create(call: Call) -> Answer:
    """``createRoom``."""
    wanted: bodies.CreateRoom = call.body(bodies.CreateRoom)
    session = call.session
    invited = [each.mxid for each in wanted.invitedMembers]
    made = session.call("POST", path_of("createRoom"), creation(call.api, wanted, invited))
    return answer(room(session, made["room_id"]).as_json, 201)


def creation(api: ApiConfig, wanted: bodies.RoomProperties, invited: list[str]) -> dict[str, Any]:
    """The body of ``createRoom``.

    What the request does not say is as clients of TI-Messenger have it: private, encrypted, with a history
    from the invitation on. The version is the server's affair.
    """
    public = wanted.roomAccess == "public" or (wanted.roomAccess is None and wanted.joinRule == "public")
    encrypt = (api.encrypt and not public) if wanted.isEncrypted is None else wanted.isEncrypted
    content: dict[str, Any] = {"type": _ROOM_TYPE}
    if wanted.isFederated is not None or public:
        content["m.federate"] = bool(wanted.isFederated)
    history = wanted.historyVisibility or (None if public else "invited")
    states: dict[str, dict[str, Any]] = {}
    if history:
        states["m.room.history_visibility"] = {"history_visibility": history}
    if wanted.joinRule and wanted.joinRule != ("public" if public else "invite"):
        states["m.room.join_rules"] = {"join_rule": wanted.joinRule}
    if encrypt:
        states["m.room.encryption"] = dict(_ALGORITHM)
    optional = {"name": wanted.name, "topic": wanted.theme, "room_version": wanted.roomVersion}
    return {
        "preset": "public_chat" if public else "private_chat",
        "visibility": "public" if public else "private",
        "creation_content": content,
        "initial_state": [
            {"type": kind, "state_key": "", "content": value} for kind, value in states.items()
        ],
        "invite": invited,
        **{name: value for name, value in optional.items() if value is not None},
    }


def read(call: Call) -> Answer:
    """``getRoomSettings``."""
    return answer(room(call.session, call.path["roomId"]).as_json)


def update(call: Call) -> Answer:
    """``updateRoom``: whatever differs; who is in the room is changed by other operations."""
    wanted: bodies.RoomProperties = call.body(bodies.RoomProperties)
    session, room_id = call.session, call.path["roomId"]
    now = room(session, room_id).as_json
    changes = {
        name: value
        for name, value in wanted.model_dump(exclude_none=True).items()
        if name in bodies.RoomProperties.model_fields and value != now.get(name)
    }
    for name in _CANNOT_CHANGE:
        if name in changes:
            raise change_refused(name)
    if changes.get("isEncrypted") is False:
        raise change_refused("encryption")
    for name, (kind, member) in STATE_OF.items():
        if name in changes:
            session.call("PUT", path_of("rooms", room_id, "state", kind), {member: changes[name]})
    if changes.get("isEncrypted"):
        session.call("PUT", path_of("rooms", room_id, "state", "m.room.encryption"), dict(_ALGORITHM))
    if access := changes.get("roomAccess"):
        _set_access(session, room_id, access, "joinRule" in changes)
    return answer(room(session, room_id).as_json)


def _set_access(session: MatrixSession, room_id: str, access: str, has_rule: bool) -> None:
    """Let everybody in or not, and list the room or not."""
    if not has_rule:
        rule = {"join_rule": "public" if access == "public" else "invite"}
        session.call("PUT", path_of("rooms", room_id, "state", "m.room.join_rules"), rule)
    session.call("PUT", path_of("directory", "list", "room", room_id), {"visibility": access})


def forget(call: Call) -> Answer:
    """``forgetRoom``."""
    call.session.call("POST", path_of("rooms", call.path["roomId"], "forget"), {})
    return NO_CONTENT


def invite(call: Call) -> Answer:
    """``inviteIntoRoom``: one after the other; the first refusal ends it."""
    wanted: list[bodies.MxIdBody] = call.body(list[bodies.MxIdBody])
    session, room_id = call.session, call.path["roomId"]
    for each in wanted:
        session.call("POST", path_of("rooms", room_id, "invite"), {"user_id": each.mxid})
    return answer(room(session, room_id).as_json)


def join(call: Call) -> Answer:
    """``joinRoom``."""
    session, room_id = call.session, call.path["roomId"]
    session.call("POST", path_of("rooms", room_id, "join"), {})
    return answer(room(session, room_id).as_json)


def leave(call: Call) -> Answer:
    """``leaveRoom``, or decline an invitation."""
    session, room_id = call.session, call.path["roomId"]
    before = RoomView(room_id, {})
    with contextlib.suppress(DriverError):
        before = room(session, room_id)
    session.call("POST", path_of("rooms", room_id, "leave"), {})
    left = before.as_json
    left["members"] = [each for each in left["members"] if each["mxid"] != session.user_id]
    left["members"].append({"mxid": session.user_id, "membershipState": "leave"})
    return answer(left)


def list_state(call: Call) -> Answer:
    """``getStateEvents``."""
    room_id = call.path["roomId"]
    events = call.session.call("GET", path_of("rooms", room_id, "state"))
    return answer(
        [
            {
                "type": each["type"],
                "content": each["content"],
                "eventId": each["event_id"],
                "roomId": room_id,
                "sender": each["sender"],
                "stateKey": each["state_key"],
            }
            for each in events
        ]
    )
