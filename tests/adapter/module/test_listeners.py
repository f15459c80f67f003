"""Resources beside the client API, and headers that pages in browsers may send to them."""

from unittest.mock import Mock

import pytest
from synapse.http import server
from synapse.module_api.errors import ConfigError
from synapse.rest import well_known
from twisted.web.http_headers import Headers
from twisted.web.resource import Resource

from synapse_tim.adapter.homeserver import Homeserver


class Listening:
    """As much of a homeserver as opens listeners."""

    def __init__(self):
        self._module_web_resources = {"/other": "theirs"}
        self.served = []

    def _listener_http(self, config, listener_config):
        self.served.append(dict(self._module_web_resources))
        return ["port"]


def listener(*names):
    resources = [Mock(names=[name]) for name in names]
    return Mock(http_options=Mock(resources=resources))


@pytest.fixture
def listening(api, monkeypatch):
    homeserver = Listening()
    homeserver.config = api._hs.config
    api._hs = homeserver
    tree, matrix = Resource(), Resource()
    tree.putChild(b"matrix", matrix)
    for name in (b"client", b"server"):
        matrix.putChild(name, Resource())
    monkeypatch.setattr(well_known, "well_known_resource", lambda hs: tree)
    return homeserver


def test_resources_are_served_with_the_client_api_only(api, listening):
    ours, support = Resource(), Resource()
    Homeserver.of(api).listeners.serve({"/ours": ours}, {"support": support}, "Part")
    assert listening._listener_http("config", listener("federation", "client")) == ["port"]
    assert listening._listener_http(config="config", listener_config=listener("replication")) == ["port"]
    with_clients, without = listening.served
    assert with_clients.keys() == {"/other", "/ours", "/.well-known"}
    assert with_clients["/.well-known"].children[b"matrix"].children[b"support"] is support
    assert without == listening._module_web_resources == {"/other": "theirs"}


def test_without_documents_the_well_knowns_are_synapses(api, listening):
    Homeserver.of(api).listeners.serve({"/ours": Resource()}, {}, "Part")
    listening._listener_http("config", listener("client"))
    assert listening.served[0].keys() == {"/other", "/ours"}


def test_what_another_module_serves_stays(api, listening):
    Homeserver.of(api).listeners.serve({"/other": Resource()}, {}, "Part")
    with pytest.raises(ConfigError, match=r"synapse_tim\.Part needs /other, which another module serves"):
        listening._listener_http("config", listener("client"))
    assert listening._module_web_resources == {"/other": "theirs"}


@pytest.mark.parametrize(
    ("owner", "name", "named"),
    [
        (Listening, "_listener_http", r"_listener_http\(…, listener_config\)"),
        (server.OptionsResource, "render_OPTIONS", r"render_OPTIONS\(request\)"),
    ],
)
def test_listeners_are_as_expected(api, listening, monkeypatch, owner, name, named):
    monkeypatch.setattr(owner, name, lambda self, other: None)
    with pytest.raises(ConfigError, match=named):
        _ = Homeserver.of(api).listeners


def test_well_known_documents_are_as_expected(api, listening, monkeypatch):
    monkeypatch.setattr(well_known, "well_known_resource", lambda hs: Resource())
    with pytest.raises(ConfigError, match="well_known_resource"):
        Homeserver.of(api).listeners.serve({}, {"support": Resource()}, "Part")


def test_a_homeserver_that_keeps_resources_elsewhere_is_rejected(api, listening):
    del listening._module_web_resources
    with pytest.raises(ConfigError, match="_module_web_resources"):
        _ = Homeserver.of(api).listeners


def test_several_parts_are_served_by_one_hook(api, listening):
    listen = listening._listener_http
    Homeserver.of(api).listeners.serve({"/one": Resource()}, {}, "One")
    Homeserver.of(api).listeners.serve({"/two": Resource()}, {}, "Two")
    assert listening._listener_http.__wrapped__ == listen
    listening._listener_http("config", listener("client"))
    assert listening.served[0].keys() == {"/other", "/one", "/two"}


def test_pages_may_send_a_header_to_one_interface(api, listening, monkeypatch):
    def preflight(self, request):
        request.responseHeaders.addRawHeader(b"Access-Control-Allow-Headers", b"Authorization")
        return 200

    monkeypatch.setattr(server.OptionsResource, "render_OPTIONS", preflight)
    Homeserver.of(api).listeners.allow_request_header("/ours", "Owner")
    for path, expected in (
        (b"/ours", [b"Authorization, Owner"]),
        (b"/ours/contacts", [b"Authorization, Owner"]),
        (b"/ourselves", [b"Authorization"]),
        (None, [b"Authorization"]),
    ):
        request = Mock(path=path, responseHeaders=Headers())
        assert server.OptionsResource().render_OPTIONS(request) == 200
        assert request.responseHeaders.getRawHeaders(b"Access-Control-Allow-Headers") == expected
