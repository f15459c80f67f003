"""Requests of other servers pass guards, and hear of no hidden room."""

from unittest.mock import AsyncMock

import pytest
from synapse.api.errors import AuthError
from synapse.federation.transport.server import federation as servlets
from synapse.module_api.errors import ConfigError, SynapseError

from synapse_tim.adapter.federation_requests import FederationRequest, FederationRequests
from synapse_tim.adapter.homeserver import Homeserver

ROOM = "!room:own.example"


class Endpoint:
    """Something that answers other servers about rooms."""

    PATH = "/make_join/(?P<room_id>[^/]*)/(?P<user_id>[^/]*)"

    async def on_GET(self, origin, content, query, room_id, user_id):  # noqa: N802
        raise SynapseError(404, f"Unknown room {room_id} for {user_id}")


class Joining(Endpoint):
    async def on_PUT(self, origin, content, query, room_id):  # noqa: N802
        return 200, (content, room_id)


class Sending:
    PATH = "/send/(?P<transaction_id>[^/]*)/?"

    async def on_PUT(self, origin, content, query, transaction_id):  # noqa: N802
        return 200, content


class Showing:
    PATH = "/event/(?P<event_id>[^/]*)/?"

    async def on_GET(self, origin, content, query, event_id):  # noqa: N802
        if event_id == "$secret:x":
            raise AuthError(403, "Host not in room.")
        return 404, event_id


@pytest.fixture
def rooms():
    return FederationRequests(b"secret")


@pytest.fixture
def endpoints(monkeypatch):
    """Endpoints of their own, under the names of Synapse's."""
    about_rooms = [
        type(servlet.__name__, (Joining,), {"on_GET": Endpoint.on_GET, "on_PUT": Joining.on_PUT})
        for servlet in servlets.FEDERATION_SERVLET_CLASSES
        if "(?P<room_id>" in servlet.PATH
    ]
    monkeypatch.setattr(servlets, "FEDERATION_SERVLET_CLASSES", tuple(about_rooms))
    for name, kind in (("FederationSendServlet", Sending), ("FederationEventServlet", Showing)):
        monkeypatch.setattr(servlets, name, type(name, (kind,), dict(vars(kind))))
    return {servlet.__name__: servlet() for servlet in about_rooms}


def hide(rooms, *hidden, always=()):
    async def is_hidden(room):
        return room in hidden

    rooms.hide_rooms(is_hidden, frozenset(always))


def test_a_hidden_room_is_answered_about_as_if_there_were_none(rooms, endpoints, run):
    hide(rooms, ROOM)
    join = endpoints["FederationMakeJoinServlet"]
    for room in (ROOM, "!none:own.example"):
        with pytest.raises(SynapseError) as refused:
            run(join.on_GET("o", None, {}, room_id=room, user_id="@a:b"))
        assert refused.value.msg == f"Unknown room {room} for @a:b"
    body = {"room_id": ROOM, "type": "m.room.member"}
    _, (content, asked) = run(join.on_PUT("o", body, {}, room_id=ROOM))
    assert content == {**body, "room_id": asked}
    assert asked != ROOM
    assert asked.endswith(":own.example")
    assert len(asked) == len(ROOM)
    # The same one each time, since limits of rates count by it.
    assert run(join.on_PUT("o", body, {}, room_id=ROOM))[1][1] == asked
    assert run(join.on_PUT("o", body, {}, room_id="!other:x")) == (200, (body, "!other:x"))


def test_some_endpoints_know_no_room_at_all(rooms, endpoints, run):
    hide(rooms, always=["RoomComplexityServlet"])
    for name, hidden in (("RoomComplexityServlet", True), ("FederationBackfillServlet", False)):
        _, (_, asked) = run(endpoints[name].on_PUT("o", {}, {}, room_id=ROOM))
        assert (asked != ROOM) is hidden


@pytest.mark.parametrize("sent", [None, "x", [5, {"room_id": ["x"]}], [{}], [{"room_id": "!other:x"}]])
def test_what_is_sent_to_a_hidden_room_is_left_out(rooms, endpoints, run, sent):
    hide(rooms, ROOM)
    send = servlets.FederationSendServlet()
    assert run(send.on_PUT("o", {"pdus": sent}, {}, transaction_id="1")) == (200, {"pdus": sent})
    if isinstance(sent, list):
        more = {"pdus": [*sent, {"room_id": ROOM}]}
        assert run(send.on_PUT("o", more, {}, transaction_id="1")) == (200, {"pdus": sent})


def test_a_forbidden_event_is_none(rooms, endpoints, run):
    hide(rooms)
    event = servlets.FederationEventServlet()
    status, asked = run(event.on_GET("o", None, {}, event_id="$secret:x"))
    assert status == 404
    assert asked != "$secret:x"
    assert run(event.on_GET("o", None, {}, event_id="$none")) == (404, "$none")


def test_federation_endpoints_that_are_elsewhere_are_refused(rooms, monkeypatch):
    others = tuple(s for s in servlets.FEDERATION_SERVLET_CLASSES if s.__name__ != "RoomComplexityServlet")
    monkeypatch.setattr(servlets, "FEDERATION_SERVLET_CLASSES", others)
    with pytest.raises(ConfigError, match="FEDERATION_SERVLET_CLASSES"):
        hide(rooms)


def test_endpoints_that_are_called_otherwise_are_refused(rooms, endpoints):
    async def on_put(self, request, room_id):
        raise NotImplementedError

    type(endpoints["FederationBackfillServlet"]).on_PUT = on_put
    with pytest.raises(ConfigError, match=r"FederationBackfillServlet\.on_PUT"):
        hide(rooms)


def test_guards_hear_of_no_hidden_room(rooms, endpoints, run):
    seen = []

    async def guard(request, proceed):
        seen.append(request.path["room_id"])
        return await proceed()

    hide(rooms, ROOM)
    rooms.guard("FederationV2SendJoinServlet", "PUT", guard)
    join = endpoints["FederationV2SendJoinServlet"]
    run(join.on_PUT("o", {}, {}, room_id=ROOM))
    run(join.on_PUT("o", {}, {}, room_id="!other:x"))
    assert ROOM not in seen
    assert seen[1:] == ["!other:x"]


# Guards --------------------------------------------------------------------------------------------------


@pytest.fixture
def query_servlet(monkeypatch):
    async def on_get(self, origin, content, query, query_type):
        return 200, (origin, content, query, query_type)

    monkeypatch.setattr(servlets.FederationQueryServlet, "on_GET", on_get)
    return servlets.FederationQueryServlet


def test_a_guard_sees_a_federation_request_and_may_go_on_with_it(api, run, query_servlet):
    seen = []

    async def guard(request, proceed):
        seen.append(request)
        return await proceed()

    Homeserver.of(api).federation_requests.guard("FederationQueryServlet", "GET", guard)
    query = {b"field": [b"name", b"other"]}
    answer = run(query_servlet.on_GET(None, "other.example", None, query, query_type="profile"))
    assert seen == [FederationRequest("other.example", {"field": "name"}, {"query_type": "profile"})]
    assert answer == (200, ("other.example", None, query, "profile"))


def test_a_query_that_cannot_be_decoded_is_an_error_of_the_other_server(api, run, query_servlet):
    Homeserver.of(api).federation_requests.guard("FederationQueryServlet", "GET", AsyncMock())
    for query in ({b"field": [b"\xff"]}, {b"\xff": [b"name"]}):
        with pytest.raises(SynapseError) as caught:
            run(query_servlet.on_GET(None, "other.example", None, query, query_type="profile"))
        assert caught.value.code == 400


def test_federation_endpoints_are_as_expected(api, monkeypatch):
    def guard():
        FederationRequests(b"secret").guard("FederationQueryServlet", "GET", AsyncMock())

    for break_it, named in (
        (lambda patched: patched.delattr(servlets, "FederationQueryServlet"), "FederationQueryServlet"),
        (
            lambda patched: patched.delattr(servlets.FederationQueryServlet, "on_GET"),
            r"FederationQueryServlet\.on_GET",
        ),
        (
            lambda patched: patched.setattr(
                servlets.FederationQueryServlet, "on_GET", lambda self, request: None
            ),
            "origin, content, query",
        ),
    ):
        with monkeypatch.context() as patched:
            break_it(patched)
            with pytest.raises(ConfigError, match=named):
                guard()


def test_of_several_guards_the_last_one_is_asked_first_and_the_endpoint_is_wrapped_once(run, query_servlet):
    asked = []

    def guard(name):
        async def note(request, proceed):
            asked.append(name)
            return await proceed()

        return note

    requests, original = FederationRequests(b"secret"), query_servlet.on_GET
    requests.guard("FederationQueryServlet", "GET", guard("first"))
    requests.guard("FederationQueryServlet", "GET", guard("second"))
    assert run(query_servlet.on_GET(None, "other.example", None, {}, query_type="profile"))[0] == 200
    assert asked == ["second", "first"]
    assert query_servlet.on_GET.__wrapped__ is original
