"""The configuration of README.md is one that a user can log in to."""

import json
import re
from pathlib import Path

import pytest
import yaml

from synapse_tim.cli import main
from synapse_tim.testing import MatrixUser, SynapseServer, TiSimulator, make_world, wait_for
from synapse_tim.testing.simulator.idp.cards import Card

pytestmark = pytest.mark.servers

ROOT = Path(__file__).resolve().parents[2]
ID_TOKEN = "org.synapse_tim.login.id_token"


@pytest.fixture
def ti():
    """Whose certificates are not marked as those of a test environment."""
    with TiSimulator(make_world(marks=False)) as simulator:
        yield simulator


@pytest.fixture
def block(ti, tmp_path):
    """The block of the README as it is; only where things are is another place."""
    (body,) = re.findall(r"```yaml\n(.*?)```", (ROOT / "README.md").read_text(), re.DOTALL)
    (tmp_path / "GEM.RCA8.der").write_bytes(ti.world.roots[-1].der)
    for there, here in {
        "/etc/synapse": str(tmp_path),
        "https://registration.example.de/federationList.jws": ti.list_url,
        "https://download.tsl.ti-dienste.de": ti.ca_base_url,
        "http://ocsp.example.de/": ti.ocsp_url,
        "https://idp.app.ti-dienste.de/.well-known/openid-configuration": ti.idp.discovery_url,
        "https://idp.app.ti-dienste.de": ti.idp.issuer,
    }.items():
        assert there in body
        body = body.replace(there, here)
    return yaml.safe_load(body)


def server_with(block, directory, ti):
    """A homeserver with the block and, besides, nothing but what it needs to start anywhere."""
    modules = block.pop("modules")
    return SynapseServer("readme", directory / "server", ti.world, modules=modules, extra=block)


def log_in(server, token):
    body = {"type": ID_TOKEN, "token": token}
    return server.anonymous_request("POST", "/_matrix/client/v3/login", body)


def test_af_10057_somebody_logs_in_to_the_configuration_of_the_readme(
    ti, block, tmp_path, start, monkeypatch
):
    monkeypatch.setenv("SSL_CERT_FILE", str(ti.ca_file))  # the CAs of the machine
    (provider,) = block["modules"][0]["config"]["login"]["providers"]
    (number,) = provider["required_claims"]["idNummer"]
    server = server_with(block, tmp_path, ti)
    ti.add(server.server_name)
    start(server)
    assert "Nobody can log in" not in server.log_text()
    wait_for(lambda: server.metrics().get("synapse_tim_federation_list_version"))

    doctor = Card(number, provider["professions"][0], "Dorothea", "Doktor")
    flows = server.anonymous_request("GET", "/_matrix/client/v3/login").json()["flows"]
    assert ID_TOKEN in {flow["type"] for flow in flows}
    answer = log_in(server, ti.idp.mint(doctor, audience=provider["audience"]))
    assert answer.status_code == 200, answer.text
    session = answer.json()
    user = MatrixUser(session["user_id"], session["access_token"], server.client_url)
    assert user.create_room()
    # Whose card is not named does not get in.
    other = Card("1-other", provider["professions"][0], "Otto", "Doktor")
    assert log_in(server, ti.idp.mint(other, audience=provider["audience"])).status_code == 403


def test_without_login_it_starts_and_says_that_nobody_can_log_in(
    ti, block, tmp_path, start, monkeypatch, capsys
):
    monkeypatch.setenv("SSL_CERT_FILE", str(ti.ca_file))
    del block["modules"][0]["config"]["login"]
    server = start(server_with(block, tmp_path, ti))
    (warning,) = (line for line in server.log_text().splitlines() if "Nobody can log in" in line)
    assert "WARNING" in warning
    assert "login.providers" in warning
    main(["check", str(server.config_path), "--json"])
    lines = json.loads(capsys.readouterr().out)["results"]
    (line,) = (line for line in lines if "Nobody can log in" in line["found"])
    assert line["verdict"] == "warning"
    assert "login.providers" in line["found"]
