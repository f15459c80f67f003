"""Rooms in which nothing was said for six months: A_25318, A_25319 (specification 1.1)."""

import time

import pytest

from synapse_tim.testing import wait_for
from tests.cleanup.e2e.world import DAY_MS, WEEK_MS, exists, is_deleted, outcomes, rounds, rows, wait_long
from tests.support.world import PRIVATE, in_database, invited, together

pytestmark = pytest.mark.servers

LONG_MS = 27 * WEEK_MS
STATE = "state_key IS NOT NULL"


def conversation(host, *guests, **body):
    room = together(host, *guests, **body)
    host.send(room, "something was said").raise_for_status()
    return room


def test_a_25318_a_room_goes_with_everything_in_it(world):
    doctor, nurse = world.user(world.clinic), world.user(world.clinic)
    room = conversation(doctor, nurse)
    before = outcomes(world.clinic, "inactive", "purged")
    wait_long(world.clinic, room, LONG_MS)
    assert is_deleted(world.clinic, room)
    assert room not in doctor.joined_rooms() | nurse.joined_rooms()
    assert doctor.request("GET", f"/_matrix/client/v3/rooms/{room}/messages?dir=b").status_code == 403
    assert outcomes(world.clinic, "inactive", "purged") > before


def test_a_25318_rooms_in_which_something_was_said_stay(world):
    doctor = world.user(world.clinic)
    shorter = conversation(doctor)
    wait_long(world.clinic, shorter, 25 * WEEK_MS)
    rooms = [shorter]
    for kind in ("m.room.message", "org.example.poll", "m.reaction", "m.room.encrypted"):
        room = doctor.create_room()
        said = doctor.send(room, "old").raise_for_status().json()["event_id"]
        content = {"msgtype": "m.text", "body": "hello"}
        if kind == "m.reaction":
            content = {"m.relates_to": {"rel_type": "m.annotation", "event_id": said, "key": "👍"}}
        new = doctor.send_event(room, kind, content).raise_for_status().json()["event_id"]
        wait_long(world.clinic, room, LONG_MS, f"event_id <> '{new}'")
        rooms.append(room)
    rounds(world.clinic)
    assert [room for room in rooms if not exists(world.clinic, room)] == []


def test_a_25318_a_room_that_synapse_fails_to_delete_is_tried_again(world):
    """Everybody is made to leave before, also if nothing was ever said there."""
    doctor = world.user(world.clinic)
    room = doctor.create_room()
    # What is noted of the room elsewhere keeps Synapse from deleting it, as while it updates its database.
    in_database(
        world.clinic, "INSERT INTO sliding_sync_joined_rooms_to_recalculate (room_id) VALUES ({0})", (room,)
    )
    wait_long(world.clinic, room, LONG_MS)
    tried = "SELECT COUNT(*) FROM scheduled_tasks WHERE status = 'failed' AND resource_id = ?"
    wait_for(lambda: rows(world.clinic, tried, (room,)) > [(1,)], what="a second try")
    assert exists(world.clinic, room)
    assert room not in doctor.joined_rooms()
    in_database(
        world.clinic, "DELETE FROM sliding_sync_joined_rooms_to_recalculate WHERE room_id = {0}", (room,)
    )
    assert is_deleted(world.clinic, room)


def test_a_25318_a_message_counts_however_much_state_came_after_it(world):
    """No fixed number of events is looked at."""
    doctor = world.user(world.clinic)
    room = conversation(doctor)
    for number in range(60):
        doctor.put_state(room, "org.example.board", {"number": number}, str(number)).raise_for_status()
    wait_long(world.clinic, room, LONG_MS, STATE)
    rounds(world.clinic)
    assert exists(world.clinic, room)


def test_a_25318_state_is_no_activity(world):
    doctor = world.user(world.clinic)
    room = conversation(doctor)
    wait_long(world.clinic, room, LONG_MS)
    # The round in between may be quicker than the change: either way the room goes.
    doctor.put_state(room, "m.room.topic", {"topic": "new"})
    assert is_deleted(world.clinic, room)


def test_a_25318_what_the_senders_clock_says_does_not_matter(world):
    doctor = world.user(world.clinic)
    room = conversation(doctor)
    statement = "UPDATE events SET origin_server_ts = origin_server_ts - {0} WHERE room_id = {0}"
    in_database(world.clinic, statement, (LONG_MS, room))
    rounds(world.clinic)
    assert exists(world.clinic, room)


def test_a_25318_whoever_is_invited_can_still_come(world):
    doctor, nurse = world.user(world.clinic), world.user(world.clinic)
    room = conversation(doctor)
    doctor.invite(room, nurse.user_id).raise_for_status()
    wait_long(world.clinic, room, LONG_MS)
    rounds(world.clinic)
    nurse.join(room).raise_for_status()
    rounds(world.clinic)
    assert exists(world.clinic, room)
    wait_long(world.clinic, room, LONG_MS, "type = 'm.room.member'")
    assert is_deleted(world.clinic, room)


def test_a_25318_whoever_has_just_come_finds_the_room(world):
    doctor, nurse = world.user(world.clinic), world.user(world.clinic)
    room = conversation(doctor)
    doctor.invite(room, nurse.user_id).raise_for_status()
    nurse.join(room).raise_for_status()
    wait_long(world.clinic, room, LONG_MS, "type <> 'm.room.member'")
    rounds(world.clinic)
    assert exists(world.clinic, room)


def test_a_25318_an_invitation_to_a_room_elsewhere_is_not_taken_away(world):
    friend, doctor = world.user(world.lax), world.user(world.clinic)
    room = friend.create_room(**PRIVATE, invite=[doctor.user_id])
    invited(doctor, room)
    wait_long(world.clinic, room, LONG_MS)
    rounds(world.clinic)
    doctor.join(room, via=[world.lax.server_name]).raise_for_status()
    rounds(world.clinic)
    assert exists(world.clinic, room)


def test_a_25318_only_this_servers_part_of_a_room_goes(world):
    doctor, friend = world.user(world.clinic), world.user(world.lax)
    room = conversation(doctor, friend)
    wait_for(lambda: "something was said" in friend.texts(room))
    wait_long(world.clinic, room, LONG_MS)
    assert is_deleted(world.clinic, room)
    wait_for(lambda: friend.members(room) == {friend.user_id}, what="the leave")
    assert "something was said" in friend.texts(room)


def test_a_25318_what_was_left_goes_too(world):
    doctor = world.user(world.clinic)
    room = conversation(doctor)
    doctor.leave(room).raise_for_status()
    rounds(world.clinic)
    assert exists(world.clinic, room)
    wait_long(world.clinic, room, LONG_MS)
    assert is_deleted(world.clinic, room)


def test_a_25318_a_room_without_messages_counts_from_its_newest_event(world):
    doctor = world.user(world.clinic)
    old, changed = doctor.create_room(), doctor.create_room(topic="new")
    wait_long(world.clinic, changed, LONG_MS, "type <> 'm.room.topic'")
    wait_long(world.clinic, old, LONG_MS)
    assert is_deleted(world.clinic, old)
    rounds(world.clinic)
    assert exists(world.clinic, changed)


def test_a_25319_server_notices_stay(world):
    doctor = world.user(world.clinic)
    room = world.notice_to(world.clinic, doctor)
    wait_long(world.clinic, room, LONG_MS)
    rounds(world.clinic)
    assert exists(world.clinic, room)


def test_a_25319_orphans_stay_in_this_generation(world):
    doctor = world.user(world.clinic)
    room = doctor.create_room()
    wait_long(world.clinic, room, 20 * DAY_MS)
    rounds(world.clinic)
    assert exists(world.clinic, room)


def test_a_25318_who_has_come_back_finds_the_room(world):
    """Also without an invitation, which would count by itself."""
    doctor, nurse = world.user(world.clinic), world.user(world.clinic)
    room = conversation(doctor, preset="public_chat")
    nurse.join(room).raise_for_status()
    nurse.leave(room).raise_for_status()
    wait_long(world.clinic, room, 25 * WEEK_MS)
    nurse.join(room).raise_for_status()
    joined = f"state_key = '{nurse.user_id}' AND received_ts > {int(time.time() * 1000) - WEEK_MS}"
    wait_long(world.clinic, room, 3 * WEEK_MS, f"NOT ({joined})")
    rounds(world.clinic)
    assert exists(world.clinic, room)
    assert room in nurse.joined_rooms()
    wait_long(world.clinic, room, LONG_MS)
    assert is_deleted(world.clinic, room)
