"""A_25043, A_26389, A_26390: storing and reading the permission configuration."""

import pytest

from synapse_tim.testing import MatrixUser, SynapseServer
from tests.support.world import (
    CLIENT,
    EPA,
    PRO,
    allow,
    block,
    code,
    in_database,
    invited,
    log_in_again,
    module,
)

pytestmark = pytest.mark.servers

FORBIDDEN = (403, "M_FORBIDDEN")
EVERYTHING = {
    "defaultSetting": "block all",
    "serverExceptions": {"hospital.example": {}, "other.example:8448": {"note": 1}},
    "userExceptions": {"@alice:praxis.example": {}},
    "groupExceptions": [{"groupName": "isInsuredPerson"}],
    "de.example.future": [1, {"deep": None}],
}


def test_a_26390_what_follows_the_schema_is_stored_as_it_is(world):
    user = world.user(world.hospital)
    assert user.put_account_data(PRO, EVERYTHING).status_code == 200
    assert user.account_data(PRO).json() == EVERYTHING


def test_a_25043_it_survives_a_new_session_and_is_on_all_devices(world):
    user = world.user(world.hospital)
    user.put_account_data(PRO, EVERYTHING).raise_for_status()
    other = log_in_again(world.hospital, user)
    assert other.account_data(PRO).json() == EVERYTHING
    events = other.sync()["account_data"]["events"]
    assert EVERYTHING in [event["content"] for event in events if event["type"] == PRO]


@pytest.mark.one_process
@pytest.mark.parametrize(
    ("document", "fault"),
    [
        ({}, "defaultSetting"),
        ({"defaultSetting": "block-all"}, "defaultSetting"),
        ({"defaultSetting": None}, "defaultSetting"),
        ({"defaultSetting": ["block all"]}, "defaultSetting"),
        ({"defaultSetting": "Block all"}, "defaultSetting"),
        ({"defaultSetting": "allow all", "serverExceptions": []}, "serverExceptions"),
        ({"defaultSetting": "allow all", "serverExceptions": {"a": None}}, "serverExceptions"),
        ({"defaultSetting": "allow all", "userExceptions": {"alice": {}}}, "userExceptions"),
        ({"defaultSetting": "allow all", "userExceptions": {"@a:b": 1}}, "userExceptions"),
        ({"defaultSetting": "allow all", "userExceptions": None}, "userExceptions"),
        ({"defaultSetting": "allow all", "groupExceptions": {}}, "groupExceptions"),
        ({"defaultSetting": "allow all", "groupExceptions": ["isInsuredPerson"]}, "groupExceptions"),
        ({"defaultSetting": "allow all", "groupExceptions": [{"groupName": "all"}]}, "groupExceptions"),
        ({"defaultSetting": "allow all", "groupExceptions": [{"groupName": ["x"]}]}, "groupExceptions"),
        (
            {"defaultSetting": "allow all", "groupExceptions": [{"groupName": "isInsuredPerson"}] * 2},
            "groupExceptions",
        ),
        ({"defaultSetting": "allow all", "groupException": []}, "groupException"),
        ({"defaultSetting": "allow all", "domainExceptions": {}}, "domainExceptions"),
        ({"defaultSetting": "allow all", "defaultsetting": "block all"}, "defaultsetting"),
        ({"defaultSetting": "allow all", "userExceptions": {f"@{i}:x": {} for i in range(20000)}}, "bytes"),
    ],
)
def test_a_26390_what_does_not_is_refused_and_what_was_stored_stays(world, document, fault):
    user = world.user(world.hospital)
    user.put_account_data(PRO, EVERYTHING).raise_for_status()
    answer = user.put_account_data(PRO, document)
    assert code(answer) == (400, "M_BAD_JSON")
    assert fault in answer.json()["error"]
    assert user.account_data(PRO).json() == EVERYTHING


@pytest.mark.one_process
@pytest.mark.parametrize(
    "body", [b"", b"[]", b"5", b"{", b"null", b"\xff", b"[" * 100_000, b'{"a":' * 100_000]
)
def test_what_is_no_json_object_is_refused(world, body):
    user = world.user(world.hospital)
    path = f"{CLIENT}/user/{user.user_id}/account_data/{PRO}"
    answer = user.request("PUT", path, content=body, headers={"Content-Type": "application/json"})
    assert answer.status_code == 400, answer.text
    assert user.account_data(PRO).json() == {"defaultSetting": "allow all"}


def test_a_26390_insured_persons_have_no_groups(world):
    insured = world.user(world.insurer)
    document = {"defaultSetting": "block all", "userExceptions": {"@a:b.example": {}}}
    assert insured.put_account_data(EPA, document).status_code == 200
    groups = {**document, "groupExceptions": [{"groupName": "isInsuredPerson"}]}
    answer = insured.put_account_data(EPA, groups)
    assert code(answer) == (400, "M_BAD_JSON")
    assert "groupExceptions" in answer.json()["error"]


@pytest.mark.one_process
@pytest.mark.parametrize("prefix", ["/_matrix/client/r0", "/_matrix/client/v3", "/_matrix/client/unstable"])
def test_a_26390_no_prefix_of_the_path_is_a_way_around(world, prefix):
    user = world.user(world.hospital)
    path = f"{prefix}/user/{user.user_id}/account_data/"
    assert user.request("PUT", path + PRO, {"defaultSetting": "x"}).status_code in (400, 404)
    encoded = PRO.replace(".", "%2E").replace("p", "%70")
    assert user.request("PUT", path + encoded, {"defaultSetting": "x"}).status_code in (400, 404)
    assert user.account_data(PRO).json() == {"defaultSetting": "allow all"}


@pytest.mark.parametrize("stored", [False, True])
def test_a_25043_it_is_not_removed_by_experimental_means(world, stored):
    """MSC3391."""
    user = world.user(world.hospital)
    if stored:
        block(user)
    before = user.account_data(PRO).json()
    path = f"/_matrix/client/unstable/org.matrix.msc3391/user/{user.user_id}/account_data/"
    assert code(user.request("DELETE", path + PRO)) == (400, "M_BAD_JSON")
    assert code(user.put_account_data(PRO, {})) == (400, "M_BAD_JSON")
    assert user.account_data(PRO).json() == before
    user.put_account_data("org.example.any", {"a": 1}).raise_for_status()
    assert user.request("DELETE", path + "org.example.any").status_code == 200


def test_other_account_data_is_not_touched(world):
    user = world.user(world.hospital)
    assert user.put_account_data("org.example.any", {"defaultSetting": 5}).status_code == 200
    assert user.account_data("org.example.any").json() == {"defaultSetting": 5}
    assert code(user.account_data("org.example.other")) == (404, "M_NOT_FOUND")
    # A room's account data is not the user's configuration.
    room = user.create_room()
    path = f"{CLIENT}/user/{user.user_id}/rooms/{room}/account_data/{PRO}"
    assert user.request("PUT", path, {"x": 1}).status_code == 200


def test_a_25043_only_its_owner_reads_and_writes_it(world):
    user, other = world.user(world.hospital), world.user(world.hospital)
    path = f"{CLIENT}/user/{user.user_id}/account_data/{PRO}"
    assert code(other.request("PUT", path, {"defaultSetting": "allow all"})) == FORBIDDEN
    assert code(other.request("GET", path)) == FORBIDDEN
    nobody = MatrixUser("@x:y", "wrong", user.base_url)
    assert nobody.request("PUT", path, {"defaultSetting": "allow all"}).status_code == 401
    assert nobody.request("GET", path).status_code == 401


@pytest.mark.parametrize(("server", "kind"), [("hospital", PRO), ("insurer", EPA)])
def test_r2_10_who_has_stored_none_is_shown_the_default_and_nothing_is_stored(world, server, kind):
    user = world.user(getattr(world, server))
    assert user.account_data(kind).json() == {"defaultSetting": "allow all"}
    assert user.account_data(kind).json() == {"defaultSetting": "allow all"}
    types = [event["type"] for event in user.sync()["account_data"]["events"]]
    assert kind not in types


@pytest.mark.one_process
def test_r2_10_the_default_is_the_operators(ti, start, tmp_path):
    default = {
        "defaultSetting": "block all",
        "serverExceptions": {"@LOCAL_SERVER@": {}, "praxis.example": {}},
    }
    server = SynapseServer(
        "clinic",
        tmp_path / "clinic",
        ti.world,
        modules=[module(ti, permissions={"default": default})],
        extra={"federation_domain_whitelist": []},
    )
    start(server)
    doctor, nurse = server.register("doctor"), server.register("nurse")
    shown = {**default, "serverExceptions": {server.server_name: {}, "praxis.example": {}}}
    assert nurse.account_data(PRO).json() == shown
    # Colleagues are the exception, until somebody says otherwise.
    assert doctor.try_create_room(invite=[nurse.user_id]).status_code == 200
    block(nurse)
    assert code(doctor.try_create_room(invite=[nurse.user_id])) == FORBIDDEN


def store_anything(server, user, kind, content):
    """What an older version, a migration or a bridge may have left behind: nothing checks it."""
    user.put_account_data("org.example.innocent", {"a": 1}).raise_for_status()
    statement = "UPDATE account_data SET account_data_type = {0}, content = {0} WHERE user_id = {0}"
    in_database(server, statement, (kind, content, user.user_id))


@pytest.mark.parametrize(
    "content",
    ['{"x":1}', '{"defaultSetting": "block-all"}', '{"defaultSetting": "allow all", "userExceptions": 5}'],
)
def test_r2_10_a_stored_document_that_nobody_can_read_refuses_and_is_not_rewritten(world, content):
    inviter, invitee = world.user(world.hospital), world.user(world.hospital)
    store_anything(world.hospital, invitee, PRO, content)
    assert code(inviter.try_create_room(invite=[invitee.user_id])) == FORBIDDEN
    assert code(inviter.try_create_room(invite=[invitee.user_id])) == FORBIDDEN
    assert invitee.account_data(PRO).text.replace(" ", "") == content.replace(" ", "")
    # Its owner mends it.
    allow(invitee)
    room = inviter.create_room(invite=[invitee.user_id])
    invited(invitee, room)


@pytest.mark.parametrize(("server", "kind"), [("hospital", PRO), ("insurer", EPA)])
def test_r2_10_what_matrix_leaves_of_a_deleted_document_counts_as_none(world, server, kind):
    """Other products store it for every user."""
    invitee, inviter = world.user(getattr(world, server)), world.user(world.hospital)
    store_anything(getattr(world, server), invitee, kind, "{}")
    assert invitee.account_data(kind).json() == {"defaultSetting": "allow all"}
    invited(invitee, inviter.create_room(invite=[invitee.user_id]))
    # It is not stored as one, and the nearest document does not count as none.
    assert code(invitee.put_account_data(kind, {})) == (400, "M_BAD_JSON")
    store_anything(getattr(world, server), other := world.user(getattr(world, server)), kind, '{"a": {}}')
    assert code(inviter.try_create_room(invite=[other.user_id])) == FORBIDDEN


def test_a_26021_01_without_the_database_nobody_is_invited_and_log_in_goes_on(world):
    doctor, nurse = world.user(world.hospital), world.user(world.hospital)
    remote = world.user(world.practice)
    room = remote.create_room()
    local_room = doctor.create_room()
    in_database(world.hospital, "ALTER TABLE account_data RENAME TO account_data_away")
    try:
        answer = doctor.try_create_room(invite=[nurse.user_id])
        assert code(answer) == (503, "M_UNKNOWN")
        assert answer.headers["Retry-After"] == "30"
        assert doctor.invite(local_room, nurse.user_id).status_code == 503
        assert remote.invite(room, nurse.user_id).status_code >= 500
        again = log_in_again(world.hospital, doctor)
        assert again.send(local_room, "still here").status_code == 200
    finally:
        in_database(world.hospital, "ALTER TABLE account_data_away RENAME TO account_data")
    assert nurse.invited_to() == set()
    assert doctor.invite(local_room, nurse.user_id).status_code == 200
