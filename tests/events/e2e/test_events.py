"""Which events may be sent: A_26228-01, A_25395-02, A_28358."""

import secrets
import time

import pytest

from synapse_tim.testing import SynapseServer, wait_for
from tests.support.world import (
    CLIENT,
    LONG_AGO_MS,
    PRIVATE,
    AppService,
    code,
    decisions,
    module,
    together,
    without_reference,
)

pytestmark = pytest.mark.servers

FORBIDDEN = (403, "M_FORBIDDEN")
NOT_FOUND = (404, "M_NOT_FOUND")
BAD_JSON = (400, "M_BAD_JSON")
TEXT = {"msgtype": "m.text", "body": "an old message"}


def react(user, room, target, key, **more):
    relation = {"rel_type": "m.annotation", "event_id": target, "key": key, **more}
    return user.send_event(room, "m.reaction", {"m.relates_to": relation})


# Reactions

ONE = ["👍", "❤️", "❤", "👍🏽", "👨‍👩‍👧‍👦", "🏳️‍🌈", "🇩🇪", "1️⃣", "#️⃣", "🏴󠁧󠁢󠁥󠁮󠁧󠁿", "👩🏽‍❤️‍💋‍👨🏿", "🫠", "©️"]
NOT_ONE = [
    "",
    " ",
    "👍👍",
    "👍 ",
    "ok",
    "1",
    "#",
    "a👍",
    "👍a",
    "🇩",
    "\u200d",
    "👍\u200d",
    "\ufe0f",
]


@pytest.mark.parametrize("admin", [False, True])
def test_a_26228_01_a_reaction_is_exactly_one_emoji(world, admin):
    alice = world.user(world.hospital, admin=admin)
    room = alice.create_room()
    target = alice.send(room, "hello").json()["event_id"]
    for key in ONE:
        assert react(alice, room, target, key).status_code == 200, key
    for key in NOT_ONE:
        answer = react(alice, room, target, key)
        assert code(answer) == BAD_JSON, key[:10]
        assert "A_26228-01" in answer.json()["error"]
    assert react(alice, room, target, "👍" * 5000).status_code == 400


def nested(levels):
    value = {}
    for _ in range(levels):
        value = {"a": value}
    return value


@pytest.mark.one_process
@pytest.mark.parametrize(
    "content",
    [
        {},
        {"m.relates_to": None},
        {"m.relates_to": "👍"},
        {"m.relates_to": ["👍"]},
        {"m.relates_to": {}},
        {"m.relates_to": {"key": "👍"}},
        {"m.relates_to": {"rel_type": "m.annotation"}},
        {"m.relates_to": {"rel_type": "m.annotation", "key": None}},
        {"m.relates_to": {"rel_type": "m.annotation", "key": 5}},
        {"m.relates_to": {"rel_type": "m.annotation", "key": ["👍"]}},
        {"m.relates_to": {"rel_type": "m.annotation", "key": {"a": "👍"}}},
        {"m.relates_to": {"rel_type": ["m.annotation"], "key": "👍"}},
        {"m.relates_to": {"rel_type": "m.annotation", "event_id": "$x", "key": nested(50)}},
        {"m.relates_to": nested(50)},
    ],
)
def test_a_26228_01_a_malformed_reaction_gets_400(world, content):
    alice = world.user(world.hospital)
    room = alice.create_room()
    assert alice.send_event(room, "m.reaction", content).status_code == 400


def test_a_26228_01_another_servers_reaction_is_shown(world):
    alice, leo = world.user(world.hospital), world.user(world.lax)
    room = together(leo, alice, **PRIVATE)
    target = leo.send(room, "hello").json()["event_id"]
    assert react(leo, room, target, "sounds good").status_code == 200
    wait_for(
        lambda: "m.reaction" in [event["type"] for event in alice.messages(room)],
        what="the reaction",
    )


@pytest.mark.one_process
def test_a_26228_01_can_be_switched_off(ti, start, tmp_path):
    alice = legacy(ti, start, tmp_path, events={"single_emoji_reactions": False}).register("alice")
    room = alice.create_room()
    target = alice.send(room, "hello").json()["event_id"]
    assert react(alice, room, target, "sounds good").status_code == 200


# Threads


def legacy(ti, start, tmp_path, spec_version="1.1", **policies):
    """A server of its own."""
    server = SynapseServer(
        "clinic",
        tmp_path / "clinic",
        ti.world,
        modules=[module(ti, spec_version=spec_version, **policies)],
        extra={"federation_domain_whitelist": []},
    )
    return start(server)


def in_thread(user, room, root, kind="m.room.message"):
    content = {**TEXT, "m.relates_to": {"rel_type": "m.thread", "event_id": root}}
    return user.send_event(room, kind, content)


def test_a_25395_02_threads_are_for_generation_1_2(world, ti, start, tmp_path):
    alice = world.user(world.hospital)
    room = alice.create_room()
    root = alice.send(room, "root").json()["event_id"]
    assert in_thread(alice, room, root).status_code == 200

    alice = legacy(ti, start, tmp_path).register("alice", admin=True)
    room = alice.create_room()
    root = alice.send(room, "root").json()["event_id"]
    for kind in ("m.room.message", "m.room.encrypted", "m.sticker", "org.example.any"):
        assert code(in_thread(alice, room, root, kind)) == (400, "M_FORBIDDEN")
    reply = {**TEXT, "m.relates_to": {"m.in_reply_to": {"event_id": root}}}
    assert alice.send_event(room, "m.room.message", reply).status_code == 200
    edit = {**TEXT, "m.new_content": TEXT, "m.relates_to": {"rel_type": "m.replace", "event_id": root}}
    assert alice.send_event(room, "m.room.message", edit).status_code == 200


@pytest.mark.one_process
@pytest.mark.parametrize(("spec_version", "threads", "status"), [("1.1", True, 200), ("1.2", False, 400)])
def test_a_25395_02_can_be_switched(ti, start, tmp_path, spec_version, threads, status):
    alice = legacy(ti, start, tmp_path, spec_version, events={"threads": threads}).register("alice")
    room = alice.create_room()
    root = alice.send(room, "root").json()["event_id"]
    assert in_thread(alice, room, root).status_code == status


# Redactions


def redact(user, room, target):
    path = f"{CLIENT}/rooms/{room}/redact/{target}/{secrets.token_hex(4)}"
    return user.request("PUT", path, {"reason": "test"})


def redact_by_post(user, room, target):
    return user.request("POST", f"/_matrix/client/r0/rooms/{room}/redact/{target}", {})


def redact_by_send(user, room, target):
    return user.send_event(room, "m.room.redaction", {"redacts": target})


WAYS = [redact, redact_by_post, redact_by_send]


def is_redacted(user, room, target):
    path = f"{CLIENT}/rooms/{room}/event/{target}"
    answer = user.request("GET", path)
    return answer.status_code == 200 and not answer.json()["content"]


@pytest.mark.parametrize("way", WAYS)
@pytest.mark.parametrize("version", ["9", "10"])
def test_a_28358_one_redacts_what_is_no_older_than_a_day(world, way, version):
    alice = world.user(world.hospital)
    room = alice.create_room(room_version=version)
    old = world.past.send(alice, room, "m.room.message", TEXT)
    younger = world.past.send(alice, room, "m.room.message", TEXT, age_ms=23 * 60 * 60 * 1000)
    new = alice.send(room, "hello").json()["event_id"]
    answer = way(alice, room, old)
    assert code(answer) == FORBIDDEN
    assert "A_28358" in answer.json()["error"]
    assert not is_redacted(alice, room, old)
    for target in (younger, new):
        assert way(alice, room, target).status_code == 200
        assert is_redacted(alice, room, target)


@pytest.mark.parametrize("way", WAYS)
def test_a_28358_also_what_others_have_sent(world, way):
    alice, bob = world.user(world.hospital), world.user(world.hospital)
    room = together(alice, bob)
    old = world.past.send(bob, room, "m.room.message", TEXT)
    assert code(way(alice, room, old)) == FORBIDDEN
    new = bob.send(room, "hello").json()["event_id"]
    assert way(alice, room, new).status_code == 200


@pytest.mark.parametrize("way", WAYS)
@pytest.mark.parametrize("version", ["9", "11"])
def test_a_28358_also_in_rooms_of_other_servers(world, way, version):
    """Rooms of version 11 are not created here, but joined; redactions look different in them."""
    alice, leo = world.user(world.hospital), world.user(world.lax)
    room = together(leo, alice, room_version=version, preset="private_chat")
    old = world.past.send(alice, room, "m.room.message", TEXT)
    assert code(way(alice, room, old)) == FORBIDDEN
    new = alice.send(room, "hello").json()["event_id"]
    assert way(alice, room, new).status_code == 200
    wait_for(lambda: is_redacted(leo, room, new), what="the redaction at the other server")
    assert not is_redacted(leo, room, old)


def test_a_28358_administrators_redact_what_they_like(world):
    admin = world.user(world.hospital, admin=True)
    room = admin.create_room()
    old = world.past.send(admin, room, "m.room.message", TEXT)
    assert redact(admin, room, old).status_code == 200
    assert is_redacted(admin, room, old)


def test_a_28358_no_old_prefix_and_no_delay_is_a_way_around(world):
    alice = world.user(world.hospital)
    room = alice.create_room()
    old = world.past.send(alice, room, "m.room.message", TEXT)
    for prefix in ("/_matrix/client/r0", "/_matrix/client/api/v1", "/_matrix/client/unstable"):
        path = f"{prefix}/rooms/{room}/redact/{old}/{secrets.token_hex(4)}"
        assert alice.request("PUT", path, {}).status_code in (403, 404), prefix
    path = f"{CLIENT}/rooms/{room}/send/m.room.redaction/{secrets.token_hex(4)}"
    params = {"org.matrix.msc4140.delay": 1}
    alice.request("PUT", path, {"redacts": old}, params=params)
    marker = alice.send(room, "later").json()["event_id"]
    wait_for(lambda: marker in [event["event_id"] for event in alice.messages(room)])
    assert not is_redacted(alice, room, old)


def test_a_28358_the_answer_tells_nothing_about_events_one_cannot_see(world):
    alice, bob, eve = (world.user(world.hospital) for _ in range(3))
    joined = {
        "type": "m.room.history_visibility",
        "state_key": "",
        "content": {"history_visibility": "joined"},
    }
    room = alice.create_room(initial_state=[joined])
    old = world.past.send(alice, room, "m.room.message", TEXT)
    new = alice.send(room, "before bob came").json()["event_id"]
    elsewhere = alice.create_room()
    other_old = world.past.send(alice, elsewhere, "m.room.message", TEXT)
    other_new = alice.send(elsewhere, "elsewhere").json()["event_id"]
    alice.invite(room, bob.user_id).raise_for_status()
    bob.join(room).raise_for_status()
    levels = alice.state(room, "m.room.power_levels").json()
    levels["users"][bob.user_id] = 100
    alice.put_state(room, "m.room.power_levels", levels).raise_for_status()
    for way in WAYS:
        for user in (bob, eve):  # in the room since later, and not in it
            targets = [old, new, other_old, other_new, "$nothing", "$" + "a" * 43, "nonsense"]
            answers = [way(user, room, target) for target in targets]
            # Synapse itself answers who is not in the room, in the same way whatever is asked for.
            assert {code(answer) for answer in answers} == {NOT_FOUND if user is bob else FORBIDDEN}
            assert len({without_reference(answer) for answer in answers}) == 1
    seen = alice.send(room, "bob sees this").json()["event_id"]
    assert redact(bob, room, seen).status_code == 200


@pytest.mark.one_process
@pytest.mark.parametrize("content", [{}, {"redacts": None}, {"redacts": 5}, {"redacts": {"a": 1}}])
def test_a_28358_a_redaction_names_an_event(world, content):
    alice = world.user(world.hospital)
    room = alice.create_room()
    assert alice.send_event(room, "m.room.redaction", content).status_code == 400


def test_a_28358_redactions_of_other_servers_apply(world):
    alice, leo = world.user(world.hospital), world.user(world.lax)
    room = together(leo, alice, **PRIVATE)
    old = world.past.send(leo, room, "m.room.message", TEXT)
    mine = world.past.send(alice, room, "m.room.message", TEXT)
    for target in (old, mine):
        seen = lambda target=target: target in [event["event_id"] for event in alice.messages(room)]  # noqa: E731
        wait_for(seen)
    wait_for(lambda: mine in [event["event_id"] for event in leo.messages(room)])
    for target in (old, mine):
        assert redact(leo, room, target).status_code == 200
        wait_for(lambda target=target: is_redacted(alice, room, target), what="the redaction")


def test_a_28358_another_server_cannot_send_what_nobody_may_redact(world):
    """It says that it sent it two days ago; what counts is when it arrived."""
    alice, leo = world.user(world.hospital), world.user(world.lax)
    room = together(alice, leo)
    sent = world.past.send(leo, room, "m.room.message", TEXT, age_ms=2 * LONG_AGO_MS)
    wait_for(lambda: sent in [event["event_id"] for event in alice.messages(room)])
    assert redact(alice, room, sent).status_code == 200
    assert is_redacted(alice, room, sent)


def test_a_28358_an_event_is_no_younger_than_its_arrival(world, ti, start, tmp_path):
    """Another server's clock is ahead: the event is as old as this server knows it."""
    server = SynapseServer(
        "clinic",
        tmp_path / "clinic",
        ti.world,
        modules=[module(ti, events={"redaction_window": "1s"})],
        extra={"federation_domain_whitelist": []},
    )
    past = AppService()
    past.install(server)
    start(server)
    alice = server.register("alice")
    room = alice.create_room()
    ahead = past.send(alice, room, "m.room.message", TEXT, age_ms=-LONG_AGO_MS)
    time.sleep(1.1)  # until it arrived more than a second ago
    assert code(redact(alice, room, ahead)) == FORBIDDEN


@pytest.mark.one_process
@pytest.mark.parametrize(
    ("spec_version", "events", "status"),
    [("1.1", {}, 200), ("1.1", {"redaction_window": "24h"}, 403), ("1.2", {"redaction_window": "off"}, 200)],
)
def test_a_28358_can_be_configured(ti, start, tmp_path, spec_version, events, status):
    server = SynapseServer(
        "clinic",
        tmp_path / "clinic",
        ti.world,
        modules=[module(ti, spec_version=spec_version, events=events)],
        extra={"federation_domain_whitelist": []},
    )
    past = AppService()
    past.install(server)
    start(server)
    alice = server.register("alice")
    room = alice.create_room()
    old = past.send(alice, room, "m.room.message", TEXT)
    assert redact(alice, room, old).status_code == status


def test_decisions_are_counted(world):
    alice = world.user(world.hospital)
    room = alice.create_room()
    target = alice.send(room, "hello").json()["event_id"]
    counted = {
        outcome: decisions(world.hospital, "event", "A_26228-01", outcome)
        for outcome in ("denied", "allowed")
    }
    react(alice, room, target, "no")
    react(alice, room, target, "👍")
    for outcome, before in counted.items():
        assert decisions(world.hospital, "event", "A_26228-01", outcome) == before + 1
