"""What an operator allows less of than gematik: ``invites``, ``rooms.public``, ``rooms.world_readable``."""

import contextlib

import attrs
import pytest

from synapse_tim.testing import SynapseServer, TiSimulator, wait_for
from tests.support.world import (
    CLIENT,
    PRO,
    allow,
    block,
    code,
    decisions,
    in_database,
    invited,
    log_in_again,
    module,
    together,
    versions_at,
)

pytestmark = [
    pytest.mark.servers,
    pytest.mark.one_process,
    pytest.mark.requirement("A_25704", "A_25325-01", "A_26515-01", "A_25368-01", "AF_10061-04"),
]

FORBIDDEN, ROOM_STATE = (403, "M_FORBIDDEN"), (400, "M_INVALID_ROOM_STATE")
DEFAULT = {"defaultSetting": "block all", "serverExceptions": {"@LOCAL_SERVER@": {}}}
EMPTY = "INSERT INTO account_data (user_id, account_data_type, stream_id, content) VALUES ({}, {}, {}, {})"
WORLD = {"history_visibility": "world_readable"}


@attrs.define
class Switched:
    """A clinic that allows less, one that allows other things less, and their neighbours."""

    ti: TiSimulator
    clinic: SynapseServer
    ward: SynapseServer
    practice: SynapseServer
    fund: SynapseServer


@pytest.fixture(scope="module")
def switched(tmp_path_factory):
    directory = tmp_path_factory.mktemp("switched")
    with contextlib.ExitStack() as stack:
        ti = stack.enter_context(TiSimulator())

        def server(name, product="pro", **policies):
            made = SynapseServer(
                name,
                directory / name,
                ti.world,
                modules=[module(ti, product, **policies)],
                extra={"federation_domain_whitelist": []},
            )
            stack.callback(made.stop)
            return made.start()

        servers = {
            "clinic": server(
                "clinic",
                invites={"insured": "refuse", "into_direct_chats": "refuse"},
                rooms={"public": "administrators", "world_readable": "never"},
            ),
            "practice": (practice := server("practice")),
            "ward": server(
                "ward",
                invites={"outgoing": {"members_of": [practice.server_name]}},
                rooms={"public": "never"},
                permissions={"default": DEFAULT, "store_default": True},
            ),
            "fund": server("fund", "epa"),
        }
        for name, one in servers.items():
            one.wait()
            ti.add(one.server_name, insurance=name == "fund")
        for one in servers.values():
            wait_for(lambda one=one: versions_at(one) == {ti.version}, what="the list")
        yield Switched(ti, **servers)


def test_a_25704_no_conversations_with_insured_persons(switched):
    doctor, insured = switched.clinic.register("doctor1"), switched.fund.register("insured1")
    physician, admin = (
        switched.practice.register("physician1"),
        switched.clinic.register("admin1", admin=True),
    )
    for inviter in (doctor, admin):
        answer = inviter.invite(inviter.create_room(), insured.user_id)
        assert code(answer) == FORBIDDEN
        assert "A_25704" in answer.json()["error"]
        before = inviter.joined_rooms()
        assert code(inviter.try_create_room(invite=[insured.user_id])) == FORBIDDEN
        assert inviter.joined_rooms() == before
        assert code(insured.invite(insured.create_room(), inviter.user_id)) == FORBIDDEN
        assert not inviter.invited_to()
    assert decisions(switched.clinic, "invite", "A_25704", "denied") > 0
    assert together(doctor, physician)
    assert together(physician, insured)


def test_af_10061_04_invitations_to_some_servers_only(switched):
    nurse, physician = switched.ward.register("nurse2"), switched.practice.register("physician2")
    doctor, insured = switched.clinic.register("doctor2"), switched.fund.register("insured2")
    for invitee in (doctor, insured):
        assert code(nurse.invite(nurse.create_room(), invitee.user_id)) == FORBIDDEN
        assert code(nurse.try_create_room(invite=[invitee.user_id])) == FORBIDDEN
    assert together(nurse, physician)
    assert together(nurse, switched.ward.register("colleague2"))
    allow(nurse)
    for host in (doctor, insured):  # who may invite them is theirs to say
        assert together(host, nurse)


def test_a_25368_01_no_third_person_in_a_conversation_of_two(switched):
    doctor, colleague, third, physician = (
        switched.clinic.register(f"{name}3") for name in ("doctor", "colleague", "third", "physician")
    )
    room = doctor.create_room(is_direct=True, preset="trusted_private_chat", invite=[colleague.user_id])
    for inviter in (doctor, colleague):
        invited(colleague, room) if inviter is doctor else colleague.join(room).raise_for_status()
        assert code(inviter.invite(room, third.user_id)) == FORBIDDEN
    # Who left may come back, and a group is one.
    colleague.leave(room).raise_for_status()
    assert doctor.invite(room, colleague.user_id).status_code == 200
    group = together(doctor, colleague, third)
    assert doctor.invite(group, physician.user_id).status_code == 200
    elsewhere = switched.practice.register("physician3")
    room = elsewhere.create_room(is_direct=True, preset="trusted_private_chat", invite=[doctor.user_id])
    invited(doctor, room)
    doctor.join(room, via=[elsewhere.server_name]).raise_for_status()
    assert code(doctor.invite(room, third.user_id)) == FORBIDDEN


def test_a_25325_01_public_rooms_of_administrators_or_of_nobody(switched):
    for server, by_admin in ((switched.clinic, 200), (switched.ward, 403)):
        user, admin = server.register("user4"), server.register("admin4", admin=True)
        rule = {"type": "m.room.join_rules", "state_key": "", "content": {"join_rule": "public"}}
        for body in ({"preset": "public_chat"}, {"visibility": "public"}, {"initial_state": [rule]}):
            before = user.joined_rooms()
            answer = user.try_create_room(**body)
            assert code(answer) == FORBIDDEN
            assert "A_25325-01" in answer.json()["error"]
            assert user.joined_rooms() == before
            assert admin.try_create_room(**body).status_code == by_admin
        assert user.try_create_room(creation_content={"m.federate": False}).status_code == 200


def test_a_25325_01_nor_by_an_upgrade_or_in_the_room_directory(switched):
    admin = switched.clinic.register("admin6", admin=True)
    user = switched.clinic.register("user6")
    room = admin.create_room(preset="public_chat", room_version="9")
    user.join(room).raise_for_status()
    levels = admin.state(room, "m.room.power_levels").json()
    levels["users"][user.user_id] = 100
    admin.put_state(room, "m.room.power_levels", levels).raise_for_status()
    path = f"{CLIENT}/rooms/{room}/upgrade"
    assert code(user.request("POST", path, {"new_version": "10"})) == FORBIDDEN
    assert admin.request("POST", path, {"new_version": "10"}).status_code == 200
    nurse = switched.ward.register("nurse6", admin=True)
    local = nurse.create_room(creation_content={"m.federate": False})
    listing = f"{CLIENT}/directory/list/room/{local}"
    assert nurse.request("PUT", listing, {"visibility": "public"}).status_code == 403
    assert nurse.request("PUT", listing, {"visibility": "private"}).status_code == 200


def test_a_26515_01_no_room_is_read_from_outside(switched):
    admin, other = switched.clinic.register("admin7", admin=True), switched.clinic.register("other7")
    state = [{"type": "m.room.history_visibility", "state_key": "", "content": WORLD}]
    for body in ({"preset": "public_chat"}, {"creation_content": {"m.federate": False}}):
        assert code(admin.try_create_room(initial_state=state, **body)) == ROOM_STATE
        room = admin.create_room(**body)
        assert code(admin.put_state(room, "m.room.history_visibility", WORLD)) == ROOM_STATE
        assert other.request("GET", f"{CLIENT}/rooms/{room}/messages?dir=b").status_code == 403
    # Where nothing was switched, colleagues read it.
    physician, colleague = switched.practice.register("physician7"), switched.practice.register("colleague7")
    room = physician.create_room(creation_content={"m.federate": False}, initial_state=state)
    assert colleague.request("GET", f"{CLIENT}/rooms/{room}/messages?dir=b").status_code == 200


def test_a_25704_what_is_switched_off_is_not_said_of_users(switched):
    """The answer is the same for all users of a server, whatever they allow."""
    doctor, insured, other = (
        switched.clinic.register("doctor8"),
        switched.fund.register("insured8"),
        switched.fund.register("other8"),
    )
    block(doctor, PRO)
    for invitee in (insured.user_id, other.user_id, f"@nobody:{switched.fund.server_name}"):
        answer = doctor.invite(doctor.create_room(), invitee)
        assert code(answer) == FORBIDDEN
        assert "A_25704" in answer.json()["error"]


def synced(user):
    """The permission configuration that a client finds in ``/sync``."""
    events = user.sync().get("account_data", {}).get("events", [])
    return [event["content"] for event in events if event["type"] == PRO]


@pytest.mark.requirement("A_25043")
def test_a_25043_the_default_is_stored_at_the_first_login(switched):
    ward, expected = switched.ward, {**DEFAULT, "serverExceptions": {switched.ward.server_name: {}}}
    new, own, empty = (ward.register(f"{name}9") for name in ("new", "own", "empty"))
    assert synced(new) == []
    allow(own)
    in_database(ward, EMPTY.format("{0}", "{0}", "{0}", "{0}"), (empty.user_id, PRO, 10**6, "{}"))
    for user, found in ((new, [expected]), (own, [{"defaultSetting": "allow all"}]), (empty, [{}])):
        for _ in range(2):
            session = log_in_again(ward, user)
            assert synced(session) == found
    new.put_account_data(PRO, {"defaultSetting": "allow all"}).raise_for_status()
    assert synced(log_in_again(ward, new)) == [{"defaultSetting": "allow all"}]
    doctor = switched.clinic.register("doctor9")
    assert synced(log_in_again(switched.clinic, doctor)) == []
    assert doctor.account_data(PRO).json() == {"defaultSetting": "allow all"}
