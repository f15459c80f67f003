"""Which servers are talked to: what is put into Synapse, and only if it looks as expected."""

from collections.abc import Mapping

import pytest
from synapse.federation.transport.server import federation as servlets
from synapse.module_api.errors import ConfigError

from synapse_tim.adapter.allow_list import AllowList
from synapse_tim.adapter.homeserver import Homeserver


def nobody(name):
    pass


def test_the_configured_dictionary_is_replaced_by_one_that_can_follow(api):
    allow_list = Homeserver.of(api).federation.install_allow_list(nobody)
    assert api._hs.config.federation.federation_domain_whitelist is allow_list
    assert isinstance(allow_list, Mapping)
    assert not allow_list


@pytest.mark.parametrize("configured", [None, {"a.example": True}, ["a.example"], AllowList(nobody)])
def test_anything_but_an_empty_allow_list_is_refused(api, configured):
    api._hs.config.federation.federation_domain_whitelist = configured
    with pytest.raises(ConfigError):
        Homeserver.of(api).federation.install_allow_list(nobody)


def test_a_config_without_the_allow_list_is_refused(api):
    del api._hs.config.federation.federation_domain_whitelist
    with pytest.raises(ConfigError, match="federation_domain_whitelist"):
        _ = Homeserver.of(api).federation


@pytest.mark.parametrize("name", ["FederationVersionServlet", "On3pidBindServlet"])
def test_a_missing_servlet_is_refused(api, monkeypatch, name):
    monkeypatch.delattr(servlets, name)
    with pytest.raises(ConfigError, match=name):
        Homeserver.of(api).federation.require_signed_requests()


def test_the_servlets_demand_a_signature(api, monkeypatch):
    for servlet in (servlets.FederationVersionServlet, servlets.On3pidBindServlet):
        monkeypatch.setattr(servlet, "REQUIRE_AUTH", False)
    Homeserver.of(api).federation.require_signed_requests()
    assert servlets.FederationVersionServlet.REQUIRE_AUTH
    assert servlets.On3pidBindServlet.REQUIRE_AUTH


@pytest.mark.parametrize(
    ("allowed", "expected"),
    [(None, True), ({}, True), ({"a.example": True}, True), ({"b.example": True}, False)],
)
def test_a_server_that_is_not_allowed_is_not_reached(api, allowed, expected):
    api._hs.config.federation.federation_domain_whitelist = allowed
    assert Homeserver.of(api).federation.may_reach("a.example") is expected
