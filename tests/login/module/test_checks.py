"""Wiring only: what of single sign-on stops start-up, where a real server would need other programs."""

from unittest.mock import Mock

import pytest
from synapse.module_api.errors import ConfigError

from synapse_tim import LoginPolicy, OidcMapping
from synapse_tim.adapter.config import OidcProvider, SynapseConfig
from synapse_tim.adapter.start_up import report
from synapse_tim.login.checks import judge_single_sign_on


def synapse_config(saml=False, gives_away=False):
    found = Mock(spec=SynapseConfig)
    found.oidc_providers.return_value = ()
    found.gives_away_saml_names = gives_away
    found.public_baseurl = "https://messenger.example/"
    found.option.side_effect = lambda section, attribute: saml
    return found


def config(**login):
    return LoginPolicy.parse_config({"product": "pro", "spec_version": "1.2", "login": login})


def check_sso(synapse, config):
    """As the part does when it starts."""
    report(judge_single_sign_on(synapse, config))


def test_r4_5_saml_that_gives_accounts_away_stops_start_up():
    with pytest.raises(ConfigError, match="grandfathered_mxid_source_attribute"):
        check_sso(synapse_config(saml=True, gives_away=True), config())
    check_sso(synapse_config(saml=True), config())


def test_saml_that_is_no_way_to_log_in_stops_start_up():
    with pytest.raises(ConfigError, match=r"login\.permitted"):
        check_sso(synapse_config(saml=True), config(permitted=["id_token"]))
    check_sso(synapse_config(saml=True), config(permitted=["sso"]))
    check_sso(synapse_config(), config(permitted=["id_token"]))


class Lax(OidcMapping):
    """What an operator could derive."""

    async def get_extra_attributes(self, userinfo, token):
        return {}


@pytest.mark.parametrize(
    ("issuer", "is_refused"),
    [
        ("https://messenger.example/_synapse/client/synapse_tim/oidc", False),
        ("https://messenger.example/_synapse/client/synapse_tim/oidc/", True),
        ("https://messenger.example.evil/_synapse/client/synapse_tim/oidc", True),
    ],
)
def test_af_10234_the_gateway_has_checked_the_claims_itself(issuer, is_refused):
    synapse = synapse_config()
    synapse.oidc_providers.return_value = [OidcProvider("oidc-x", issuer, "us", False, Lax, None)]
    insurer = LoginPolicy.parse_config({"product": "epa", "spec_version": "1.2"})
    assert any(not each.right for each in judge_single_sign_on(synapse, insurer)) is is_refused


@pytest.mark.parametrize(("mapping", "is_refused"), [(OidcMapping, False), (Lax, True)])
def test_af_10234_a_derived_mapping_does_not_count_as_one_that_checks_claims(mapping, is_refused):
    synapse = synapse_config()
    claims = OidcMapping.parse_config({"profile": "gesundheitsid"})
    synapse.oidc_providers.return_value = [OidcProvider("oidc-x", "https://x", "us", False, mapping, claims)]
    insurer = LoginPolicy.parse_config({"product": "epa", "spec_version": "1.2"})
    refused = [each.found for each in judge_single_sign_on(synapse, insurer) if not each.right]
    assert bool(refused) is is_refused
    assert all("have to be checked" in found for found in refused)
