"""Rooms in which only insured persons are left: A_26348 (product epa)."""

import pytest

from synapse_tim.testing import wait_for
from tests.cleanup.e2e.world import DAY_MS, WEEK_MS, exists, outcomes, rounds, wait_long
from tests.support.world import PRIVATE, together

pytestmark = pytest.mark.servers

LONG_MS = 8 * DAY_MS


@pytest.fixture(params=["insurer", "fund"])
def server(world, request):
    return getattr(world, request.param)


def consultation(world, doctor, *patients):
    """A room of the doctor in which something was said."""
    room = together(doctor, *patients, **PRIVATE)
    doctor.send(room, "take it twice a day").raise_for_status()
    for patient in patients:
        wait_for(lambda patient=patient: "take it twice a day" in patient.texts(room))
    return room


def is_alone(room, *patients):
    everybody = {each.user_id for each in patients}
    for patient in patients:
        wait_for(lambda patient=patient: patient.members(room) == everybody)


def test_a_26348_a_26463_insured_persons_leave_and_can_still_read(world, server):
    doctor, patient = world.user(world.lax), world.user(server)
    before = outcomes(server, "insured_only", "left")
    room = consultation(world, doctor, patient)
    wait_long(server, room, LONG_MS)
    rounds(server)
    assert room in patient.joined_rooms()  # the doctor is there
    doctor.leave(room).raise_for_status()
    is_alone(room, patient)
    rounds(server)
    assert room in patient.joined_rooms()  # it has just happened
    wait_long(server, room, 6 * DAY_MS)
    rounds(server)
    assert room in patient.joined_rooms()
    wait_long(server, room, 2 * DAY_MS)
    wait_for(lambda: room not in patient.joined_rooms())
    assert "take it twice a day" in patient.texts(room)
    assert exists(server, room)
    assert outcomes(server, "insured_only", "left") > before


def test_a_26348_a_26463_all_of_this_server_leave(world):
    doctor = world.user(world.lax)
    patient, mother = world.user(world.insurer), world.user(world.insurer)
    child = world.user(world.fund)
    room = consultation(world, doctor, patient, mother, child)
    doctor.leave(room).raise_for_status()
    is_alone(room, patient, mother, child)
    wait_long(world.insurer, room, LONG_MS)
    wait_for(lambda: room not in patient.joined_rooms() | mother.joined_rooms())
    assert room in child.joined_rooms()  # the other server has a clock of its own
    is_alone(room, child)


def test_a_26348_a_26463_whoever_is_invited_counts(world, server):
    doctor, nurse, patient = world.user(world.lax), world.user(world.lax), world.user(server)
    room = consultation(world, doctor, patient)
    doctor.invite(room, nurse.user_id).raise_for_status()
    doctor.leave(room).raise_for_status()
    wait_for(lambda: nurse.user_id in patient.members(room, "invite"))
    is_alone(room, patient)
    wait_long(server, room, 200 * WEEK_MS)
    rounds(server)
    assert room in patient.joined_rooms()


def test_a_26348_a_26463_a_room_of_ones_own_is_one(world):
    patient = world.user(world.fund)
    room = patient.create_room()
    patient.send(room, "note to myself").raise_for_status()
    rounds(world.fund)
    assert room in patient.joined_rooms()
    wait_long(world.fund, room, LONG_MS)
    wait_for(lambda: room not in patient.joined_rooms())
    assert "note to myself" in patient.texts(room)


def test_a_26348_a_26463_server_notices_stay(world):
    patient = world.user(world.insurer)
    room = world.notice_to(world.insurer, patient)
    wait_long(world.insurer, room, LONG_MS)
    rounds(world.insurer)
    assert room in patient.joined_rooms()


def test_a_26348_a_26463_is_nothing_for_a_hospital(world):
    patient, doctor = world.user(world.insurer), world.user(world.hospital)
    room = together(patient, doctor)
    doctor.send(room, "hello").raise_for_status()
    wait_long(world.hospital, room, LONG_MS)
    rounds(world.hospital)
    assert room in doctor.joined_rooms()
