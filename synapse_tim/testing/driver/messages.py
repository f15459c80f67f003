"""Operations: messages."""

import datetime as dt
from collections.abc import Iterable, Mapping
from typing import Any, Final

from synapse_tim.directory.owner_types import user_id_of
from synapse_tim.testing.driver import bodies, media
from synapse_tim.testing.driver.call import NO_CONTENT, Call, answer
from synapse_tim.testing.driver.errors import bad_request, refused_by_client
from synapse_tim.testing.driver.room_views import all_rooms, encrypted
from synapse_tim.testing.driver.rooms import creation
from synapse_tim.testing.driver.session import CLIENT, path_of, transaction_id
from synapse_tim.testing.http import Answer
from synapse_tim.testing.servers.client import url_part

_MESSAGE: Final = "m.room.message"
_PAGE: Final = 100
_MAX_PAGES: Final = 10
#: What of a message's content the interface shows.
_SHOWN: Final = ("body", "msgtype", "info", "format", "formatted_body", "filename", "file", "geo_uri")

Event = dict[str, Any]


def send_direct(call: Call) -> Answer:
    """``sendDirectMessage``: into the chat with that user; there is one afterwards."""
    wanted: bodies.DirectMessage = call.body(bodies.DirectMessage)
    user_id = user_id_of(wanted.toAccount)
    if user_id is None:
        raise bad_request(f"{wanted.toAccount!r} is no account")
    room_id = _direct_room(call, user_id) or _new_direct_room(call, user_id)
    return answer(_send(call, room_id, wanted))


def _direct_room(call: Call, user_id: str) -> str | None:
    """The chat with a user in which both are, or the user is invited to."""
    session = call.session
    known = (session.account_data("m.direct") or {}).get(user_id) or []
    rooms = all_rooms(session) if known else {}
    for room_id in reversed(known):
        view = rooms.get(room_id)
        if (
            view
            and view.membership(session.user_id) == "join"
            and view.membership(user_id) in ("join", "invite")
        ):
            return str(room_id)
    return None


def _new_direct_room(call: Call, user_id: str) -> str:
    session = call.session
    body = creation(call.api, bodies.RoomProperties(), [user_id])
    room_id: str = session.call("POST", path_of("createRoom"), {**body, "is_direct": True})["room_id"]
    direct = session.account_data("m.direct") or {}
    direct[user_id] = [*direct.get(user_id, ()), room_id]
    session.put_account_data("m.direct", direct)
    return room_id


def send(call: Call) -> Answer:
    """``sendMessage``."""
    wanted: bodies.MessageContent = call.body(bodies.MessageContent)
    return answer(_send(call, call.path["roomId"], wanted))


def edit(call: Call) -> Answer:
    """``editMessage``."""
    wanted: bodies.MessageContent = call.body(bodies.MessageContent)
    target = _find(call)
    content = _content(call, target["room_id"], wanted)
    _replace(call, target, content)
    return answer(_message({**target, "content": content}, int(_now().timestamp() * 1000)))


def delete(call: Call) -> Answer:
    """``deleteMessage``: redact it, and its replacements with it."""
    target = _find(call)
    session, room_id = call.session, target["room_id"]
    replacements = _replacements(call, target)
    for event_id in (target["event_id"], *(each["event_id"] for each in replacements)):
        session.call("PUT", path_of("rooms", room_id, "redact", event_id, transaction_id()), {})
    return NO_CONTENT


def delete_by_replacement(call: Call) -> Answer:
    """``deleteMessageViaReplace``: replace it by nothing."""
    _replace(call, _find(call), {"msgtype": "m.text", "body": ""})
    return NO_CONTENT


def read(call: Call) -> Answer:
    """``getMessage``."""
    target = _find(call)
    edits = _replacements(call, target)
    return answer(_shown([target, *edits])[0])


def list_messages(call: Call) -> Answer:
    """``getMessages``, the oldest first."""
    session, room_id = call.session, call.path["roomId"]
    events: list[Event] = []
    since: dict[str, str] = {}
    for _ in range(_MAX_PAGES):
        page = session.call(
            "GET",
            path_of("rooms", room_id, "messages"),
            params={"dir": "b", "limit": str(_PAGE), **since},
        )
        events += page["chunk"]
        if not page.get("end"):
            break
        since = {"from": page["end"]}
    return answer(_shown(_readable(call, reversed(events), room_id)))


def _send(call: Call, room_id: str, wanted: bodies.MessageContent) -> dict[str, Any]:
    content = _content(call, room_id, wanted)
    event_id = _put(call, room_id, content)
    sent = {
        "event_id": event_id,
        "room_id": room_id,
        "type": _MESSAGE,
        "sender": call.session.user_id,
        "content": content,
        "origin_server_ts": int(_now().timestamp() * 1000),
    }
    return _message(sent)


def _content(call: Call, room_id: str, wanted: bodies.MessageContent) -> dict[str, Any]:
    shown = wanted.model_dump(exclude_none=True, exclude={"fileId", "toAccount"})
    if wanted.fileId is None:
        return shown
    return {**shown, **media.attachment(call, wanted.fileId, encrypted(call.session, room_id))}


def _put(call: Call, room_id: str, content: Mapping[str, Any]) -> str:
    """Send a message, encrypted in encrypted rooms."""
    session, kind, sent = call.session, _MESSAGE, dict(content)
    if encrypted(session, room_id):
        kind, sent = call.at.encryption().encrypt(room_id, kind, sent)
    path = path_of("rooms", room_id, "send", kind, transaction_id())
    return str(session.call("PUT", path, sent)["event_id"])


def _replace(call: Call, target: Event, content: Mapping[str, Any]) -> None:
    if target["sender"] != call.session.user_id:
        raise refused_by_client(403, "only the author replaces a message")
    relation = {"rel_type": "m.replace", "event_id": target["event_id"]}
    replacement = {**content, "body": f"* {content['body']}", "m.new_content": dict(content)}
    _put(call, target["room_id"], {**replacement, "m.relates_to": relation})


def _find(call: Call) -> Event:
    """The message that the path names; ``DriverError`` 404 if it is deleted or none."""
    session, room_id = call.session, call.path["roomId"]
    event = session.call("GET", path_of("rooms", room_id, "event", call.path["messageId"]))
    found = list(_readable(call, [event], room_id))
    if not found:
        raise refused_by_client(404, "there is no such message, or it was deleted, or it cannot be read")
    return found[0]


def _replacements(call: Call, target: Event) -> list[Event]:
    path = "/".join(
        (
            CLIENT.replace("v3", "v1"),
            "rooms",
            url_part(target["room_id"]),
            "relations",
            url_part(target["event_id"]),
            "m.replace",
        )
    )
    events = call.session.call("GET", path, params={"limit": str(_PAGE)})["chunk"]
    return list(_readable(call, reversed(events), target["room_id"]))


def _readable(call: Call, events: Iterable[Event], room_id: str) -> list[Event]:
    """Messages among events, decrypted as far as there are keys, without deleted ones."""
    found = [{**each, "room_id": room_id} for each in events if "state_key" not in each]
    if any(each["type"] == "m.room.encrypted" for each in found):
        found = call.at.encryption().decrypt(found)
    return [
        each for each in found if each["type"] == _MESSAGE and isinstance(each["content"].get("body"), str)
    ]


def _shown(events: Iterable[Event]) -> list[dict[str, Any]]:
    """Messages, each as its author has last replaced it."""
    messages: dict[str, Event] = {}
    edited: dict[str, int] = {}
    for event in events:
        relation = event["content"].get("m.relates_to") or {}
        if relation.get("rel_type") != "m.replace":
            messages[event["event_id"]] = event
            continue
        target = messages.get(relation.get("event_id", ""))
        content = event["content"].get("m.new_content")
        if target and target["sender"] == event["sender"] and isinstance(content, dict):
            messages[target["event_id"]] = {**target, "content": content}
            edited[target["event_id"]] = event["origin_server_ts"]
    return [_message(each, edited.get(event_id)) for event_id, each in messages.items()]


def _message(event: Event, edited: int | None = None) -> dict[str, Any]:
    """``Message``; times in milliseconds since 1970."""
    content = event["content"]
    shown = {name: content[name] for name in _SHOWN if content.get(name) is not None}
    shown.setdefault("msgtype", "m.text")
    if file_id := media.file_id_of(content):
        shown["fileId"] = file_id
    sent = event["origin_server_ts"]
    return {
        "event_id": event["event_id"],
        "messageId": event["event_id"],
        "type": event["type"],
        "room_id": event["room_id"],
        "author": event["sender"],
        "origin_server_ts": sent,
        "timestamp": _date(sent),
        "lastUpdated": _date(edited or sent),
        **shown,
    }


def _date(milliseconds: int) -> str:
    return dt.datetime.fromtimestamp(milliseconds / 1000, dt.UTC).isoformat(timespec="milliseconds")


def _now() -> dt.datetime:
    return dt.datetime.now(dt.UTC)
