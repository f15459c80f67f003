"""How would one get around it? Ways that a faulty or hostile member of the federation has.

``lax`` is a real server, so what it signs is genuine; what it sends here is made by hand.
"""

import secrets
import time

import pytest
from synapse.api.room_versions import RoomVersions
from synapse.crypto.event_signing import add_hashes_and_signatures
from synapse.events import make_event_from_dict

from synapse_tim.testing import wait_for
from tests.policies.world import EPA, PRIVATE, block, code, decisions, together

pytestmark = pytest.mark.servers

FORBIDDEN = (403, "M_FORBIDDEN")


def signed(server, pdu):
    """An event that a server signs, and its id."""
    pdu = {"depth": 5, "prev_events": [], "auth_events": [], "origin_server_ts": now_ms(), **pdu}
    add_hashes_and_signatures(RoomVersions.V10, pdu, server.server_name, server.federation.signing_key)
    return pdu, make_event_from_dict(dict(pdu), RoomVersions.V10).event_id


def now_ms():
    return int(time.time() * 1000)


def next_in_room(server, user, room, pdu, auth):
    """An event that follows the newest one of a room as its server knows it.

    Args:
        auth: the types and state keys of the state that permits it.
    """
    path = f"/_synapse/admin/v1/rooms/{room}/forward_extremities"
    newest = user.request("GET", path).raise_for_status().json()["results"]
    state = user.request("GET", f"/_matrix/client/v3/rooms/{room}/state").raise_for_status().json()
    ids = {(event["type"], event["state_key"]): event["event_id"] for event in state}
    return signed(
        server,
        {
            **pdu,
            "room_id": room,
            "sender": user.user_id,
            "prev_events": [each["event_id"] for each in newest],
            "auth_events": [ids[key] for key in auth],
            "depth": max(each["depth"] for each in newest) + 1,
        },
    )


def send(server, to, *pdus):
    """Deliver events as a transaction; the answer for each, by its id."""
    body = {"origin": server.server_name, "origin_server_ts": now_ms(), "pdus": list(pdus)}
    path = f"/_matrix/federation/v1/send/{secrets.token_hex(8)}"
    answer = server.federation_request("PUT", path, to=to, content=body)
    return answer.raise_for_status().json()["pdus"]


# Invitations


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
        assert invite().status_code in (400, 403)
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


def slipped_in(world, sender, colleague, invitee, content=None):
    """An invitation that its server does not deliver as one, but among the events of a room."""
    room = together(sender, colleague, **PRIVATE)
    pdu, event_id = next_in_room(
        world.lax,
        sender,
        room,
        {
            "type": "m.room.member",
            "state_key": invitee.user_id,
            "content": content or {"membership": "invite"},
        },
        [
            ("m.room.create", ""),
            ("m.room.power_levels", ""),
            ("m.room.join_rules", ""),
            ("m.room.member", sender.user_id),
        ],
    )
    assert send(world.lax, colleague_server(world, colleague), pdu) == {event_id: {}}
    return room


def colleague_server(world, user):
    return next(server for server in world.servers if server.server_name == user.server_name)


def after(world, sender, colleague, room):
    """Wait until what was sent before has been dealt with."""
    pdu, _ = next_in_room(
        world.lax,
        sender,
        room,
        {"type": "m.room.message", "content": {"msgtype": "m.text", "body": "after that"}},
        [("m.room.create", ""), ("m.room.power_levels", ""), ("m.room.member", sender.user_id)],
    )
    send(world.lax, colleague_server(world, colleague), pdu)
    wait_for(lambda: "after that" in colleague.texts(room), timeout=10, what="the message after it")


def test_a_26021_01_an_invitation_slipped_in_among_events_is_judged(world):
    leo = world.user(world.lax, admin=True)
    colleague, refusing, willing = (world.user(world.hospital) for _ in range(3))
    block(refusing)
    before = decisions(world.hospital, "invite", "A_26021-01", "denied")
    room = slipped_in(world, leo, colleague, refusing)
    after(world, leo, colleague, room)
    assert refusing.invited_to() == set()
    assert refusing.user_id not in colleague.members(room, "invite")
    assert refusing.join(room).status_code == 403
    assert decisions(world.hospital, "invite", "A_26021-01", "denied") > before
    room = slipped_in(world, leo, colleague, willing)
    wait_for(lambda: room in willing.invited_to(), timeout=10, what="the invitation")


def test_af_10233_also_between_insured_persons(world):
    """A third party's room, in which an insured person of a faulty insurer invites another."""
    leo = world.user(world.lax, admin=True)
    colleague, invitee = world.user(world.insurer), world.user(world.insurer)
    room = together(leo, colleague, **PRIVATE)
    world.ti.add(world.lax.server_name, insurance=True)
    try:
        world.settle()
        pdu, _ = next_in_room(
            world.lax,
            leo,
            room,
            {
                "type": "m.room.member",
                "state_key": invitee.user_id,
                "content": {"membership": "invite"},
            },
            [
                ("m.room.create", ""),
                ("m.room.power_levels", ""),
                ("m.room.join_rules", ""),
                ("m.room.member", leo.user_id),
            ],
        )
        send(world.lax, world.insurer, pdu)
        after(world, leo, colleague, room)
        assert invitee.invited_to() == set()
    finally:
        world.ti.remove(world.lax.server_name)
        world.ti.add(world.lax.server_name)
        world.settle()


def test_a_26021_01_an_invitation_that_was_allowed_stays_when_it_is_seen_again(world):
    """Delivered as an invitation, then refused by a new configuration, then seen in the room's state."""
    leo, colleague, doctor = world.user(world.lax), world.user(world.hospital), world.user(world.hospital)
    room = leo.create_room(**PRIVATE)
    leo.invite(room, doctor.user_id).raise_for_status()
    wait_for(lambda: room in doctor.invited_to(), timeout=10, what="the invitation")
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


# Public rooms


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
    wait_for(lambda: doctor.state(room, "m.room.join_rules").json() == public, timeout=10)
    path = f"/_matrix/federation/v1/make_join/{room}/{other.user_id}?ver=10"
    answer = world.practice.federation_request("GET", path, to=world.hospital)
    assert code(answer) == FORBIDDEN
    assert code(doctor.invite(room, other.user_id)) == FORBIDDEN


# Permission configurations


def test_a_25043_a_document_stored_for_the_other_product_is_not_checked_and_does_not_count(world):
    insured, doctor = world.user(world.insurer), world.user(world.hospital)
    pro = "de.gematik.tim.account.permissionconfig.pro.v1"
    insured.put_account_data(pro, {"defaultSetting": "block all"}).raise_for_status()
    assert doctor.try_create_room(invite=[insured.user_id]).status_code == 200
    block(insured, EPA)
    assert code(doctor.try_create_room(invite=[insured.user_id])) == FORBIDDEN


def test_a_26021_01_a_name_in_capitals_is_the_same_server(world):
    doctor, physician = world.user(world.hospital), world.user(world.practice)
    block(doctor, serverExceptions={world.practice.server_name.upper(): {}})
    assert physician.try_create_room(invite=[doctor.user_id]).status_code == 200


def test_a_26021_01_the_configuration_counts_after_a_restart(world):
    doctor, nurse = world.user(world.practice), world.user(world.practice)
    block(nurse)
    world.practice.restart()
    world.settle()
    assert code(doctor.try_create_room(invite=[nurse.user_id])) == FORBIDDEN


# Logs


def test_a_22813_the_policies_log_no_users_and_no_rooms(world):
    doctor, nurse, leo = world.user(world.hospital), world.user(world.hospital), world.user(world.lax)
    block(nurse)
    room = doctor.create_room()
    doctor.invite(room, nurse.user_id)
    leo.try_create_room(invite=[nurse.user_id], **PRIVATE)
    doctor.put_state(room, "m.room.join_rules", {"join_rule": "public"})
    lines = [line for line in world.hospital.log_text().splitlines() if " synapse_tim" in line]
    assert lines
    for line in lines:
        message = line.split(" synapse_tim", 1)[1]
        assert "@" not in message
        assert "!" not in message
