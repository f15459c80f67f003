"""Views of rooms are closed, or an incompatible Synapse fails at start, with a message that says so."""

from unittest.mock import AsyncMock, Mock

import pytest
from synapse.api.errors import AuthError
from synapse.federation.transport.server import federation as servlets
from synapse.module_api.errors import ConfigError, SynapseError

from synapse_tim.adapter.room_views import SynapseRooms

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
    return SynapseRooms(Mock(), b"secret")


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

    rooms.hide_from_federation(is_hidden, frozenset(always))


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


@pytest.mark.parametrize(
    ("owner", "name"),
    [
        ("get_auth", "check_user_in_room_or_world_readable"),
        ("get_notifier", "_is_world_readable"),
    ],
)
def test_a_synapse_that_lets_rooms_be_read_otherwise_is_refused(owner, name):
    api = Mock()

    async def check(room_id, requester):
        raise NotImplementedError

    for getter, method in (
        ("get_auth", "check_user_in_room_or_world_readable"),
        ("get_notifier", "_is_world_readable"),
    ):
        setattr(getattr(api._hs, getter).return_value, method, check)
    delattr(getattr(api._hs, owner).return_value, name)
    with pytest.raises(ConfigError, match=name):
        SynapseRooms(api, b"").close_histories(AsyncMock())


def test_a_synapse_that_shows_rooms_otherwise_is_refused():
    api = Mock()
    api._hs.get_room_summary_handler.return_value._is_local_room_accessible = AsyncMock(
        spec=lambda room: None
    )
    with pytest.raises(ConfigError, match="_is_local_room_accessible"):
        SynapseRooms(api, b"").close_summaries(AsyncMock())


@pytest.mark.parametrize("missing", ["is_host_invited", "get_event"])
def test_a_store_without_what_is_looked_up_is_refused(missing):
    api = Mock()
    delattr(api._hs.get_datastores.return_value.main, missing)
    with pytest.raises(ConfigError, match=missing):
        SynapseRooms(api, b"").assert_hosts()
