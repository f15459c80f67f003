"""Wiring only: what of SAML's single sign-on stops start-up; a real server would need more programs."""

from unittest.mock import Mock

import pytest
from synapse.module_api.errors import ConfigError

from synapse_tim import LoginPolicy
from synapse_tim.adapter.config import SynapseConfig
from synapse_tim.adapter.start_up import report
from synapse_tim.login.checks import judge_single_sign_on


def synapse_config(saml=False, gives_away=False):
    found = Mock(spec=SynapseConfig)
    found.oidc_providers.return_value = ()
    found.gives_away_saml_names = gives_away
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
