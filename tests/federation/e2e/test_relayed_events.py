"""AF_10064-02: servers that left the federation do not come back through a member."""

import time

import pytest
from synapse.api.room_versions import RoomVersions
from synapse.crypto.event_signing import add_hashes_and_signatures
from synapse.events import make_event_from_dict

from synapse_tim.testing import wait_for

pytestmark = pytest.mark.servers


@pytest.mark.requirement("AF_10062-03")
def test_af_10064_02_messages_of_a_former_member_relayed_by_a_member_are_not_shown(federation):
    f = federation
    f.add(f.former)
    alice, leo, fred = f.user(f.hospital), f.user(f.lax), f.user(f.former)
    room = leo.create_room(room_version="10", invite=[alice.user_id, fred.user_id])
    for user in (alice, fred):
        user.join(room, via=[f.lax.server_name]).raise_for_status()
    fred.send(room, "while a member").raise_for_status()
    wait_for(lambda: "while a member" in alice.texts(room), what="the member's message")

    f.remove(f.former)
    fred.send(room, "after leaving").raise_for_status()
    wait_for(lambda: "after leaving" in leo.texts(room), what="the relaying server")
    leo.send(room, "relayed with it").raise_for_status()
    wait_for(lambda: "relayed with it" in alice.texts(room), what="the member's message")
    assert "after leaving" not in alice.texts(room)
    assert "while a member" in alice.texts(room)
    timeline = alice.sync()["rooms"]["join"][room]["timeline"]["events"]
    assert "after leaving" not in [event["content"].get("body") for event in timeline]
    # State is let through: both servers agree that the former member's user has left.
    fred.leave(room)
    wait_for(lambda: fred.user_id not in leo.members(room), what="the leave at the member")
    leo.send(room, "goodbye").raise_for_status()
    wait_for(lambda: "goodbye" in alice.texts(room), what="the message")
    wait_for(lambda: fred.user_id not in alice.members(room), what="the leave here")


def invitation(server, sender, invitee):
    """An invitation as the server would sign it, and the path to deliver it to."""
    pdu = {
        "type": "m.room.member",
        "room_id": f"!made-up:{server.server_name}",
        "sender": sender,
        "state_key": invitee,
        "content": {"membership": "invite"},
        "depth": 5,
        "prev_events": [],
        "auth_events": [],
        "origin_server_ts": int(time.time() * 1000),
    }
    add_hashes_and_signatures(RoomVersions.V10, pdu, server.server_name, server.federation.signing_key)
    event_id = make_event_from_dict(dict(pdu), RoomVersions.V10).event_id
    body = {"room_version": "10", "event": pdu, "invite_room_state": []}
    return f"/_matrix/federation/v2/invite/{pdu['room_id']}/{event_id}", body


@pytest.mark.requirement("AF_10061-04")
def test_af_10064_02_an_invitation_of_a_former_member_delivered_by_a_member_is_refused(federation):
    f = federation
    f.add(f.former)
    alice, fred, leo = f.user(f.hospital), f.user(f.former), f.user(f.lax)
    # The hospital knows the former member's key from the time of its membership.
    room = fred.create_room(invite=[alice.user_id])
    wait_for(lambda: room in alice.invited_to(), what="the invitation")
    f.remove(f.former)
    before = alice.invited_to()
    path, body = invitation(f.former, fred.user_id, alice.user_id)
    refused = f.lax.federation_request("PUT", path, to=f.hospital, content=body)
    assert refused.status_code in (400, 403), refused.text
    assert alice.invited_to() == before
    path, body = invitation(f.lax, leo.user_id, alice.user_id)
    assert f.lax.federation_request("PUT", path, to=f.hospital, content=body).status_code == 200
    wait_for(lambda: len(alice.invited_to() - before) == 1, what="the member's own")


@pytest.mark.parametrize("creator", ["lax", "stranger"])
def test_joining_a_room_with_members_of_a_stranger_never_hangs(federation, creator):
    """Stock Synapse waits for ever for the rest of the state of such a room."""
    f = federation
    alice, leo, carl = f.user(f.hospital), f.user(f.lax), f.user(f.stranger)
    host, guest = (leo, carl) if creator == "lax" else (carl, leo)
    room = host.create_room(room_version="10", invite=[guest.user_id])
    guest.join(room, via=[host.server_name]).raise_for_status()
    guest.send(room, "hello").raise_for_status()
    # Both have seen everything: what a stranger with an unknown key adds later is another matter, see
    # docs/limits.md.
    for user in (leo, carl):
        wait_for(lambda user=user: "hello" in user.texts(room), what="the message")

    assert leo.invite(room, alice.user_id).status_code == 200
    joined = alice.join(room, via=[f.lax.server_name])
    if creator == "stranger":  # nothing of the room can be verified: refused at once, nothing is left
        assert 400 <= joined.status_code < 600
        assert room not in alice.joined_rooms()
        return
    assert joined.status_code == 200
    assert alice.members(room) == {alice.user_id, leo.user_id}
    leo.send(room, "from the member").raise_for_status()
    wait_for(lambda: "from the member" in alice.texts(room), what="the message")
    alice.send(room, "from here").raise_for_status()
    wait_for(lambda: "from here" in leo.texts(room), what="the answer")
