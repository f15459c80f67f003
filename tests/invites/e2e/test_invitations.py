"""Who may invite whom: AF_10064-02, AF_10233, A_25704, A_25705, A_26021-01, A_25368-01."""

import pytest

from synapse_tim.testing import wait_for
from tests.support.world import (
    EPA,
    PRIVATE,
    PRO,
    allow,
    block,
    code,
    deactivate,
    invited,
    say,
    together,
    without_reference,
)

pytestmark = pytest.mark.servers

FORBIDDEN = (403, "M_FORBIDDEN")
INSURED = [{"groupName": "isInsuredPerson"}]


def by_invite(inviter, room, invitee):
    return inviter.invite(room, invitee)


def by_state(inviter, room, invitee):
    return inviter.put_state(room, "m.room.member", {"membership": "invite"}, invitee)


def by_old_prefix(inviter, room, invitee):
    return inviter.request("POST", f"/_matrix/client/r0/rooms/{room}/invite", {"user_id": invitee})


def by_oldest_prefix(inviter, room, invitee):
    path = f"/_matrix/client/api/v1/rooms/{room}/state/m.room.member/{invitee}"
    return inviter.request("PUT", path, {"membership": "invite"})


WAYS = [by_invite, by_state, by_old_prefix, by_oldest_prefix]


# A_26021-01: the invitee's permission configuration


@pytest.mark.parametrize("way", WAYS)
@pytest.mark.parametrize("inviting", ["hospital", "practice"])
@pytest.mark.requirement("AF_10061-04", "AF_10104-03")
def test_a_26021_01_block_all_refuses_and_an_exception_allows(world, inviting, way):
    inviter, invitee = world.user(getattr(world, inviting)), world.user(world.hospital)
    room = inviter.create_room()
    block(invitee)
    assert code(way(inviter, room, invitee.user_id)) == FORBIDDEN
    assert invitee.invited_to() == set()
    assert inviter.members(room, "invite") == set()
    block(invitee, userExceptions={inviter.user_id: {}})
    assert way(inviter, room, invitee.user_id).status_code == 200
    invited(invitee, room)


@pytest.mark.parametrize("inviting", ["hospital", "practice"])
@pytest.mark.parametrize("kind", ["userExceptions", "serverExceptions"])
@pytest.mark.requirement("AF_10061-04", "AF_10104-03")
def test_a_26021_01_allow_all_with_an_exception_refuses_until_it_is_removed(world, inviting, kind):
    inviter, invitee = world.user(getattr(world, inviting)), world.user(world.hospital)
    room = inviter.create_room()
    name = inviter.user_id if kind == "userExceptions" else inviter.server_name
    allow(invitee, **{kind: {name: {}}})
    assert code(inviter.invite(room, invitee.user_id)) == FORBIDDEN
    assert code(inviter.try_create_room(invite=[invitee.user_id])) == FORBIDDEN
    assert invitee.invited_to() == set()
    allow(invitee)
    assert inviter.invite(room, invitee.user_id).status_code == 200
    invited(invitee, room)


def test_a_26021_01_insured_persons_are_a_group(world):
    insured, physician = world.user(world.insurer), world.user(world.practice)
    invitee = world.user(world.hospital)
    allow(invitee, groupExceptions=INSURED)
    room = insured.create_room()
    assert code(insured.invite(room, invitee.user_id)) == FORBIDDEN
    assert physician.try_create_room(invite=[invitee.user_id]).status_code == 200
    block(invitee, groupExceptions=INSURED)
    assert insured.invite(room, invitee.user_id).status_code == 200
    assert code(physician.try_create_room(invite=[invitee.user_id])) == FORBIDDEN


def test_a_26021_01_several_exceptions_do_not_cancel_out(world):
    insured, invitee = world.user(world.insurer), world.user(world.hospital)
    everything = {
        "userExceptions": {insured.user_id: {}},
        "serverExceptions": {insured.server_name: {}},
        "groupExceptions": INSURED,
    }
    room = insured.create_room()
    allow(invitee, **everything)
    assert code(insured.invite(room, invitee.user_id)) == FORBIDDEN
    block(invitee, **everything)
    assert insured.invite(room, invitee.user_id).status_code == 200


def test_a_26021_01_the_configuration_of_insured_persons_counts_at_their_insurer(world):
    doctor, insured = world.user(world.hospital), world.user(world.insurer)
    room = doctor.create_room()
    block(insured, EPA)
    assert code(doctor.invite(room, insured.user_id)) == FORBIDDEN
    assert insured.invited_to() == set()
    block(insured, EPA, serverExceptions={doctor.server_name: {}})
    assert doctor.invite(room, insured.user_id).status_code == 200
    invited(insured, room)


@pytest.mark.requirement("A_26389")
def test_a_26021_01_the_other_products_configuration_does_not_count(world):
    doctor, invitee = world.user(world.hospital), world.user(world.hospital)
    invitee.put_account_data(EPA, {"defaultSetting": "block all"}).raise_for_status()
    assert doctor.try_create_room(invite=[invitee.user_id]).status_code == 200


def test_a_26021_01_everybody_is_allowed_by_default(world):
    for inviting in (world.hospital, world.practice, world.insurer):
        inviter, invitee = world.user(inviting), world.user(world.hospital)
        room = inviter.create_room(invite=[invitee.user_id])
        invited(invitee, room)


@pytest.mark.parametrize("inviting", ["hospital", "lax"])
def test_a_26021_01_inviting_again_is_judged_again(world, inviting):
    inviter, invitee = world.user(getattr(world, inviting)), world.user(world.hospital)
    room = inviter.create_room(**PRIVATE)
    inviter.invite(room, invitee.user_id).raise_for_status()
    invited(invitee, room)
    invitee.join(room, via=[inviter.server_name]).raise_for_status()
    invitee.leave(room).raise_for_status()
    block(invitee)
    assert code(inviter.invite(room, invitee.user_id)) == FORBIDDEN
    assert invitee.invited_to() == set()
    allow(invitee)
    assert inviter.invite(room, invitee.user_id).status_code == 200


def test_a_26021_01_a_third_user_may_be_invited_into_a_direct_chat(world):
    alice, bob, carol = (world.user(world.hospital), world.user(world.practice), world.user(world.hospital))
    room = together(carol, alice, is_direct=True)
    block(bob)
    assert code(carol.invite(room, bob.user_id)) == FORBIDDEN
    allow(bob)
    assert carol.invite(room, bob.user_id).status_code == 200


def test_a_26021_01_administrators_are_judged_too(world):
    admin, invitee = world.user(world.hospital, admin=True), world.user(world.hospital)
    room = admin.create_room()
    block(invitee)
    for way in WAYS:
        assert code(way(admin, room, invitee.user_id)) == FORBIDDEN
    assert code(admin.try_create_room(invite=[invitee.user_id])) == FORBIDDEN
    forced = admin.request("POST", f"/_synapse/admin/v1/join/{room}", {"user_id": invitee.user_id})
    assert code(forced) == FORBIDDEN
    assert invitee.invited_to() == set()
    assert invitee.joined_rooms() == set()
    allow(invitee)
    assert admin.invite(room, invitee.user_id).status_code == 200


def test_a_26021_01_the_answer_to_a_knock_is_an_invitation(world):
    doctor, nurse = world.user(world.hospital), world.user(world.hospital)
    rules = {"type": "m.room.join_rules", "state_key": "", "content": {"join_rule": "knock"}}
    room = doctor.create_room(initial_state=[rules])
    nurse.knock(room).raise_for_status()
    block(nurse)
    assert code(doctor.invite(room, nurse.user_id)) == FORBIDDEN
    allow(nurse)
    assert doctor.invite(room, nurse.user_id).status_code == 200


def test_a_26021_01_an_invitation_that_is_sent_later_is_judged_then(world):
    """MSC4140."""
    doctor, nurse = world.user(world.hospital), world.user(world.hospital)
    room = doctor.create_room()
    block(nurse)
    path = f"/_matrix/client/v3/rooms/{room}/state/m.room.member/{nurse.user_id}"
    delay = {"org.matrix.msc4140.delay": 1}
    doctor.request("PUT", path, {"membership": "invite"}, params=delay).raise_for_status()
    pending = "/_matrix/client/unstable/org.matrix.msc4140/delayed_events"
    wait_for(
        lambda: not has_delayed(doctor, pending),
        what="the delayed invitation",
    )
    assert nurse.invited_to() == set()
    assert doctor.members(room, "invite") == set()
    allow(nurse)
    doctor.request("PUT", path, {"membership": "invite"}, params=delay).raise_for_status()
    invited(nurse, room)


def has_delayed(user, path):
    answer = user.request("GET", path).raise_for_status().json()
    return bool(answer.get("delayed_events") or answer.get("scheduled"))


def test_r2_14_who_does_not_exist_is_answered_like_who_refuses(world):
    inviter, refusing, gone = (world.user(world.hospital) for _ in range(3))
    remote = world.user(world.practice)
    block(refusing)
    deactivate(world.hospital, gone)
    nobody = f"@nobody:{world.hospital.server_name}"
    for who in (inviter, remote):
        room = who.create_room()
        answers = [who.invite(room, invitee) for invitee in (refusing.user_id, nobody, gone.user_id)]
        assert {code(answer) for answer in answers} == {FORBIDDEN}
        assert len({without_reference(answer) for answer in answers}) == 1
        created = [who.try_create_room(invite=[i]) for i in (refusing.user_id, nobody, gone.user_id)]
        assert {code(answer) for answer in created} == {FORBIDDEN}


# AF_10233: insured persons


@pytest.mark.parametrize("inviting", ["insurer", "fund"])
@pytest.mark.parametrize("admin", [False, True])
@pytest.mark.requirement("A_25705")
def test_af_10233_insured_persons_cannot_invite_each_other_whatever_they_allow(world, inviting, admin):
    inviter = world.user(getattr(world, inviting), admin=admin)
    invitee = world.user(world.insurer)
    allow(invitee, EPA)
    block(invitee, EPA, userExceptions={inviter.user_id: {}})
    room = inviter.create_room()
    for way in WAYS:
        assert code(way(inviter, room, invitee.user_id)) == FORBIDDEN
    before = inviter.joined_rooms()
    assert code(inviter.try_create_room(invite=[invitee.user_id])) == FORBIDDEN
    assert inviter.joined_rooms() == before
    assert invitee.invited_to() == set()


def test_a_25704_insured_persons_and_professionals_invite_each_other(world):
    doctor, insured = world.user(world.hospital), world.user(world.insurer)
    room = doctor.create_room(invite=[insured.user_id])
    invited(insured, room)
    room = insured.create_room(invite=[doctor.user_id])
    invited(doctor, room)


def test_a_25705_the_insurer_refuses_even_if_the_inviting_server_does_not(world, ti):
    """An insurer's server that enforces nothing."""
    world.ti.add(world.lax.server_name, insurance=True)
    try:
        world.settle()
        inviter, invitee = world.user(world.lax), world.user(world.insurer)
        room = inviter.create_room(**PRIVATE)
        assert code(inviter.invite(room, invitee.user_id)) == FORBIDDEN
        assert invitee.invited_to() == set()
        doctor = world.user(world.hospital)
        assert inviter.invite(room, doctor.user_id).status_code == 200
    finally:
        world.ti.remove(world.lax.server_name)
        world.ti.add(world.lax.server_name)
        world.settle()


def test_af_10233_two_insured_persons_may_be_in_a_professionals_room(world):
    doctor, one, other = world.user(world.hospital), world.user(world.insurer), world.user(world.fund)
    room = together(doctor, one, other)
    assert say(one, room, "hello").status_code == 200
    assert doctor.members(room) == {doctor.user_id, one.user_id, other.user_id}
    third = world.user(world.fund)
    assert code(one.invite(room, third.user_id)) == FORBIDDEN


# A_25368-01: createRoom


@pytest.mark.parametrize("admin", [False, True])
@pytest.mark.requirement("A_25538")
def test_a_25368_01_a_room_is_created_with_one_invitation_at_most(world, admin):
    inviter = world.user(world.hospital, admin=admin)
    guests = [world.user(world.hospital), world.user(world.practice)]
    before = inviter.joined_rooms()
    answer = inviter.try_create_room(invite=[guest.user_id for guest in guests])
    assert code(answer) == (400, "M_FORBIDDEN")
    assert "A_25368-01" in answer.json()["error"]
    assert inviter.joined_rooms() == before
    assert inviter.try_create_room(invite=[guests[0].user_id]).status_code == 200
    assert inviter.try_create_room(invite=[]).status_code == 200


@pytest.mark.parametrize("membership", ["invite", "join", "ban"])
def test_a_25368_01_initial_state_is_no_way_to_invite(world, membership):
    inviter, guest = world.user(world.hospital), world.user(world.hospital)
    member = {
        "type": "m.room.member",
        "state_key": guest.user_id,
        "content": {"membership": membership},
    }
    before = inviter.joined_rooms()
    assert code(inviter.try_create_room(initial_state=[member])) == (400, "M_FORBIDDEN")
    assert inviter.joined_rooms() == before
    assert guest.invited_to() == set()


def test_a_25368_01_a_refused_invitation_leaves_no_room(world):
    inviter, guest = world.user(world.hospital), world.user(world.hospital)
    block(guest)
    before = inviter.joined_rooms()
    assert code(inviter.try_create_room(invite=[guest.user_id])) == FORBIDDEN
    assert inviter.joined_rooms() == before


# R4.10: invitations by address


@pytest.mark.parametrize("admin", [False, True])
def test_r4_10_nobody_is_invited_by_address(world, admin):
    inviter = world.user(world.hospital, admin=admin)
    room = inviter.create_room()
    address = {
        "medium": "email",
        "address": "a@example.org",
        "id_server": "localhost:1",
        "id_access_token": "x",
    }
    path = f"/_matrix/client/v3/rooms/{room}/invite"
    known = world.user(world.hospital).user_id
    without = ({name: address[name] for name in address if name != missing} for missing in address)
    for body in (address, {**address, "user_id": known}, *without, {"id_server": "localhost:1"}):
        answer = inviter.request("POST", path, body)
        assert code(answer) == FORBIDDEN
        assert "use the user id" in answer.json()["error"]
    assert code(inviter.request("PUT", f"{path}/{inviter.localpart}", address)) == FORBIDDEN
    assert code(inviter.request("POST", path, {"reason": "none"})) == (400, "M_MISSING_PARAM")
    assert inviter.request("POST", path, {"user_id": known, "medium": "email"}).status_code == 200
    token = {"display_name": "a", "key_validity_url": "https://x/", "public_key": "x"}
    assert code(inviter.put_state(room, "m.room.third_party_invite", token, "token")) == FORBIDDEN
    before = inviter.joined_rooms()
    assert code(inviter.try_create_room(invite_3pid=[address])) == FORBIDDEN
    state = {"type": "m.room.third_party_invite", "state_key": "token", "content": token}
    assert code(inviter.try_create_room(initial_state=[state])) == FORBIDDEN
    assert inviter.joined_rooms() == before


def test_r2_13_server_notices_are_exempt(world, ti, start, tmp_path):
    from synapse_tim.testing import SynapseServer
    from tests.support.world import module

    notices = {"system_mxid_localpart": "notices", "room_name": "Notices"}
    server = SynapseServer(
        "clinic",
        tmp_path / "clinic",
        ti.world,
        modules=[module(ti, events={"require_encryption": True})],
        extra={"federation_domain_whitelist": [], "server_notices": notices},
    )
    start(server)
    admin, user = server.register("admin", admin=True), server.register("user")
    block(user, PRO)
    body = {"user_id": user.user_id, "content": {"msgtype": "m.text", "body": "maintenance"}}
    admin.request("POST", "/_synapse/admin/v1/send_server_notice", body).raise_for_status()
    (room,) = user.invited_to()
    assert user.join(room).status_code == 200
    assert user.state(room, "m.room.encryption").status_code == 404
    assert user.texts(room) == ["maintenance"]
    assert code(admin.try_create_room(invite=[user.user_id])) == FORBIDDEN
