"""Entering rooms past the rules: A_26515-01, R3.11, R3.12."""

import secrets

import pytest

from synapse_tim.testing import wait_for
from tests.support.pdus import INVITATION, next_in_room, signed
from tests.support.world import PRIVATE, code, together

pytestmark = pytest.mark.servers

FORBIDDEN = (403, "M_FORBIDDEN")


@pytest.mark.one_process
@pytest.mark.parametrize(
    "state",
    [
        None,
        5,
        "x",
        [5],
        [{}],
        [{"type": "m.room.join_rules"}],
        [{"type": "m.room.join_rules", "content": 5}],
        [{"type": "m.room.join_rules", "content": {"join_rule": {"a": 1}}}],
        [{"type": ["m.room.join_rules"], "content": {"join_rule": "public"}}],
    ],
)
def test_r3_12_state_that_comes_with_an_invitation_may_be_anything(world, state):
    leo, doctor = world.user(world.lax), world.user(world.hospital)
    pdu, event_id = signed(
        world.lax,
        {
            "type": "m.room.member",
            "room_id": f"!{secrets.token_hex(8)}:{world.lax.server_name}",
            "sender": leo.user_id,
            "state_key": doctor.user_id,
            "content": {"membership": "invite"},
        },
    )
    body = {"room_version": "10", "event": pdu, "invite_room_state": state}
    path = f"/_matrix/federation/v2/invite/{pdu['room_id']}/{event_id}"
    answer = world.lax.federation_request("PUT", path, to=world.hospital, content=body)
    assert answer.status_code in (200, 400), answer.text


def test_a_26515_01_a_join_that_is_delivered_without_asking_for_the_template(world):
    doctor, leo = world.user(world.hospital), world.user(world.lax)
    room = doctor.create_room(preset="public_chat")
    pdu, event_id = signed(
        world.lax,
        {
            "type": "m.room.member",
            "room_id": room,
            "sender": leo.user_id,
            "state_key": leo.user_id,
            "content": {"membership": "join"},
        },
    )
    for version in ("v1", "v2"):
        path = f"/_matrix/federation/{version}/send_join/{room}/{event_id}"
        answer = world.lax.federation_request("PUT", path, to=world.hospital, content=pdu)
        assert code(answer) == FORBIDDEN
    assert doctor.members(room) == {doctor.user_id}


def test_a_26515_01_nor_into_a_room_that_was_public_before_the_policy(world):
    """The join rule is set by a server that enforces nothing, so the room is public and federates."""
    leo, doctor = world.user(world.lax), world.user(world.hospital)
    other = world.user(world.practice)
    room = together(leo, doctor, **PRIVATE)
    leo.put_state(room, "m.room.join_rules", {"join_rule": "public"}).raise_for_status()
    public = {"join_rule": "public"}
    wait_for(lambda: doctor.state(room, "m.room.join_rules").json() == public)
    path = f"/_matrix/federation/v1/make_join/{room}/{other.user_id}?ver=10"
    answer = world.practice.federation_request("GET", path, to=world.hospital)
    assert code(answer) == FORBIDDEN
    assert code(doctor.invite(room, other.user_id)) == FORBIDDEN


def test_r3_11_an_own_restricted_room_that_only_another_servers_user_can_let_one_into(world):
    doctor, nurse, leo = world.user(world.hospital), world.user(world.hospital), world.user(world.lax)
    space = together(doctor, nurse, leo)
    allow = [{"type": "m.room_membership", "room_id": space}]
    rules = {
        "type": "m.room.join_rules",
        "state_key": "",
        "content": {"join_rule": "restricted", "allow": allow},
    }
    levels = {"users": {doctor.user_id: 100, leo.user_id: 100}, "invite": 100}
    room = together(doctor, leo, initial_state=[rules], power_level_content_override=levels)
    colleague = world.user(world.hospital)
    doctor.invite(room, colleague.user_id).raise_for_status()
    colleague.join(room).raise_for_status()
    doctor.leave(room).raise_for_status()
    wait_for(lambda: doctor.user_id not in leo.members(room), what="the doctor to have left")
    assert nurse.join(room, via=[world.lax.server_name]).status_code == 200


def test_r3_11_an_invitation_counts_as_soon_as_it_is_delivered(world):
    """The inviter's server tells of it once more among the room's events, which may take a while."""
    leo = world.user(world.lax, admin=True)
    colleague, nurse = world.user(world.hospital), world.user(world.hospital)
    room = together(leo, colleague, **PRIVATE)
    pdu, event_id = next_in_room(
        world.lax,
        leo,
        room,
        {"type": "m.room.member", "state_key": nurse.user_id, "content": {"membership": "invite"}},
        INVITATION,
    )
    path = f"/_matrix/federation/v2/invite/{room}/{event_id}"
    body = {"room_version": "10", "event": pdu, "invite_room_state": []}
    answer = world.lax.federation_request("PUT", path, to=world.hospital, content=body)
    assert answer.status_code == 200, answer.text
    wait_for(lambda: room in nurse.invited_to(), what="the invitation")
    assert nurse.join(room, via=[world.lax.server_name]).status_code == 200
    assert nurse.user_id in colleague.members(room)
