"""Invitations of a faulty or hostile member of the federation: A_26021-01, AF_10233.

``lax`` is a real server, so what it signs is genuine; what it sends here is made by hand.
"""

import secrets

import pytest

from synapse_tim.adapter.shape import installed_synapse
from synapse_tim.testing import wait_for
from tests.support.pdus import INVITATION, next_in_room, send, signed
from tests.support.world import ENCRYPTED, PRIVATE, block, code, decisions, invite_silently, together

pytestmark = pytest.mark.servers

FORBIDDEN = (403, "M_FORBIDDEN")


@pytest.mark.parametrize("version", ["v1", "v2"])
def test_a_26021_01_both_versions_of_the_invite_endpoint_are_judged(world, version):
    leo, doctor = world.user(world.lax), world.user(world.hospital)
    block(doctor)

    def invite():
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
        body = pdu if version == "v1" else {"room_version": "10", "event": pdu, "invite_room_state": []}
        path = f"/_matrix/federation/{version}/invite/{pdu['room_id']}/{event_id}"
        return world.lax.federation_request("PUT", path, to=world.hospital, content=body)

    if version == "v2":
        assert code(invite()) == FORBIDDEN
    else:  # version 1 of the endpoint is for rooms of versions 1 and 2, which sign otherwise
        before = installed_synapse() < (1, 155)  # which fails on an event that is none
        assert invite().status_code in ((400, 403, 500) if before else (400, 403))
        assert doctor.invited_to() == set()
    assert doctor.invited_to() == set()
    block(doctor, userExceptions={leo.user_id: {}})
    if version == "v2":
        assert invite().status_code == 200


@pytest.mark.parametrize("version", ["1", "2"])
def test_a_26021_01_version_1_of_the_invite_endpoint(world, version):
    """With rooms of the old versions, as an old server would use it."""
    leo, doctor = world.user(world.lax), world.user(world.hospital)
    room = leo.create_room(room_version=version, preset="private_chat")
    block(doctor)
    assert code(leo.invite(room, doctor.user_id)) == FORBIDDEN
    block(doctor, userExceptions={leo.user_id: {}})
    assert leo.invite(room, doctor.user_id).status_code == 200


def reaches(world, sender, colleague, room, *kinds):
    """Wait until a colleague's server has what the sender has, told by messages or by state or both."""
    for number, kind in enumerate(kinds or ("message",)):
        text = f"{kind} {number} {secrets.token_hex(4)}"
        if kind == "message":
            sender.send(room, text).raise_for_status()
            wait_for(lambda text=text: text in colleague.texts(room), what=text)
        elif kind == "state":
            sender.put_state(room, "m.room.topic", {"topic": text}).raise_for_status()
            topic = {"topic": text}
            wait_for(
                lambda topic=topic: colleague.state(room, "m.room.topic").json() == topic,
                what=text,
            )
        else:
            colleague.send(room, text).raise_for_status()


def is_kept_out(world, user, room, colleague):
    """The user is not invited, and cannot join, as the colleague in the room and the user see it."""
    assert room not in user.invited_to()
    assert user.user_id not in colleague.members(room, "invite")
    assert code(user.join(room, via=[world.lax.server_name])) == FORBIDDEN
    assert code(user.join(room)) == FORBIDDEN
    assert user.user_id not in colleague.members(room)


FOLLOWED = [("message",), ("state",), ("message", "ours"), ("message", "state", "ours", "message")]


@pytest.mark.parametrize("followed", FOLLOWED, ids=["-".join(kinds) for kinds in FOLLOWED])
def test_a_26021_01_an_invitation_slipped_in_among_events_is_judged(world, followed):
    leo = world.user(world.lax)
    colleague, refusing, willing = (world.user(world.hospital) for _ in range(3))
    block(refusing)
    room = together(leo, colleague, **PRIVATE)
    before = decisions(world.hospital, "invite", "A_26021-01", "denied")
    invite_silently(leo, room, refusing)
    reaches(world, leo, colleague, room, *followed)
    is_kept_out(world, refusing, room, colleague)
    assert decisions(world.hospital, "invite", "A_26021-01", "denied") > before
    # The room goes on in both directions, and whom everybody may invite is invited.
    colleague.send(room, "from here").raise_for_status()
    wait_for(lambda: "from here" in leo.texts(room), what="the answer")
    invite_silently(leo, room, willing)
    wait_for(lambda: room in willing.invited_to(), what="the invitation")
    assert willing.join(room, via=[world.lax.server_name]).status_code == 200


def test_a_26021_01_an_invitation_in_the_state_of_a_room_that_is_joined_is_judged(world):
    leo = world.user(world.lax)
    colleague, refusing, willing = (world.user(world.hospital) for _ in range(3))
    block(refusing)
    room = leo.create_room(**PRIVATE)
    for invitee in (refusing, willing):
        invite_silently(leo, room, invitee)
    leo.invite(room, colleague.user_id).raise_for_status()
    wait_for(lambda: room in colleague.invited_to(), what="the colleague's own invitation")
    colleague.join(room, via=[world.lax.server_name]).raise_for_status()
    is_kept_out(world, refusing, room, colleague)
    reaches(world, leo, colleague, room, "state", "message")
    is_kept_out(world, refusing, room, colleague)
    assert willing.user_id in colleague.members(room, "invite")


def test_a_26021_01_an_invitation_in_a_gap_is_judged(world):
    """The server was down while it happened, and fetches the state of the room afterwards."""
    leo, colleague, refusing = (
        world.user(world.lax),
        world.user(world.practice),
        world.user(world.practice),
    )
    block(refusing)
    room = together(leo, colleague, **PRIVATE)
    world.practice.stop()
    try:
        invite_silently(leo, room, refusing)
        for number in range(40):  # more than are fetched one by one
            leo.send(room, f"meanwhile {number}").raise_for_status()
    finally:
        world.practice.start().wait()
        world.settle()
    reaches(world, leo, colleague, room, "message", "state")
    is_kept_out(world, refusing, room, colleague)


def test_a_26021_01_a_history_with_a_refused_invitation_stays_readable(world):
    leo = world.user(world.lax)
    colleague, refusing = world.user(world.hospital), world.user(world.hospital)
    block(refusing)
    shared = {"type": "m.room.history_visibility", "content": {"history_visibility": "shared"}}
    room = leo.create_room(**{**PRIVATE, "initial_state": [ENCRYPTED, {**shared, "state_key": ""}]})
    leo.send(room, "before").raise_for_status()
    invite_silently(leo, room, refusing)
    leo.send(room, "between").raise_for_status()
    kick = f"/_matrix/client/v3/rooms/{room}/kick"
    leo.request("POST", kick, {"user_id": refusing.user_id}).raise_for_status()
    leo.send(room, "after").raise_for_status()
    leo.invite(room, colleague.user_id).raise_for_status()
    wait_for(lambda: room in colleague.invited_to(), what="the invitation")
    colleague.join(room, via=[world.lax.server_name]).raise_for_status()
    wait_for(lambda: colleague.texts(room) == ["after", "between", "before"], what="the history")
    is_kept_out(world, refusing, room, colleague)


def test_a_26021_01_an_invitation_that_is_not_what_was_signed_is_judged(world):
    """Its content does not match its hash, so it counts in its redacted form, which is an invitation."""
    leo = world.user(world.lax, admin=True)
    colleague, refusing = world.user(world.hospital), world.user(world.hospital)
    block(refusing)
    room = together(leo, colleague, **PRIVATE)
    pdu, event_id = next_in_room(
        world.lax,
        leo,
        room,
        {
            "type": "m.room.member",
            "state_key": refusing.user_id,
            "content": {"membership": "invite"},
        },
        INVITATION,
    )
    tampered = {**pdu, "content": {**pdu["content"], "x": "tampered"}}
    assert send(world.lax, world.hospital, tampered) == {event_id: {}}
    reaches(world, leo, colleague, room)
    is_kept_out(world, refusing, room, colleague)


def test_af_10233_also_between_insured_persons(world):
    """A room in which an insured person of a faulty insurer invites another."""
    leo = world.user(world.lax)
    colleague, invitee = world.user(world.insurer), world.user(world.insurer)
    room = together(leo, colleague, **PRIVATE)
    other = leo.create_room(**PRIVATE)
    invite_silently(leo, other, invitee)
    world.ti.add(world.lax.server_name, insurance=True)
    try:
        world.settle()
        invite_silently(leo, room, invitee)
        reaches(world, leo, colleague, room, "message", "state")
        is_kept_out(world, invitee, room, colleague)
    finally:
        world.ti.remove(world.lax.server_name)
        world.ti.add(world.lax.server_name)
        world.settle()


def test_a_26021_01_an_invitation_that_was_allowed_stays_when_it_is_seen_again(world):
    """Delivered as an invitation, then refused by a new configuration, then seen in the room's state."""
    leo, colleague, doctor = world.user(world.lax), world.user(world.hospital), world.user(world.hospital)
    room = leo.create_room(**PRIVATE)
    leo.invite(room, doctor.user_id).raise_for_status()
    wait_for(lambda: room in doctor.invited_to(), what="the invitation")
    block(doctor)
    leo.invite(room, colleague.user_id).raise_for_status()
    colleague.join(room, via=[world.lax.server_name]).raise_for_status()
    assert doctor.user_id in colleague.members(room, "invite")
    assert doctor.join(room, via=[world.lax.server_name]).status_code == 200


def test_r4_10_an_invitation_by_address_from_another_server_is_refused(world):
    leo, doctor = world.user(world.lax), world.user(world.hospital)
    by_address = {
        "display_name": "x",
        "signed": {"mxid": doctor.user_id, "token": "t", "signatures": {"x": {"ed25519:0": "x"}}},
    }
    pdu, event_id = signed(
        world.lax,
        {
            "type": "m.room.member",
            "room_id": f"!{secrets.token_hex(8)}:{world.lax.server_name}",
            "sender": leo.user_id,
            "state_key": doctor.user_id,
            "content": {"membership": "invite", "third_party_invite": by_address},
        },
    )
    body = {"room_version": "10", "event": pdu, "invite_room_state": []}
    path = f"/_matrix/federation/v2/invite/{pdu['room_id']}/{event_id}"
    answer = world.lax.federation_request("PUT", path, to=world.hospital, content=body)
    assert code(answer) == FORBIDDEN
    assert doctor.invited_to() == set()


def test_r4_10_an_exchange_of_an_invitation_by_address_is_refused(world):
    doctor, leo = world.user(world.hospital), world.user(world.lax)
    room = together(doctor, leo)
    nurse = world.user(world.hospital)
    body = {
        "type": "m.room.member",
        "room_id": room,
        "sender": doctor.user_id,
        "state_key": nurse.user_id,
        "content": {
            "membership": "invite",
            "third_party_invite": {
                "signed": {"mxid": nurse.user_id, "token": "t", "signatures": {"x": {"ed25519:0": "x"}}}
            },
        },
    }
    path = f"/_matrix/federation/v1/exchange_third_party_invite/{room}"
    answer = world.lax.federation_request("PUT", path, to=world.hospital, content=body)
    assert answer.status_code == 403, answer.text
    assert nurse.invited_to() == set()
