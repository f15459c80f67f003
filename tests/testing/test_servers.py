"""Real servers, without any module of ours."""

from __future__ import annotations

import subprocess
import sys
import textwrap
from pathlib import Path

import pytest

from synapse_tim.testing.waiting import wait_for


@pytest.mark.servers
def test_two_servers_federate(synapse_server) -> None:
    a, b = (synapse_server(name, wait=False) for name in "ab")
    a.wait(), b.wait()
    alice, bob = a.register("alice"), b.register("bob")
    assert (alice.localpart, alice.server_name) == ("alice", a.server_name)

    room = alice.create_room(preset="private_chat")
    assert alice.invite(room, bob.user_id).status_code == 200
    wait_for(lambda: room in bob.invited_to(), what="the invite")
    assert bob.join(room, via=[a.server_name]).status_code == 200
    assert alice.send(room, "hello").status_code == 200
    wait_for(lambda: "hello" in bob.texts(room), what="the message")
    assert alice.members(room) == bob.members(room) == {alice.user_id, bob.user_id}

    path = f"/_matrix/federation/v1/query/profile?user_id={bob.user_id}"
    assert a.federation_request("GET", path, to=b).json() == {"displayname": "bob"}
    forged = a.federation_request("GET", path, to=b, origin="localhost:1")
    assert forged.status_code == 401
    assert b.anonymous_request("GET", path).status_code == 401
    assert b.anonymous_request("GET", "/_matrix/federation/v1/version").status_code == 200
    assert any(name.startswith("synapse_federation") for name in a.metrics())

    a.restart()
    assert "hello" in alice.texts(room)
    pids = [process.pid for server in (a, b) for process in server.processes]
    a.stop(), b.stop()
    assert all(pids)
    assert not any(process.running for server in (a, b) for process in server.processes)


@pytest.mark.servers
def test_a_server_that_should_refuse_to_start(synapse_server) -> None:
    server = synapse_server("broken", start=False, modules=[{"module": "no.such.Module", "config": {}}])
    assert "No module named 'no'" in server.start_expecting_failure()


@pytest.mark.servers
@pytest.mark.workers
def test_a_server_with_workers_federates(synapse_server, worker_deployment) -> None:
    a = synapse_server("single", wait=False)
    b = worker_deployment("multi", n_workers=2)
    a.wait()
    alice, bob = a.register("alice"), b.register("bob")
    room = alice.create_room()
    assert alice.invite(room, bob.user_id).status_code == 200
    first, second = (bob.at(worker.client_url) for worker in b.workers)
    wait_for(lambda: room in first.invited_to(), what="the invite")
    assert first.join(room, via=[a.server_name]).status_code == 200
    assert second.send(room, "from the second worker").status_code == 200
    wait_for(lambda: "from the second worker" in alice.texts(room), what="the message")
    assert "/_matrix/federation/" in b.workers[0].log_text()
    assert "/_matrix/federation/v2/invite" not in b.log_path.read_text()
    assert all(worker.metrics() for worker in b.workers)
    b.stop()
    assert not any(process.running for process in b.processes)


@pytest.mark.servers
def test_the_fixtures_as_a_vendor_uses_them(tmp_path: Path) -> None:
    (tmp_path / "conftest.py").write_text('pytest_plugins = ["synapse_tim.testing.fixtures"]\n')
    (tmp_path / "test_image.py").write_text(
        textwrap.dedent(
            """
            def test_good(ti_simulator):
                assert ti_simulator().list_url

            def test_bad(synapse_server):
                server = synapse_server("hospital")
                print("PID", server.processes[0].pid)
                assert False
            """
        )
    )
    command = [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", str(tmp_path)]
    done = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, check=False)
    assert "1 failed, 1 passed" in done.stdout
    assert "logs of hospital" in done.stdout
    assert "synapse.app" in done.stdout
    pid = done.stdout.partition("PID ")[2].split()[0]
    assert not Path(f"/proc/{pid}").exists()
