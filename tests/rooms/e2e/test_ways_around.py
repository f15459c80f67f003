"""How would one get around it? Ways that a faulty or hostile member of the federation has.

``lax`` is a real server, so what it signs is genuine; what it sends here is made by hand.
"""

import secrets
import socket
from concurrent.futures import ThreadPoolExecutor
from urllib.parse import quote

import pytest

from synapse_tim.testing import loopback, wait_for
from tests.support.pdus import INVITATION, next_in_room, send, signed
from tests.support.world import EPA, PRIVATE, at_worker, block, code, decisions, invite_silently, together

pytestmark = pytest.mark.servers

FORBIDDEN = (403, "M_FORBIDDEN")
BAD_JSON = (400, "M_BAD_JSON")


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
    room = leo.create_room(**PRIVATE, initial_state=[{**shared, "state_key": ""}])
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
    wait_for(lambda: doctor.state(room, "m.room.join_rules").json() == public)
    path = f"/_matrix/federation/v1/make_join/{room}/{other.user_id}?ver=10"
    answer = world.practice.federation_request("GET", path, to=world.hospital)
    assert code(answer) == FORBIDDEN
    assert code(doctor.invite(room, other.user_id)) == FORBIDDEN


# Permission configurations


@pytest.mark.requirement("A_26389")
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


@pytest.mark.requirement("A_22817")
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


# What a refused room leaves behind


@pytest.mark.parametrize("body", [{}, {"preset": "trusted_private_chat", "is_direct": True}])
@pytest.mark.parametrize("admin", [False, True])
def test_r2_17_a_room_is_gone_when_the_other_server_refuses_its_guest(world, body, admin):
    doctor, insured = world.user(world.hospital, admin=admin), world.user(world.insurer)
    block(insured, EPA)
    assert code(doctor.try_create_room(invite=[insured.user_id], **body)) == FORBIDDEN
    assert doctor.joined_rooms() == set()
    wait_for(lambda: not rooms_of(world.hospital, doctor), what="the room to be purged")
    block(insured, EPA, userExceptions={doctor.user_id: {}})
    assert doctor.try_create_room(invite=[insured.user_id], **body).status_code == 200
    assert len(rooms_of(world.hospital, doctor)) == 1


def rooms_of(server, creator):
    """The rooms of a user that a server has anything of."""
    admin = at_worker(server, server.register(f"admin{secrets.token_hex(4)}", admin=True))
    rooms = admin.request("GET", "/_synapse/admin/v1/rooms?limit=1000").raise_for_status().json()["rooms"]
    return [room["room_id"] for room in rooms if room["creator"] == creator.user_id]


@pytest.mark.parametrize(
    "body",
    [
        {"initial_state": [{"type": "m.room.redaction", "state_key": "", "content": {"redacts": "$x"}}]},
        {
            "initial_state": [
                {"type": "m.room.canonical_alias", "state_key": "", "content": {"alias": "#x:y"}}
            ]
        },
        {"initial_state": [{"type": "x" * 300, "state_key": "", "content": {}}]},
        {"initial_state": [{"type": "org.example", "state_key": "", "content": {"n": 2**60}}]},
        {"initial_state": [{"type": "org.example", "state_key": "", "content": {"n": 1.5}}]},
        {"name": "x" * 70000},
        {"power_level_content_override": {"users_default": "x"}},
        {"power_level_content_override": {"events_default": 2**60}},
    ],
)
def test_r2_17_whatever_synapse_trips_over_half_way(world, body):
    doctor = world.user(world.hospital)
    assert doctor.try_create_room(**body).status_code >= 400
    assert doctor.joined_rooms() == set()
    wait_for(lambda: not rooms_of(world.hospital, doctor), what="the room to be purged")


def test_r2_17_several_rooms_at_once_do_not_get_mixed_up(world):
    doctor, refusing, willing = (
        world.user(world.hospital),
        world.user(world.insurer),
        world.user(world.insurer),
    )
    block(refusing, EPA)
    guests = [refusing.user_id, willing.user_id] * 5
    with ThreadPoolExecutor(10) as pool:
        answers = list(pool.map(lambda guest: doctor.try_create_room(invite=[guest]), guests))
    assert [answer.status_code for answer in answers] == [403, 200] * 5
    made = {answer.json()["room_id"] for answer in answers if answer.status_code == 200}
    assert doctor.joined_rooms() == made


# Rooms as strangers and other servers see them


def test_a_26518_rooms_are_shown_to_users_only(world):
    doctor = world.user(world.hospital)
    alias = f"#{doctor.localpart}:{world.hospital.server_name}"
    room = doctor.create_room(preset="public_chat", room_alias_name=doctor.localpart, name="Canteen")
    for server in (world.hospital, world.insurer):
        for url in [server.client_url, *(worker.client_url for worker in getattr(server, "workers", ()))]:
            for path in (
                f"/_matrix/client/unstable/im.nheko.summary/rooms/{room}/summary",
                f"/_matrix/client/unstable/im.nheko.summary/summary/{room}",
                f"/_matrix/client/v1/room_summary/{room}?via={world.lax.server_name}",
                f"/_matrix/client/v3/directory/room/{quote(alias)}",
                f"/_matrix/client/v1/rooms/{room}/hierarchy",
            ):
                answer = loopback.get(url + path)
                assert answer.status_code in (401, 404), (path, answer.text)
                assert "Canteen" not in answer.text
                assert room not in answer.text
    path = f"/_matrix/client/v3/directory/room/{quote(alias)}"
    assert doctor.request("GET", path).json()["room_id"] == room


@pytest.mark.parametrize("rule", ["knock", "knock_restricted", "invite"])
@pytest.mark.requirement("A_26520")
def test_a_28590_a_room_that_does_not_federate_is_shown_to_no_other_server(world, rule):
    doctor, leo = world.user(world.hospital), world.user(world.lax)
    rules = {"type": "m.room.join_rules", "state_key": "", "content": {"join_rule": rule, "allow": []}}
    inside = doctor.create_room(name="Board", creation_content={"m.federate": False}, initial_state=[rules])
    outside = together(doctor, leo, name="Ward", initial_state=[rules])
    space = together(doctor, leo, creation_content={"type": "m.space"})
    for child in (inside, outside):
        doctor.put_state(space, "m.space.child", {"via": [doctor.server_name]}, child).raise_for_status()

    def hierarchy(room):
        path = f"/_matrix/federation/v1/hierarchy/{room}"
        return world.lax.federation_request("GET", path, to=world.hospital)

    # Answered as if there were none.
    nowhere = f"!nowhere:{world.hospital.server_name}"
    assert code(hierarchy(inside)) == code(hierarchy(nowhere))
    assert hierarchy(inside).text.replace(inside, nowhere) == hierarchy(nowhere).text
    assert hierarchy(outside).status_code == 200
    children = hierarchy(space).json()
    assert [child["room_id"] for child in children["children"]] == [outside]
    assert children["inaccessible_children"] == [inside]


def test_a_28590_nor_its_alias(world):
    doctor = world.user(world.hospital)
    doctor.create_room(preset="public_chat", room_alias_name=doctor.localpart)

    def query(localpart):
        alias = quote(f"#{localpart}:{world.hospital.server_name}")
        path = f"/_matrix/federation/v1/query/directory?room_alias={alias}"
        return world.lax.federation_request("GET", path, to=world.hospital)

    there, not_there = query(doctor.localpart), query("nowhere")
    assert code(there) == code(not_there) == (404, "M_NOT_FOUND")
    assert there.text.replace(doctor.localpart, "nowhere") == not_there.text


@pytest.mark.one_process
@pytest.mark.parametrize(
    "path",
    [
        "query/profile?user_id=%ff",
        "query/profile?user_id=@a:b&x=%ff",
        "query/directory?room_alias=%ff",
        "hierarchy/!x:y?suggested_only=%ff",
    ],
)
def test_a_query_that_is_not_utf_8_gets_400(world, path):
    for server in (world.hospital, world.insurer):
        answer = world.lax.federation_request("GET", f"/_matrix/federation/v1/{path}", to=server)
        assert answer.status_code == 400, answer.text


# What must go on


def test_r2_14_an_application_service_is_invited(world):
    doctor = world.user(world.hospital)
    bot = f"@past:{world.hospital.server_name}"
    room = doctor.create_room()
    assert doctor.invite(room, bot).status_code == 200
    assert bot in doctor.members(room, "invite")
    insured = world.user(world.insurer)
    assert insured.invite(insured.create_room(), bot).status_code == 200


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


@pytest.fixture
def silent_server(world):
    """The name of a member that takes connections and never answers."""
    with socket.socket() as silent:
        silent.bind(("127.0.0.1", 0))
        silent.listen()
        name = f"localhost:{silent.getsockname()[1]}"
        world.ti.add(name)
        world.settle()
        yield name
        world.ti.remove(name)


def test_r2_17_a_room_goes_when_the_guests_server_does_not_answer(world, silent_server):
    doctor = world.user(world.hospital)
    assert doctor.try_create_room(invite=[f"@guest:{silent_server}"]).status_code >= 400
    assert doctor.joined_rooms() == set()
    wait_for(lambda: not rooms_of(world.hospital, doctor), what="the room to be purged")


def test_r2_17_but_not_if_somebody_else_is_in_it_by_then(world, silent_server):
    if not hasattr(world.hospital, "workers"):
        pytest.skip("within one process nobody gets in before the answer: run with --with-workers")
    doctor, colleague = world.user(world.hospital), world.user(world.hospital)
    elsewhere = doctor.at(world.hospital.client_url)
    with ThreadPoolExecutor(1) as aside:
        answer = aside.submit(doctor.try_create_room, invite=[f"@guest:{silent_server}"])
        wait_for(lambda: elsewhere.joined_rooms(), what="the room")
        (room,) = elsewhere.joined_rooms()
        wait_for(lambda: elsewhere.invite(room, colleague.user_id).status_code == 200)
        colleague = colleague.at(world.hospital.client_url)
        colleague.join(room).raise_for_status()
        colleague.send(room, "already here").raise_for_status()
        assert not answer.done()
        assert answer.result().status_code >= 400
    assert doctor.joined_rooms() == colleague.joined_rooms() == {room}
    assert "already here" in doctor.texts(room)


# Text that nobody can store


def raw(user, method, path, body):
    """A request whose JSON is sent as it is written."""
    headers = {"Content-Type": "application/json"}
    return user.request(method, path, content=body.encode("ascii"), headers=headers)


@pytest.mark.parametrize("odd", ["\\u0000", "\\ud800"])
def test_ids_that_nobody_can_store_get_an_answer_that_is_final(world, odd):
    doctor = world.user(world.hospital)
    name = f"@a{odd}b:{world.hospital.server_name}"
    answer = raw(doctor, "POST", "/_matrix/client/v3/createRoom", f'{{"invite": ["{name}"]}}')
    assert answer.status_code == 400
    assert doctor.joined_rooms() == set()
    room = doctor.create_room()
    path = f"/_matrix/client/v3/rooms/{room}/invite"
    for user_id in (f'"{name}"', "null", "5", "[]", '""', '"nobody"'):
        answer = raw(doctor, "POST", path, f'{{"user_id": {user_id}}}')
        assert code(answer) == BAD_JSON, (user_id, answer.text)
    assert doctor.request("POST", path, {}).status_code == 400
    assert raw(doctor, "POST", path, "").status_code == 400


@pytest.mark.parametrize("odd", ["\\u0000", "\\ud83d"])
def test_reactions_and_redactions_that_nobody_can_store_get_400(world, odd):
    doctor = world.user(world.hospital)
    room = doctor.create_room()
    target = doctor.send(room, "hello").json()["event_id"]
    path = f"/_matrix/client/v3/rooms/{room}/send"
    thumb = "\\ud83d\\udc4d"
    for key, event in ((odd, target), (thumb + odd, target), (thumb, "$" + odd)):
        relation = f'{{"rel_type": "m.annotation", "event_id": "{event}", "key": "{key}"}}'
        body = f'{{"m.relates_to": {relation}}}'
        assert code(raw(doctor, "PUT", f"{path}/m.reaction/{secrets.token_hex(4)}", body)) == BAD_JSON
    body = f'{{"redacts": "$a{odd}"}}'
    assert code(raw(doctor, "PUT", f"{path}/m.room.redaction/{secrets.token_hex(4)}", body)) == BAD_JSON
    for event in ("%00", "%24%00"):
        redact = f"/_matrix/client/v3/rooms/{room}/redact/{event}/{secrets.token_hex(4)}"
        assert code(doctor.request("PUT", redact, {})) == BAD_JSON
