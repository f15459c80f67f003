"""Events of local users that come back: rules for what users do here are no rules for what arrives.

Users of five homeservers, one of each product and generation, did before the modules were there what they
must not do now. It comes back as history, as the state of a room that is joined, and as missing events after
a backup was restored.
"""

import contextlib
import shutil
import sqlite3

import attrs
import pytest

from synapse_tim.testing import MatrixUser, SynapseServer, TiSimulator, wait_for
from synapse_tim.testing.merge import deep_merge
from synapse_tim.testing.servers.client import url_part
from synapse_tim.testing.servers.homeserver_config import needed_options
from tests.legacy.e2e.world import approve, legacy
from tests.support.world import GENERATIONS, module, versions_at

pytestmark = pytest.mark.servers

TWO_DAYS_MS = 2 * 24 * 60 * 60 * 1000


@attrs.frozen
class Returning:
    """A user who was in rooms of another server before the modules were there.

    Attributes:
        server: of the user.
        user: the user.
        host: who made the rooms, on a server that enforces nothing.
        purged: a room with a history of the user's, which the server has purged.
        readable: a room that the user made readable for everybody.
    """

    server: SynapseServer
    user: MatrixUser
    host: MatrixUser
    purged: str
    readable: str

    def rejoin(self, room):
        self.host.invite(room, self.user.user_id).raise_for_status()
        wait_for(lambda: room in self.user.invited_to(), what="the invitation")
        return self.user.join(room, via=[self.host.server_name])


def enter(host, user, **body):
    """A room of the host's in which the user may do everything."""
    room = host.create_room(room_version="10", preset="private_chat", **body)
    host.invite(room, user.user_id).raise_for_status()
    wait_for(lambda: room in user.invited_to(), what="the invitation")
    user.join(room, via=[host.server_name]).raise_for_status()
    levels = host.state(room, "m.room.power_levels").json()
    levels["users"][user.user_id] = 100
    host.put_state(room, "m.room.power_levels", levels).raise_for_status()
    wait_for(
        lambda: user.user_id in user.state(room, "m.room.power_levels").json()["users"],
        what="the power",
    )
    return room


def redact(user, room, event_id):
    path = f"/_matrix/client/v3/rooms/{url_part(room)}/redact/{url_part(event_id)}/1"
    user.request("PUT", path, {}).raise_for_status()


def leaves(user, host, room):
    user.leave(room).raise_for_status()
    wait_for(lambda: user.user_id not in host.members(room), what="the leave")


def misbehave(user, host, room):
    """What would be refused in one generation or another: a redaction, a reaction, a thread, states."""
    question = host.send(room, "a question").json()["event_id"]
    wait_for(lambda: "a question" in user.texts(room), what="the question")
    redact(user, room, user.send(room, "mistyped").json()["event_id"])
    about = {"rel_type": "m.annotation", "event_id": question, "key": "not an emoji"}
    user.send_event(room, "m.reaction", {"m.relates_to": about}).raise_for_status()
    thread = {"m.relates_to": {"rel_type": "m.thread", "event_id": question}, "msgtype": "m.text"}
    user.send_event(room, "m.room.message", {**thread, "body": "in a thread"}).raise_for_status()
    for kind, key, values in (
        ("m.room.join_rules", "join_rule", ("public", "invite")),
        ("m.room.history_visibility", "history_visibility", ("world_readable", "shared")),
    ):
        for value in values:
            user.put_state(room, kind, {key: value}).raise_for_status()
    user.send(room, "corrected").raise_for_status()


def purge(server, admin, room):
    path = f"/_synapse/admin/v2/rooms/{url_part(room)}"
    job = admin.request("DELETE", path, {"purge": True}).raise_for_status().json()["delete_id"]
    path = f"/_synapse/admin/v2/rooms/delete_status/{job}"
    wait_for(lambda: admin.request("GET", path).json()["status"] == "complete", what="the purge")


@pytest.fixture(scope="module")
def homeservers(tmp_path_factory):
    """The homeservers after the modules were added, by product and generation."""
    directory = tmp_path_factory.mktemp("come_back")
    with contextlib.ExitStack() as stack:
        ti = stack.enter_context(TiSimulator())

        def start(*servers):
            for server in servers:
                server.start()
            for server in servers:
                server.wait()

        other = SynapseServer("other", directory / "other", ti.world)
        servers = {
            name: SynapseServer(name, directory / name.replace(" ", "_"), ti.world) for name in GENERATIONS
        }
        for server in (other, *servers.values()):
            stack.callback(server.stop)
        start(other, *servers.values())
        host = other.register("host")
        returning = {}
        for name, server in servers.items():
            user, admin = server.register("user"), server.register("admin", admin=True)
            purged, readable = enter(host, user), enter(host, user)
            misbehave(user, host, purged)
            wait_for(lambda room=purged: "corrected" in host.texts(room), what="the messages")
            visibility = {"history_visibility": "world_readable"}
            user.put_state(readable, "m.room.history_visibility", visibility).raise_for_status()
            for room in (purged, readable):
                leaves(user, host, room)
            for number in range(3):
                host.send(purged, f"while away {number}").raise_for_status()
            purge(server, admin, purged)
            returning[name] = Returning(server, user, host, purged, readable)
        for name, server in servers.items():
            product, version = GENERATIONS[name]
            # The host's rooms are not encrypted.
            rooms = {"unencrypted_remote": "allow"}
            legacy_entry = legacy(ti, ti) if version.startswith("legacy") else None
            entry = legacy_entry or module(ti, product, version, rooms=rooms)
            with_modules = deep_merge({**server.config, "modules": [entry]}, needed_options([entry]))
            server.config = {**with_modules, "federation_domain_whitelist": []}
            ti.add(server.server_name, insurance=product == "epa")
            server.stop()
        ti.add(other.server_name)
        start(*servers.values())
        for name, server in servers.items():
            wait_for(lambda server=server: versions_at(server) == {ti.version}, what="the list")
            if GENERATIONS[name][1].startswith("legacy"):
                approve(returning[name].user, host)
        yield ti, returning


@pytest.fixture
def returning(homeservers, generation):
    return homeservers[1][generation]


generations = pytest.mark.parametrize("generation", GENERATIONS)


@generations
def test_state_that_a_local_user_set_before_the_modules_were_there(returning):
    joined = returning.rejoin(returning.readable)
    assert joined.status_code == 200, joined.text
    visibility = returning.user.state(returning.readable, "m.room.history_visibility").json()
    assert visibility == {"history_visibility": "world_readable"}
    returning.user.send(returning.readable, "back").raise_for_status()
    wait_for(lambda: "back" in returning.host.texts(returning.readable), what="the message")


@generations
def test_a_history_that_was_purged_here(returning):
    room, user = returning.purged, returning.user
    returning.rejoin(room).raise_for_status()
    expected = {"a question", "in a thread", "corrected", *(f"while away {number}" for number in range(3))}
    wait_for(lambda: expected <= set(user.texts(room)), what="the whole history")
    shown = user.messages(room)
    assert "mistyped" not in user.texts(room)
    assert {"m.reaction", "m.room.redaction", "m.room.join_rules"} <= {event["type"] for event in shown}
    # What they do now is judged.
    rule = user.put_state(room, "m.room.join_rules", {"join_rule": "public"})
    assert (rule.status_code, rule.json()["errcode"]) == (400, "M_INVALID_ROOM_STATE")
    user.send(room, "back").raise_for_status()
    wait_for(lambda: "back" in returning.host.texts(room), what="the message")


@generations
def test_what_was_done_after_a_backup_that_was_restored(homeservers, returning):
    """Missing events; what was redacted in time is by now older than may be redacted."""
    ti, server, user, host = homeservers[0], returning.server, returning.user, returning.host
    room = host.create_room(room_version="10", preset="private_chat")
    host.invite(room, user.user_id).raise_for_status()
    wait_for(lambda: room in user.invited_to(), what="the invitation")
    user.join(room, via=[host.server_name]).raise_for_status()
    event_id = user.send(room, "mistyped").json()["event_id"]
    wait_for(lambda: "mistyped" in host.texts(room), what="the message")
    server.stop()
    database, backup = server.directory / "homeserver.db", server.directory / "backup.db"
    shutil.copy(database, backup)
    server.start().wait()
    wait_for(lambda: versions_at(server) == {ti.version}, what="the list")
    redact(user, room, event_id)
    user.send(room, "corrected").raise_for_status()
    wait_for(lambda: "corrected" in host.texts(room), what="the message")
    server.stop()
    for leftover in server.directory.glob("homeserver.db*"):
        leftover.unlink()
    shutil.copy(backup, database)
    with contextlib.closing(sqlite3.connect(database)) as connection, connection:
        query = "UPDATE events SET received_ts = received_ts - ? WHERE event_id = ?"
        connection.execute(query, (TWO_DAYS_MS, event_id))
    server.start().wait()
    wait_for(lambda: versions_at(server) == {ti.version}, what="the list")
    assert user.texts(room) == ["mistyped"]
    host.send(room, "after the restore").raise_for_status()
    wait_for(lambda: "after the restore" in user.texts(room), what="the message")
    assert user.texts(room) == ["after the restore", "corrected", ""]  # redacted
    user.send(room, "it goes on").raise_for_status()
    wait_for(lambda: "it goes on" in host.texts(room), what="the message")
