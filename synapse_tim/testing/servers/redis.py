"""A throw-away Redis on loopback, that keeps nothing."""

import shutil
import socket
import tempfile
from pathlib import Path
from typing import Self

from synapse_tim.testing.ports import free_port
from synapse_tim.testing.servers.processes import Child
from synapse_tim.testing.waiting import HANGING_SECONDS

_PROGRAMS = ("redis-server", "valkey-server")


def find_program() -> str | None:
    """Redis, or its fork Valkey, on the PATH."""
    return next(filter(None, map(shutil.which, _PROGRAMS)), None)


def available() -> str | None:
    """Why there can be no Redis on this machine, or ``None`` if there can be one."""
    return None if find_program() else f"Redis is not installed: no {' or '.join(_PROGRAMS)}"


class RedisServer:
    """One server; its output goes to ``directory``, by default a temporary one."""

    def __init__(self, directory: Path | None = None) -> None:
        program = find_program()
        if program is None:
            raise RuntimeError(available())
        self.port = free_port()
        self._own_directory = directory is None
        self.directory = directory or Path(tempfile.mkdtemp(prefix="ti-redis-"))
        self.directory.mkdir(parents=True, exist_ok=True)
        options = ["--port", str(self.port), "--bind", "127.0.0.1", "--save", "", "--appendonly", "no"]
        output = self.directory / "redis.out"
        self._process = Child("redis", [program, *options], output, cwd=self.directory)

    def start(self, timeout: float = HANGING_SECONDS) -> Self:
        """Start and wait until it answers; else ``ChildFailedError``."""
        self._process.start()
        self._process.wait_ready(self._answers, timeout)
        return self

    def stop(self) -> None:
        """Stop, and remove the temporary directory."""
        self._process.stop()
        if self._own_directory:
            shutil.rmtree(self.directory, ignore_errors=True)

    def _answers(self) -> bool:
        try:
            with socket.create_connection(("127.0.0.1", self.port), timeout=1.0) as connection:
                connection.sendall(b"PING\r\n")
                return connection.recv(16).startswith(b"+PONG")
        except OSError:
            return False
