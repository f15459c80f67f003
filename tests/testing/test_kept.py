"""A simulator that is restarted beside a homeserver that was configured for it."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest
import yaml

from synapse_tim.testing import SynapseServer, TiSimulator, wait_for
from synapse_tim.testing.simulator import kept

COMMAND = [sys.executable, "-m", "synapse_tim.testing.simulator", "--directory"]


def run(directory: Path, *arguments: str, commands: str = "") -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [*COMMAND, str(directory), *arguments], input=commands, capture_output=True, text=True, check=False
    )


def block(printed: str) -> dict[str, object]:
    text = printed.partition("# for homeserver.yaml\n")[2].partition("\nversion ")[0].partition("\nok")[0]
    return yaml.safe_load(text)


def test_what_is_printed_for_the_homeserver_stays_the_same(tmp_path: Path) -> None:
    directory = tmp_path / "ti"
    first = run(
        directory, "--domain", "a.example", commands="insurance b.example\nremove a.example\nstatus\n"
    )
    again = run(directory, commands="status\n")
    assert (first.returncode, first.stderr, again.returncode, again.stderr) == (0, "", 0, "")
    assert block(first.stdout) == block(again.stdout)
    (status,) = [line for line in again.stdout.splitlines() if line.startswith("version ")]
    assert status.startswith("version 4; domains: b.example; ")
    assert status in first.stdout
    known = run(directory, "--domain", "b.example", "--domain", "c.example", commands="status\n")
    assert "version 5; domains: b.example c.example;" in known.stdout, (
        "what is on the list is not added again"
    )


def test_keys_are_for_their_owner_only(tmp_path: Path) -> None:
    with kept.open_simulator(tmp_path):
        assert (tmp_path / "simulator.json").stat().st_mode & 0o777 == 0o600


def test_two_at_a_time_are_one_too_many(tmp_path: Path) -> None:
    with kept.open_simulator(tmp_path):
        second = run(tmp_path)
    assert second.returncode == 1
    assert second.stderr.startswith("error: ")
    assert f"does another simulator use {tmp_path}?" in second.stderr


@pytest.mark.parametrize("text", ["", "[]", "{}", '{"ports": [1]}'])
def test_what_cannot_be_read_is_no_traceback(tmp_path: Path, text: str) -> None:
    (tmp_path / "simulator.json").write_text(text)
    done = run(tmp_path)
    assert done.returncode == 1
    assert done.stderr.startswith(f"error: {tmp_path}/simulator.json cannot be read (")
    assert done.stderr.endswith("remove it to begin anew\n")


def test_a_key_of_another_kind_is_no_traceback(tmp_path: Path) -> None:
    kept.open_simulator(tmp_path).close()
    path = tmp_path / "simulator.json"
    state = json.loads(path.read_text())
    state["tls_ca"]["key"] = "-----BEGIN PRIVATE KEY-----\nAA==\n-----END PRIVATE KEY-----\n"
    path.write_text(json.dumps(state))
    with pytest.raises(kept.KeptStateError, match="remove it"):
        kept.open_simulator(tmp_path)


def test_no_serial_number_is_used_twice(tmp_path: Path) -> None:
    def issued(ti: TiSimulator) -> int:
        return ti.world.pki.list_signer(ti.world.sub_ca).certificate.serial_number

    with kept.open_simulator(tmp_path) as ti:
        before = issued(ti)
    with kept.open_simulator(tmp_path) as ti:
        assert issued(ti) > before


@pytest.mark.servers
def test_a_homeserver_follows_it_after_the_restart(tmp_path: Path, start) -> None:
    version = "/_matrix/federation/v1/version"
    with kept.open_simulator(tmp_path / "ti") as ti:
        config = {"product": "pro", "spec_version": "1.2", "federation_list": ti.federation_list_config()}
        member = start(SynapseServer("member", tmp_path / "member", ti.world))
        clinic = start(
            SynapseServer(
                "clinic",
                tmp_path / "clinic",
                ti.world,
                modules=[{"module": "synapse_tim.TiMessenger", "config": config}],
                extra={"federation_domain_whitelist": []},
            )
        )
        listed = "synapse_tim_federation_list_version"
        wait_for(lambda: clinic.metrics().get(listed) == ti.version, what="the list")
        assert member.federation_request("GET", version, to=clinic).status_code == 403
    with kept.open_simulator(tmp_path / "ti") as again:
        again.add(member.server_name)
        wait_for(
            lambda: clinic.metrics()[listed] == again.version, what="the list of the restarted simulator"
        )
        assert member.federation_request("GET", version, to=clinic).status_code == 200
