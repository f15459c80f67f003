"""Nothing that the modules write holds what is said: logs, tables, metrics, files.

The demo, then a conversation in which every part that a person would mind has a word of its own; much of it
is refused, since refusals are what is written about most.
"""

import contextlib
import json
import re
import secrets
import sqlite3

import httpx
import pytest

from synapse_tim.demo.story import play
from synapse_tim.demo.world import DemoWorld
from synapse_tim.testing import loopback, wait_for
from synapse_tim.testing.servers import synapse
from synapse_tim.testing.servers.homeserver_config import log_config
from tests.support.world import CLIENT, EPA, PRO, invited

pytestmark = pytest.mark.servers

#: A line of the log, and the rest of its record, such as a stack trace.
RECORD = re.compile(r"^\d{4}-\d\d-\d\d [\d:,]+ (\S+) ")
#: What Synapse keeps itself: its database, what was uploaded, and its log, whose lines are told apart.
OF_SYNAPSE = ("homeserver.db", "media", "homeserver.log")


def with_debug(path):
    """The log configuration of a server that is to say all that it can about what we do."""
    config = json.loads(log_config(path))
    config["loggers"] = {"synapse_tim": {"level": "DEBUG"}}
    return json.dumps(config)


class Words:
    """Words that nobody else uses, by what they stand for."""

    def __init__(self):
        self.said = {}

    def __call__(self, what):
        word = self.said[f"{what} {len(self.said)}"] = "w" + secrets.token_hex(10)
        return word


def converse(user, guest, elsewhere, word):
    """What people do, and what they must not; answers do not matter."""
    name = {"type": "m.room.name", "state_key": "", "content": {"name": word("room name")}}
    room = user.create_room(topic=word("topic"), initial_state=[name])
    user.request(
        "POST", f"{CLIENT}/rooms/{room}/invite", {"user_id": guest.user_id, "reason": word("reason")}
    )
    invited(guest, room)
    guest.join(room, via=[user.server_name]).raise_for_status()
    for sender in (user, guest):
        say(sender, room, word)
        for kind, content in (
            ("m.room.encryption", {"algorithm": word("algorithm")}),
            ("m.room.join_rules", {"join_rule": word("join rule")}),
            ("m.room.history_visibility", {"history_visibility": word("history")}),
            ("m.room.member", {"membership": "join", "displayname": word("displayname")}),
            ("m.room.topic", {"topic": word("topic")}),
        ):
            sender.put_state(room, kind, content, sender.user_id if kind.endswith("member") else "")
        key = {"algorithm": "m.megolm.v1.aes-sha2", "room_id": room, "session_key": word("session key")}
        to = {"messages": {other.user_id: {"*": key} for other in (user, guest, elsewhere)}}
        for kind in ("m.room_key", "m.room.encrypted"):
            path = f"{CLIENT}/sendToDevice/{kind}/{secrets.token_hex(4)}"
            sender.request("PUT", path, to)
        upload = f"{sender.base_url}/_matrix/media/v3/upload"
        headers = {"Authorization": f"Bearer {sender.access_token}", "Content-Type": "text/plain"}
        loopback.post(
            upload, params={"filename": word("file name")}, headers=headers, content=word("file").encode()
        )
        for document in (PRO, EPA):
            sender.put_account_data(document, {"defaultSetting": "allow all", "comment": word("document")})
        sender.request("PUT", f"{CLIENT}/profile/{sender.user_id}/displayname", {"displayname": word("name")})
    for body in (
        {"name": word("name"), "invite": [user.user_id, elsewhere.user_id]},
        {"name": word("name"), "room_version": word("version")},
        {"name": word("name"), "preset": "public_chat", "invite": [elsewhere.user_id]},
        {
            "topic": word("topic"),
            "initial_state": [{"type": "m.room.encryption", "content": {"x": word("state")}}],
        },
        {"topic": word("topic"), "initial_state": word("no list")},
        {"name": word("name"), "invite": [elsewhere.user_id]},
    ):
        guest.try_create_room(**body)
        user.try_create_room(**body)
    return room


def say(user, room, word):
    about = {"rel_type": "m.thread", "event_id": "$x"}
    ciphertext = {"algorithm": "m.megolm.v1.aes-sha2", "ciphertext": word("ciphertext")}
    event = user.send_event(room, "m.room.encrypted", ciphertext).raise_for_status().json()["event_id"]
    for kind, content in (
        ("m.room.message", {"msgtype": "m.text", "body": word("text")}),
        ("m.room.message", {"msgtype": "m.file", "body": word("file name"), "filename": word("file name")}),
        ("m.room.message", {"msgtype": "m.text", "body": word("text in a thread"), "m.relates_to": about}),
        ("m.room.message", {"body": word("text without a type")}),
        ("m.sticker", {"body": word("sticker")}),
        (
            "m.reaction",
            {"m.relates_to": {"rel_type": "m.annotation", "event_id": event, "key": word("reaction")}},
        ),
        ("m.reaction", {"m.relates_to": word("reaction")}),
        ("m.room.redaction", {"redacts": word("no event"), "reason": word("reason")}),
        ("m.room.redaction", {"redacts": event, "reason": word("reason")}),
        ("org.matrix.msc3381.poll.start", {"question": word("poll")}),
    ):
        user.send_event(room, kind, content)


def records(log):
    """The records of our loggers."""
    ours, found = False, []
    for line in log.splitlines():
        if begun := RECORD.match(line):
            ours = begun[1].startswith("synapse_tim")
        if ours:
            found.append(line)
    return "\n".join(found)


def tables(server):
    """All that our tables hold."""
    with contextlib.closing(sqlite3.connect(server.directory / "homeserver.db", timeout=120)) as database:
        query = "SELECT name FROM sqlite_master WHERE type = 'table' AND name LIKE 'synapse_tim_%'"
        names = [name for (name,) in database.execute(query)]
        assert names
        return {
            name: "\n".join(
                _text(value) for row in database.execute(f"SELECT * FROM {name}") for value in row
            )
            for name in names
        }


def _text(value):
    return value.decode(errors="replace") if isinstance(value, bytes) else str(value)


def files(server):
    """All that lies around in the server's directory and is not Synapse's."""
    return {
        str(path.relative_to(server.directory)): path.read_bytes().decode(errors="replace")
        for path in server.directory.rglob("*")
        if path.is_file() and not str(path.relative_to(server.directory)).startswith(OF_SYNAPSE)
    }


def written(server):
    """Everything that the modules of a server wrote, by where."""
    return {
        "log": records(server.log_text()),
        "output": server.output_text(),
        "metrics": httpx.get(server.metrics_url, trust_env=False).text,
        **{f"table {name}": text for name, text in tables(server).items()},
        **{f"file {name}": text for name, text in files(server).items()},
    }


def test_nothing_that_is_written_holds_content(tmp_path, monkeypatch):
    monkeypatch.setattr(synapse, "log_config", with_debug)
    word = Words()
    with DemoWorld(tmp_path) as world:
        assert all(attempt.agrees for attempt in play(world))
        for user, guest in (
            (world.doctor, world.physician),
            (world.physician, world.insured),
            (world.insured, world.doctor),
        ):
            room = converse(user, guest, world.stranger, word)
            last = word("last text")
            user.send_event(room, "m.room.encrypted", {"algorithm": "x", "ciphertext": last})
            wait_for(
                lambda guest=guest, room=room, last=last: last in str(guest.messages(room)), what="the last"
            )
        words = {**word.said, "a message of the story": "all is well", "a room of the story": "Canteen"}
        servers = (world.hospital, world.practice, world.ward, world.insurer)
        for server in servers:
            kept = written(server)
            assert kept["log"] and "synapse_tim_decisions_total" in kept["metrics"]
            leaks = {
                (what, where) for where, text in kept.items() for what, one in words.items() if one in text
            }
            assert not leaks, (server.name, leaks)
        # The words were there to be found.
        assert any(word.said["room name 0"] in row for row in everything(world.hospital))


def everything(server):
    with contextlib.closing(sqlite3.connect(server.directory / "homeserver.db", timeout=120)) as database:
        return [row for (row,) in database.execute("SELECT json FROM event_json")]
