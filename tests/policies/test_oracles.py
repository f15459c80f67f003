"""Answers about people and rooms that one may not know of are those about nobody, byte for byte."""

import secrets
from string import ascii_lowercase

import pytest

from synapse_tim.testing import SynapseServer
from tests.policies.world import CLIENT, code, in_database, module, together

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


def test_r4_18_malformed_questions_for_keys_get_400(hiding):
    alice = newcomer(hiding)
    for body in ({}, {"device_keys": []}, {"device_keys": {alice.user_id: "x"}}, {"device_keys": {"\0": 5}}):
        assert code(alice.request("POST", f"{CLIENT}/keys/query", body))[0] == 400
    assert keys_of(alice, "\0", "@x", "") == set()
