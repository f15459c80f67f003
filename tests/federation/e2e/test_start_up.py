"""What keeps a server from starting, and what the operator is told."""

import pytest

from synapse_tim.testing import SynapseServer, wait_for
from tests.federation.e2e.conftest import enforcing, tim_module, version_of

pytestmark = pytest.mark.servers


@pytest.mark.parametrize("whitelist", [None, ["hospital.example"]])
def test_a_missing_or_filled_whitelist_is_refused(ti, tmp_path, whitelist):
    server = enforcing("hospital", tmp_path, ti)
    if whitelist is None:
        del server.config["federation_domain_whitelist"]
    else:
        server.config["federation_domain_whitelist"] = whitelist
    output = server.start_expecting_failure()
    assert "federation_domain_whitelist: []" in output + server.log_text()


def test_a_wrong_block_is_refused_with_its_key_paths(ti, tmp_path):
    server = enforcing("hospital", tmp_path, ti)
    block = server.config["modules"][0]["config"]
    del block["product"]
    block["permission"] = {}
    block["federation_list"].update(ulr="x", ca_certificates="/nonexistent")
    block["federation_list"]["trust"]["pinned_roots"] = []
    said = server.start_expecting_failure()
    for key in ("product", "permission", "federation_list.ulr", "federation_list.ca_certificates"):
        assert f"config.{key}: " in said
    assert "config.federation_list.trust.pinned_roots: " in said
    assert "Traceback" not in said


def test_ocsp_without_a_responder_is_refused(ti, tmp_path):
    server = enforcing("hospital", tmp_path, ti, trust={"ocsp_responder_url": None})
    said = server.start_expecting_failure()
    assert "ocsp_responder_url" in said
    assert "Traceback" not in said


def test_a_file_that_holds_no_certificate_is_refused(ti, tmp_path):
    nonsense = tmp_path / "nonsense.pem"
    nonsense.write_text("nonsense")
    for key in ("ca_certificates", "client_certificate"):
        server = enforcing(key.replace("_", ""), tmp_path, ti, **{key: str(nonsense)})
        assert f"federation_list.{key}" in server.start_expecting_failure() + server.log_text()
    server = enforcing("pins", tmp_path, ti, trust={"pinned_roots": [str(nonsense)]})
    assert "pinned_roots" in server.start_expecting_failure() + server.log_text()


def without_log_in(block):
    return {key: value for key, value in block.items() if key != "login"}


def test_loading_it_twice_is_refused(ti, tmp_path):
    server = enforcing("hospital", tmp_path, ti)
    block = without_log_in(tim_module(ti)["config"])
    server.config["modules"].append({"module": "synapse_tim.FederationAllowList", "config": block})
    output = server.start_expecting_failure()
    assert "loaded twice" in output + server.log_text()


def test_the_allow_list_alone_enforces_as_well(ti, start, tmp_path):
    server = enforcing("hospital", tmp_path, ti)
    block = without_log_in(tim_module(ti)["config"])
    server.config["modules"] = [{"module": "synapse_tim.FederationAllowList", "config": block}]
    member = SynapseServer("member", tmp_path / "member", ti.world)
    ti.add(server.server_name)
    start(server)
    start(member)
    wait_for(lambda: version_of(server) == ti.version, what="the list")
    path = "/_matrix/federation/v1/version"
    assert member.federation_request("GET", path, to=server).status_code == 403
    ti.add(member.server_name)
    wait_for(
        lambda: member.federation_request("GET", path, to=server).status_code == 200,
        what="the new member",
    )


@pytest.mark.requirement("A_25635")
def test_ocsp_off_is_said_at_start(ti, start, tmp_path):
    server = start(enforcing("hospital", tmp_path, ti, trust={"ocsp": "off"}))
    assert "A_25632" in server.log_text()
