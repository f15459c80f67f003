"""``synapse-tim demo``: agrees with itself, ends, leaves nothing behind."""

import json
import signal
import subprocess
import sys
import time

import pytest

from synapse_tim.cli.demo_story import Attempt

pytestmark = pytest.mark.servers

COMMAND = [sys.executable, "-m", "synapse_tim", "demo"]


def synapses_of(pid):
    listing = subprocess.run(["ps", "-e", "-o", "ppid=,args="], capture_output=True, text=True, check=True)
    return [line for line in listing.stdout.splitlines() if line.split()[0] == str(pid)]


def test_the_story_happens_as_expected():
    done = subprocess.run([*COMMAND, "--json"], capture_output=True, text=True, timeout=150, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
    answer = json.loads(done.stdout)
    assert answer["failed"] == 0
    assert len(answer["attempts"]) > 20
    assert all(attempt["expected"] == attempt["happened"] for attempt in answer["attempts"])


def test_kept_servers_end_with_the_command():
    process = subprocess.Popen([*COMMAND, "--keep"], stdout=subprocess.PIPE, text=True)
    try:
        lines = []
        for line in process.stdout:
            lines.append(line)
            if "federation list is served at" in line:
                break
        output = "".join(lines)
        assert "Ctrl-C" in output
        assert "@doctor:localhost:" in output
        assert len(synapses_of(process.pid)) == 4
    finally:
        process.send_signal(signal.SIGINT)
        process.wait(30)
    assert process.returncode == 130
    deadline = time.monotonic() + 5
    while synapses_of(process.pid) and time.monotonic() < deadline:
        pass
    assert synapses_of(process.pid) == []


def test_an_answer_that_differs_is_no_agreement():
    assert not Attempt("A_25534", "something", "403 M_FORBIDDEN", "200").agrees
    assert Attempt("A_25534", "something", "200", "200").agrees
