"""Rooms are encrypted, and stay so: A_25323-01, A_25324-01, A_25996, A_26015-02.

Rooms that were there before the modules, and all products and generations: ``test_rooms_from_before``.
"""

import secrets

import pytest

from synapse_tim.testing import MatrixUser, wait_for
from tests.rooms.e2e.test_creation import created, refused
from tests.support.world import CLIENT, ENCRYPTED, PRIVATE, code, invited, together

pytestmark = [
    pytest.mark.servers,
    pytest.mark.requirement("A_25323-01", "A_25324-01", "A_25996", "A_26015-02"),
]

ENCRYPTION = "m.room.encryption"
MEGOLM = ENCRYPTED["content"]
ROTATING = {**MEGOLM, "rotation_period_msgs": 10}
OLM = {"algorithm": "m.olm.v1.curve25519-aes-sha2"}
FORBIDDEN, ROOM_STATE = (403, "M_FORBIDDEN"), (400, "M_INVALID_ROOM_STATE")
UNENCRYPTED = {"room_version": "10", "preset": "private_chat"}  # at a lax server

at = pytest.mark.parametrize("server", ["hospital", "insurer"])


def in_state(content):
    return {"type": ENCRYPTION, "state_key": "", "content": content}


def encryption(user, room):
    answer = user.state(room, ENCRYPTION)
    return answer.json() if answer.status_code == 200 else None


def everybody(world, server):
    """Users whom rules might forget: an administrator, and at the hospital an application service."""
    user = world.user(server)
    makers = [user, world.user(server, admin=True)]
    if server is world.hospital:
        makers.append(MatrixUser(f"@past:{server.server_name}", world.past.token, user.base_url))
    return makers


@at
def test_a_25323_01_rooms_are_encrypted_if_the_client_says_nothing(world, server):
    for user in everybody(world, getattr(world, server)):
        for body in (
            {},
            {"is_direct": True},
            {"room_version": "9"},
            {"creation_content": {"m.federate": False}},
        ):
            assert created(user, **body)[ENCRYPTION] == MEGOLM
        assert created(user, initial_state=[in_state(ROTATING)])[ENCRYPTION] == ROTATING
        assert ENCRYPTION not in created(user, creation_content={"type": "m.space"})


@at
def test_a_25323_01_no_other_algorithm(world, server):
    for user in everybody(world, getattr(world, server)):
        for content in ({}, OLM, {"algorithm": ["m.megolm.v1.aes-sha2"]}):
            refused(user, ROOM_STATE, initial_state=[in_state(content)])
            refused(user, ROOM_STATE, initial_state=[ENCRYPTED, in_state(content)])
            refused(
                user, ROOM_STATE, initial_state=[in_state(content)], creation_content={"m.federate": False}
            )


def test_a_25325_01_public_rooms_are_encrypted_if_the_client_wants_it(world):
    doctor = world.user(world.hospital)
    room = doctor.create_room(preset="public_chat")
    assert encryption(doctor, room) is None
    assert code(doctor.put_state(room, ENCRYPTION, OLM)) == ROOM_STATE
    assert doctor.put_state(room, ENCRYPTION, MEGOLM).status_code == 200
    assert code(doctor.put_state(room, ENCRYPTION, {})) == ROOM_STATE
    assert created(doctor, preset="public_chat", initial_state=[ENCRYPTED])[ENCRYPTION] == MEGOLM


@at
def test_a_25324_01_encryption_stays(world, server):
    for user in everybody(world, getattr(world, server)):
        room = user.create_room()
        for content in ({}, OLM, ROTATING, {**MEGOLM, "algorithm": "none"}):
            answer = user.put_state(room, ENCRYPTION, content)
            assert code(answer) == ROOM_STATE
            assert "A_2532" in answer.json()["error"]
        assert user.put_state(room, ENCRYPTION, MEGOLM).status_code == 200  # nothing changes
        assert encryption(user, room) == MEGOLM


@at
def test_a_25324_01_nor_is_it_redacted(world, server):
    for user in everybody(world, getattr(world, server)):
        room = user.create_room()
        state = user.request("GET", f"{CLIENT}/rooms/{room}/state").json()
        (event,) = [event["event_id"] for event in state if event["type"] == ENCRYPTION]
        path = f"{CLIENT}/rooms/{room}/redact/{event}/{secrets.token_hex(4)}"
        assert code(user.request("PUT", path, {})) == ROOM_STATE
        assert code(user.send_event(room, "m.room.redaction", {"redacts": event})) == ROOM_STATE
        assert encryption(user, room) == MEGOLM


def test_a_25324_01_nor_by_an_administrator_who_redacts_all_of_a_user(world):
    doctor, admin = world.user(world.hospital), world.user(world.hospital, admin=True)
    room = doctor.create_room()
    event = doctor.send(room, "mistyped").json()["event_id"]
    path = f"/_synapse/admin/v1/user/{doctor.user_id}/redact"
    started = admin.at(world.hospital.client_url).request("POST", path, {"rooms": [room]})
    status = f"/_synapse/admin/v1/user/redact_status/{started.raise_for_status().json()['redact_id']}"
    finished = admin.at(world.hospital.client_url)
    wait_for(lambda: finished.request("GET", status).json()["status"] != "active", what="the redactions")
    wait_for(lambda: not doctor.request("GET", f"{CLIENT}/rooms/{room}/event/{event}").json()["content"])
    assert encryption(doctor, room) == MEGOLM


def test_a_25324_01_nor_by_an_event_that_is_sent_later(world):
    doctor = world.user(world.hospital)
    room = doctor.create_room()
    path = f"{CLIENT}/rooms/{room}/state/{ENCRYPTION}/"
    answer = doctor.request("PUT", path, {}, params={"org.matrix.msc4140.delay": 1})
    if answer.status_code == 200:  # otherwise it is refused at once, which is just as well
        pending = "/_matrix/client/unstable/org.matrix.msc4140/delayed_events"
        wait_for(
            lambda: (
                not (
                    (listed := doctor.request("GET", pending).json()).get("delayed_events")
                    or listed.get("scheduled")
                )
            ),
            what="the delayed event",
        )
    assert encryption(doctor, room) == MEGOLM


@at
def test_a_25323_01_an_upgraded_room_is_encrypted_as_before(world, server):
    user = world.user(getattr(world, server))
    for body in ({}, {"initial_state": [in_state(ROTATING)]}):
        room = user.create_room(room_version="9", **body)
        answer = user.request("POST", f"{CLIENT}/rooms/{room}/upgrade", {"new_version": "10"})
        new = answer.raise_for_status().json()["replacement_room"]
        assert encryption(user, new) == encryption(user, room) != None  # noqa: E711
    space = user.create_room(creation_content={"type": "m.space"}, room_version="9")
    answer = user.request("POST", f"{CLIENT}/rooms/{space}/upgrade", {"new_version": "10"})
    assert answer.status_code == 200


@at
def test_a_25324_01_spaces_are_entered_by_users_of_other_servers(world, server):
    host, guest = world.user(getattr(world, server)), world.user(world.practice)
    space = together(host, guest, creation_content={"type": "m.space"})
    assert guest.user_id in host.members(space)


# Moderators of other servers


def moderated(host, guest, **body):
    """A room in which the guest may do what the host may."""
    room = together(host, guest, **body)
    levels = host.state(room, "m.room.power_levels").json()
    levels["users"][guest.user_id] = 100
    host.put_state(room, "m.room.power_levels", levels).raise_for_status()
    wait_for(lambda: guest.state(room, "m.room.power_levels").json() == levels, what="the power")
    return room


@at
def test_a_25324_01_a_room_whose_encryption_a_guest_breaks_stays_as_it_is_until_it_is_mended(world, server):
    host, guest = world.user(getattr(world, server)), world.user(world.lax)
    other = world.user(world.practice)
    room = moderated(host, guest)
    guest.put_state(room, ENCRYPTION, OLM).raise_for_status()
    wait_for(lambda: encryption(host, room) == OLM, what="the change")
    answer = host.invite(room, other.user_id)
    assert code(answer) == FORBIDDEN
    assert "A_25324-01" in answer.json()["error"]
    upgrade = host.request("POST", f"{CLIENT}/rooms/{room}/upgrade", {"new_version": "10"})
    assert code(upgrade) == ROOM_STATE
    text = {"msgtype": "m.text", "body": "in the clear"}
    if server == "insurer":
        assert code(host.send_event(room, "m.room.message", text)) == (400, "M_FORBIDDEN")
    assert code(host.put_state(room, ENCRYPTION, {})) == ROOM_STATE
    host.put_state(room, ENCRYPTION, MEGOLM).raise_for_status()
    assert host.invite(room, other.user_id).status_code == 200


def test_a_25324_01_nor_does_one_that_is_redacted_count(world):
    host, guest, other = world.user(world.insurer), world.user(world.lax), world.user(world.practice)
    room = moderated(host, guest)
    state = guest.request("GET", f"{CLIENT}/rooms/{room}/state").json()
    (event,) = [event["event_id"] for event in state if event["type"] == ENCRYPTION]
    path = f"{CLIENT}/rooms/{room}/redact/{event}/1"
    guest.request("PUT", path, {}).raise_for_status()
    wait_for(lambda: encryption(host, room) == {}, what="the redaction")
    assert code(host.invite(room, other.user_id)) == FORBIDDEN
    text = {"msgtype": "m.text", "body": "in the clear"}
    assert code(host.send_event(room, "m.room.message", text)) == (400, "M_FORBIDDEN")
    host.put_state(room, ENCRYPTION, MEGOLM).raise_for_status()
    assert host.invite(room, other.user_id).status_code == 200


# Rooms of other servers


def test_a_25996_insured_persons_stay_out_of_unencrypted_rooms_of_other_servers(world):
    guest, leo = world.user(world.insurer), world.user(world.lax)
    answer = leo.invite(leo.create_room(**UNENCRYPTED), guest.user_id)
    assert code(answer) == FORBIDDEN
    assert "A_25996" in answer.json()["error"]
    assert not guest.invited_to()
    for body in (PRIVATE, {**UNENCRYPTED, "creation_content": {"type": "m.space"}}):
        room = together(leo, guest, **body)
        assert guest.user_id in leo.members(room)


def test_a_25996_and_can_be_invited_once_it_is_encrypted(world):
    guest, leo = world.user(world.insurer), world.user(world.lax)
    room = leo.create_room(**UNENCRYPTED)
    leo.put_state(room, ENCRYPTION, OLM).raise_for_status()
    assert code(leo.invite(room, guest.user_id)) == FORBIDDEN
    leo.put_state(room, ENCRYPTION, MEGOLM).raise_for_status()
    leo.invite(room, guest.user_id).raise_for_status()
    invited(guest, room)
    assert guest.join(room, via=[leo.server_name]).status_code == 200


@pytest.mark.parametrize("way", ["join", "administrator"])
def test_a_25996_the_room_counts_and_not_what_the_invitation_showed(world, way):
    """Whoever invites may break the encryption before the invitation is accepted."""
    guest, leo = world.user(world.insurer), world.user(world.lax)
    admin = world.user(world.insurer, admin=True)
    room = leo.create_room(**PRIVATE)
    leo.invite(room, guest.user_id).raise_for_status()
    invited(guest, room)
    leo.put_state(room, ENCRYPTION, {}).raise_for_status()
    if way == "join":
        answer = guest.join(room, via=[leo.server_name])
    else:
        path = f"/_synapse/admin/v1/join/{room}"
        body = {"user_id": guest.user_id}
        params = {"server_name": leo.server_name}
        main = admin.at(world.insurer.client_url)
        answer = main.request("POST", path, body, params=params)
    assert code(answer) == FORBIDDEN, answer.text
    assert room not in guest.joined_rooms()  # the other server has let the user in before this one could see
    leo.put_state(room, ENCRYPTION, MEGOLM).raise_for_status()
    assert guest.join(room, via=[leo.server_name]).status_code == 200


def test_a_25996_nor_do_they_follow_a_colleague_of_another_insurer_into_one(world):
    """A room that this server knows already, so that no other server is asked."""
    guest, second, leo = world.user(world.insurer), world.user(world.insurer), world.user(world.lax)
    room = together(leo, guest, **PRIVATE)
    leo.invite(room, second.user_id).raise_for_status()
    invited(second, room)
    leo.put_state(room, ENCRYPTION, OLM).raise_for_status()
    wait_for(lambda: encryption(guest, room) == OLM, what="the change")
    assert code(second.join(room, via=[leo.server_name])) == FORBIDDEN
    assert (
        guest.put_state(
            room, "m.room.member", {"membership": "join", "displayname": "G"}, guest.user_id
        ).status_code
        == 200
    )


def test_a_25324_01_professionals_enter_them(world):
    guest, leo = world.user(world.hospital), world.user(world.lax)
    room = together(leo, guest, **UNENCRYPTED)
    assert guest.send(room, "hello").status_code == 200
    # But bring nobody of a third server.
    levels = {**leo.state(room, "m.room.power_levels").json(), "invite": 0}
    leo.put_state(room, "m.room.power_levels", levels).raise_for_status()
    wait_for(lambda: guest.state(room, "m.room.power_levels").json() == levels, what="the power")
    assert code(guest.invite(room, world.user(world.practice).user_id)) == FORBIDDEN
    assert guest.invite(room, world.user(world.hospital).user_id).status_code == 200
