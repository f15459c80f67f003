"""Guards in front of Synapse's client API: put in once, and only where they fit."""

from unittest.mock import AsyncMock, Mock

import pytest
from synapse import rest
from synapse.http.server import _PathEntry
from synapse.http.site import SynapseRequest
from synapse.module_api.errors import ConfigError
from synapse.rest.client import room
from synapse.types import UserID

from synapse_tim.adapter.homeserver import Homeserver

SERVLET = "room.RoomSendEventRestServlet"
CLASS = SERVLET.partition(".")[2]


@pytest.fixture(autouse=True)
def groups(monkeypatch):
    """What Synapse registers when it opens a listener; as before after the test."""
    monkeypatch.setitem(rest.SERVLET_GROUPS, "client", rest.SERVLET_GROUPS["client"])
    return rest.SERVLET_GROUPS


@pytest.fixture
def resource():
    """A listener's client API with two routes of one servlet and one of another."""
    resource = Mock()
    resource._routes = {
        "send": {
            b"PUT": _PathEntry(AsyncMock(return_value=(200, "sent")), CLASS),
            b"POST": _PathEntry(AsyncMock(), CLASS),
        },
        "state": {b"PUT": _PathEntry(AsyncMock(), "RoomStateEventRestServlet")},
    }
    return resource


@pytest.fixture
def client_api(api, groups):
    """That of the main process."""
    return Homeserver.of(api).client_api


def test_a_guard_sees_a_request_and_may_go_on_with_it(client_api, groups, hs, resource, run):
    async def guard(request, proceed, path):
        seen.append((request, path))
        status, body = await proceed()
        return status, f"{body} and guarded"

    seen = []
    before = {place: dict(methods) for place, methods in resource._routes.items()}
    registered = len(groups["client"])
    client_api.guard({(SERVLET, "PUT"): guard})
    assert len(groups["client"]) == registered
    groups["client"][-1](hs, resource)
    entry = resource._routes["send"][b"PUT"]
    assert run(entry.callback("request", room_id="!r")) == (200, "sent and guarded")
    assert seen == [("request", {"room_id": "!r"})]
    before["send"][b"PUT"].callback.assert_awaited_once_with("request", room_id="!r")
    assert entry.servlet_classname == CLASS
    del before["send"][b"PUT"], resource._routes["send"][b"PUT"]
    assert resource._routes == before


def test_the_guard_decides_whether_to_go_on(client_api, groups, hs, resource, run):
    synapses = resource._routes["send"][b"PUT"].callback
    client_api.guard({(SERVLET, "PUT"): AsyncMock(return_value=(200, "guarded"))})
    groups["client"][-1](hs, resource)
    assert run(resource._routes["send"][b"PUT"].callback("request")) == (200, "guarded")
    synapses.assert_not_awaited()


@pytest.mark.parametrize("app", [None, "synapse.app.generic_worker"])
def test_a_route_that_is_missing_stops_the_main_process_only(api, groups, hs, resource, app):
    hs.config.worker.worker_app = app
    Homeserver.of(api).client_api.guard({(SERVLET, "PUT"): AsyncMock(), (SERVLET, "POST"): AsyncMock()})
    wrap = groups["client"][-1]
    wrap(hs, resource)
    del resource._routes["send"][b"POST"]
    if app is None:
        with pytest.raises(ConfigError, match=f"{CLASS} POST"):
            wrap(hs, resource)
    else:
        wrap(hs, resource)


def test_a_route_that_is_replaced_may_be_missing(client_api, groups, hs, resource):
    del resource._routes["send"]
    client_api.guard({(SERVLET, "PUT"): AsyncMock()}, replaced=[SERVLET])
    groups["client"][-1](hs, resource)


def test_of_several_guards_the_last_one_is_asked_first(client_api, groups, hs, resource, run):
    asked = []

    def guard(name):
        async def note(request, proceed, path):
            asked.append(name)
            return await proceed()

        return note

    client_api.guard({(SERVLET, "PUT"): guard("first")})
    client_api.guard({(SERVLET, "PUT"): guard("second")})
    groups["client"][-1](hs, resource)
    assert run(resource._routes["send"][b"PUT"].callback("request")) == (200, "sent")
    assert asked == ["second", "first"]


def test_another_homeserver_in_the_process_is_left_alone(client_api, groups, resource):
    client_api.guard({(SERVLET, "PUT"): AsyncMock()})
    before = {place: dict(methods) for place, methods in resource._routes.items()}
    groups["client"][-1](Mock(), resource)
    assert resource._routes == before


@pytest.mark.parametrize(
    ("owner", "name", "named"),
    [
        (room.RoomSendEventRestServlet, "on_PUT", r"RoomSendEventRestServlet\.on_PUT"),
        (room, CLASS, CLASS),
    ],
)
def test_a_servlet_that_is_nowhere_is_rejected(
    client_api, groups, hs, resource, monkeypatch, owner, name, named
):
    with monkeypatch.context() as patched:
        patched.delattr(owner, name)
        with pytest.raises(ConfigError, match=named):
            client_api.guard({(SERVLET, "POST"): AsyncMock(), (SERVLET, "PUT"): AsyncMock()})
    before = {place: dict(methods) for place, methods in resource._routes.items()}
    groups["client"][-1](hs, resource)
    assert resource._routes == before


def test_a_synapse_that_registers_routes_elsewhere_is_rejected(api, groups, hs, monkeypatch):
    monkeypatch.delitem(groups, "client")
    with pytest.raises(ConfigError, match=r"SERVLET_GROUPS\['client'\]"):
        _ = Homeserver.of(api).client_api


def test_a_synapse_that_keeps_routes_elsewhere_is_rejected(client_api, groups, hs, resource):
    del resource._routes
    with pytest.raises(ConfigError, match="_routes"):
        groups["client"][-1](hs, resource)


@pytest.mark.parametrize("requester", [property(lambda self: None, lambda self, value: None), None])
def test_a_request_that_keeps_its_requester_elsewhere_is_refused(api, monkeypatch, requester):
    monkeypatch.setattr(SynapseRequest, "requester", requester)
    with pytest.raises(ConfigError, match=r"SynapseRequest\._?requester"):
        _ = Homeserver.of(api).client_api


def test_synapse_may_ask_again_who_makes_a_request(api, client_api, run):
    user = UserID.from_string("@a:hospital.example")
    api.get_user_by_req = AsyncMock(return_value=Mock(user=user))
    request = Mock(_requester="somebody")
    assert run(client_api.user_of(request)) == "@a:hospital.example"
    api.get_user_by_req.assert_awaited_once_with(request, allow_guest=False)
    assert request._requester is None
