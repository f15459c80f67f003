"""Has lists read by a process of their own: bounded in time and memory, and without anything of this one.

It inherits no file, no connection and no environment but where Python's packages are, and gets nothing but
the signed list, which is public. It is started as a new program, never as a copy of this process, which has
threads and an event loop, and needs no file system but the one that the packages are on.
"""

from __future__ import annotations

import contextlib
import os
import signal
import subprocess
import sys
import threading
from typing import Final

from synapse_tim.federation import list_reader
from synapse_tim.federation.list_reader import ReadList, Task
from synapse_tim.federation.refusals import ListRefusedError, Refusal

#: For the longest list on a slow machine; half a million entries take two to three seconds.
SECONDS: Final = 120.0
_DYING_SECONDS: Final = 1.0
_INHERITED: Final = ("LD_LIBRARY_PATH", "PATH")


class ReaderProcess:
    """Reads lists, each in a process of its own.

    Args:
        seconds: after which it is killed.
    """

    def __init__(self, seconds: float = SECONDS) -> None:
        self._seconds = seconds
        self._running: set[subprocess.Popen[bytes]] = set()
        self._closed = False

    def __call__(self, task: Task) -> ReadList:
        """Read a list; waits for the process, so it belongs into a thread.

        Raises:
            ListRefusedError: the list is refused, or ``reader_too_slow``, ``reader_out_of_memory``,
                ``reader_failed``.
        """
        if self._closed:
            raise ListRefusedError(Refusal.READER_FAILED, "shutting down")
        try:
            process = self._started()
        except (OSError, ValueError) as error:
            raise ListRefusedError(Refusal.READER_FAILED, f"{type(error).__name__}: {error}"[:120]) from None
        late = threading.Event()

        def kill() -> None:
            late.set()
            process.kill()

        timer = threading.Timer(self._seconds, kill)
        timer.daemon = True
        self._running.add(process)
        failure: Exception | None = None
        try:
            timer.start()
            return _exchange(process, task)
        except ListRefusedError:
            raise
        except Exception as error:
            failure = error
            with contextlib.suppress(subprocess.TimeoutExpired):
                process.wait(_DYING_SECONDS)  # to tell what it died of
        finally:
            timer.cancel()
            process.kill()  # which does nothing to one that has ended
            process.wait()
            self._running.discard(process)
        if late.is_set():
            raise ListRefusedError(Refusal.READER_TOO_SLOW, f"not done within {self._seconds:g} s")
        detail = f"{_how_it_ended(process.returncode)}; {type(failure).__name__}"
        raise ListRefusedError(Refusal.READER_FAILED, detail)

    def close(self) -> None:
        """End what is under way, at shutdown."""
        self._closed = True
        for process in tuple(self._running):
            process.kill()

    def _started(self) -> subprocess.Popen[bytes]:
        environment = {name: os.environ[name] for name in _INHERITED if name in os.environ}
        environment["PYTHONPATH"] = os.pathsep.join(os.path.abspath(path) for path in sys.path)  # noqa: PTH100
        environment["MALLOC_ARENA_MAX"] = "2"  # address space counts, also what is only set aside
        return subprocess.Popen(  # noqa: S603  # nothing in it comes from outside
            [sys.executable, "-P", "-B", "-m", list_reader.__name__],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            env=environment,
            cwd="/",
        )


def _exchange(process: subprocess.Popen[bytes], task: Task) -> ReadList:
    """Give the task and take the answer; a process that has died is seen by its answer.

    Large pieces are written and read by the system without the interpreter: other threads go on.
    """
    if process.stdin is None or process.stdout is None:
        raise ValueError("no pipes")
    with process.stdout as output:
        with contextlib.suppress(BrokenPipeError), process.stdin as source:
            source.write(list_reader.request(task))
            source.write(task.data)
        return list_reader.answer_of(output, len(task.data) + task.limits.total)


def _how_it_ended(status: int) -> str:
    if status >= 0:
        return f"exit status {status}"
    with contextlib.suppress(ValueError):
        return f"ended by {signal.Signals(-status).name}"
    return f"ended by signal {-status}"
