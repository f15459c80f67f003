"""AF_10064-02, A_25534, A_26331, R1.19 between servers: every request in, every request out."""

import pytest

from synapse_tim.testing import wait_for

pytestmark = pytest.mark.servers

SIGNED = [
    ("GET", "/_matrix/federation/v1/version", None),
    ("GET", "/_matrix/federation/v1/query/profile?user_id=%40user%3Ax", None),
    ("GET", "/_matrix/federation/v1/query/directory?room_alias=%23a%3Ax", None),
    ("GET", "/_matrix/federation/v1/make_join/%21r%3Ax/%40user%3Ay", None),
    ("GET", "/_matrix/federation/v1/make_knock/%21r%3Ax/%40user%3Ay?ver=10", None),
    ("GET", "/_matrix/federation/v1/backfill/%21r%3Ax?limit=1&v=%24e", None),
    ("GET", "/_matrix/federation/v1/user/devices/%40user%3Ax", None),
    ("GET", "/_matrix/federation/v1/hierarchy/%21r%3Ax", None),
    ("GET", "/_matrix/federation/v1/media/download/abc", None),
    ("GET", "/_matrix/federation/v1/openid/userinfo?access_token=x", None),
    ("PUT", "/_matrix/federation/v1/send/1", {"origin": "x", "origin_server_ts": 1, "pdus": []}),
    ("POST", "/_matrix/federation/v1/user/keys/query", {"device_keys": {}}),
    ("PUT", "/_matrix/federation/v2/invite/%21r%3Ax/%24e", {}),
    ("PUT", "/_matrix/federation/v2/send_join/%21r%3Ax/%24e", {}),
]


def code(response):
    return response.status_code, response.json().get("errcode")


@pytest.mark.parametrize(("method", "path", "content"), SIGNED, ids=[p.split("?")[0] for _, p, _ in SIGNED])
@pytest.mark.requirement("AF_10064-02", "A_26224", "A_26328")
def test_a_25534_requests_of_a_stranger_are_refused_and_those_of_a_member_are_not(
    federation, method, path, content
):
    hospital = federation.hospital
    refused = federation.stranger.federation_request(method, path, to=hospital, content=content)
    assert code(refused) == (403, "M_FORBIDDEN")
    assert "Federation denied" in refused.text
    served = federation.lax.federation_request(method, path, to=hospital, content=content)
    assert "Federation denied" not in served.text


def test_a_25534_the_name_is_compared_exactly(federation):
    """Another port, upper case or the bare host are other servers."""
    path = "/_matrix/federation/v1/version"
    host, _, port = federation.lax.server_name.partition(":")
    for origin in (host, host.upper() + ":" + port, f"{host}:1", f"{host}:0{port}", f"{host}:{port}.evil"):
        answer = federation.lax.federation_request("GET", path, to=federation.hospital, origin=origin)
        assert answer.status_code in (400, 401, 403), origin


def test_a_26331_version_demands_a_valid_signature(federation):
    path = "/_matrix/federation/v1/version"
    hospital = federation.hospital
    assert code(hospital.anonymous_request("GET", path)) == (401, "M_UNAUTHORIZED")
    forged = federation.stranger.federation_request(
        "GET", path, to=hospital, origin=federation.lax.server_name
    )
    assert forged.status_code == 401
    assert federation.lax.federation_request("GET", path, to=hospital).status_code == 200
    assert federation.practice.federation_request("GET", path, to=hospital).status_code == 200


def test_3pid_onbind_demands_a_signature_too(federation):
    path = "/_matrix/federation/v1/3pid/onbind"
    body = {"medium": "email", "address": "a@example.org", "mxid": "@a:b", "invites": []}
    assert federation.hospital.anonymous_request("POST", path, body).status_code == 401
    answer = federation.lax.federation_request("POST", path, to=federation.hospital, content=body)
    assert answer.status_code == 200


@pytest.mark.requirement("A_26244", "A_25479")
def test_r1_19_what_the_directory_and_new_members_need_stays_open(federation):
    hospital = federation.hospital
    answer = hospital.anonymous_request("GET", "/_matrix/federation/v1/openid/userinfo?access_token=no")
    assert code(answer) == (401, "M_UNKNOWN_TOKEN")
    alice = federation.user(hospital)
    token = alice.request("POST", f"/_matrix/client/v3/user/{alice.user_id}/openid/request_token", {})
    access = token.raise_for_status().json()["access_token"]
    answer = hospital.anonymous_request(
        "GET", f"/_matrix/federation/v1/openid/userinfo?access_token={access}"
    )
    assert answer.json() == {"sub": alice.user_id}
    keys = hospital.anonymous_request("GET", "/_matrix/key/v2/server")
    assert keys.json()["server_name"] == hospital.server_name


@pytest.mark.requirement("A_26328")
def test_af_10064_02_nothing_goes_out_to_a_stranger(federation):
    alice = federation.user(federation.hospital)
    stranger = federation.user(federation.stranger)
    name = federation.stranger.server_name
    media = f"/_matrix/client/v1/media/download/{name}/abcdef"
    assert code(alice.profile(stranger.user_id)) == (403, "M_FORBIDDEN")
    assert code(alice.request("GET", media)) == (403, "M_FORBIDDEN")
    rooms = alice.request("GET", f"/_matrix/client/v3/publicRooms?server={name}")
    assert code(rooms) == (403, "M_FORBIDDEN")
    room = stranger.create_room(preset="public_chat")
    assert alice.join(room, via=[name]).status_code in (403, 502)
    assert alice.knock(room, via=[name]).status_code in (403, 502)
    alias = f"#any:{name}"
    assert alice.join(alias).status_code in (403, 404, 502)
    # What matters: the stranger has seen no request that the hospital signed.
    assert f"origin={federation.hospital.server_name}" not in federation.stranger.log_text()
    assert federation.hospital.server_name not in _requests_seen_by(federation.stranger)
    # The nearest allowed: the same with a member.
    bob = federation.user(federation.practice)
    assert alice.profile(bob.user_id).status_code == 200
    shared = bob.create_room(invite=[alice.user_id])
    assert alice.join(shared, via=[federation.practice.server_name]).status_code == 200


def _requests_seen_by(server):
    """The lines of a server's request log: who asked for what."""
    return "\n".join(line for line in server.log_text().splitlines() if "Processed request" in line)


@pytest.mark.requirement("AF_10062-03", "A_26328")
def test_af_10064_02_removing_a_member_stops_both_directions_and_adding_it_starts_them(federation):
    alice, bob = federation.user(federation.hospital), federation.user(federation.practice)
    room = alice.create_room(invite=[bob.user_id])
    wait_for(lambda: room in bob.invited_to(), what="the invitation")
    bob.join(room, via=[federation.hospital.server_name]).raise_for_status()
    upload = bob.request("POST", "/_matrix/media/v3/upload", content=b"an image")
    media = upload.raise_for_status().json()["content_uri"].removeprefix("mxc://")
    download = f"/_matrix/client/v1/media/download/{media}"
    assert alice.request("GET", download).content == b"an image"

    federation.remove(federation.practice)
    version = "/_matrix/federation/v1/version"
    inward = federation.practice.federation_request("GET", version, to=federation.hospital)
    assert code(inward) == (403, "M_FORBIDDEN")
    assert code(alice.profile(bob.user_id)) == (403, "M_FORBIDDEN")
    assert code(alice.request("GET", download)) == (403, "M_FORBIDDEN")
    assert alice.send(room, "to the hospital alone").status_code == 200
    assert bob.send(room, "to the practice alone").status_code == 200
    assert code(alice.invite(alice.create_room(), bob.user_id)) == (403, "M_FORBIDDEN")

    wait_for(lambda: _refused_transactions(federation.hospital), what="an attempt")
    assert "to the practice alone" not in alice.texts(room)
    assert "to the hospital alone" not in bob.texts(room)

    federation.add(federation.practice)
    inward = federation.practice.federation_request("GET", version, to=federation.hospital)
    assert inward.status_code == 200
    assert alice.profile(bob.user_id).status_code == 200
    assert alice.request("GET", download).content == b"an image"
    bob.send(room, "both again").raise_for_status()
    wait_for(lambda: "both again" in alice.texts(room), what="the message")


def _refused_transactions(by):
    """How often a server has refused another's transactions."""
    lines = _requests_seen_by(by).splitlines()
    return sum("/_matrix/federation/v1/send/" in line and " 403" in line for line in lines)
