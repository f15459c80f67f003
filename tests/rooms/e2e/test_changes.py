"""What becomes of rooms after their creation: A_28271, A_26015-02, A_25481, upgrades (A_26203, A_28596)."""

import pytest

from synapse_tim.testing import wait_for
from tests.rooms.e2e.test_creation import TYPE_V2, history, join_rule
from tests.support.world import PRIVATE, code, invited, together

pytestmark = pytest.mark.servers

FORBIDDEN = (403, "M_FORBIDDEN")
ROOM_STATE = (400, "M_INVALID_ROOM_STATE")
BAD_JSON = (400, "M_BAD_JSON")
VERSION = (400, "M_UNSUPPORTED_ROOM_VERSION")


def set_join_rule(user, room, rule, **more):
    return user.put_state(room, "m.room.join_rules", {"join_rule": rule, **more})


def set_history(user, room, visibility):
    return user.put_state(room, "m.room.history_visibility", {"history_visibility": visibility})


def upgrade(user, room, version):
    return user.request("POST", f"/_matrix/client/v3/rooms/{room}/upgrade", {"new_version": version})


# Join rules


@pytest.mark.parametrize("admin", [False, True])
@pytest.mark.parametrize("body", [{}, {"creation_content": {"m.federate": False}}])
def test_a_28271_no_room_becomes_public_later(world, body, admin):
    user = world.user(world.hospital, admin=admin)
    room = user.create_room(**body)
    answer = set_join_rule(user, room, "public")
    assert code(answer) == ROOM_STATE
    assert "A_28271" in answer.json()["error"]
    rules = ["knock", "invite"]
    for rule in rules:
        assert set_join_rule(user, room, rule).status_code == 200
    allow = [{"type": "m.room_membership", "room_id": room}]
    assert set_join_rule(user, room, "restricted", allow=allow).status_code == 200
    assert user.state(room, "m.room.join_rules").json()["join_rule"] == "restricted"


@pytest.mark.parametrize("admin", [False, True])
def test_a_28271_a_public_room_that_does_not_federate_stays_public_until_it_is_not(world, admin):
    user = world.user(world.hospital, admin=admin)
    room = user.create_room(preset="public_chat")
    assert set_join_rule(user, room, "public").status_code == 200
    assert set_join_rule(user, room, "public", note="for the log").status_code == 200
    assert set_join_rule(user, room, "invite").status_code == 200
    assert code(set_join_rule(user, room, "public")) == ROOM_STATE
    assert user.state(room, "m.room.join_rules").json()["join_rule"] == "invite"


def test_a_28271_nor_a_direct_chat_by_its_guest(world):
    doctor, nurse = world.user(world.hospital), world.user(world.hospital)
    room = together(doctor, nurse, is_direct=True, preset="trusted_private_chat")
    assert code(set_join_rule(nurse, room, "public")) == ROOM_STATE


def test_a_28271_nor_by_an_event_that_is_sent_later(world):
    """MSC4140: the answer is not seen, the event is not sent."""
    user = world.user(world.hospital)
    room = user.create_room()
    path = f"/_matrix/client/v3/rooms/{room}/state/m.room.join_rules/"
    delay = {"org.matrix.msc4140.delay": 1}
    answer = user.request("PUT", path, {"join_rule": "public"}, params=delay)
    if answer.status_code == 200:  # otherwise it is refused at once, which is just as well
        wait_for(lambda: not scheduled(user), what="the delayed event")
    assert user.state(room, "m.room.join_rules").json() == {"join_rule": "invite"}


def scheduled(user):
    answer = user.request("GET", "/_matrix/client/unstable/org.matrix.msc4140/delayed_events")
    return answer.raise_for_status().json().get("delayed_events") or answer.json().get("scheduled")


@pytest.mark.one_process
@pytest.mark.parametrize("admin", [False, True])
@pytest.mark.parametrize("rule", ["public", "knock", "restricted", "knock_restricted", "org.example.open"])
@pytest.mark.requirement("A_25996")
def test_a_26015_02_rooms_of_insured_persons_stay_private(world, rule, admin):
    user = world.user(world.insurer, admin=admin)
    room = user.create_room()
    assert code(set_join_rule(user, room, rule, allow=[])) == ROOM_STATE
    assert set_join_rule(user, room, "invite").status_code == 200


def test_a_26015_02_also_those_of_a_hospital_if_an_insured_person_may_change_them(world):
    doctor, insured = world.user(world.hospital), world.user(world.insurer)
    room = together(doctor, insured, preset="trusted_private_chat")
    levels = doctor.state(room, "m.room.power_levels").json()
    levels["users"][insured.user_id] = 100
    doctor.put_state(room, "m.room.power_levels", levels).raise_for_status()
    wait_for(
        lambda: insured.state(room, "m.room.power_levels").json()["users"].get(insured.user_id) == 100,
    )
    assert code(set_join_rule(insured, room, "knock")) == ROOM_STATE
    assert insured.put_state(room, "m.room.topic", {"topic": "x"}).status_code == 200


# History


@pytest.mark.one_process
@pytest.mark.parametrize("admin", [False, True])
@pytest.mark.parametrize("server", ["hospital", "insurer"])
def test_a_26515_01_a_history_is_not_opened_to_the_world_later(world, server, admin):
    user = world.user(getattr(world, server), admin=admin)
    room = user.create_room()
    assert code(set_history(user, room, "world_readable")) == ROOM_STATE
    for visibility in ("joined", "shared", "invited"):
        assert set_history(user, room, visibility).status_code == 200


def test_a_26515_01_but_in_a_professionals_room_that_does_not_federate(world):
    user = world.user(world.hospital)
    room = user.create_room(preset="public_chat")
    assert set_history(user, room, "world_readable").status_code == 200
    colleague = world.user(world.hospital)
    path = f"/_matrix/client/v3/rooms/{room}/messages?dir=b"
    assert colleague.request("GET", path).status_code == 200
    set_history(user, room, "shared").raise_for_status()
    assert code(colleague.request("GET", path)) == FORBIDDEN
    insured = world.user(world.insurer)
    room = insured.create_room(creation_content={"m.federate": False})
    assert code(set_history(insured, room, "world_readable")) == ROOM_STATE


@pytest.mark.one_process
@pytest.mark.parametrize(
    ("kind", "content"),
    [
        ("m.room.join_rules", {}),
        ("m.room.join_rules", {"join_rule": None}),
        ("m.room.join_rules", {"join_rule": ["public"]}),
        ("m.room.join_rules", {"join_rule": {"a": "public"}}),
        ("m.room.join_rules", {"join": "public"}),
        ("m.room.history_visibility", {}),
        ("m.room.history_visibility", {"history_visibility": 5}),
        ("m.room.history_visibility", {"history_visibility": ["world_readable"]}),
    ],
)
def test_malformed_state_gets_400(world, kind, content):
    user = world.user(world.hospital)
    room = user.create_room()
    before = user.state(room, kind).json()
    assert user.put_state(room, kind, content).status_code == 400
    assert user.state(room, kind).json() == before


def test_r3_10_what_another_server_does_in_its_room_applies(world):
    leo, doctor = world.user(world.lax), world.user(world.hospital)
    room = together(leo, doctor, **PRIVATE)
    set_history(leo, room, "world_readable").raise_for_status()
    set_join_rule(leo, room, "public").raise_for_status()
    wait_for(
        lambda: doctor.state(room, "m.room.join_rules").json() == {"join_rule": "public"},
        what="the join rule",
    )
    # The members stay and talk; nobody else of this server comes in.
    assert doctor.send(room, "hello").status_code == 200
    nurse = world.user(world.hospital)
    assert code(nurse.join(room)) == FORBIDDEN
    leo.invite(room, nurse.user_id)
    assert code(nurse.join(room)) == FORBIDDEN


# Upgrades


@pytest.mark.one_process
@pytest.mark.parametrize("admin", [False, True])
@pytest.mark.parametrize("version", ["11", "12", "1"])
def test_a_26203_no_upgrade_to_another_version(world, version, admin):
    user = world.user(world.hospital, admin=admin)
    room = user.create_room(room_version="9")
    before = user.joined_rooms()
    assert code(upgrade(user, room, version)) == VERSION
    assert user.joined_rooms() == before
    assert user.state(room, "m.room.tombstone").status_code == 404
    assert user.send(room, "still here").status_code == 200
    answer = upgrade(user, room, "10")
    assert answer.status_code == 200
    assert user.state(room, "m.room.tombstone").status_code == 200
    new = answer.json()["replacement_room"]
    assert user.state(new, "m.room.create").json()["room_version"] == "10"


@pytest.mark.one_process
@pytest.mark.parametrize("version", [None, 10, ["10"], {}])
def test_a_26203_an_upgrade_names_a_version(world, version):
    user = world.user(world.hospital)
    room = user.create_room()
    assert upgrade(user, room, version).status_code == 400
    assert user.request("POST", f"/_matrix/client/v3/rooms/{room}/upgrade", {}).status_code == 400
    assert user.state(room, "m.room.tombstone").status_code == 404


def with_full_power(leo, user, **body):
    """A room of a lax server in which a user of an enforcing one may do everything."""
    room = together(leo, user, **{**PRIVATE, **body})
    levels = leo.state(room, "m.room.power_levels").json()
    levels["users"][user.user_id] = 100
    leo.put_state(room, "m.room.power_levels", levels).raise_for_status()
    wait_for(
        lambda: user.state(room, "m.room.power_levels").json()["users"].get(user.user_id) == 100,
        what="the power",
    )
    return room


@pytest.mark.parametrize("admin", [False, True])
def test_a_28596_nor_of_a_room_of_the_forbidden_type(world, admin):
    user, leo = world.user(world.hospital, admin=admin), world.user(world.lax)
    room = with_full_power(leo, user, creation_content={"type": TYPE_V2})
    before = user.joined_rooms()
    assert code(upgrade(user, room, "10")) == (400, "M_FORBIDDEN")
    assert user.joined_rooms() == before
    assert user.state(room, "m.room.tombstone").status_code == 404
    ordinary = with_full_power(leo, user)
    assert upgrade(user, ordinary, "10").status_code == 200


def test_a_26515_01_nor_into_a_public_room_that_federates(world):
    user, leo = world.user(world.hospital), world.user(world.lax)
    room = with_full_power(leo, user)
    set_join_rule(leo, room, "public").raise_for_status()
    wait_for(lambda: user.state(room, "m.room.join_rules").json() == {"join_rule": "public"})
    before = user.joined_rooms()
    assert code(upgrade(user, room, "10")) == ROOM_STATE
    assert user.joined_rooms() == before
    own = user.create_room(preset="public_chat")
    new = upgrade(user, own, "10").json()["replacement_room"]
    assert user.state(new, "m.room.create").json()["m.federate"] is False


@pytest.mark.parametrize("rule", ["public", "knock"])
def test_a_25996_nor_into_an_open_room_of_insured_persons(world, rule):
    insured, leo = world.user(world.insurer), world.user(world.lax)
    room = with_full_power(leo, insured)
    set_join_rule(leo, room, rule).raise_for_status()
    wait_for(lambda: insured.state(room, "m.room.join_rules").json() == {"join_rule": rule})
    before = insured.joined_rooms()
    assert code(upgrade(insured, room, "10")) == FORBIDDEN
    assert insured.joined_rooms() == before


def test_a_26515_01_nor_with_a_world_readable_history(world):
    user, leo = world.user(world.hospital), world.user(world.lax)
    room = with_full_power(leo, user, initial_state=[history("world_readable")])
    assert code(upgrade(user, room, "10")) == ROOM_STATE


def test_an_upgrade_says_nothing_about_rooms_one_is_not_in(world):
    user, stranger = world.user(world.hospital), world.user(world.hospital)
    room = user.create_room(preset="public_chat", initial_state=[join_rule("public")])
    assert code(upgrade(stranger, room, "10"))[0] == 403
    assert code(upgrade(stranger, "!nowhere:example.org", "10"))[0] in (403, 404)
    assert code(upgrade(stranger, room, "12")) == VERSION


# Joins


@pytest.mark.parametrize("admin", [False, True])
def test_r3_11_a_room_of_another_server_is_joined_by_invitation_only(world, admin):
    doctor, leo = world.user(world.hospital, admin=admin), world.user(world.lax)
    alias = leo.localpart
    room = leo.create_room(preset="public_chat", room_version="10", room_alias_name=alias)
    via = [world.lax.server_name]
    assert code(doctor.join(room, via=via)) == FORBIDDEN
    assert code(doctor.join(f"#{alias}:{via[0]}")) == FORBIDDEN
    path = f"/_matrix/client/v3/rooms/{room}/join"
    assert doctor.request("POST", path, {}).status_code >= 400
    assert doctor.joined_rooms() == set()
    private = leo.create_room(**PRIVATE)
    assert code(doctor.join(private, via=via)) == FORBIDDEN
    leo.invite(private, doctor.user_id).raise_for_status()
    invited(doctor, private)
    assert doctor.join(private, via=via).status_code == 200


@pytest.mark.parametrize("rule", ["restricted", "knock_restricted"])
def test_r3_11_also_if_a_colleague_is_in_it(world, rule):
    doctor, nurse, leo = world.user(world.hospital), world.user(world.hospital), world.user(world.lax)
    space = together(leo, doctor, nurse, **PRIVATE)
    allow = [{"type": "m.room_membership", "room_id": space}]
    room = together(leo, doctor, **PRIVATE)
    leo.put_state(room, "m.room.join_rules", {"join_rule": rule, "allow": allow}).raise_for_status()
    wait_for(lambda: doctor.state(room, "m.room.join_rules").json()["join_rule"] == rule)
    assert code(nurse.join(room, via=[world.lax.server_name])) == FORBIDDEN
    doctor.invite(room, nurse.user_id).raise_for_status()
    assert nurse.join(room).status_code == 200


@pytest.mark.parametrize("admin", [False, True])
def test_r3_12_an_invitation_into_a_public_room_of_another_server_is_refused(world, admin):
    doctor, leo = world.user(world.hospital, admin=admin), world.user(world.lax)
    public = leo.create_room(preset="public_chat", room_version="10")
    assert code(leo.invite(public, doctor.user_id)) == FORBIDDEN
    assert doctor.invited_to() == set()
    private = leo.create_room(**PRIVATE)
    assert leo.invite(private, doctor.user_id).status_code == 200


def test_r3_12_nor_is_a_room_joined_that_became_public_after_the_invitation(world):
    doctor, leo = world.user(world.hospital), world.user(world.lax)
    room = leo.create_room(**PRIVATE)
    leo.invite(room, doctor.user_id).raise_for_status()
    invited(doctor, room)
    set_join_rule(leo, room, "public").raise_for_status()
    assert code(doctor.join(room, via=[world.lax.server_name])) == FORBIDDEN
    assert doctor.joined_rooms() == set()


def test_r3_11_own_rooms_are_joined_as_their_rules_say(world):
    doctor, nurse = world.user(world.hospital), world.user(world.hospital)
    public = doctor.create_room(preset="public_chat")
    assert nurse.join(public).status_code == 200
    private = doctor.create_room()
    assert nurse.join(private).status_code == 403
    # A new name is no new join.
    room = together(doctor, nurse)
    admin = world.user(world.hospital, admin=True)
    path = f"/_matrix/client/v3/profile/{nurse.user_id}/displayname"
    assert admin.request("PUT", path, {"displayname": "Muster, Erika"}).status_code == 200
    wait_for(
        lambda: (
            nurse.state(room, "m.room.member", nurse.user_id).json().get("displayname") == "Muster, Erika"
        ),
        what="the new name",
    )


def test_a_new_name_reaches_rooms_of_other_servers(world):
    nurse, leo = world.user(world.hospital), world.user(world.lax)
    room = together(leo, nurse, **PRIVATE)
    admin = world.user(world.hospital, admin=True)
    path = f"/_matrix/client/v3/profile/{nurse.user_id}/displayname"
    assert admin.request("PUT", path, {"displayname": "Muster, Erika"}).status_code == 200
    wait_for(
        lambda: leo.state(room, "m.room.member", nurse.user_id).json().get("displayname") == "Muster, Erika",
        what="the new name",
    )
    nurse.leave(room).raise_for_status()
