"""Rooms in which nothing was ever said and nobody is: A_28564-01 (specification 1.2)."""

import pytest

from synapse_tim.testing import wait_for
from tests.cleanup.e2e.world import DAY_MS, WEEK_MS, exists, is_deleted, outcomes, rounds, wait_long
from tests.support.world import PRIVATE, invited, together

pytestmark = pytest.mark.servers

LONG_MS = 15 * DAY_MS


@pytest.fixture(params=["hospital", "insurer"])
def server(world, request):
    return getattr(world, request.param)


def test_a_28564_01_a_room_of_one_with_nothing_said_goes(world, server):
    user = world.user(server)
    before = outcomes(server, "orphaned", "purged")
    orphan, younger = user.create_room(topic="later"), user.create_room()
    wait_long(server, younger, 13 * DAY_MS)
    wait_long(server, orphan, LONG_MS)
    assert is_deleted(server, orphan)
    assert orphan not in user.joined_rooms()
    rounds(server)
    assert exists(server, younger)
    assert outcomes(server, "orphaned", "purged") > before


def test_a_28564_01_rooms_that_are_to_be_deleted_in_a_week_keep_nothing_waiting(world, server):
    """Synapse notes each room that everybody has forgotten for later (R3.33)."""
    user = world.user(server)
    for _ in range(11):
        room = user.create_room()
        user.leave(room).raise_for_status()
        user.request("POST", f"/_matrix/client/v3/rooms/{room}/forget", {}).raise_for_status()
    orphan = user.create_room()
    wait_long(server, orphan, LONG_MS)
    assert is_deleted(server, orphan)


def test_a_28564_01_the_newest_event_counts(world, server):
    user = world.user(server)
    room = user.create_room(topic="new")
    wait_long(server, room, LONG_MS, "type <> 'm.room.topic'")
    rounds(server)
    assert exists(server, room)


def test_a_28564_01_a_conversation_stays_however_old(world, server):
    """Nothing is deleted for inactivity in this generation (R3.29)."""
    user = world.user(server)
    room = user.create_room()
    user.send(room, "note").raise_for_status()
    for number in range(60):
        user.put_state(room, "org.example.board", {"number": number}, str(number)).raise_for_status()
    wait_long(server, room, 200 * WEEK_MS)
    # It is alone in it, so at an insurer it has to leave; that deletes nothing.
    rounds(server)
    assert exists(server, room)
    assert "note" in user.texts(room)


def test_a_28564_01_a_room_with_somebody_else_in_it_stays(world):
    doctor, nurse, friend = world.user(world.hospital), world.user(world.hospital), world.user(world.lax)
    near, far = together(doctor, nurse), together(doctor, friend)
    for room in (near, far):
        wait_long(world.hospital, room, LONG_MS)
    rounds(world.hospital)
    assert exists(world.hospital, near)
    assert exists(world.hospital, far)
    nurse.leave(near).raise_for_status()
    wait_long(world.hospital, near, LONG_MS)
    assert is_deleted(world.hospital, near)


def test_a_28564_01_whoever_is_left_is_not_the_creator(world):
    doctor, nurse = world.user(world.hospital), world.user(world.hospital)
    room = together(doctor, nurse)
    doctor.leave(room).raise_for_status()
    wait_long(world.hospital, room, LONG_MS)
    rounds(world.hospital)
    assert exists(world.hospital, room)
    nurse.leave(room).raise_for_status()
    wait_long(world.hospital, room, LONG_MS)
    assert is_deleted(world.hospital, room)


def test_a_28564_01_unanswered_invitations_do_not_count(world):
    """That is gematik's rule; the user can invite again."""
    doctor, nurse = world.user(world.hospital), world.user(world.hospital)
    room = doctor.create_room(invite=[nurse.user_id])
    wait_long(world.hospital, room, LONG_MS)
    assert is_deleted(world.hospital, room)


def test_a_28564_01_a_room_elsewhere_is_no_orphan(world):
    """What is said in it is not known here, while the invitation is not answered."""
    friend, doctor = world.user(world.lax), world.user(world.hospital)
    room = friend.create_room(**PRIVATE, invite=[doctor.user_id])
    invited(doctor, room)
    wait_long(world.hospital, room, LONG_MS)
    rounds(world.hospital)
    assert room in doctor.invited_to()
    doctor.join(room, via=[world.lax.server_name]).raise_for_status()


def test_a_28564_01_nor_one_that_somebody_is_invited_to_again(world):
    friend, doctor = world.user(world.lax), world.user(world.hospital)
    room = together(friend, doctor, **PRIVATE)
    doctor.leave(room).raise_for_status()
    wait_for(lambda: doctor.user_id not in friend.members(room))
    friend.invite(room, doctor.user_id).raise_for_status()
    invited(doctor, room)
    wait_long(world.hospital, room, LONG_MS)
    rounds(world.hospital)
    assert room in doctor.invited_to()
