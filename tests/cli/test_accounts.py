"""``synapse-tim accounts link``: what it refuses before it asks the homeserver anything."""

import pytest
import yaml

from synapse_tim.cli import main

CONFIG = {
    "server_name": "clinic.example",
    "oidc_providers": [
        {
            "idp_id": "broker",
            "user_mapping_provider": {"module": "synapse_tim.OidcMapping", "config": {"profile": "oidc"}},
        },
        {"idp_id": "other", "user_mapping_provider": {"module": "other.Mapping"}},
    ],
    "modules": [
        {"module": "synapse_tim.TiMessenger", "config": {"login": {"providers": [{"id": "idp"}]}}},
    ],
}
USER = "user_id,external_id,provider\n@a:clinic.example,1,"


@pytest.fixture
def link(tmp_path, capsys):
    (tmp_path / "homeserver.yaml").write_text(yaml.safe_dump(CONFIG))

    def link(*options, csv=None):
        if csv is not None:
            (tmp_path / "links.csv").write_text(csv)
            options = (*options, "--from-csv", str(tmp_path / "links.csv"))
        code = main(["accounts", "link", str(tmp_path / "homeserver.yaml"), *options])
        return code, capsys.readouterr().err

    return link


@pytest.mark.parametrize("provider", ["idp", "oidc-broker"])
def test_providers_of_logins_and_of_single_sign_on_can_be_named(link, provider):
    code, error = link("--provider", provider)
    assert (code, error) == (2, "--homeserver-url and --access-token-file are required\n")
    code, error = link(csv=f"{USER}{provider}\n")
    assert (code, error) == (2, "--homeserver-url and --access-token-file are required\n")


@pytest.mark.parametrize("provider", ["oidc", "broker", "oidc-other", "other"])
def test_nobody_is_linked_to_a_provider_that_is_not_configured(link, provider):
    for code, error in (link("--provider", provider), link(csv=f"{USER}{provider}\n")):
        assert code == 2
        assert f"no provider is configured with the id {provider}" in error


def test_a_list_that_cannot_be_used_is_refused(link, tmp_path):
    code, error = link()
    assert (code, "--from-csv or --provider" in error) == (2, True)
    code, error = link(csv="user_id,external_id\n@a:clinic.example,1\n")
    assert (code, "expected the columns" in error) == (2, True)
    code, error = link("--from-csv", str(tmp_path / "missing.csv"))
    assert (code, "FileNotFoundError" in error) == (2, True)
