"""Who may invite whom in the legacy generation: AF_10061-01, AF_10104-01 (requirements §2.5)."""

import pytest

from synapse_tim.testing import wait_for
from tests.invites.e2e.test_invitations import WAYS
from tests.legacy.e2e.world import HOUR_S, approve, contacts_api, disapprove
from tests.support.pdus import next_in_room, send
from tests.support.world import (
    PRIVATE,
    block,
    code,
    decisions,
    error_text,
    invite_silently,
    invited,
    together,
)

pytestmark = pytest.mark.servers

FORBIDDEN = (403, "M_FORBIDDEN")
#: What permits state, beside its sender's own membership.
STATE = [("m.room.create", ""), ("m.room.power_levels", "")]


def refused(inviter, invitee):
    """Every request that would invite somebody is refused, and nobody sees anything of it."""
    room = inviter.create_room()
    answers = {code(way(inviter, room, invitee.user_id)) for way in WAYS}
    answers.add(code(inviter.try_create_room(invite=[invitee.user_id])))
    assert invitee.invited_to() == set()
    assert inviter.members(room, "invite") == set()
    return answers == {FORBIDDEN}


def let_through(inviter, invitee):
    """An invitation arrives, and may be accepted."""
    room = inviter.create_room()
    inviter.invite(room, invitee.user_id).raise_for_status()
    invited(invitee, room)
    invitee.join(room, via=[inviter.server_name]).raise_for_status()
    return True


# Stage 1: the federation


@pytest.mark.requirement("AF_10064-01")
def test_af_10061_01_stage_1_nobody_outside_the_federation_is_invited(world):
    doctor = world.user()
    room = doctor.create_room()
    for stranger in ("@alice:outside.example", "@alice:outside.example:8448"):
        assert code(doctor.invite(room, stranger)) == FORBIDDEN
        assert code(doctor.try_create_room(invite=[stranger])) == FORBIDDEN
    assert doctor.members(room, "invite") == set()


@pytest.mark.requirement("AF_10062-01", "AF_10064-01")
def test_af_10062_01_events_pass_between_members_only(world):
    doctor, physician = world.user(), world.user(world.practice)
    approve(doctor, physician)
    room = together(physician, doctor)
    doctor.send(room, "hello").raise_for_status()
    wait_for(lambda: "hello" in physician.texts(room), what="the message")
    world.ti.remove(world.practice.server_name)
    try:
        world.settle()
        physician.send(room, "from outside").raise_for_status()
        assert code(doctor.invite(doctor.create_room(), physician.user_id)) == FORBIDDEN
    finally:
        world.ti.add(world.practice.server_name)
        world.settle()
    assert "from outside" not in doctor.texts(room)


# Stage 2: the approval list


def test_af_10061_01_stage_2_who_is_approved_may_invite_and_nobody_else(world):
    doctor, physician, other = world.user(), world.user(world.practice), world.user(world.practice)
    assert refused(physician, doctor)
    approve(doctor, physician)
    assert let_through(physician, doctor)
    assert refused(other, doctor)
    disapprove(doctor, physician)
    room = physician.create_room()
    assert code(physician.invite(room, doctor.user_id)) == FORBIDDEN


@pytest.mark.parametrize(
    ("start", "end", "open_now"),
    [
        (-HOUR_S, None, True),
        (-HOUR_S, HOUR_S, True),
        (HOUR_S, None, False),
        (HOUR_S, 2 * HOUR_S, False),
        (-2 * HOUR_S, -HOUR_S, False),
    ],
)
def test_af_10061_01_stage_2_the_time_window_counts(world, start, end, open_now):
    doctor, physician = world.user(), world.user(world.practice)
    approve(doctor, physician, start, end)
    assert let_through(physician, doctor) if open_now else refused(physician, doctor)


def test_af_10061_01_stage_2_a_window_can_be_closed_and_opened_again(world):
    doctor, physician = world.user(), world.user(world.practice)
    approve(doctor, physician)
    approve(doctor, physician, HOUR_S)
    assert refused(physician, doctor)
    approve(doctor, physician)
    assert let_through(physician, doctor)


def test_af_10061_01_stage_2_an_approval_is_that_users_alone(world):
    doctor, colleague = world.user(), world.user()
    physician, other = world.user(world.practice), world.user(world.practice)
    approve(colleague, physician)
    approve(doctor, other)
    assert refused(physician, doctor)
    # What an inviter has approved says nothing about those who are invited.
    approve(colleague, doctor)
    assert refused(physician, doctor)


def test_af_10061_01_stage_2_a_server_name_in_capitals_is_the_same_server(world):
    doctor, physician = world.user(), world.user(world.practice)
    localpart, server = physician.user_id.split(":", 1)
    body = {"displayName": "x", "mxid": f"{localpart}:{server.upper()}", "inviteSettings": {"start": 0}}
    contacts_api(doctor, "POST", json=body).raise_for_status()
    assert let_through(physician, doctor)


def test_af_10061_01_stage_2_insured_persons_can_be_approved(world):
    doctor, insured = world.user(), world.user(world.insurer)
    assert refused(insured, doctor)
    approve(doctor, insured)
    assert let_through(insured, doctor)


# Stage 3: the directory

TABLE = [
    ("org", None, True),
    ("orgPract", None, True),
    ("org", "pract", True),
    ("pract", "pract", True),
    ("pract", "orgPract", True),
    ("orgPract", "pract", True),
    ("pract", "org", False),
    ("pract", None, False),
    (None, "pract", False),
    (None, "org", False),
    (None, "orgPract", False),
]


@pytest.mark.one_process
@pytest.mark.parametrize(("invitee", "inviter", "allowed"), TABLE)
def test_af_10061_01_stage_3_organisations_for_all_practitioners_for_practitioners(
    world, invitee, inviter, allowed
):
    doctor, physician = world.user(), world.user(world.practice)
    world.list_in_directory(doctor, invitee)
    world.list_in_directory(physician, inviter)
    assert let_through(physician, doctor) if allowed else refused(physician, doctor)


@pytest.mark.one_process
@pytest.mark.parametrize("uri", [True, False])
def test_af_10061_01_stage_3_finds_both_spellings(world, uri):
    doctor, physician = world.user(), world.user(world.practice)
    world.list_in_directory(doctor, "pract", uri=uri)
    world.list_in_directory(physician, "pract", uri=not uri)
    assert let_through(physician, doctor)


@pytest.mark.one_process
@pytest.mark.parametrize("unused", [{"status": "off"}, {"active": False}])
def test_af_10061_01_stage_3_entries_that_are_not_in_use_do_not_count(world, unused):
    doctor, physician = world.user(), world.user(world.practice)
    world.list_in_directory(doctor, "org", **unused)
    assert refused(physician, doctor)


def test_af_10061_01_stage_3_insured_persons_reach_organisations(world):
    ward, doctor, insured = world.user(), world.user(), world.user(world.insurer)
    world.list_in_directory(ward, "org")
    world.list_in_directory(doctor, "pract")
    assert let_through(insured, ward)
    assert refused(insured, doctor)


def test_af_10061_01_the_directory_is_asked_only_if_nothing_else_decides(world):
    doctor, colleague, physician = world.user(), world.user(), world.user(world.practice)
    approve(doctor, physician)
    before = world.asked()
    assert let_through(physician, doctor)
    assert let_through(colleague, doctor)
    room = doctor.create_room()
    doctor.invite(room, physician.user_id).raise_for_status()
    assert world.asked() == before


# Inside the organisation


def test_af_10104_01_colleagues_invite_each_other(world):
    doctor, colleague = world.user(), world.user()
    for way in WAYS:
        room = doctor.create_room()
        assert way(doctor, room, colleague.user_id).status_code == 200
        invited(colleague, room)
    assert doctor.try_create_room(invite=[colleague.user_id]).status_code == 200


def test_af_10104_01_r2_14_who_has_no_account_is_not_invited(world):
    doctor, physician, left = world.user(), world.user(world.practice), world.user()
    administrator = world.user(admin=True)
    world.list_in_directory(left, "org")
    approve(left, physician)
    answer = administrator.request("POST", f"/_synapse/admin/v1/deactivate/{left.user_id}", {})
    answer.raise_for_status()
    nobody = f"@nobody:{doctor.server_name}"
    texts = set()
    for inviter in (doctor, physician):
        room = inviter.create_room()
        for user_id in (left.user_id, nobody):
            answer = inviter.invite(room, user_id)
            assert code(answer) == FORBIDDEN
            texts.add(error_text(answer))
    assert len(texts) == 1


def test_a_permission_configuration_says_nothing_in_the_legacy_generation(world):
    doctor, colleague, physician = world.user(), world.user(), world.user(world.practice)
    block(doctor)
    assert let_through(colleague, doctor)
    approve(doctor, physician)
    assert let_through(physician, doctor)


def test_several_users_are_invited_to_a_new_room_and_each_is_judged(world):
    doctor, colleague, nurse = world.user(), world.user(), world.user()
    physician, refusing = world.user(world.practice), world.user(world.practice)
    block(refusing)
    room = doctor.create_room(invite=[colleague.user_id, nurse.user_id, physician.user_id])
    for guest in (colleague, nurse, physician):
        invited(guest, room)
    for others in ([refusing.user_id], ["@a:outside.example"], [f"@nobody:{doctor.server_name}"]):
        before = doctor.joined_rooms()
        assert code(doctor.try_create_room(invite=[colleague.user_id, *others])) == FORBIDDEN
        assert doctor.joined_rooms() == before


# Ways around


def test_af_10061_01_the_inviters_administrator_is_judged_like_everybody(world):
    doctor, administrator = world.user(), world.user(world.practice, admin=True)
    assert refused(administrator, doctor)
    room = administrator.create_room()
    path = f"/_synapse/admin/v1/join/{room}"
    assert administrator.request("POST", path, {"user_id": doctor.user_id}).status_code >= 400
    assert doctor.user_id not in administrator.members(room)


def test_af_10061_01_a_server_that_checks_nothing_gets_nobody_in(world):
    doctor, leo = world.user(), world.user(world.lax)
    room = leo.create_room(**PRIVATE)
    assert code(leo.invite(room, doctor.user_id)) == FORBIDDEN
    assert code(leo.try_create_room(invite=[doctor.user_id], **PRIVATE)) == FORBIDDEN
    assert doctor.invited_to() == set()
    approve(doctor, leo)
    assert leo.invite(room, doctor.user_id).status_code == 200
    invited(doctor, room)


def test_af_10061_01_an_invitation_slipped_in_among_events_is_judged(world):
    leo, colleague = world.user(world.lax), world.user()
    refusing, willing = world.user(), world.user()
    for approving in (colleague, willing):
        approve(approving, leo)
    room = together(leo, colleague, **PRIVATE)
    before = decisions(world.clinic, "invite", "AF_10061-01", "denied")
    invite_silently(leo, room, refusing)
    leo.send(room, "after it").raise_for_status()
    wait_for(lambda: "after it" in colleague.texts(room), what="the message")
    assert room not in refusing.invited_to()
    assert refusing.user_id not in colleague.members(room, "invite")
    assert code(refusing.join(room, via=[leo.server_name])) == FORBIDDEN
    assert decisions(world.clinic, "invite", "AF_10061-01", "denied") > before
    invite_silently(leo, room, willing)
    invited(willing, room)


def test_af_10061_01_a_refused_invitation_is_not_judged_again_when_the_room_is_resolved(world):
    """Neither the directory nor the invitee is asked: what was refused stays so.

    Each process remembers it by itself: the one that takes events judges it, and if another one stores them,
    that one judges it when it first resolves the state, by what the invitee allows then.
    """
    leo, colleague = world.user(world.lax, admin=True), world.user()
    refusing, approving_later = world.user(), world.user()
    approve(colleague, leo)
    room = together(leo, colleague, **PRIVATE)
    for user in (refusing, approving_later):
        invite_silently(leo, room, user)
    leo.send(room, "after it").raise_for_status()
    wait_for(lambda: "after it" in colleague.texts(room), what="the message")
    approve(approving_later, leo)
    asked = [world.asked()]
    for kind in ("org.example.1", "org.example.2", "org.example.3", "org.example.4"):
        pdu = {"type": kind, "state_key": "", "content": {"of": "one branch of two"}}
        branch, event_id = next_in_room(world.lax, leo, room, pdu, STATE)
        assert send(world.lax, world.clinic, branch) == {event_id: {}}
        wait_for(lambda kind=kind: colleague.state(room, kind).is_success, what=f"the state {kind}")
        asked.append(world.asked())
    assert asked[2] == asked[3] == asked[4]
    remembering = [refusing]
    if not hasattr(world.clinic, "workers"):
        assert asked[0] == asked[1] == asked[2]
        remembering.append(approving_later)
    for user in remembering:
        assert room not in user.invited_to()
        assert user.user_id not in colleague.members(room, "invite")


def test_af_10061_01_who_left_and_withdrew_is_not_invited_again(world):
    doctor, physician = world.user(), world.user(world.practice)
    approve(doctor, physician)
    room = together(physician, doctor)
    doctor.leave(room).raise_for_status()
    disapprove(doctor, physician)
    assert code(physician.invite(room, doctor.user_id)) == FORBIDDEN
    assert doctor.invited_to() == set()


def test_af_10061_01_an_answered_knock_is_an_invitation(world):
    """Who knocks wants to come in, but says so by an approval as everybody does."""
    doctor, physician = world.user(), world.user(world.practice)
    rule = {"type": "m.room.join_rules", "state_key": "", "content": {"join_rule": "knock"}}
    room = physician.create_room(initial_state=[rule])
    doctor.knock(room, via=[physician.server_name]).raise_for_status()
    wait_for(lambda: doctor.user_id in physician.members(room, "knock"), what="the knock")
    assert code(physician.invite(room, doctor.user_id)) == FORBIDDEN
    approve(doctor, physician)
    assert physician.invite(room, doctor.user_id).status_code == 200


def test_af_10061_01_ids_are_compared_exactly(world):
    doctor, physician = world.user(), world.user(world.practice)
    localpart, server = physician.user_id[1:].split(":", 1)
    for near in (f"@{localpart.upper()}:{server}", f"@{localpart}x:{server}", f"@{localpart}:x{server}"):
        body = {"displayName": "x", "mxid": near, "inviteSettings": {"start": 0}}
        answer = contacts_api(doctor, "POST", json=body)
        assert answer.status_code == 200, answer.text
    assert refused(physician, doctor)
