"""Whom rooms are shown to: A_26518, A_28590."""

from urllib.parse import quote

import pytest

from synapse_tim.testing import loopback
from tests.support.world import code, together

pytestmark = pytest.mark.servers


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
