"""Answers about people and rooms that one may not know of are those about nobody, byte for byte."""

import secrets
from string import ascii_lowercase

import pytest

from synapse_tim.testing import SynapseServer
from tests.rooms.e2e.test_creation import history, join_rule
from tests.support.pdus import send, signed
from tests.support.world import CLIENT, code, in_database, module, together, without_reference

pytestmark = pytest.mark.servers


def word():
    """Something to look for that nobody else in the world is called."""
    return "".join(secrets.choice(ascii_lowercase) for _ in range(12))


# The user directory

LIMITS = [{}, *({"limit": limit} for limit in (0, 1, 2, 50, 51, 10**30, -1, -(10**30)))]


def put_into_directory(server, *users):
    """What Synapse does in its own time with users of other servers: ids and what they are called."""
    arguments = [part for user, name in users for part in (user, name)]
    rows = ", ".join(["({0}, {0})"] * len(users))
    in_database(server, f"INSERT INTO user_directory (user_id, display_name) VALUES {rows}", arguments)
    column, value = (
        ("vector", "to_tsvector('simple', {0})") if hasattr(server, "workers") else ("value", "{0}")
    )
    rows = ", ".join([f"({{0}}, {value})"] * len(users))
    in_database(server, f"INSERT INTO user_directory_search (user_id, {column}) VALUES {rows}", arguments)


def search(user, term, **limit):
    return user.request("POST", f"{CLIENT}/user_directory/search", {"search_term": term, **limit})


@pytest.mark.parametrize("which", ["hospital", "insurer"])
@pytest.mark.parametrize("limit", LIMITS, ids=str)
@pytest.mark.requirement("A_26375", "AF_10104-03")
def test_a_26375_the_user_directory_tells_nothing_of_those_it_does_not_show(world, which, limit):
    server = getattr(world, which)
    alice, hidden = world.user(server), word()
    put_into_directory(server, (f"@{hidden}:{world.lax.server_name}", hidden))
    nobody = search(alice, word(), **limit)
    assert nobody.status_code == 200, nobody.text
    for term in (hidden, hidden[:3], f"@{hidden}:{world.lax.server_name}"):
        found = search(alice, term, **limit)
        assert (found.status_code, found.content) == (nobody.status_code, nobody.content)


@pytest.mark.parametrize("n_hidden", [5, 60, 600])
@pytest.mark.requirement("AF_10104-03")
def test_af_10104_03_hits_behind_hidden_ones_are_found(world, n_hidden):
    alice, name = world.user(world.hospital), word()
    put_into_directory(
        world.hospital, *((f"@{name}{n}:{world.lax.server_name}", name) for n in range(n_hidden))
    )
    colleagues = {f"@colleague-{secrets.token_hex(6)}:{world.hospital.server_name}" for _ in range(3)}
    put_into_directory(world.hospital, *((user, name) for user in colleagues))
    answers = {n: search(alice, name, limit=n).raise_for_status().json() for n in (0, 1, 2, 3, 50)}
    assert {n: answer["limited"] for n, answer in answers.items()} == {
        0: True,
        1: True,
        2: True,
        3: False,
        50: False,
    }
    for n, answer in answers.items():
        found = [hit["user_id"] for hit in answer["results"]]
        assert len(found) == len(set(found)) == min(n, 3)
        assert set(found) <= colleagues


# Keys


def keys_of(user, *others):
    body = {"device_keys": {other: [] for other in others}}
    return user.request("POST", f"{CLIENT}/keys/query", body).raise_for_status().json()["device_keys"].keys()


@pytest.fixture(scope="module")
def hiding(module_ti, tmp_path_factory):
    """A server that hides the keys of strangers."""
    server = SynapseServer(
        "clinic",
        tmp_path_factory.mktemp("hiding"),
        module_ti.world,
        modules=[module(module_ti, client_api={"hide_keys_of_strangers": True})],
        extra={"federation_domain_whitelist": []},
    )
    try:
        yield server.start().wait()
    finally:
        server.stop()


def newcomer(server, name="user"):
    return server.register(f"{name}-{secrets.token_hex(4)}")


@pytest.mark.one_process
@pytest.mark.parametrize("action", ["ban", "kick"])
def test_r4_18_a_ban_makes_nobody_known(hiding, action):
    alice, stranger = newcomer(hiding), newcomer(hiding)
    room = alice.create_room()
    body = {"user_id": stranger.user_id, "reason": "Hello"}
    alice.request("POST", f"{CLIENT}/rooms/{room}/{action}", body)
    membership = "ban" if action == "ban" else "leave"
    alice.put_state(room, "m.room.member", {"membership": membership}, stranger.user_id)
    assert keys_of(alice, alice.user_id, stranger.user_id) == {alice.user_id}
    # Nor does a ban by somebody else make known who is there.
    other = stranger.create_room()
    stranger.put_state(other, "m.room.member", {"membership": "ban"}, alice.user_id)
    assert keys_of(alice, stranger.user_id) == set()


@pytest.mark.one_process
def test_r4_18_a_knock_makes_nobody_known(hiding):
    alice, stranger = newcomer(hiding), newcomer(hiding)
    knock = {"type": "m.room.join_rules", "state_key": "", "content": {"join_rule": "knock"}}
    room = alice.create_room(initial_state=[knock])
    stranger.knock(room).raise_for_status()
    assert keys_of(alice, stranger.user_id) == set()
    assert keys_of(stranger, alice.user_id) == set()
    alice.invite(room, stranger.user_id).raise_for_status()
    assert keys_of(alice, stranger.user_id) == {stranger.user_id}
    assert keys_of(stranger, alice.user_id) == {alice.user_id}


@pytest.mark.one_process
def test_r4_18_who_is_or_was_in_a_room_is_known(hiding):
    alice, friend, invitee, declining = (newcomer(hiding) for _ in range(4))
    room = together(alice, friend)
    for guest in (invitee, declining):
        alice.invite(room, guest.user_id).raise_for_status()
    declining.leave(room).raise_for_status()
    everybody = {user.user_id for user in (friend, invitee, declining)}
    assert keys_of(alice, *everybody) == everybody
    assert keys_of(invitee, alice.user_id, friend.user_id) == {alice.user_id, friend.user_id}
    alice.request("POST", f"{CLIENT}/rooms/{room}/ban", {"user_id": friend.user_id}).raise_for_status()
    assert keys_of(alice, friend.user_id) == {friend.user_id}
    assert keys_of(friend, alice.user_id, invitee.user_id) == {alice.user_id, invitee.user_id}
    # Who comes after one has left is not.
    alice.leave(room).raise_for_status()
    room = together(friend, alice)
    alice.leave(room).raise_for_status()
    later = newcomer(hiding)
    friend.invite(room, later.user_id).raise_for_status()
    later.join(room).raise_for_status()
    assert keys_of(alice, later.user_id, friend.user_id) == {friend.user_id}


@pytest.mark.one_process
@pytest.mark.parametrize("path", ["keys/claim", "keys/signatures/upload"])
def test_r4_18_other_answers_about_keys_of_strangers_are_those_about_nobody(hiding, path):
    alice, stranger = newcomer(hiding), newcomer(hiding)
    nobody = f"@user-{secrets.token_hex(4)}:{hiding.server_name}"
    key = {
        "device_id": stranger.device_id,
        "user_id": stranger.user_id,
        "algorithms": [],
        "keys": {},
        "signatures": {},
    }
    one_time = {"signed_curve25519:AAAA": {"key": "x", "signatures": {}}}
    stranger.request(
        "POST", f"{CLIENT}/keys/upload", {"device_keys": key, "one_time_keys": one_time}
    ).raise_for_status()

    def ask(user_id):
        asked = {user_id: {stranger.device_id: "signed_curve25519"}}
        body = {"one_time_keys": asked} if path == "keys/claim" else {user_id: {stranger.device_id: key}}
        return alice.request("POST", f"{CLIENT}/{path}", body)

    about, of_nobody = ask(stranger.user_id), ask(nobody)
    assert about.status_code == of_nobody.status_code == 200
    assert about.text.replace(stranger.user_id, nobody) == of_nobody.text
    together(alice, stranger)
    assert ask(stranger.user_id).json() != about.json()


@pytest.mark.one_process
def test_r4_18_malformed_questions_for_keys_get_400(hiding):
    alice = newcomer(hiding)
    for body in ({}, {"device_keys": []}, {"device_keys": {alice.user_id: "x"}}, {"device_keys": {"\0": 5}}):
        assert code(alice.request("POST", f"{CLIENT}/keys/query", body))[0] == 400
    assert keys_of(alice, "\0", "@x", "") == set()


# Rooms that do not federate, as other servers see them


def of_room(server, room, user, event):
    """Requests of another server about a room; some with a body that it has signed."""
    member = {
        "type": "m.room.member",
        "room_id": room,
        "sender": user.user_id,
        "state_key": user.user_id,
    }
    v1, v2 = "/_matrix/federation/v1", "/_matrix/federation/v2"

    def signed_as(membership):
        return signed(server, {**member, "content": {"membership": membership}})[0]

    missing = {"earliest_events": [event], "latest_events": [event], "limit": 10}
    exchange = {**member, "content": {"membership": "invite", "third_party_invite": {"signed": {}}}}
    return {
        "make_join": ("GET", f"{v1}/make_join/{room}/{user.user_id}?ver=10", None),
        "make_join of a version": ("GET", f"{v1}/make_join/{room}/{user.user_id}?ver=1", None),
        "make_knock": ("GET", f"{v1}/make_knock/{room}/{user.user_id}?ver=10", None),
        "make_leave": ("GET", f"{v1}/make_leave/{room}/{user.user_id}", None),
        "send_join 1": ("PUT", f"{v1}/send_join/{room}/$x", signed_as("join")),
        "send_join 2": ("PUT", f"{v2}/send_join/{room}/$x", signed_as("join")),
        "send_join of nothing": ("PUT", f"{v2}/send_join/{room}/$x", {}),
        "send_knock": ("PUT", f"{v1}/send_knock/{room}/$x", signed_as("knock")),
        "send_leave 1": ("PUT", f"{v1}/send_leave/{room}/$x", signed_as("leave")),
        "send_leave 2": ("PUT", f"{v2}/send_leave/{room}/$x", signed_as("leave")),
        "state": ("GET", f"{v1}/state/{room}?event_id={event}", None),
        "state_ids": ("GET", f"{v1}/state_ids/{room}?event_id={event}", None),
        "event": ("GET", f"{v1}/event/{event}", None),
        "event_auth": ("GET", f"{v1}/event_auth/{room}/{event}", None),
        "backfill": ("GET", f"{v1}/backfill/{room}?v={event}&limit=10", None),
        "get_missing_events": ("POST", f"{v1}/get_missing_events/{room}", missing),
        "timestamp_to_event": ("GET", f"{v1}/timestamp_to_event/{room}?ts=0&dir=f", None),
        "hierarchy": ("GET", f"{v1}/hierarchy/{room}", None),
        "complexity": ("GET", f"/_matrix/federation/unstable/rooms/{room}/complexity", None),
        "exchange": ("PUT", f"{v1}/exchange_third_party_invite/{room}", exchange),
    }


@pytest.mark.parametrize(
    "body",
    [
        {"preset": "public_chat", "visibility": "public"},
        {"creation_content": {"m.federate": False}},
        {"creation_content": {"m.federate": False}, "initial_state": [join_rule("knock")]},
        {"preset": "public_chat", "initial_state": [history("world_readable")]},
    ],
)
@pytest.mark.requirement("A_26520", "A_26515-01")
def test_a_28590_a_room_that_does_not_federate_is_none_to_other_servers(world, body):
    doctor, leo = world.user(world.hospital), world.user(world.lax)
    room = doctor.create_room(name="Board", **body)
    event = doctor.send(room, "secret").raise_for_status().json()["event_id"]
    nowhere, no_event = f"!nowhere:{world.hospital.server_name}", "$nothing"
    others = of_room(world.lax, nowhere, leo, no_event)
    for name, (method, path, content) in of_room(world.lax, room, leo, event).items():
        answer, other = (
            world.lax.federation_request(method, where, to=world.hospital, content=what)
            for where, what in ((path, content), others[name][1:])
        )
        plain = without_reference(answer).replace(room, nowhere).replace(event, no_event)
        assert (answer.status_code, plain) == (other.status_code, without_reference(other)), name
        assert other.status_code >= 400, name
    # Nor does it show what becomes of an event that is sent there.
    pdu = {"type": "m.room.message", "sender": leo.user_id, "content": {"body": "x"}}
    for where in (room, nowhere):
        assert send(world.lax, world.hospital, signed(world.lax, {**pdu, "room_id": where})[0]) == {}


def test_a_28590_events_of_rooms_that_a_server_is_not_in_are_none(world):
    doctor, nurse, leo = world.user(world.hospital), world.user(world.hospital), world.user(world.lax)

    def event(event_id):
        path = f"/_matrix/federation/v1/event/{event_id}"
        return world.lax.federation_request("GET", path, to=world.hospital)

    room = together(doctor, nurse)
    secret = doctor.send(room, "secret").raise_for_status().json()["event_id"]
    there, not_there = event(secret), event("$nothing")
    assert (there.status_code, there.content) == (not_there.status_code, not_there.content)
    assert there.status_code == 404
    shared = together(doctor, leo)
    shown = doctor.send(shared, "hello").raise_for_status().json()["event_id"]
    assert event(shown).json()["pdus"][0]["content"]["body"] == "hello"


def test_a_28590_a_room_that_federates_goes_on(world):
    """All of those endpoints as they are used."""
    doctor, leo = world.user(world.hospital), world.user(world.lax)
    room = together(doctor, leo)
    public = doctor.create_room(preset="public_chat")
    child = {"via": [doctor.server_name]}
    doctor.put_state(room, "m.space.child", child, public).raise_for_status()
    for name in ("hierarchy", "backfill", "state", "event_auth", "get_missing_events", "timestamp_to_event"):
        event = doctor.send(room, name).raise_for_status().json()["event_id"]
        method, path, content = of_room(world.lax, room, leo, event)[name]
        answer = world.lax.federation_request(method, path, to=world.hospital, content=content)
        assert answer.status_code == 200, (name, answer.text)
    leo.leave(room).raise_for_status()
