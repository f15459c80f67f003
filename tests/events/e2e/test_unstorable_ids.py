"""Ids that no database can store get an answer that is final."""

import secrets

import pytest

from tests.support.world import code

pytestmark = pytest.mark.servers

BAD_JSON = (400, "M_BAD_JSON")


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
