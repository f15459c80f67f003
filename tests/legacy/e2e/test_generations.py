"""What else is different in the legacy generation, and how it gets on with servers of 1.2."""

import pytest

from synapse_tim.testing import SynapseServer, wait_for
from synapse_tim.testing.servers.client import url_part
from tests.cleanup.e2e.world import WEEK_MS, exists, is_deleted, wait_long, wait_until_updated
from tests.legacy.e2e.world import CONTACTS, approve, contacts_api, legacy
from tests.support.world import CLIENT, allow, block, code, invited, module, together

pytestmark = pytest.mark.servers

FORBIDDEN = (403, "M_FORBIDDEN")


# One server of the legacy generation federating with one of 1.2


def test_af_10061_01_a_26021_01_each_server_applies_its_own_rules(world):
    doctor, physician = world.user(), world.user(world.practice)
    # From the legacy server, the permission configuration of the other one decides.
    block(physician)
    room = doctor.create_room()
    assert code(doctor.invite(room, physician.user_id)) == FORBIDDEN
    assert code(doctor.try_create_room(invite=[physician.user_id])) == FORBIDDEN
    block(physician, userExceptions={doctor.user_id: {}})
    doctor.invite(room, physician.user_id).raise_for_status()
    invited(physician, room)
    # Towards it, the three stages do, whatever the inviter's own configuration says.
    allow(physician)
    assert code(physician.invite(physician.create_room(), doctor.user_id)) == FORBIDDEN
    approve(doctor, physician)
    assert physician.invite(physician.create_room(), doctor.user_id).status_code == 200


@pytest.mark.parametrize("host", ["clinic", "practice"])
def test_conversations_between_the_generations(world, host):
    doctor, physician = world.user(), world.user(world.practice)
    approve(doctor, physician)
    inviting, guest = (doctor, physician) if host == "clinic" else (physician, doctor)
    room = together(inviting, guest)
    version = inviting.state(room, "m.room.create").json()["room_version"]
    assert version == ("9" if host == "clinic" else "10")
    for sender, reader in ((doctor, physician), (physician, doctor)):
        text = f"hello from {sender.user_id}"
        sender.send(room, text).raise_for_status()
        wait_for(lambda reader=reader, text=text: text in reader.texts(room), what=text)
    guest.leave(room).raise_for_status()
    wait_for(lambda: guest.user_id not in inviting.members(room), what="the guest to leave")


# Rooms, events, versions


def test_rooms_have_version_9_and_clients_may_choose_10(world):
    doctor = world.user()

    def version(**body):
        room = doctor.create_room(**body)
        return doctor.state(room, "m.room.create").json()["room_version"]

    assert version() == "9"
    assert version(room_version="10") == "10"
    for other in ("11", "8", "12"):
        assert code(doctor.try_create_room(room_version=other)) == (400, "M_UNSUPPORTED_ROOM_VERSION")
    named = doctor.request("GET", f"{CLIENT}/capabilities").json()["capabilities"]["m.room_versions"]
    assert (named["default"], set(named["available"])) == ("9", {"9", "10"})


def test_the_client_api_is_that_of_matrix_1_3(world):
    for server, newest in ((world.clinic, "v1.3"), (world.practice, "v1.11")):
        user = world.user(server)
        versions = user.request("GET", "/_matrix/client/versions").json()["versions"]
        assert versions[-1] == newest
        assert "v1.1" in versions


def test_reactions_threads_and_redactions_are_not_limited(world):
    doctor = world.user()
    room = doctor.create_room()
    said = doctor.send(room, "hello").raise_for_status().json()["event_id"]
    relation = {"rel_type": "m.annotation", "event_id": said, "key": "seen it"}
    assert doctor.send_event(room, "m.reaction", {"m.relates_to": relation}).status_code == 200
    relation = {"rel_type": "m.thread", "event_id": said}
    content = {"msgtype": "m.text", "body": "about that", "m.relates_to": relation}
    assert doctor.send_event(room, "m.room.message", content).status_code == 200


def test_room_type_v2_is_nothing_to_this_generation(world):
    creation = {"type": "de.gematik.tim.roomtype.default.v2"}
    assert world.user().try_create_room(creation_content=creation).status_code == 200
    physician = world.user(world.practice)
    assert code(physician.try_create_room(creation_content=creation)) == (400, "M_FORBIDDEN")


def test_a_22811_rooms_in_which_nothing_is_said_for_six_months_are_deleted(world):
    wait_until_updated(world.clinic)
    doctor = world.user()
    room, lively = doctor.create_room(), doctor.create_room()
    for each in (room, lively):
        doctor.send(each, "something was said").raise_for_status()
    wait_long(world.clinic, lively, 25 * WEEK_MS)
    wait_long(world.clinic, room, 27 * WEEK_MS)
    assert is_deleted(world.clinic, room)
    assert exists(world.clinic, lively)


def test_interfaces_of_the_other_generation_are_not_there(world):
    for server, path in (
        (world.clinic, "/tim-information/v1/server/isInsurance?serverName=a.example"),
        (world.practice, CONTACTS),
        (world.insurer, CONTACTS),
    ):
        assert world.user(server).request("GET", path).status_code == 404


# Start-up


def alone(ti, tmp_path, *modules):
    return SynapseServer(
        "alone",
        tmp_path / "alone",
        ti.world,
        modules=modules,
        extra={"federation_domain_whitelist": []},
    )


def part(name, **block):
    return {
        "module": f"synapse_tim.{name}",
        "config": {"product": "pro", "spec_version": "legacy-1.1", **block},
    }


@pytest.mark.one_process
def test_what_the_generation_needs_is_missing(ti, tmp_path):
    without = legacy(ti, ti)
    del without["config"]["directory"]
    no_login = legacy(ti, ti)
    del no_login["config"]["directory"]["vzd_credentials"]
    wrong = {
        "config.directory: ": without,
        "config.directory.vzd_credentials: ": no_login,
        "config.spec_version: legacy-1.1 is for pro only": module(ti, "epa", "legacy-1.1"),
        "config.permissions: legacy-1.1 has approval lists": legacy(ti, ti, permissions={}),
        "config.contacts: ": module(ti, contacts={}),
    }
    for said, entry in wrong.items():
        server = alone(ti, tmp_path, entry)
        assert said in server.start_expecting_failure() + server.log_text()


@pytest.mark.one_process
def test_parts_that_the_generation_needs_are_named(ti, tmp_path, start):
    parts = [
        part("FederationAllowList", federation_list=ti.federation_list_config()),
        part("Directory", directory=ti.directory_config()),
        part("ContactManagement"),
        part("InvitePolicy"),
    ]
    for missing in ("Directory", "ContactManagement"):
        others = [each for each in parts if not each["module"].endswith(missing)]
        server = alone(ti, tmp_path, *others)
        said = server.start_expecting_failure() + server.log_text()
        assert f"synapse_tim.InvitePolicy needs synapse_tim.{missing}" in said
    server = start(alone(ti, tmp_path, *parts))
    user = server.register("alice")
    assert contacts_api(user, "GET").json() == {"contacts": []}


@pytest.mark.one_process
def test_parts_of_two_generations_are_no_server(ti, tmp_path):
    """Approval lists that users keep and that nobody looks at would be worse than none."""
    parts = [
        part("FederationAllowList", federation_list=ti.federation_list_config()),
        part("Directory", directory=ti.directory_config()),
        part("ContactManagement"),
        part("InvitePolicy", spec_version="1.2"),
    ]
    server = alone(ti, tmp_path, *parts)
    said = server.start_expecting_failure() + server.log_text()
    assert "config.spec_version: '1.2', although another part of synapse_tim has 'legacy-1.1'" in said


@pytest.mark.one_process
def test_nobody_who_is_named_twice_may_choose(world):
    """The path names the contact; nobody else's list is reached by it."""
    doctor, colleague = world.user(), world.user()
    physician = world.user(world.practice)
    approve(colleague, physician)
    assert contacts_api(doctor, "GET", physician.user_id).status_code == 404
    assert contacts_api(doctor, "DELETE", physician.user_id).status_code == 404
    assert contacts_api(colleague, "GET", physician.user_id).status_code == 200
    assert url_part(physician.user_id) != physician.user_id
