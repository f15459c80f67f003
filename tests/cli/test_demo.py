"""``synapse-tim demo``: agrees with itself, ends, leaves nothing behind."""

import functools
import json
import os
import re
import signal
import subprocess
import sys
from unittest.mock import Mock

import httpx
import pytest

from synapse_tim.cli import main
from synapse_tim.demo import run as demo
from synapse_tim.demo import world as demo_world
from synapse_tim.demo.story import Attempt
from synapse_tim.testing import ChildFailedError, SynapseServer
from synapse_tim.testing.simulator.idp.cards import CARDS, INSURED_PERSONS
from synapse_tim.testing.waiting import HANGING_SECONDS, wait_for

pytestmark = pytest.mark.servers

COMMAND = [sys.executable, "-m", "synapse_tim", "demo"]


def synapses_of(pid):
    listing = subprocess.run(["ps", "-e", "-o", "ppid=,args="], capture_output=True, text=True, check=True)
    return [line for line in listing.stdout.splitlines() if line.split()[0] == str(pid)]


def test_the_story_happens_as_expected():
    done = subprocess.run([*COMMAND, "--json"], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
    answer = json.loads(done.stdout)
    assert answer["failed"] == 0
    assert len(answer["attempts"]) > 20
    assert all(attempt["expected"] == attempt["happened"] for attempt in answer["attempts"])
    assert "Starting insurer (4 of 5)\n" in done.stderr


NAMES = [card.display_name for card in (*CARDS.values(), *INSURED_PERSONS.values())]

#: What says something about a person: user ids, rooms, events, KVNR, tokens, addresses on the Internet.
PERSONAL = {
    "user id": re.compile(r"@[^\s:@]+:[a-z0-9]"),
    "room id": re.compile(r"![A-Za-z]{18}|![A-Za-z0-9_-]{43}"),
    "event id": re.compile(r"\$[A-Za-z0-9_-]{43}"),
    "KVNR": re.compile(r"\b[A-Z][0-9]{9}\b"),
    "token": re.compile(r"eyJ[A-Za-z0-9_-]{10}|syt_[A-Za-z0-9]+_"),
    # Four numbers exactly, or it is an object identifier; "2.5.4.5=" is one in names of certificates.
    "address": re.compile(r"(?<![0-9.])[0-9]{1,3}(?:\.[0-9]{1,3}){3}(?!\.?[0-9=])"),
    "e-mail address": re.compile(r"[^\s@]+@[^\s@]+\.[a-z]"),
    "name": re.compile("|".join(["nurse", "sister", "neighbour", *NAMES]), re.IGNORECASE),
}
_LINE = re.compile(r"^[-0-9]+ [0-9:,]+ (?P<logger>\S+) (?:INFO|WARNING|ERROR|CRITICAL) \S+ (?P<said>.*)$")


def personal_data(texts):
    """What says something about a person, by kind."""
    return {
        kind: found
        for kind, pattern in PERSONAL.items()
        if (found := [t for t in texts if pattern.search(t)])
    }


def lines_of_logs(directory):
    """What each logger said at INFO and above in all logs, with the lines that follow."""
    said = {"synapse_tim": [], "synapse": []}
    for path in directory.glob("synapse_tim-demo-*/*/homeserver.log"):
        logger = "synapse"
        for line in path.read_text().splitlines():
            head = _LINE.match(line)
            logger = head["logger"].partition(".")[0] if head else logger
            said.setdefault(logger, []).append(head["said"] if head else line)
    return said


def test_kept_servers_end_with_the_command(tmp_path):
    """A_22813, A_22817: and this project's part of their logs says nothing about anybody."""
    environment = {**os.environ, "TMPDIR": str(tmp_path)}
    process = subprocess.Popen([*COMMAND, "--keep"], stdout=subprocess.PIPE, text=True, env=environment)
    try:
        lines = []
        for line in process.stdout:
            lines.append(line)
            if "federation list is served at" in line:
                break
        output = "".join(lines)
        assert "Ctrl-C" in output
        assert "@doctor:localhost:" in output
        assert len(synapses_of(process.pid)) == 5
        said = lines_of_logs(tmp_path)
        assert len(said["synapse_tim"]) > 10
        assert personal_data(said["synapse_tim"]) == {}
        assert {"user id", "room id", "event id", "address"} <= personal_data(said["synapse"]).keys()
    finally:
        process.send_signal(signal.SIGINT)
        process.wait(HANGING_SECONDS)
    assert process.returncode == 130
    wait_for(lambda: synapses_of(process.pid) == [], what="the end of the servers")


@pytest.fixture
def signals():
    """The command has its own ways to be ended."""
    before = {number: signal.getsignal(number) for number in (signal.SIGTERM, signal.SIGINT)}
    yield
    for number, handler in before.items():
        signal.signal(number, handler)


def test_a_server_that_does_not_start_is_shown_with_its_last_words(tmp_path, monkeypatch, signals, capsys):
    broken = tmp_path / "python"
    broken.write_text("#!/bin/sh\necho no more memory; exit 3\n")
    broken.chmod(0o755)
    monkeypatch.setattr(demo_world, "SynapseServer", functools.partial(SynapseServer, python=str(broken)))
    assert main(["demo"]) == 1
    said = capsys.readouterr().err
    assert said.startswith("Starting hospital (1 of 5)\n")
    assert "The demo gave up: hospital ended with exit code 3:\n" in said
    assert "homeserver.out\nno more memory" in said


def test_a_server_that_does_not_answer_is_shown_with_its_last_words(tmp_path, monkeypatch):
    def play(world):
        yield Attempt("A_25534", "something", "200", "200")
        raise httpx.ReadTimeout("")

    server = Mock(spec=SynapseServer, **{"last_words.return_value": "--- hospital: it hangs"})
    monkeypatch.setattr(demo, "play", play)
    with pytest.raises(ChildFailedError, match=r"^ReadTimeout\n--- hospital: it hangs$"):
        list(demo._story(Mock(servers=[server])))


def test_an_answer_that_differs_is_no_agreement():
    assert not Attempt("A_25534", "something", "403 M_FORBIDDEN", "200").agrees
    assert Attempt("A_25534", "something", "200", "200").agrees
