"""``synapse-tim check --online`` against a simulated TI: no Synapse runs."""

import json
import re

import pytest
import yaml

from synapse_tim.check import online as homeserver_online
from synapse_tim.check.catalogue import ONLINE_CHECKS
from synapse_tim.cli import main
from synapse_tim.core.products import Product, SpecVersion
from synapse_tim.testing import TiSimulator
from tests.cli.configurations import make_files, sound

ONLINE = {check.name for check in ONLINE_CHECKS}


@pytest.fixture
def ti():
    with TiSimulator() as simulator:
        yield simulator


@pytest.fixture
def server_name(ti):
    """A name that leads to somebody with a certificate: the simulator itself."""
    return ti.https_url.removeprefix("https://")


@pytest.fixture
def config(tmp_path, ti, server_name):
    make_files(tmp_path)
    config = sound(tmp_path, Product.PRO, SpecVersion.V1_2)
    config["server_name"] = server_name
    config["federation_custom_ca_list"] = [str(ti.ca_file)]
    block = config["modules"][0]["config"]
    block["federation_list"] = ti.federation_list_config()
    block["login"]["trust"] = {"pinned_roots": ["0" * 64], "ocsp": "soft", "ocsp_responder_url": ti.ocsp_url}
    return config


@pytest.fixture
def check(tmp_path, config, capsys):
    """Run the command; gives the lines that only show online, and the rest of the answer."""

    def run():
        path = tmp_path / "homeserver.yaml"
        path.write_text(yaml.safe_dump(config))
        code = main(["check", str(path), "--online", "--json"])
        answer = json.loads(capsys.readouterr().out)
        lines = {
            line["check"]: (line["verdict"], line["found"])
            for line in answer["results"]
            if line["check"] in ONLINE
        }
        assert (code == 1) is bool(answer["summary"]["violation"])
        return lines, answer["online"]

    return run


def test_a_list_that_is_verified_and_names_this_server(ti, check, server_name):
    ti.add(server_name)
    ti.add("insurer.example", insurance=True, ik=["109500969"])
    lines, online = check()
    assert {name: verdict for name, (verdict, _) in lines.items()} == dict.fromkeys(ONLINE, "ok")
    assert online["version"] == ti.version
    assert (online["domains"], online["insurance_domains"]) == (2, 1)
    assert (online["own_domain"], online["own_domain_listed_as"]) == (server_name, "pro")
    assert "VZD-FHIR-FList-Signer" in online["signer"]
    assert online["signer_not_after"].endswith("Z")
    assert online["refusal"] is None
    (endpoint,) = online["endpoints"]
    assert endpoint["url"] == f"https://{server_name}/_matrix/key/v2/server"
    assert endpoint["reached"] and endpoint["trusted"]


def test_af_10064_02_a_server_that_is_not_listed(ti, check):
    ti.add("somebody.example")
    lines, online = check()
    assert lines["online.own_domain"] == ("violation", "not listed")
    assert lines["online.product"][0] == "not_applicable"
    assert online["own_domain_listed_as"] == "not listed"


def test_af_10233_a_server_that_is_listed_as_the_other_product(ti, check, server_name):
    ti.add(server_name, insurance=True, ik=["109500969"])
    lines, _ = check()
    assert lines["online.product"] == ("violation", "listed as epa")


@pytest.mark.parametrize(
    ("fault", "value", "reason"),
    [
        ("revoked_signer", True, "revoked"),
        ("status", 500, "http_status"),
        ("wrong_role", True, "signer_role"),
    ],
)
def test_a_25632_a_refusal_is_named(ti, check, server_name, fault, value, reason):
    ti.add(server_name)
    setattr(ti.faults, fault, value)
    lines, online = check()
    verdict, found = lines["online.federation_list"]
    assert verdict == "violation"
    assert found.startswith(reason)
    assert online["refusal"] == reason
    assert lines["online.own_domain"][0] == "not_applicable"


def test_a_source_that_is_not_there(ti, check):
    ti.stop()
    lines, online = check()
    assert online["refusal"] == "unreachable"
    assert lines["online.federation_list"][0] == "violation"
    # That nobody is reached proves nothing about certificates.
    assert lines["online.certificates"][0] == "not_applicable"
    assert not online["endpoints"][0]["reached"]


def test_a_source_that_does_not_end_is_not_waited_for(ti, check, monkeypatch, server_name):
    ti.add(server_name)
    monkeypatch.setattr(homeserver_online, "SECONDS", 0.2)
    ti.faults.slow_headers = 1
    _, online = check()
    assert online["refusal"] == "deadline"


def test_the_directory_itself_with_credentials(ti, check, config, server_name):
    ti.add(server_name)
    block = ti.federation_list_config(url=ti.directory_list_url, vzd_credentials=ti.vzd_credentials)
    config["modules"][0]["config"]["federation_list"] = block
    assert check()[1]["version"] == ti.version
    ti.faults.credentials_refused = True
    assert check()[1]["refusal"] == "authentication"


def test_a_source_with_mutual_tls(tmp_path, config, check):
    with TiSimulator(require_client_certificate=True) as ti:
        block = ti.federation_list_config()
        config["modules"][0]["config"]["federation_list"] = block
        assert check()[1]["version"] == ti.version
        del block["client_certificate"]
        assert check()[1]["refusal"] == "unreachable"


def test_r7_15_a_certificate_that_others_do_not_trust(ti, check, config, server_name):
    ti.add(server_name)
    del config["federation_custom_ca_list"]
    lines, online = check()
    verdict, found = lines["online.certificates"]
    assert verdict == "violation"
    assert "CERTIFICATE_VERIFY_FAILED" in found
    assert online["endpoints"][0]["reached"] and not online["endpoints"][0]["trusted"]


def test_files_that_are_not_here_leave_nothing_to_fetch(check, config):
    config["modules"][0]["config"]["federation_list"]["trust"]["pinned_roots"] = ["/nothing/here.der"]
    lines, online = check()
    assert lines["online.federation_list"][0] == "not_applicable"
    assert set(online) == {"endpoints"}


def test_people_get_the_same(ti, tmp_path, config, capsys, server_name):
    ti.add(server_name)
    path = tmp_path / "homeserver.yaml"
    path.write_text(yaml.safe_dump(config))
    assert main(["check", str(path), "--online"]) == 1  # test certificates are allowed here
    out = capsys.readouterr().out
    assert "VZD-FHIR-FList-Signer" in out
    assert re.search(rf"own domain +{server_name} *$", out, re.MULTILINE)
    assert re.search(rf"https://{server_name}/_matrix/key/v2/server +status 404", out)


def test_nothing_is_fetched_without_being_asked(ti, tmp_path, config, capsys):
    path = tmp_path / "homeserver.yaml"
    path.write_text(yaml.safe_dump(config))
    main(["check", str(path), "--json"])
    assert "online" not in json.loads(capsys.readouterr().out)
    assert ti.requests == []
