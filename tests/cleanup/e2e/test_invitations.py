"""Invitations and knocks of a room that goes end here, and are taken back elsewhere, before the purge."""

import pytest

from synapse_tim.testing import SynapseServer, wait_for
from tests.cleanup.e2e.world import (
    DAY_MS,
    WEEK_MS,
    cleaning,
    exists,
    is_deleted,
    not_purged,
    rounds,
    rows,
    wait_long,
)
from tests.support.world import PRIVATE, in_database, invited, together, versions_at

pytestmark = pytest.mark.servers

LONG_MS = 15 * DAY_MS
BEGUN = "SELECT begun_ts FROM synapse_tim_cleanup_rooms WHERE room_id = ?"


def learns(user, room, timeout=15):
    """Wait until an incremental sync says that a room is gone; how often it was asked."""

    def left():
        return room in user.sync(timeout_ms=1000).get("rooms", {}).get("leave", {})

    wait_for(left, timeout=timeout, what="the news")


def sees(user, room):
    """Sync until an invitation shows."""
    wait_for(lambda: room in user.sync().get("rooms", {}).get("invite", {}), timeout=15, what="invitation")


@pytest.fixture
def orphan(world):
    """A room of the hospital whose only member has invited a colleague and somebody else."""
    doctor, nurse, friend = world.user(world.hospital), world.user(world.hospital), world.user(world.lax)
    room = doctor.create_room()
    for guest in (nurse, friend):
        doctor.invite(room, guest.user_id).raise_for_status()
        sees(guest, room)
    return room, doctor, nurse, friend


def test_a_28564_01_whoever_is_invited_learns_that_the_room_is_gone(world, orphan):
    room, doctor, nurse, friend = orphan
    doctor.sync()
    processes = [world.hospital, *getattr(world.hospital, "workers", ())]
    at_each = [nurse.at(process.client_url) for process in processes]
    for session in at_each:
        sees(session, room)
    with not_purged(world.hospital, room):
        wait_long(world.hospital, room, LONG_MS)
        for user in (*at_each, doctor, friend):
            learns(user, room)
    assert is_deleted(world.hospital, room)
    for user in (nurse, friend, *at_each):
        assert room not in user.invited_to()
    for user in (nurse, doctor):
        answer = user.leave(room)
        assert answer.status_code == 404, answer.text
        assert user.join(room).status_code == 404
    assert not friend.join(room, via=[world.hospital.server_name]).is_success


def test_a_28564_01_the_purge_waits_until_the_other_server_was_told(world, orphan):
    room, _, nurse, friend = orphan
    world.lax.stop()
    try:
        wait_long(world.hospital, room, LONG_MS)
        learns(nurse, room)
        rounds(world.hospital, 3)
        assert exists(world.hospital, room)
    finally:
        world.lax.start().wait()
    learns(friend, room, timeout=60)
    assert is_deleted(world.hospital, room)


def test_a_28564_01_but_not_for_ever(world, orphan):
    room, _, nurse, friend = orphan
    world.lax.stop()
    try:
        wait_long(world.hospital, room, LONG_MS)
        learns(nurse, room)
        wait_for(lambda: rows(world.hospital, BEGUN, (room,)), timeout=15)
        wait_long(world.hospital, room, 4 * DAY_MS)
        statement = "UPDATE synapse_tim_cleanup_rooms SET begun_ts = begun_ts - {0} WHERE room_id = {0}"
        in_database(world.hospital, statement, (4 * DAY_MS, room))
        assert is_deleted(world.hospital, room)
    finally:
        world.lax.start().wait()
    assert room in friend.invited_to()


def test_a_28564_01_whoever_may_takes_back_what_somebody_sent_who_left(world):
    """Other members' servers believe it; the guest's own believes only who invited, if it is a Synapse."""
    doctor, nurse, friend = world.user(world.hospital), world.user(world.hospital), world.user(world.lax)
    room = together(doctor, nurse)
    nurse.invite(room, friend.user_id).raise_for_status()
    sees(friend, room)
    nurse.leave(room).raise_for_status()
    wait_long(world.hospital, room, LONG_MS)
    taken_back = "SELECT sender FROM events WHERE room_id = ? AND state_key = ? AND sender <> state_key"
    found = lambda: (doctor.user_id,) in rows(world.hospital, taken_back, (room, friend.user_id))  # noqa: E731
    wait_for(found, timeout=15, what="the invitation to be taken back")
    assert is_deleted(world.hospital, room)


def test_a_28564_01_nobody_who_may_is_left(world):
    """The invitation stays where it is; nothing fails."""
    doctor, friend = world.user(world.hospital), world.user(world.lax)
    room = doctor.create_room(invite=[friend.user_id])
    invited(friend, room)
    doctor.leave(room).raise_for_status()
    wait_long(world.hospital, room, LONG_MS)
    assert is_deleted(world.hospital, room)
    assert room in friend.invited_to()
    friend.leave(room).raise_for_status()
    assert room not in friend.invited_to()


def test_a_28564_01_knocks_end_too(world):
    doctor, nurse = world.user(world.hospital), world.user(world.hospital)
    room = doctor.create_room()
    doctor.put_state(room, "m.room.join_rules", {"join_rule": "knock"}).raise_for_status()
    nurse.knock(room).raise_for_status()
    wait_for(lambda: room in nurse.sync()["rooms"].get("knock", {}), timeout=15, what="the knock")
    with not_purged(world.hospital, room):
        wait_long(world.hospital, room, LONG_MS)
        learns(nurse, room)
    assert is_deleted(world.hospital, room)


def test_a_28564_01_whoever_comes_between_the_steps_keeps_the_room(world):
    friend, doctor = world.user(world.lax), world.user(world.hospital)
    room = together(friend, doctor, **PRIVATE)
    with not_purged(world.hospital, room):
        doctor.leave(room).raise_for_status()
        wait_long(world.hospital, room, LONG_MS)
        wait_for(lambda: rows(world.hospital, BEGUN, (room,)), timeout=15, what="the first step")
        wait_for(lambda: doctor.user_id not in friend.members(room), timeout=15)
        friend.invite(room, doctor.user_id).raise_for_status()
        invited(doctor, room)
    rounds(world.hospital, 3)
    doctor.join(room, via=[world.lax.server_name]).raise_for_status()
    rounds(world.hospital, 3)
    assert room in doctor.joined_rooms()


@pytest.fixture
def short(ti, start, tmp_path):
    """A server on which invitations count for a month, and one that enforces nothing."""
    modules = [cleaning(ti, "pro", "1.1", invitations_count_for="30d")]
    extra = {"federation_domain_whitelist": [], "background_updates": {"sleep_enabled": False}}
    server = SynapseServer("clinic", tmp_path / "clinic", ti.world, modules=modules, extra=extra)
    lax = SynapseServer("lax", tmp_path / "lax", ti.world)
    for one in (server, lax):
        start(one)
        ti.add(one.server_name)
    wait_for(lambda: versions_at(server) == {ti.version}, timeout=30)
    return server, lax


def test_a_25318_an_old_invitation_keeps_no_room(short):
    """Of a room that lives on elsewhere this server takes back what its users sent, and nothing else."""
    server, lax = short
    doctor, nurse, friend = server.register("doctor"), server.register("nurse"), lax.register("friend")
    theirs, ours = lax.register("theirs"), lax.register("ours")
    newer, older = doctor.create_room(), together(doctor, friend)
    for room in (newer, older):
        doctor.send(room, "hello").raise_for_status()
        doctor.invite(room, nurse.user_id).raise_for_status()
        doctor.invite(room, ours.user_id).raise_for_status()
    levels = doctor.state(older, "m.room.power_levels").json()
    levels["users"][friend.user_id] = 100
    doctor.put_state(older, "m.room.power_levels", levels).raise_for_status()
    wait_for(lambda: friend.state(older, "m.room.power_levels").json() == levels, timeout=15)
    friend.invite(older, theirs.user_id).raise_for_status()
    wait_for(lambda: theirs.user_id in doctor.members(older, "invite"), timeout=15)
    elsewhere = friend.create_room(**PRIVATE, invite=[nurse.user_id])
    invited(nurse, elsewhere)
    for guest in (ours, theirs):
        invited(guest, older)
    for room in (older, elsewhere):
        wait_long(server, room, 27 * WEEK_MS)
    invitation = f"type = 'm.room.member' AND state_key IN ('{nurse.user_id}', '{ours.user_id}')"
    wait_long(server, newer, 27 * WEEK_MS, f"NOT ({invitation})")
    wait_long(server, newer, 29 * DAY_MS, invitation)
    assert is_deleted(server, older)
    assert is_deleted(server, elsewhere)
    rounds(server)
    assert exists(server, newer)
    assert nurse.invited_to() == {newer}
    wait_for(lambda: older not in ours.invited_to(), timeout=15, what="the invitation to be taken back")
    theirs.join(older, via=[lax.server_name]).raise_for_status()
    gone = lambda: nurse.user_id not in friend.members(elsewhere, "invite")  # noqa: E731
    wait_for(gone, timeout=15, what="the invitation to be declined")


def test_a_26348_an_old_invitation_keeps_no_insured_person(ti, start, tmp_path):
    modules = [cleaning(ti, "epa", "1.2", invitations_count_for="30d")]
    extra = {"federation_domain_whitelist": []}
    server = start(SynapseServer("insurer", tmp_path / "insurer", ti.world, modules=modules, extra=extra))
    lax = start(SynapseServer("lax", tmp_path / "lax", ti.world))
    ti.add(server.server_name, insurance=True)
    ti.add(lax.server_name)
    wait_for(lambda: versions_at(server) == {ti.version}, timeout=30)
    patient, doctor = server.register("patient"), lax.register("doctor")
    newer, older = (patient.create_room(invite=[doctor.user_id]) for _ in range(2))
    for room in (newer, older):
        patient.send(room, "note").raise_for_status()
    wait_long(server, newer, 36 * DAY_MS)
    wait_long(server, older, 38 * DAY_MS)
    wait_for(lambda: patient.joined_rooms() == {newer}, timeout=30, what="the patient to leave")
    rounds(server)
    assert newer in patient.joined_rooms()
