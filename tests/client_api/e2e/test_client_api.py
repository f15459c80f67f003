"""What the client API tells and lets be changed: A_25641-01, A_26289, A_26290, A_26344, A_26375."""

import json

import pytest

from synapse_tim.testing import MatrixUser, SynapseServer, loopback, wait_for
from tests.support.world import CLIENT, PRIVATE, code, heard, in_database, log_in_again, module, say, together

pytestmark = pytest.mark.servers

FORBIDDEN = (403, "M_FORBIDDEN")


def anonymous(server, method, path, json=None):
    return loopback.request(method, server.client_url + path, json=json)


def with_all_processes(server):
    return [server.client_url, *(worker.client_url for worker in getattr(server, "workers", ()))]


# Versions


@pytest.mark.parametrize("query", ["", "?x=1"])
def test_a_25641_01_nothing_newer_than_v1_11_is_promised(world, query):
    user = world.user(world.hospital)
    for url in with_all_processes(world.hospital):
        path = f"{url}/_matrix/client/versions{query}"
        for headers in ({}, {"Authorization": f"Bearer {user.access_token}"}):
            body = loopback.get(path, headers=headers).json()
            newer = [v for v in body["versions"] if v.startswith("v") and int(v.split(".")[1]) > 11]
            assert newer == []
            assert "v1.11" in body["versions"]
            assert "v1.1" in body["versions"]
            assert body["unstable_features"]


@pytest.mark.one_process
def test_a_25641_01_unstable_features_are_the_operators_choice(ti, start, tmp_path):
    wanted = ["org.matrix.msc3814", "org.matrix.e2e_cross_signing"]
    server = SynapseServer(
        "clinic",
        tmp_path / "clinic",
        ti.world,
        modules=[module(ti, client_api={"unstable_features": wanted})],
        extra={"federation_domain_whitelist": []},
    )
    start(server)
    body = anonymous(server, "GET", "/_matrix/client/versions").json()
    assert set(body["unstable_features"]) <= set(wanted)
    assert "org.matrix.e2e_cross_signing" in body["unstable_features"]


def test_a_25641_01_unknown_endpoints_and_methods(world):
    user = world.user(world.hospital)
    assert code(user.request("GET", f"{CLIENT}/no/such/thing")) == (404, "M_UNRECOGNIZED")
    assert code(user.request("DELETE", "/_matrix/client/versions")) == (405, "M_UNRECOGNIZED")


# Profiles


@pytest.mark.parametrize("server", ["hospital", "insurer"])
def test_a_26289_profiles_are_for_users(world, server):
    server = getattr(world, server)
    user = world.user(server)
    for what in ("", "/displayname", "/avatar_url"):
        path = f"{CLIENT}/profile/{user.user_id}{what}"
        assert code(anonymous(server, "GET", path)) == (401, "M_MISSING_TOKEN")
        assert user.request("GET", path).status_code == 200


def test_a_26374_professionals_look_colleagues_and_partners_up(world):
    alice, colleague, partner = (
        world.user(world.hospital),
        world.user(world.hospital),
        world.user(world.practice),
    )
    assert alice.profile(colleague.user_id).status_code == 200
    assert alice.profile(partner.user_id).status_code == 200


def test_a_26290_profiles_of_insured_persons_need_a_room_in_common(world):
    one, other, doctor = world.user(world.insurer), world.user(world.insurer), world.user(world.hospital)
    for what in ("", "/displayname", "/avatar_url", "/org.example.field"):
        path = f"{CLIENT}/profile/{other.user_id}{what}"
        assert code(one.request("GET", path)) == FORBIDDEN
    together(doctor, one)
    assert code(one.profile(other.user_id)) == FORBIDDEN
    room = together(doctor, one, other)
    assert one.profile(other.user_id).status_code == 200
    assert one.profile(doctor.user_id).status_code == 200
    other.leave(room).raise_for_status()
    wait_for(lambda: code(one.profile(other.user_id)) == FORBIDDEN)


def test_a_26290_also_for_other_servers(world):
    doctor, insured, leo = world.user(world.hospital), world.user(world.insurer), world.user(world.lax)
    assert code(doctor.profile(insured.user_id)) == FORBIDDEN
    path = f"/_matrix/federation/v1/query/profile?user_id={insured.user_id}"
    assert code(world.lax.federation_request("GET", path, to=world.insurer)) == FORBIDDEN
    for field in ("displayname", "avatar_url"):
        answer = world.lax.federation_request("GET", f"{path}&field={field}", to=world.insurer)
        assert code(answer) == FORBIDDEN
    nobody = f"/_matrix/federation/v1/query/profile?user_id=@nobody:{world.insurer.server_name}"
    assert code(world.lax.federation_request("GET", nobody, to=world.insurer)) == FORBIDDEN
    together(doctor, insured)
    assert doctor.profile(insured.user_id).status_code == 200
    assert code(world.lax.federation_request("GET", path, to=world.insurer)) == FORBIDDEN
    together(leo, insured, **PRIVATE)
    assert world.lax.federation_request("GET", path, to=world.insurer).status_code == 200


@pytest.mark.one_process
@pytest.mark.parametrize("query", ["", "?user_id=", "?user_id=x", "?user_id=%25", "?field=displayname"])
def test_a_26290_malformed_queries_are_refused(world, query):
    path = f"/_matrix/federation/v1/query/profile{query}"
    answer = world.lax.federation_request("GET", path, to=world.insurer)
    assert answer.status_code in (400, 403)


# The user directory


def found(user, term):
    answer = user.request("POST", f"{CLIENT}/user_directory/search", {"search_term": term})
    return {hit["user_id"] for hit in answer.raise_for_status().json()["results"]}


def test_af_10104_03_professionals_find_colleagues_without_a_room_in_common(world):
    alice, colleague = world.user(world.hospital), world.user(world.hospital, name="colleague")
    wait_for(lambda: found(alice, colleague.localpart) == {colleague.user_id})


def put_into_directory(server, user):
    """What Synapse does in its own time with users of other servers."""
    in_database(
        server, "INSERT INTO user_directory (user_id, display_name) VALUES ({0}, {0})", (user.user_id,) * 2
    )
    column, value = (
        ("vector", "to_tsvector('simple', {0})") if hasattr(server, "workers") else ("value", "{0}")
    )
    in_database(
        server,
        f"INSERT INTO user_directory_search (user_id, {column}) VALUES ({{0}}, {value})",
        (user.user_id, user.localpart),
    )


def test_af_10104_03_but_users_of_other_servers_only_with_one(world):
    alice, colleague = world.user(world.hospital), world.user(world.hospital)
    insured = world.user(world.insurer, name="insured")
    room = together(colleague, insured)
    put_into_directory(world.hospital, insured)
    wait_for(lambda: found(colleague, insured.localpart) == {insured.user_id})
    assert found(alice, insured.localpart) == set()
    colleague.invite(room, alice.user_id).raise_for_status()
    assert found(alice, insured.localpart) == set()
    alice.join(room).raise_for_status()
    wait_for(lambda: found(alice, insured.localpart) == {insured.user_id})


def test_a_26375_insured_persons_find_nobody_without_a_room_in_common(world):
    one, other = world.user(world.insurer), world.user(world.insurer, name="other")
    admin = world.user(world.insurer, admin=True)
    assert found(one, other.localpart) == set()
    assert found(admin, other.localpart) == set()
    doctor = world.user(world.hospital)
    together(doctor, one, other)
    wait_for(lambda: found(one, other.localpart) == {other.user_id})


@pytest.mark.one_process
@pytest.mark.parametrize(
    "body", [{}, {"search_term": None}, {"search_term": 5}, {"search_term": "x", "limit": "x"}, []]
)
def test_malformed_searches_get_400(world, body):
    user = world.user(world.hospital)
    assert user.request("POST", f"{CLIENT}/user_directory/search", body).status_code == 400


# Display names


@pytest.mark.one_process
@pytest.mark.parametrize("prefix", ["/_matrix/client/v3", "/_matrix/client/r0", "/_matrix/client/api/v1"])
@pytest.mark.parametrize("server", ["hospital", "insurer"])
def test_r4_15_users_do_not_change_their_display_names(world, server, prefix):
    user = world.user(getattr(world, server))
    before = user.profile(user.user_id).json().get("displayname")
    path = f"{prefix}/profile/{user.user_id}/displayname"
    assert code(user.request("PUT", path, {"displayname": "Dr. Evil"})) == FORBIDDEN
    assert user.request("DELETE", path).status_code in (403, 404, 405)
    assert user.profile(user.user_id).json().get("displayname") == before


def test_r4_15_nor_by_the_unstable_way_nor_the_first_one(world):
    user, admin = world.user(world.hospital), world.user(world.hospital, admin=True)
    path = f"/_matrix/client/unstable/uk.tcpip.msc4133/profile/{user.user_id}/displayname"
    assert code(user.request("PUT", path, {"displayname": "Dr. Evil"})) == FORBIDDEN
    assert code(user.request("DELETE", path)) == FORBIDDEN
    stable = f"{CLIENT}/profile/{user.user_id}/displayname"
    encoded = stable.replace("displayname", "%64isplayname")
    assert user.request("PUT", encoded, {"displayname": "Dr. Evil"}).status_code in (400, 403, 404)
    # An administrator takes it away; the user does not choose the next one.
    admin.request("PUT", stable, {"displayname": ""}).raise_for_status()
    assert code(user.request("PUT", stable, {"displayname": "Dr. Evil"})) == FORBIDDEN
    assert admin.request("PUT", stable, {"displayname": "Muster, Max"}).status_code == 200
    assert user.profile(user.user_id).json()["displayname"] == "Muster, Max"


def test_r4_15_nor_for_one_room(world):
    doctor, nurse = world.user(world.hospital), world.user(world.hospital)
    room = together(doctor, nurse)
    name = nurse.state(room, "m.room.member", nurse.user_id).json().get("displayname")
    member = {"membership": "join", "displayname": "Dr. Evil"}
    nurse.put_state(room, "m.room.member", member, nurse.user_id)
    assert nurse.state(room, "m.room.member", nurse.user_id).json().get("displayname") == name
    other = doctor.create_room()
    doctor.invite(other, nurse.user_id).raise_for_status()
    body = {"displayname": "Dr. Evil"}
    nurse.request("POST", f"{CLIENT}/rooms/{other}/join", body).raise_for_status()
    assert nurse.state(other, "m.room.member", nurse.user_id).json().get("displayname") == name
    third = world.user(world.hospital)
    invitation = {"membership": "invite", "displayname": "Dr. Evil"}
    doctor.put_state(room, "m.room.member", invitation, third.user_id).raise_for_status()
    shown = doctor.state(room, "m.room.member", third.user_id).json().get("displayname")
    assert shown != "Dr. Evil"
    mine = {
        "type": "m.room.member",
        "state_key": doctor.user_id,
        "content": {"membership": "join", "displayname": "Dr. Evil"},
    }
    assert code(doctor.try_create_room(initial_state=[mine])) == (400, "M_FORBIDDEN")


def test_r4_20_other_fields_of_a_profile_are_the_users(world):
    user = world.user(world.hospital)
    path = f"{CLIENT}/profile/{user.user_id}/"
    field = {"de.gematik.client_capability.x": {"a": 1}}
    assert user.request("PUT", path + "de.gematik.client_capability.x", field).status_code == 200
    assert user.request("PUT", path + "avatar_url", {"avatar_url": "mxc://x/y"}).status_code == 200


# Third-party ids

ADDRESS = {"email": "a@example.org", "client_secret": "x", "send_attempt": 1}
NUMBER = {"country": "DE", "phone_number": "0301", "client_secret": "x", "send_attempt": 1}
#: The others Synapse leaves to Matrix Authentication Service.
SERVED_WITH_MAS = ("account/3pid", "account/3pid/bind", "account/3pid/unbind")
BIND = {"sid": "1", "client_secret": "x", "id_server": "localhost:1", "id_access_token": "x"}


@pytest.mark.one_process
@pytest.mark.parametrize(
    ("path", "body"),
    [
        ("account/3pid", {"three_pid_creds": BIND}),
        ("account/3pid/add", {"sid": "1", "client_secret": "x"}),
        ("account/3pid/bind", BIND),
        ("account/3pid/unbind", {"medium": "email", "address": "a@example.org"}),
        ("account/3pid/delete", {"medium": "email", "address": "a@example.org"}),
        ("account/3pid/email/requestToken", ADDRESS),
        ("account/3pid/msisdn/requestToken", NUMBER),
        ("account/password/email/requestToken", ADDRESS),
        ("register/email/requestToken", ADDRESS),
        ("register/msisdn/requestToken", NUMBER),
    ],
)
def test_r4_10_no_addresses_and_no_identity_servers(world, path, body):
    for server in (world.hospital, world.insurer):
        for user in (world.user(server), world.user(server, admin=True)):
            for prefix in (CLIENT, "/_matrix/client/r0"):
                answer = user.request("POST", f"{prefix}/{path}", body)
                left_out = server.mas is not None and path not in SERVED_WITH_MAS
                assert code(answer) == ((404, "M_UNRECOGNIZED") if left_out else FORBIDDEN), answer.text
    assert world.user(world.hospital).request("GET", f"{CLIENT}/account/3pid").json() == {"threepids": []}


# Registration, guests, sessions, previews


@pytest.mark.parametrize("server", ["hospital", "insurer"])
def test_r4_3_nobody_registers_and_there_are_no_guests(world, server):
    server = getattr(world, server)
    body = {"username": "newcomer", "password": "password", "auth": {"type": "m.login.dummy"}}
    for url in with_all_processes(server):
        for path in ("register", "register?kind=user", "register?kind=guest"):
            answer = loopback.post(f"{url}{CLIENT}/{path}", json=body)
            assert code(answer) == FORBIDDEN
    available = code(anonymous(server, "GET", f"{CLIENT}/register/available?username=x"))
    assert available[0] == (403 if server.mas is None else 404)
    if server is world.hospital and server.mas is None:  # it permits passwords; nothing of that is taken away
        assert MatrixUser.log_in(server.client_url, world.user(server).localpart, "password").access_token


def test_r3_27_a_session_makes_no_others(world):
    user = world.user(world.hospital)
    path = "/_matrix/client/v1/login/get_token"
    assert code(user.request("POST", path, {})) == (404, "M_UNRECOGNIZED")


@pytest.mark.parametrize("path", ["/_matrix/media/v3/preview_url", "/_matrix/client/v1/media/preview_url"])
def test_a_26344_there_are_no_previews(world, path):
    user = world.user(world.hospital)
    answer = user.request("GET", f"{path}?url=http://localhost:1/")
    assert code(answer) == (404, "M_UNRECOGNIZED")


# Media

PATHS = [
    "/_matrix/client/v1/media/download/{}/{}",
    "/_matrix/client/v1/media/download/{}/{}/name.png",
    "/_matrix/client/v1/media/thumbnail/{}/{}?width=32&height=32",
    "/_matrix/media/v3/download/{}/{}",
    "/_matrix/media/v3/download/{}/{}/name.png",
    "/_matrix/media/v3/thumbnail/{}/{}?width=32&height=32",
    "/_matrix/media/r0/download/{}/{}",
    "/_matrix/media/v1/download/{}/{}",
]


@pytest.mark.one_process
@pytest.mark.parametrize("path", PATHS)
def test_a_26328_media_of_unlisted_servers_are_refused(world, path):
    user = world.user(world.hospital)
    answer = user.request("GET", path.format("unlisted.example", "abcdef"))
    assert code(answer) == FORBIDDEN
    if path.startswith("/_matrix/media"):  # which need no token
        answer = anonymous(world.hospital, "GET", path.format("unlisted.example", "abcdef"))
        assert code(answer) == FORBIDDEN


@pytest.mark.one_process
@pytest.mark.parametrize("path", [path for path in PATHS if "download" in path])
@pytest.mark.requirement("A_26328")
def test_a_26262_a_26263_media_of_members_and_ones_own_are_served(world, path):
    alice, bob = world.user(world.hospital), world.user(world.practice)
    for owner in (alice, bob):
        upload = owner.request("POST", "/_matrix/media/v3/upload", content=b"an image")
        server, media = upload.raise_for_status().json()["content_uri"].removeprefix("mxc://").split("/")
        answer = alice.request("GET", path.format(server, media))
        assert (answer.status_code, answer.content) == (200, b"an image")
        if path.startswith("/_matrix/media"):
            assert anonymous(world.hospital, "GET", path.format(server, media)).status_code == 200


# Keys


def test_a_26077_keys_are_backed_up_on_the_server(world):
    user = world.user(world.hospital)
    path = f"{CLIENT}/room_keys"
    backup = {"algorithm": "m.megolm_backup.v1.curve25519-aes-sha2", "auth_data": {"public_key": "x"}}
    version = user.request("POST", f"{path}/version", backup).raise_for_status().json()["version"]
    key = {"first_message_index": 0, "forwarded_count": 0, "is_verified": False, "session_data": {"a": "b"}}
    where = f"{path}/keys/!room:x/session?version={version}"
    user.request("PUT", where, key).raise_for_status()
    device = log_in_again(world.hospital, user)
    assert device.request("GET", where).json() == key
    assert code(world.user(world.hospital).request("GET", where)) == (404, "M_NOT_FOUND")


def keys_of(user, *others):
    answer = user.request("POST", f"{CLIENT}/keys/query", {"device_keys": {o.user_id: [] for o in others}})
    return answer.raise_for_status().json()


def test_keys_are_shown_to_everybody_unless_the_operator_says_otherwise(world):
    alice, stranger = world.user(world.hospital), world.user(world.hospital)
    assert stranger.user_id in keys_of(alice, stranger)["device_keys"]


@pytest.mark.one_process
def test_r4_18_keys_of_strangers_can_be_hidden(ti, start, tmp_path):
    server = SynapseServer(
        "clinic",
        tmp_path / "clinic",
        ti.world,
        modules=[module(ti, client_api={"hide_keys_of_strangers": True})],
        extra={"federation_domain_whitelist": []},
    )
    start(server)
    alice, friend, invitee, stranger = (server.register(n) for n in ("alice", "friend", "invitee", "str"))
    room = together(alice, friend)
    alice.invite(room, invitee.user_id).raise_for_status()
    nobody = MatrixUser(f"@nobody:{server.server_name}", "", "")
    answer = keys_of(alice, alice, friend, invitee, stranger, nobody)
    assert set(answer["device_keys"]) == {alice.user_id, friend.user_id, invitee.user_id}
    for kind in ("master_keys", "self_signing_keys", "user_signing_keys", "failures"):
        assert not {stranger.user_id, nobody.user_id} & set(answer.get(kind, {}))
    friend.leave(room).raise_for_status()
    assert friend.user_id in keys_of(alice, friend)["device_keys"]
    for body in ({}, {"device_keys": []}, {"device_keys": {alice.user_id: "x"}}):
        assert alice.request("POST", f"{CLIENT}/keys/query", body).status_code == 400


# Rooms that were left


@pytest.mark.parametrize("which", ["hospital", "insurer"])
def test_a_28342_a_28343_a_room_that_was_left_stays_until_it_is_forgotten(world, which):
    user = world.user(getattr(world, which))
    room = user.create_room()
    say(user, room, "before").raise_for_status()
    user.leave(room).raise_for_status()
    assert "before" in heard(user, room)
    assert room in left_rooms(user, limit=10)
    user.request("POST", f"{CLIENT}/rooms/{room}/forget", {}).raise_for_status()
    assert code(user.request("GET", f"{CLIENT}/rooms/{room}/messages?dir=b")) == FORBIDDEN
    assert room not in left_rooms(user, limit=11)  # another question: Synapse keeps answers for a while


def left_rooms(user, limit):
    room = {"include_leave": True, "timeline": {"limit": limit}}
    with_left = {"filter": json.dumps({"room": room})}
    answer = user.request("GET", f"{CLIENT}/sync", params=with_left).raise_for_status()
    return answer.json().get("rooms", {}).get("leave", {})
