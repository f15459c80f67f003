"""Wiring only: what of SAML's single sign-on stops start-up; a real server would need more programs."""

from unittest.mock import Mock

import pytest
from synapse.module_api.errors import ConfigError

from synapse_tim import LoginPolicy
from synapse_tim.adapter.config import SynapseConfig
from synapse_tim.login.start_up_sso import check_sso


def synapse_config(saml=False, gives_away=False):
    found = Mock(spec=SynapseConfig)
    found.oidc_providers.return_value = ()
    found.gives_away_saml_names = gives_away
    found.option.side_effect = lambda section, attribute: saml
    return found


def config(**login):
    return LoginPolicy.parse_config({"product": "pro", "spec_version": "1.2", "login": login})


def test_r4_5_saml_that_gives_accounts_away_stops_start_up():
    with pytest.raises(ConfigError, match="grandfathered_mxid_source_attribute"):
        check_sso(synapse_config(saml=True, gives_away=True), config())
    assert check_sso(synapse_config(saml=True), config()) is None


def test_saml_that_is_no_way_to_log_in_stops_start_up():
    with pytest.raises(ConfigError, match=r"login\.permitted"):
        check_sso(synapse_config(saml=True), config(permitted=["id_token"]))
    assert check_sso(synapse_config(saml=True), config(permitted=["sso"])) is None
    assert check_sso(synapse_config(), config(permitted=["id_token"])) is None
