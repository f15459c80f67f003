"""``synapse-tim identity-providers``."""

import json

import pytest

from synapse_tim.cli import main
from synapse_tim.testing import TiSimulator


@pytest.fixture
def ti():
    with TiSimulator() as simulator:
        yield simulator


@pytest.fixture
def arguments(ti, tmp_path):
    path = tmp_path / "master.json"
    path.write_text(json.dumps(ti.federation_master.jwks))
    anchor = ti.federation_master.issuer
    return ["identity-providers", anchor, "--jwks", str(path), "--ca-certificates", str(ti.ca_file)]


def test_the_verified_list_is_printed(ti, arguments, capsys):
    assert main(arguments) == 0
    assert ti.sectoral.issuer in capsys.readouterr().out
    assert main([*arguments, "--json"]) == 0
    (row,) = json.loads(capsys.readouterr().out)["providers"]
    assert row == {"entity_id": ti.sectoral.issuer, "organization_name": "Krankenkasse TEST-ONLY"}


def test_a_list_that_another_key_signs_is_refused(ti, arguments, capsys):
    ti.federation_master.rotate_keys()
    assert main(arguments) == 1
    assert "refused: signature" in capsys.readouterr().out


def test_what_cannot_be_asked_is_said(ti, arguments, tmp_path, capsys):
    assert main(["identity-providers", "http://localhost", *arguments[2:]]) == 2
    ti.faults.paths, ti.faults.status = ("/federation-master",), 503
    assert main(arguments) == 2
    assert "no answer: unreachable: status 503" in capsys.readouterr().err
    (tmp_path / "empty.json").write_text("{}")
    assert main([*arguments[:3], str(tmp_path / "empty.json")]) == 2
    assert main([*arguments, "--ca-certificates", "/no/such/file"]) == 2
