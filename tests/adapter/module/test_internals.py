"""An incompatible Synapse fails at start, with a message that says so."""

from unittest.mock import AsyncMock, Mock

import pytest
from synapse.federation.federation_client import FederationClient
from synapse.federation.transport.server import federation as servlets
from synapse.module_api.errors import ConfigError, SynapseError
from synapse.rest import well_known
from synapse.storage.databases.main.openid import OpenIdStore
from synapse_tim.adapter.internals import FederationRequest, SynapseInternals
from synapse_tim.adapter.whitelist import Whitelist
from twisted.web.resource import Resource


@pytest.fixture
def api():
    api = Mock()
    api._hs.config.federation.federation_domain_whitelist = {}
    return api


def nobody(name):
    pass


def test_the_configured_dictionary_is_replaced_by_one_that_can_follow(api):
    whitelist = SynapseInternals(api).install_whitelist(nobody)
    assert api._hs.config.federation.federation_domain_whitelist is whitelist
    assert isinstance(whitelist, dict)
    assert not whitelist


@pytest.mark.parametrize("configured", [None, {"a.example": True}, ["a.example"], Whitelist(nobody)])
def test_anything_but_an_empty_whitelist_is_refused(api, configured):
    api._hs.config.federation.federation_domain_whitelist = configured
    with pytest.raises(ConfigError):
        SynapseInternals(api).install_whitelist(nobody)


@pytest.mark.parametrize("missing", ["_hs", "_clock"])
def test_a_module_api_without_what_is_needed_is_refused(missing):
    api = Mock()
    delattr(api, missing)
    with pytest.raises(ConfigError, match="does not know this Synapse"):
        SynapseInternals(api)


def test_a_config_without_the_whitelist_is_refused():
    api = Mock()
    del api._hs.config.federation.federation_domain_whitelist
    with pytest.raises(ConfigError, match="federation_domain_whitelist"):
        SynapseInternals(api)


@pytest.mark.parametrize("name", ["FederationVersionServlet", "On3pidBindServlet"])
def test_a_missing_servlet_is_refused(api, monkeypatch, name):
    monkeypatch.delattr(servlets, name)
    with pytest.raises(ConfigError, match=name):
        SynapseInternals(api).require_signed_requests()


def test_the_servlets_demand_a_signature(api, monkeypatch):
    for servlet in (servlets.FederationVersionServlet, servlets.On3pidBindServlet):
        monkeypatch.setattr(servlet, "REQUIRE_AUTH", False)
    SynapseInternals(api).require_signed_requests()
    assert servlets.FederationVersionServlet.REQUIRE_AUTH
    assert servlets.On3pidBindServlet.REQUIRE_AUTH


def test_a_federation_client_without_partial_state_is_refused(api):
    def send_join(destinations, pdu, room_version):
        pass

    api._hs.get_federation_client.return_value.send_join = send_join
    with pytest.raises(ConfigError, match="partial_state"):
        SynapseInternals(api).join_with_complete_state()


def test_the_real_federation_client_is_as_expected(api):
    client = Mock(spec=FederationClient)
    client.send_join = FederationClient.send_join.__get__(client)
    api._hs.get_federation_client.return_value = client
    SynapseInternals(api).join_with_complete_state()
    assert client.send_join.__name__ == "send_join"


# Options --------------------------------------------------------------------------------------------------


def test_an_option_that_is_not_there_is_refused(api):
    del api._hs.config.server.gone
    del api._hs.config.nowhere
    with pytest.raises(ConfigError, match=r"config\.server\.gone"):
        SynapseInternals(api).option("server", "gone")
    with pytest.raises(ConfigError, match=r"config\.nowhere"):
        SynapseInternals(api).option("nowhere", "gone")


@pytest.mark.parametrize("loads_media", [True, False])
def test_only_processes_with_media_need_the_options_of_media(api, loads_media):
    api._hs.config.media = Mock(spec=["can_load_media_repo"], can_load_media_repo=loads_media)
    internals = SynapseInternals(api)
    if not loads_media:
        assert internals.option("media", "url_preview_enabled") is None
        return
    with pytest.raises(ConfigError, match=r"config\.media\.url_preview_enabled"):
        internals.option("media", "url_preview_enabled")


def test_whether_rooms_may_be_listed_is_asked_for_a_user_of_this_server(api):
    api.server_name = "hospital.example"
    allowed = api._hs.config.roomdirectory.is_publishing_room_allowed
    allowed.return_value = False
    assert SynapseInternals(api).option("roomdirectory", "is_publishing_room_allowed") is False
    allowed.assert_called_once_with("@user:hospital.example", "!room", [])


@pytest.mark.parametrize("user", [None, "@notices:hospital.example"])
def test_server_notices_have_a_user_or_none(api, user):
    api._hs.config.servernotices.server_notices_mxid = user
    assert SynapseInternals(api).server_notices_user == user


def test_redactions_by_send_are_a_feature_of_synapse(api):
    api._hs.config.experimental.msc4169_enabled = False
    SynapseInternals(api).allow_redactions_by_send()
    assert api._hs.config.experimental.msc4169_enabled is True
    del api._hs.config.experimental.msc4169_enabled
    with pytest.raises(ConfigError, match="msc4169_enabled"):
        SynapseInternals(api).allow_redactions_by_send()


# Requests of other servers --------------------------------------------------------------------------------


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

    SynapseInternals(api).guard_federation("FederationQueryServlet", "GET", guard)
    query = {b"field": [b"name", b"other"]}
    answer = run(query_servlet.on_GET(None, "other.example", None, query, query_type="profile"))
    assert seen == [FederationRequest("other.example", {"field": "name"}, {"query_type": "profile"})]
    assert answer == (200, ("other.example", None, query, "profile"))


def test_a_query_that_cannot_be_decoded_is_an_error_of_the_other_server(api, run, query_servlet):
    SynapseInternals(api).guard_federation("FederationQueryServlet", "GET", AsyncMock())
    for query in ({b"field": [b"\xff"]}, {b"\xff": [b"name"]}):
        with pytest.raises(SynapseError) as caught:
            run(query_servlet.on_GET(None, "other.example", None, query, query_type="profile"))
        assert caught.value.code == 400


def test_federation_endpoints_are_as_expected(api, monkeypatch):
    guard = SynapseInternals(api).guard_federation
    monkeypatch.setattr(servlets.FederationQueryServlet, "on_GET", servlets.FederationQueryServlet.on_GET)
    guard("FederationQueryServlet", "GET", AsyncMock())
    with pytest.raises(ConfigError, match="NoSuchServlet"):
        guard("NoSuchServlet", "GET", AsyncMock())
    with pytest.raises(ConfigError, match=r"FederationQueryServlet\.on_PUT"):
        guard("FederationQueryServlet", "PUT", AsyncMock())
    monkeypatch.setattr(servlets.FederationQueryServlet, "on_GET", lambda self, request: None)
    with pytest.raises(ConfigError, match="origin, content, query"):
        guard("FederationQueryServlet", "GET", AsyncMock())


# Beside the client API ------------------------------------------------------------------------------------


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
    SynapseInternals(api).serve_with_client_api({"/ours": ours}, {"support": support})
    assert listening._listener_http("config", listener("federation", "client")) == ["port"]
    assert listening._listener_http(config="config", listener_config=listener("replication")) == ["port"]
    with_clients, without = listening.served
    assert with_clients.keys() == {"/other", "/ours", "/.well-known"}
    assert with_clients["/.well-known"].children[b"matrix"].children[b"support"] is support
    assert without == listening._module_web_resources == {"/other": "theirs"}


def test_without_documents_the_well_knowns_are_synapses(api, listening):
    SynapseInternals(api).serve_with_client_api({"/ours": Resource()}, {})
    listening._listener_http("config", listener("client"))
    assert listening.served[0].keys() == {"/other", "/ours"}


def test_what_another_module_serves_stays(api, listening):
    SynapseInternals(api).serve_with_client_api({"/other": Resource()}, {})
    with pytest.raises(ConfigError, match="needs /other, which another module serves"):
        listening._listener_http("config", listener("client"))
    assert listening._module_web_resources == {"/other": "theirs"}


def test_listeners_are_as_expected(api, listening, monkeypatch):
    serve = SynapseInternals(api).serve_with_client_api
    monkeypatch.setattr(Listening, "_listener_http", lambda self, other: None)
    with pytest.raises(ConfigError, match=r"_listener_http\(listener_config\)"):
        serve({}, {})
    monkeypatch.undo()
    monkeypatch.setattr(well_known, "well_known_resource", lambda hs: Resource())
    with pytest.raises(ConfigError, match="well_known_resource"):
        serve({}, {"support": Resource()})
    del listening._module_web_resources
    with pytest.raises(ConfigError, match="_module_web_resources"):
        serve({}, {})


def test_open_id_tokens_can_be_looked_up(api, monkeypatch):
    SynapseInternals(api).assert_open_id_tokens()
    monkeypatch.setattr(OpenIdStore, "get_user_id_for_open_id_token", lambda self, token: None)
    with pytest.raises(ConfigError, match="OpenIdStore"):
        SynapseInternals(api).assert_open_id_tokens()


@pytest.mark.parametrize("parameters", ["ratelimit", "require_consent"])
def test_leaving_rooms_that_may_not_go_beyond_the_rate_is_refused(api, parameters):
    update = {
        "ratelimit": lambda requester, target, room_id, action, ratelimit: None,
        "require_consent": lambda requester, target, room_id, action, require_consent: None,
    }
    api._hs.get_room_member_handler.return_value.update_membership = update[parameters]
    with pytest.raises(ConfigError, match="update_membership"):
        SynapseInternals(api).membership_ends()


def test_purges_that_look_different_are_refused(api):
    api._hs.get_storage_controllers.return_value.purge_events = object()
    with pytest.raises(ConfigError, match="purge_room"):
        SynapseInternals(api).after_each_purge(None)


@pytest.mark.parametrize(
    ("allowed", "expected"),
    [(None, True), ({}, True), ({"a.example": True}, True), ({"b.example": True}, False)],
)
def test_a_server_that_is_not_allowed_is_not_reached(api, allowed, expected):
    api._hs.config.federation.federation_domain_whitelist = allowed
    assert SynapseInternals(api).may_reach("a.example") is expected
