from __future__ import annotations

import os
import signal
import socket
import subprocess
import sys
import threading
from pathlib import Path

import pytest

from synapse_tim.testing.ports import free_ports
from synapse_tim.testing.servers import processes
from synapse_tim.testing.servers.processes import Child, ChildFailedError
from synapse_tim.testing.waiting import HANGING_SECONDS, wait_for

WAIT = "print('here', flush=True); time.sleep(300)"
SLEEP = [sys.executable, "-c", f"import time; {WAIT}"]
STUBBORN = [
    sys.executable,
    "-c",
    f"import signal, time; signal.signal(signal.SIGTERM, signal.SIG_IGN); {WAIT}",
]


def gone(pid: int) -> bool:
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return True
    return False


@pytest.mark.parametrize("command", [SLEEP, STUBBORN])
def test_a_child_starts_and_stops(tmp_path, command) -> None:
    child = Child("child", command, tmp_path / "out")
    child.start()
    child.wait_ready(lambda: "here" in child.last_output(), HANGING_SECONDS)
    pid = child.pid
    assert pid is not None
    assert not gone(pid)
    child.stop(timeout=0.3)
    assert gone(pid)
    assert child.pid is None
    assert child.returncode in (-signal.SIGTERM, -signal.SIGKILL)
    child.stop()


def test_a_child_that_ends_too_early_is_reported_with_its_output(tmp_path) -> None:
    child = Child("child", [sys.executable, "-c", "raise SystemExit('no port')"], tmp_path / "out")
    child.start()
    with pytest.raises(ChildFailedError, match="no port"):
        child.wait_ready(lambda: False, HANGING_SECONDS)
    assert child.wait_end(HANGING_SECONDS) == 1


def test_a_child_that_is_never_ready_is_reported(tmp_path) -> None:
    child = Child("child", SLEEP, tmp_path / "out")
    child.start()
    try:
        with pytest.raises(ChildFailedError, match="not ready"):
            child.wait_ready(lambda: False, 0.1)
    finally:
        child.stop()


class Clock:
    """Stands for ``time``: seconds go by while one waits."""

    def __init__(self) -> None:
        self.now = 0.0

    def monotonic(self) -> float:
        return self.now

    def sleep(self, seconds: float) -> None:
        self.now += 1


def test_a_child_is_waited_for_while_it_gets_on(tmp_path, monkeypatch) -> None:
    clock = Clock()
    monkeypatch.setattr(processes, "time", clock)
    child = Child("child", SLEEP, tmp_path / "out")
    child.start()
    try:
        child.wait_ready(lambda: clock.now > 90, 10, progress=lambda: clock.now // 9)
        with pytest.raises(ChildFailedError, match="not ready after 10 s:\nits log"):
            child.wait_ready(lambda: False, 10, last_words=lambda: "its log")
        with pytest.raises(ChildFailedError, match="not ready after 100 s"):
            child.wait_ready(lambda: False, 10, progress=clock.monotonic)
    finally:
        child.stop()


def test_a_child_outlives_the_thread_that_wanted_it(tmp_path) -> None:
    child = Child("child", SLEEP, tmp_path / "out")
    thread = threading.Thread(target=child.start)
    thread.start()
    thread.join()
    try:
        child.wait_ready(lambda: "here" in child.last_output(), HANGING_SECONDS)
        assert child.running
    finally:
        child.stop()


@pytest.mark.skipif(sys.platform != "linux", reason="needs PR_SET_PDEATHSIG of Linux")
def test_children_die_with_their_parent(tmp_path) -> None:
    script = (
        "import sys, time; from pathlib import Path\n"
        "from synapse_tim.testing.servers.processes import Child\n"
        f"child = Child('child', {SLEEP!r}, Path({str(tmp_path / 'out')!r})); child.start()\n"
        "print(child.pid, flush=True); time.sleep(300)"
    )
    with subprocess.Popen([sys.executable, "-c", script], stdout=subprocess.PIPE, text=True) as parent:
        assert parent.stdout is not None
        pid = int(parent.stdout.readline())
        parent.kill()
    wait_for(lambda: gone(pid) or is_zombie(pid), what="the end of the child")


def is_zombie(pid: int) -> bool:
    """In a container without an init process nobody collects orphans."""
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] == "Z"
    except FileNotFoundError:
        return True


def test_wait_for() -> None:
    answers = iter([0, 0, 7])
    assert wait_for(lambda: next(answers)) == 7
    with pytest.raises(TimeoutError, match="the moon"):
        wait_for(lambda: False, 0.1, "the moon")


def test_free_ports_differ() -> None:
    assert len({*free_ports(50), *free_ports(50)}) == 100


def test_free_ports_are_not_those_of_outgoing_connections() -> None:
    """The system would give one of them away between the choice and the server that opens it."""
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        listener.listen()
        with socket.create_connection(listener.getsockname()) as outgoing:
            given = {listener.getsockname()[1], outgoing.getsockname()[1]}
    ports = free_ports(200)
    assert not given & set(ports)
    if Path("/proc/sys/net/ipv4/ip_local_port_range").exists():
        first, last = map(int, Path("/proc/sys/net/ipv4/ip_local_port_range").read_text().split())
        assert not [port for port in ports if first <= port <= last]
