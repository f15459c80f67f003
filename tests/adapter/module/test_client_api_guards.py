"""Guards in front of Synapse's client API: put in once, and only where they fit."""

from unittest.mock import AsyncMock, Mock

import pytest
from synapse import rest
from synapse.http.server import _PathEntry
from synapse.http.site import SynapseRequest
from synapse.module_api.errors import ConfigError
from synapse.rest.client import room
from synapse.types import UserID
from synapse_tim.adapter.internals import SynapseInternals

SERVLET = "room.RoomSendEventRestServlet"
CLASS = SERVLET.partition(".")[2]


@pytest.fixture
def internals():
    api = Mock()
    api._hs.config.federation.federation_domain_whitelist = {}
    return SynapseInternals(api)


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


def homeserver(worker_app=None):
    return Mock(**{"config.worker.worker_app": worker_app})


def test_a_guard_sees_a_request_and_may_go_on_with_it(internals, groups, resource, run):
    async def guard(request, proceed, path):
        seen.append((request, path))
        status, body = await proceed()
        return status, f"{body} and guarded"

    seen = []
    before = {place: dict(methods) for place, methods in resource._routes.items()}
    registered = len(groups["client"])
    internals.guard_client_api({(SERVLET, "PUT"): guard})
    assert len(groups["client"]) == registered + 1
    groups["client"][-1](homeserver(), resource)
    entry = resource._routes["send"][b"PUT"]
    assert run(entry.callback("request", room_id="!r")) == (200, "sent and guarded")
    assert seen == [("request", {"room_id": "!r"})]
    before["send"][b"PUT"].callback.assert_awaited_once_with("request", room_id="!r")
    assert entry.servlet_classname == CLASS
    del before["send"][b"PUT"], resource._routes["send"][b"PUT"]
    assert resource._routes == before


def test_the_guard_decides_whether_to_go_on(internals, groups, resource, run):
    synapses = resource._routes["send"][b"PUT"].callback
    internals.guard_client_api({(SERVLET, "PUT"): AsyncMock(return_value=(200, "guarded"))})
    groups["client"][-1](homeserver(), resource)
    assert run(resource._routes["send"][b"PUT"].callback("request")) == (200, "guarded")
    synapses.assert_not_awaited()


def test_a_route_that_is_missing_stops_the_main_process_only(internals, groups, resource):
    internals.guard_client_api({(SERVLET, "PUT"): AsyncMock(), (SERVLET, "POST"): AsyncMock()})
    wrap = groups["client"][-1]
    wrap(homeserver(), resource)
    del resource._routes["send"][b"POST"]
    with pytest.raises(ConfigError, match=f"{CLASS} POST"):
        wrap(homeserver(), resource)
    wrap(homeserver("synapse.app.generic_worker"), resource)


def test_a_route_that_is_replaced_may_be_missing(internals, groups, resource):
    del resource._routes["send"]
    internals.guard_client_api({(SERVLET, "PUT"): AsyncMock()}, replaced=[SERVLET])
    groups["client"][-1](homeserver(), resource)


@pytest.mark.parametrize(
    ("servlet", "method", "named"),
    [
        ("room.NoSuchServlet", "PUT", "NoSuchServlet"),
        (SERVLET, "PATCH", "on_PATCH"),
        ("no_such_module.NoSuchServlet", "PUT", "no_such_module"),
    ],
)
def test_a_servlet_that_is_nowhere_is_refused(internals, groups, servlet, method, named):
    before = groups["client"]
    with pytest.raises(ConfigError, match=named):
        internals.guard_client_api({(servlet, method): AsyncMock()})
    assert groups["client"] is before


def test_a_synapse_that_has_removed_something_is_refused(internals, groups, monkeypatch, resource):
    guards = {(SERVLET, "PUT"): AsyncMock()}
    for remove, named in (
        (lambda patched: patched.delattr(room.RoomSendEventRestServlet, "on_PUT"), r"\.on_PUT"),
        (lambda patched: patched.delattr(room, CLASS), CLASS),
        (lambda patched: patched.delitem(groups, "client"), r"SERVLET_GROUPS\['client'\]"),
    ):
        with monkeypatch.context() as patched:
            remove(patched)
            with pytest.raises(ConfigError, match=named):
                internals.guard_client_api(guards)
    internals.guard_client_api(guards)
    del resource._routes
    with pytest.raises(ConfigError, match="_routes"):
        groups["client"][-1](homeserver(), resource)


@pytest.mark.parametrize("requester", [property(lambda self: None, lambda self, value: None), None])
def test_a_request_that_keeps_its_requester_elsewhere_is_refused(internals, monkeypatch, requester):
    monkeypatch.setattr(SynapseRequest, "requester", requester)
    with pytest.raises(ConfigError, match=r"SynapseRequest\._?requester"):
        internals.guard_client_api({})


def test_synapse_may_ask_again_who_makes_a_request(internals, run):
    user = UserID.from_string("@a:hospital.example")
    internals._api.get_user_by_req = AsyncMock(return_value=Mock(user=user))
    request = Mock(_requester="somebody")
    assert run(internals.user_of(request)) == "@a:hospital.example"
    internals._api.get_user_by_req.assert_awaited_once_with(request, allow_guest=False)
    assert request._requester is None
