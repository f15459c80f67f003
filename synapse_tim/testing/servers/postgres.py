"""A throw-away PostgreSQL cluster on loopback."""

import os
import pwd
import shutil
import signal
import subprocess
import tempfile
from pathlib import Path
from typing import Self

from synapse_tim.testing.ports import free_port
from synapse_tim.testing.servers.processes import Child
from synapse_tim.testing.waiting import HANGING_SECONDS

_USER = "synapse"
_PROGRAMS = ("initdb", "postgres", "pg_isready", "psql")
# Nothing in it has to survive anything.
_SETTINGS = {
    "listen_addresses": "127.0.0.1",
    "unix_socket_directories": "",
    "fsync": "off",
    "synchronous_commit": "off",
    "full_page_writes": "off",
    "max_connections": "200",
}


def find_program(name: str) -> str | None:
    """A program of PostgreSQL: where Debian keeps the newest version of it, else on the PATH."""
    # Debian first: what it puts on the PATH are wrappers for its own clusters.
    found = sorted(
        Path("/usr/lib/postgresql").glob(f"*/bin/{name}"),
        key=lambda path: [int(part) for part in path.parts[4].split(".") if part.isdecimal()],
    )
    return str(found[-1]) if found else shutil.which(name)


def available() -> str | None:
    """Why there can be no cluster on this machine, or ``None`` if there can be one."""
    missing = [name for name in _PROGRAMS if find_program(name) is None]
    if missing:
        return f"PostgreSQL is not installed: no {', '.join(missing)}"
    if os.getuid() == 0 and _unprivileged_user() is None:
        return "PostgreSQL does not run as root, and there is no user postgres or nobody"
    return None


class PostgresServer:
    """A cluster with one superuser, without authentication on loopback.

    PostgreSQL refuses to run as root, so for root it runs as the user postgres.

    Args:
        directory: where the data go; default a temporary directory, removed at the end.
    """

    user = _USER

    def __init__(self, directory: Path | None = None) -> None:
        if reason := available():
            raise RuntimeError(reason)
        self.port = free_port()
        self._run_as = _unprivileged_user() if os.getuid() == 0 else None
        self._own_directory = directory is None
        self.directory = directory or _directory_for(self._run_as)
        if directory is not None:
            directory.mkdir(parents=True, exist_ok=True)
        if self._run_as is not None:
            shutil.chown(self.directory, self._run_as)
        data = self.directory / "data"
        settings = [part for name, value in _SETTINGS.items() for part in ("-c", f"{name}={value}")]
        self._process = Child(
            "postgres",
            [_program("postgres"), "-D", str(data), "-p", str(self.port), *settings],
            self.directory / "postgres.out",
            cwd=self.directory,
            user=self._run_as,
            death_signal=signal.SIGQUIT,
        )

    def start(self, timeout: float = HANGING_SECONDS) -> Self:
        """Make the cluster if need be, start it, and wait until it answers; else ``ChildFailedError``."""
        if not (self.directory / "data").exists():
            options = ["-U", _USER, "--auth=trust", "--locale=C", "-E", "UTF8", "--no-sync"]
            self._run("initdb", "-D", str(self.directory / "data"), *options, user=self._run_as)
        self._process.start()
        self._process.wait_ready(self._answers, timeout)
        return self

    def stop(self) -> None:
        """Stop at once, and remove the temporary directory."""
        self._process.stop(how=signal.SIGQUIT)
        if self._own_directory:
            shutil.rmtree(self.directory, ignore_errors=True)

    def create_database(self, name: str) -> None:
        """Make a database as Synapse demands: UTF-8, sorted like C."""
        self.query(
            "postgres",
            f"CREATE DATABASE \"{name}\" ENCODING 'UTF8' LC_COLLATE 'C' LC_CTYPE 'C' TEMPLATE template0",
        )

    def query(self, database: str, sql: str) -> str:
        """Run SQL; rows as lines, columns separated by ``|``; ``RuntimeError`` with PostgreSQL's words."""
        connection = ["-h", "127.0.0.1", "-p", str(self.port), "-U", _USER, "-d", database]
        return self._run("psql", *connection, "-v", "ON_ERROR_STOP=1", "-AtXqc", sql)

    def synapse_database(self, name: str) -> dict[str, object]:
        """The ``database`` block of homeserver.yaml for one of the databases."""
        args = {"host": "127.0.0.1", "port": self.port, "user": _USER, "dbname": name}
        return {"name": "psycopg2", "args": {**args, "cp_min": 1, "cp_max": 5}}

    def _answers(self) -> bool:
        command = [_program("pg_isready"), "-q", "-h", "127.0.0.1", "-p", str(self.port), "-d", "postgres"]
        return subprocess.run(command, check=False).returncode == 0

    def _run(self, program: str, *arguments: str, user: str | None = None) -> str:
        done = subprocess.run(
            [_program(program), *arguments],
            check=False,
            capture_output=True,
            text=True,
            cwd=self.directory if user is not None else None,
            user=user,
            group=None if user is None else pwd.getpwnam(user).pw_gid,
            extra_groups=None if user is None else [],
        )
        if done.returncode:
            raise RuntimeError(f"{program}: {done.stderr.strip()[-2000:]}")
        return done.stdout


def _program(name: str) -> str:
    found = find_program(name)
    if found is None:
        raise RuntimeError(f"PostgreSQL is not installed: no {name}")
    return found


def _unprivileged_user() -> str | None:
    for name in ("postgres", "nobody"):
        try:
            pwd.getpwnam(name)
        except KeyError:
            continue
        return name
    return None


def _directory_for(user: str | None) -> Path:
    """A temporary directory that the user can reach: of the usual places the first that all may enter."""
    places = [Path(tempfile.gettempdir()), Path("/tmp"), Path("/var/tmp")]
    if user is not None:
        places = [place for place in places if _all_may_enter(place)] or places
    return Path(tempfile.mkdtemp(prefix="ti-postgres-", dir=places[0]))


def _all_may_enter(place: Path) -> bool:
    resolved = place.resolve()
    return all(each.is_dir() and each.stat().st_mode & 0o001 for each in (resolved, *resolved.parents))
