"""AF_10064-02 on the client side: who can be invited."""

import pytest

from synapse_tim.testing import wait_for

pytestmark = pytest.mark.servers

UNLISTED = "@tim-gematik:matrix.org"


def code(response):
    return response.status_code, response.json().get("errcode")


@pytest.mark.requirement("AF_10061-04", "AF_10062-03")
def test_af_10064_02_members_invite_each_other_and_talk(federation):
    alice, bob = federation.user(federation.hospital), federation.user(federation.practice)
    room = alice.create_room(preset="private_chat", invite=[bob.user_id])
    wait_for(lambda: room in bob.invited_to(), what="the invitation")
    assert bob.join(room, via=[federation.hospital.server_name]).status_code == 200
    bob.send(room, "from the practice").raise_for_status()
    wait_for(lambda: "from the practice" in alice.texts(room), what="the message")
    alice.send(room, "from the hospital").raise_for_status()
    wait_for(lambda: "from the hospital" in bob.texts(room), what="the answer")


@pytest.mark.requirement("AF_10061-04")
def test_af_10064_02_pro_and_epa_are_one_federation(federation):
    alice, insured = federation.user(federation.hospital), federation.user(federation.insurer)
    room = alice.create_room(invite=[insured.user_id])
    wait_for(lambda: room in insured.invited_to(), what="the invitation")


@pytest.mark.parametrize("admin", [False, True])
@pytest.mark.parametrize("who", ["stranger", UNLISTED])
@pytest.mark.requirement("AF_10061-04", "A_25534")
def test_af_10064_02_an_invitation_to_an_unlisted_server_is_refused(federation, who, admin):
    alice = federation.user(federation.hospital, "admin" if admin else "user", admin=admin)
    invitee = federation.user(federation.stranger).user_id if who == "stranger" else who
    room = alice.create_room()
    answer = alice.invite(room, invitee)
    assert code(answer) == (403, "M_FORBIDDEN")
    assert alice.members(room, "invite") == set()
    if not admin:
        assert "AF_10064-02" in answer.json()["error"]
        assert invitee not in answer.json()["error"]


def test_af_10064_02_a_membership_event_is_no_way_around(federation):
    alice = federation.user(federation.hospital)
    stranger = federation.user(federation.stranger)
    room = alice.create_room()
    answer = alice.put_state(room, "m.room.member", {"membership": "invite"}, stranger.user_id)
    assert code(answer) == (403, "M_FORBIDDEN")
    bob = federation.user(federation.practice)
    answer = alice.put_state(room, "m.room.member", {"membership": "invite"}, bob.user_id)
    assert answer.status_code == 200


@pytest.mark.parametrize("admin", [False, True])
def test_af_10064_02_a_room_with_an_unlisted_user_is_not_created(federation, admin):
    alice = federation.user(federation.hospital, "admin" if admin else "user", admin=admin)
    stranger, bob = federation.user(federation.stranger), federation.user(federation.practice)
    before = alice.joined_rooms()
    for invited in ([stranger.user_id], [bob.user_id, stranger.user_id], [UNLISTED]):
        answer = alice.try_create_room(invite=invited)
        assert code(answer) == (403, "M_FORBIDDEN")
        assert "AF_10064-02" in answer.json()["error"]
    assert alice.joined_rooms() == before
    assert alice.try_create_room(invite=[bob.user_id]).status_code == 200


def test_af_10064_02_nor_with_a_membership_in_its_initial_state(federation):
    alice = federation.user(federation.hospital)
    stranger = federation.user(federation.stranger)
    before = alice.joined_rooms()
    answer = alice.try_create_room(
        initial_state=[
            {
                "type": "m.room.member",
                "state_key": stranger.user_id,
                "content": {"membership": "invite"},
            }
        ]
    )
    assert code(answer) == (403, "M_FORBIDDEN")
    assert alice.joined_rooms() == before
    state = [{"type": "m.room.topic", "state_key": "", "content": {"topic": "ward 3"}}]
    assert alice.try_create_room(initial_state=state).status_code == 200


def test_af_10064_02_nor_with_people_whose_server_nobody_knows_yet(federation):
    alice = federation.user(federation.hospital)
    before = alice.joined_rooms()
    by_mail = {"medium": "email", "address": "a@example.org", "id_server": "x", "id_access_token": "x"}
    assert code(alice.try_create_room(invite_3pid=[by_mail])) == (403, "M_FORBIDDEN")
    assert alice.joined_rooms() == before
    assert alice.try_create_room(invite_3pid=[]).status_code == 200


@pytest.mark.parametrize("kind", ["m.room.member ", "org.example.member"])
def test_af_10064_02_nor_with_state_about_an_unlisted_user(federation, kind):
    alice = federation.user(federation.hospital)
    before = alice.joined_rooms()
    state = {"type": kind, "state_key": "@x:evil.test", "content": {"membership": "invite"}}
    assert code(alice.try_create_room(initial_state=[state])) == (403, "M_FORBIDDEN")
    assert alice.joined_rooms() == before


@pytest.mark.parametrize(
    "body",
    [
        {"invite": "@a:b"},
        {"invite": 5},
        {"invite": [5]},
        {"invite": {"@a:b": 1}},
        {"invite": None},
        {"invite": ["nobody"]},
        {"invite": ["@a"]},
        {"initial_state": 5},
        {"initial_state": ["x"]},
        {"initial_state": [{}]},
        {"initial_state": [{"type": "m.room.topic"}]},
        {"initial_state": [{"type": "m.room.topic", "content": 5}]},
        {"initial_state": [{"type": ["m.room.member"], "state_key": "@x:evil.test", "content": {}}]},
        {"initial_state": [{"type": "m.room.member", "state_key": "@x", "content": {}}]},
        {"initial_state": [{"type": "m.room.member", "state_key": "", "content": {}}]},
        {"invite_3pid": 5},
        {"initial_state": [{"type": "m.room.member", "state_key": 5, "content": {}}]},
        {"initial_state": [{"type": "m.room.member", "content": {}}]},
    ],
)
def test_bad_input_gets_400(federation, body):
    alice = federation.user(federation.hospital)
    before = alice.joined_rooms()
    answer = alice.try_create_room(**body)
    assert answer.status_code == 400, answer.text
    assert alice.joined_rooms() == before


@pytest.mark.requirement("AF_10063-01", "AF_10064-02")
def test_local_traffic_does_not_depend_on_the_list(federation):
    federation.remove(federation.hospital)
    alice = federation.user(federation.hospital)
    nurse = federation.user(federation.hospital, "nurse")
    room = alice.create_room(invite=[nurse.user_id])
    assert nurse.join(room).status_code == 200
    assert alice.send(room, "inside").status_code == 200
    assert nurse.profile(alice.user_id).status_code == 200
