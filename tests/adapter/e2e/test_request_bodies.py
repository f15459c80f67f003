"""What clients get who send something else than a JSON object: the same with a guard as without one."""

import pytest

from tests.support.world import CLIENT, PRO, code

pytestmark = pytest.mark.servers

#: Every guarded route that reads a body, and two that nobody guards; ``{room}`` and ``{user}`` stand for ids.
ROUTES = [
    ("POST", "/login"),
    ("POST", "/register"),
    ("POST", "/rooms/{room}/upgrade"),
    ("POST", "/rooms/{room}/invite"),
    ("PUT", "/rooms/{room}/invite/t1"),
    ("PUT", "/rooms/{room}/send/m.reaction/t2"),
    ("PUT", "/rooms/{room}/send/m.room.redaction/t3"),
    ("PUT", "/rooms/{room}/send/m.room.message/t4"),
    ("PUT", "/rooms/{room}/state/m.room.join_rules/"),
    ("PUT", f"/user/{{user}}/account_data/{PRO}"),
    ("PUT", "/user/{user}/account_data/org.example.any"),
    ("POST", "/user_directory/search"),
    ("POST", "/createRoom"),
    ("POST", "/account/password"),
    ("POST", "/keys/query"),
    ("PUT", "/directory/list/room/{room}"),
    ("POST", "/user/{user}/filter"),
]
BODIES = {
    b"[]": "M_BAD_JSON",
    b"5": "M_BAD_JSON",
    b'"text"': "M_BAD_JSON",
    b"null": "M_BAD_JSON",
    b"{": "M_NOT_JSON",
    b"\xff": "M_NOT_JSON",
    b"[" * 50_000: "M_NOT_JSON",
}


@pytest.fixture(scope="module")
def place(world):
    """A user and a room of theirs."""
    user = world.user(world.hospital)
    return user, user.create_room()


def routes():
    for method, route in ROUTES:
        marks = [pytest.mark.logins_of_synapse] if route in ("/login", "/account/password") else []
        yield pytest.param(method, route, id=f"{method} {route}", marks=marks)


@pytest.mark.parametrize(("method", "route"), list(routes()))
def test_what_is_no_json_object_is_refused_alike_on_every_route(place, method, route):
    user, room = place
    path = CLIENT + route.format(room=room, user=user.user_id)
    headers = {"Content-Type": "application/json"}
    answers = {body: code(user.request(method, path, content=body, headers=headers)) for body in BODIES}
    assert answers == {body: (400, errcode) for body, errcode in BODIES.items()}


@pytest.mark.logins_of_synapse
def test_nobody_is_logged_in_by_a_body_that_is_read_twice(place):
    """The nearest allowed: the same route with an object."""
    user, _ = place
    identifier = {"type": "m.id.user", "user": user.localpart}
    login = {"type": "m.login.password", "identifier": identifier, "password": "password"}
    assert user.request("POST", f"{CLIENT}/login", login).status_code == 200
    assert user.request("POST", f"{CLIENT}/login", {}).status_code == 400
