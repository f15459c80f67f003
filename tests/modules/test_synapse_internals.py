"""An incompatible Synapse fails at start, with a message that says so."""

from unittest.mock import Mock

import pytest
from synapse.federation.federation_client import FederationClient
from synapse.federation.transport.server import federation as servlets
from synapse.module_api.errors import ConfigError

from synapse_tim.modules.synapse_internals import SynapseInternals
from synapse_tim.modules.whitelist import Whitelist


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
