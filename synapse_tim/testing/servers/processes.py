"""Child processes that are started, awaited and ended by their process id.

A child writes its output to a file, and dies with its parent (on Linux), so that an interrupted test run
leaves nothing behind.
"""

import concurrent.futures
import ctypes
import functools
import os
import pwd
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path

_PR_SET_PDEATHSIG = 1


class ChildFailedError(RuntimeError):
    """A child ended, or was not ready in time; the message ends with the last of its output."""


class Child:
    """One child process.

    Args:
        name: for messages.
        command: program and arguments.
        output: file that its standard output and error are appended to.
        cwd: working directory.
        env: the environment; default the parent's.
        user: run as this user, which takes root.
        death_signal: what it gets when this process dies.
    """

    def __init__(
        self,
        name: str,
        command: Sequence[str],
        output: Path,
        *,
        cwd: Path | None = None,
        env: Mapping[str, str] | None = None,
        user: str | None = None,
        death_signal: signal.Signals = signal.SIGTERM,
    ) -> None:
        self.name = name
        self.command = tuple(command)
        self.output = output
        self._cwd = cwd
        self._env = env
        self._user = user
        self._death_signal = death_signal
        self._process: subprocess.Popen[bytes] | None = None

    @property
    def pid(self) -> int | None:
        """The process id while it runs."""
        return self._process.pid if self._process is not None and self.running else None

    @property
    def running(self) -> bool:
        """Whether it was started and has not ended."""
        return self._process is not None and self._process.poll() is None

    @property
    def returncode(self) -> int | None:
        """How it ended; ``None`` if it has not."""
        return None if self._process is None else self._process.poll()

    def start(self) -> None:
        """Start it, unless it runs already (``RuntimeError``)."""
        if self.running:
            raise RuntimeError(f"{self.name} is running")
        self.output.parent.mkdir(parents=True, exist_ok=True)
        self._process = _spawner().submit(self._spawn).result()

    def _spawn(self) -> subprocess.Popen[bytes]:
        with self.output.open("ab") as output:
            return subprocess.Popen(
                self.command,
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=subprocess.STDOUT,
                cwd=self._cwd,
                env=None if self._env is None else dict(self._env),
                user=self._user,
                group=None if self._user is None else pwd.getpwnam(self._user).pw_gid,
                extra_groups=None if self._user is None else [],
                preexec_fn=_die_with(os.getpid(), self._death_signal) if sys.platform == "linux" else None,
            )

    def wait_ready(
        self,
        ready: Callable[[], bool],
        timeout: float,
        *,
        progress: Callable[[], object] = lambda: None,
        last_words: Callable[[], str] | None = None,
    ) -> None:
        """Wait until it is ready, for as long as it gets on.

        Args:
            ready: whether it is.
            timeout: seconds without progress; ten times as long with progress.
            progress: is another value whenever it got on, such as the length of a log.
            last_words: what to add to the message about a failure; default the last of its output.

        Raises:
            ChildFailedError: it ended, or was not ready in time.
        """
        last_words = last_words or self.last_output
        began = moved = time.monotonic()
        before = progress()
        while not ready():
            if not self.running:
                raise ChildFailedError(f"{self.name} ended with exit code {self.returncode}:\n{last_words()}")
            now, state = time.monotonic(), progress()
            if state != before:
                before, moved = state, now
            if now - moved >= timeout or now - began >= 10 * timeout:
                raise ChildFailedError(f"{self.name} not ready after {now - began:.0f} s:\n{last_words()}")
            time.sleep(0.03)

    def wait_end(self, timeout: float) -> int:
        """Wait until it ends by itself; returns its exit status, or raises ``ChildFailedError``."""
        if self._process is None:
            raise RuntimeError(f"{self.name} was not started")
        try:
            return self._process.wait(timeout)
        except subprocess.TimeoutExpired:
            raise ChildFailedError(f"{self.name} runs on after {timeout:g} s") from None

    def send_signal(self, number: signal.Signals) -> None:
        """Send it a signal; nothing happens if it has ended."""
        if self._process is not None:
            self._process.send_signal(number)

    def stop(self, timeout: float = 30.0, how: signal.Signals = signal.SIGTERM) -> None:
        """End it: politely first, with SIGKILL after ``timeout`` seconds. Nothing happens if it has ended."""
        if self._process is None:
            return
        self.send_signal(how)
        try:
            self._process.wait(timeout)
        except subprocess.TimeoutExpired:
            self._process.kill()
            self._process.wait()

    def last_output(self, characters: int = 4000) -> str:
        """The last of what it has written."""
        return tail(self.output, characters)


def tail(path: Path, characters: int) -> str:
    """The last characters of a file; empty if there is none."""
    try:
        return path.read_text(errors="replace")[-characters:]
    except FileNotFoundError:
        return ""


@functools.cache
def _spawner() -> concurrent.futures.Executor:
    """The thread that starts all children.

    Linux ends a child when the *thread* that started it dies; this one lives as long as the process, unlike
    one of a pool in which servers are started in parallel.
    """
    return concurrent.futures.ThreadPoolExecutor(1, thread_name_prefix="spawner")


def _die_with(parent: int, death_signal: signal.Signals) -> Callable[[], None]:
    """What a child does before it becomes the program: ask to be ended when its parent dies."""
    # Resolved here: between fork and exec nothing may be imported or loaded.
    prctl = ctypes.CDLL(None, use_errno=True).prctl
    number = int(death_signal)

    def die_with_parent() -> None:
        prctl(_PR_SET_PDEATHSIG, number, 0, 0, 0)
        if os.getppid() != parent:
            os._exit(1)

    return die_with_parent
