"""AF_10064-02, A_25534, A_26328: whatever is asked of a server that is no member is answered alike."""

import contextlib

import pytest

from synapse_tim.testing import SynapseServer, wait_for
from tests.federation.e2e.conftest import enforcing
from tests.support.world import error_text

pytestmark = pytest.mark.servers

V3, V1 = "/_matrix/client/v3", "/_matrix/client/v1"
NOT_LISTED = (403, "M_FORBIDDEN")
NO_LIST = (503, "M_UNKNOWN")
#: Requests that end at another server; ``{name}`` stands for its name.
REQUESTS = [
    ("GET", f"{V3}/profile/@user:{{name}}", None),
    ("GET", f"{V3}/profile/@user:{{name}}/displayname", None),
    ("GET", f"{V3}/profile/@user:{{name}}/avatar_url", None),
    ("GET", f"{V3}/directory/room/%23any:{{name}}", None),
    ("POST", f"{V3}/join/%23any:{{name}}", {}),
    ("POST", f"{V3}/join/!room:{{name}}?server_name={{name}}", {}),
    ("POST", f"{V3}/join/!room:{{name}}?via={{name}}", {}),
    ("POST", f"{V3}/knock/%23any:{{name}}", {}),
    ("POST", f"{V3}/knock/!room:{{name}}?via={{name}}", {}),
    ("GET", f"{V3}/publicRooms?server={{name}}", None),
    ("POST", f"{V3}/publicRooms?server={{name}}", {"filter": {"generic_search_term": "a"}}),
    ("GET", f"{V1}/media/download/{{name}}/abcdef", None),
    ("GET", f"{V1}/media/download/{{name}}/abcdef/file.png", None),
    ("GET", f"{V1}/media/thumbnail/{{name}}/abcdef?width=32&height=32", None),
    ("GET", "/_matrix/media/v3/download/{name}/abcdef", None),
    ("GET", "/_matrix/media/r0/download/{name}/abcdef/file.png", None),
    ("GET", "/_matrix/media/v1/thumbnail/{name}/abcdef?width=32&height=32&method=crop", None),
    ("GET", f"{V1}/room_summary/%23any:{{name}}", None),
    ("GET", f"{V1}/room_summary/!room:{{name}}?via={{name}}", None),
    ("GET", f"{V1}/rooms/!room:{{name}}/hierarchy?org.matrix.msc4235.via={{name}}", None),
]


def code(response):
    return response.status_code, response.json().get("errcode")


def text_of_an_invitation(user, name):
    answer = user.try_create_room(invite=[f"@user:{name}"])
    return error_text(answer)


@contextlib.contextmanager
def running(server):
    try:
        yield server.start().wait()
    finally:
        server.stop()


@pytest.fixture(scope="module")
def hospital(module_ti, tmp_path_factory):
    """A server with a list that names nobody else."""
    extra = {"experimental_features": {"msc4235_enabled": True}}
    server = enforcing("hospital", tmp_path_factory.mktemp("denied"), module_ti, extra=extra)
    with running(server):
        wait_for(lambda: server.metrics().get("synapse_tim_federation_list_version", 0))
        yield server


@pytest.fixture(scope="module")
def waiting(module_ti, tmp_path_factory):
    """A server that never got a list."""
    extra = {"experimental_features": {"msc4235_enabled": True}}
    directory = tmp_path_factory.mktemp("waiting")
    server = enforcing("waiting", directory, module_ti, extra=extra, url="https://localhost:1/list.jws")
    with running(server):
        yield server


@pytest.mark.parametrize(("method", "path", "body"), REQUESTS, ids=[path for _, path, _ in REQUESTS])
@pytest.mark.requirement("AF_10064-02", "A_26328")
def test_a_25534_what_is_asked_of_a_stranger_is_answered_like_an_invitation(
    hospital, waiting, method, path, body
):
    for server, expected in ((hospital, NOT_LISTED), (waiting, NO_LIST)):
        user = user_of(server)
        answer = user.request(method, path.format(name="stranger.example"), body)
        assert code(answer) == expected, answer.text
        assert error_text(answer) == text_of_an_invitation(user, "stranger.example")
        assert answer.headers.get("Retry-After") == ("30" if server is waiting else None)


def user_of(server, _users={}):  # noqa: B006  # one for each server
    if server not in _users:
        _users[server] = server.register("alice")
    return _users[server]


def test_what_asks_many_servers_says_it_of_each(hospital, waiting):
    for server, (status, errcode) in ((hospital, NOT_LISTED), (waiting, NO_LIST)):
        user = user_of(server)
        asked = {"@user:stranger.example": [], user.user_id: []}
        answer = user.request("POST", f"{V3}/keys/query", {"device_keys": asked})
        assert answer.status_code == 200
        assert user.user_id in answer.json()["device_keys"]
        claimed = {"@user:stranger.example": {"DEVICE": "signed_curve25519"}}
        claim = user.request("POST", f"{V3}/keys/claim", {"one_time_keys": claimed})
        for failures in (answer.json()["failures"], claim.raise_for_status().json()["failures"]):
            failure = failures["stranger.example"]
            assert (failure["status"], failure["errcode"]) == (status, errcode)
            assert text_of_an_invitation(user, "stranger.example") in failure["message"]


def test_what_needs_no_other_server_is_answered_as_ever(hospital, waiting):
    for server in (hospital, waiting):
        user = user_of(server)
        name = server.server_name
        room = user.create_room(preset="public_chat", room_alias_name="ward")
        assert user.request("GET", f"{V3}/directory/room/%23ward:{name}").json()["room_id"] == room
        assert user.request("GET", f"{V1}/room_summary/{room}?via=stranger.example").status_code == 200
        assert user.request("GET", f"{V1}/rooms/{room}/hierarchy").status_code == 200
        assert user.request("GET", f"{V3}/publicRooms?server={name}").status_code == 200
        assert user.join(f"#ward:{name}", via=["stranger.example"]).status_code == 200
        assert code(user.request("GET", f"{V1}/media/download/{name}/abc")) == (404, "M_NOT_FOUND")
        assert code(user.request("GET", f"{V3}/directory/room/%23none:{name}")) == (404, "M_NOT_FOUND")
        assert code(user.join("!none:x", via=[name]))[0] == 404
        assert user.profile(f"@none:{name}").status_code == 404
        found = user.request("POST", f"{V3}/user_directory/search", {"search_term": "stranger.example"})
        assert found.json()["results"] == []


def test_a_member_that_is_down_is_no_stranger(module_ti, hospital):
    name = "localhost:1"
    module_ti.add(name)
    wait_for(lambda: hospital.metrics()["synapse_tim_federation_list_version"] == module_ti.version)
    user = user_of(hospital)
    assert code(user.request("GET", f"{V3}/directory/room/%23any:{name}"))[0] == 502
    assert code(user.profile(f"@user:{name}"))[0] == 502
    # One of several may be asked, so the answer is about that one.
    summary = f"{V1}/room_summary/!room:x?via=stranger.example&via={name}"
    assert code(user.request("GET", summary)) == (404, "M_NOT_FOUND")


@pytest.mark.requirement("AF_10064-02")
def test_a_25534_an_invitation_of_a_server_that_left_is_not_accepted_and_may_be_declined(ti, start, tmp_path):
    hospital = start(enforcing("hospital", tmp_path, ti))
    member = start(SynapseServer("member", tmp_path / "member", ti.world))
    for server in (hospital, member):
        ti.add(server.server_name)

    def settled():
        return hospital.metrics().get("synapse_tim_federation_list_version", 0) == ti.version

    wait_for(settled, what="the list")
    alice, bob = hospital.register("alice"), member.register("bob")
    room, other = bob.create_room(room_version="10"), bob.create_room(room_version="10")
    for each in (room, other):
        bob.invite(each, alice.user_id).raise_for_status()
    wait_for(lambda: {room, other} <= alice.invited_to(), what="the invitations")
    ti.remove(member.server_name)
    wait_for(settled, what="the list without the member")
    for via in ([], [member.server_name]):
        answer = alice.join(room, via=via)
        assert code(answer) == NOT_LISTED
        assert error_text(answer) == text_of_an_invitation(alice, member.server_name)
    assert room not in alice.joined_rooms()
    assert alice.leave(other).status_code == 200
    assert alice.invited_to() == {room}
    ti.add(member.server_name)
    wait_for(settled, what="the list with the member")
    assert alice.join(room).status_code == 200
