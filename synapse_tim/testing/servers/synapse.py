"""A real, unmodified Synapse on loopback, in a process of its own.

Servers federate with each other over TLS under names like ``localhost:8448``: an explicit port means that no
look-up is needed, and a CA of the test that TLS is verified as in earnest. Nothing leaves the machine.

Example:
    Two servers that know nothing of each other but their names::

        world = make_world()
        a = SynapseServer("a", tmp_path / "a", world.tls_ca).start().wait()
        b = SynapseServer("b", tmp_path / "b", world.tls_ca).start().wait()
        alice, bob = a.register("alice"), b.register("bob")
        room = alice.create_room(preset="private_chat")
        alice.invite(room, bob.user_id).raise_for_status()
        bob.join(room, via=[a.server_name]).raise_for_status()
        a.stop(), b.stop()
"""

from __future__ import annotations

import os
import signal
import ssl
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, Self, cast

import httpx
import yaml

from synapse_tim.testing import loopback
from synapse_tim.testing.merge import deep_merge
from synapse_tim.testing.servers.client import MatrixUser
from synapse_tim.testing.servers.federation import FederationSigner
from synapse_tim.testing.servers.homeserver_config import (
    HomeserverPorts,
    delegated,
    homeserver_config,
    log_config,
    needed_options,
    write_secret_files,
)
from synapse_tim.testing.servers.processes import Child, ChildFailedError, tail
from synapse_tim.testing.servers.registration import register_user
from synapse_tim.testing.simulator.mas.service import AuthenticationService, mas_config
from synapse_tim.testing.simulator.pki.identity import Identity
from synapse_tim.testing.simulator.pki.world import TiWorld
from synapse_tim.testing.waiting import HANGING_SECONDS, wait_for


class SynapseServer:
    """One homeserver: a directory, a configuration, a process.

    Args:
        name: short, for messages and the database; has nothing to do with the server name.
        directory: where everything of it lives; created.
        tls_ca: issues its certificate and is trusted for those of the others. A ``TiWorld`` stands for
            its ``tls_ca``.
        modules: the entries of ``modules:``; options that those of this project need are set along with them.
        extra: merged into the homeserver configuration, nested keys too; ``None`` takes a key out.
        server_name: default ``localhost:PORT`` with the port of the federation listener.
        python: the interpreter whose Synapse is started.
        mas: merged into the configuration of a stand-in for Matrix Authentication Service, which logs users
            in then, and starts and stops with the server; ``None`` for none.

    Attributes:
        config: the homeserver configuration; may be changed until ``start()``.
        mas: the stand-in for Matrix Authentication Service, if there is one.
        server_name: the Matrix server name.
    """

    def __init__(
        self,
        name: str,
        directory: Path,
        tls_ca: Identity | TiWorld,
        *,
        modules: Sequence[Mapping[str, Any]] = (),
        extra: Mapping[str, Any] | None = None,
        server_name: str | None = None,
        python: str = sys.executable,
        mas: Mapping[str, Any] | None = None,
    ) -> None:
        self.name = name
        self.directory = directory
        self.ports = HomeserverPorts.free()
        self.server_name = server_name or f"localhost:{self.ports.federation}"
        self.python = python
        ca = tls_ca.tls_ca if isinstance(tls_ca, TiWorld) else tls_ca
        directory.mkdir(parents=True, exist_ok=True)
        self.secrets = write_secret_files(directory, ca, self.server_name)
        base = homeserver_config(self.server_name, directory, self.ports, self.secrets)
        needed = deep_merge({**base, "modules": list(modules)}, needed_options(modules))
        self.config: dict[str, Any] = deep_merge(needed, extra or {})
        self.mas: AuthenticationService | None = None
        if mas is not None:
            self.mas = AuthenticationService(mas_config(self.server_name, self.client_url, **mas))
            self.config = delegated(self.config, self.mas.url, self.mas.config.secret)
        self.federation = FederationSigner(self.server_name, self.secrets.signing_key)
        self._tls = ssl.create_default_context(cadata=ca.pem.decode("ascii"))
        self._main = Child(
            name,
            [python, "-m", "synapse.app.homeserver", "-c", str(self.config_path)],
            directory / "homeserver.out",
            cwd=directory,
            env=child_environment(),
        )

    @property
    def config_path(self) -> Path:
        """The homeserver.yaml."""
        return self.directory / "homeserver.yaml"

    @property
    def client_url(self) -> str:
        """The client-server API, without TLS."""
        return f"http://127.0.0.1:{self.ports.client}"

    @property
    def federation_url(self) -> str:
        """The federation API, with TLS."""
        return f"https://localhost:{self.ports.federation}"

    @property
    def metrics_url(self) -> str:
        """The metrics."""
        return f"http://127.0.0.1:{self.ports.metrics}/metrics"

    @property
    def processes(self) -> tuple[Child, ...]:
        """All processes of the server, the main one first."""
        return (self._main,)

    def write(self) -> None:
        """Write the configuration files as they are now."""
        self.directory.mkdir(parents=True, exist_ok=True)
        self.config_path.write_text(yaml.safe_dump(self.config, sort_keys=False))
        (self.directory / "log.yaml").write_text(log_config(self.log_path))

    def start(self) -> Self:
        """Write the configuration and start; returns at once."""
        self.write()
        if self.mas is not None:
            self.mas.start()
        self._main.start()
        return self

    def wait(self, timeout: float = HANGING_SECONDS) -> Self:
        """Wait until it answers, on a slow machine for as long as its log grows.

        Args:
            timeout: seconds in which nothing happens.

        Raises:
            ChildFailedError: it ended or did not answer in time; the message ends with its last words.
        """
        self._wait_ready(self._main, self.client_url, timeout)
        return self

    def _wait_ready(self, process: Child, url: str, timeout: float) -> None:
        process.wait_ready(
            lambda: is_healthy(url), timeout, progress=self._written, last_words=self.last_words
        )

    def _written(self) -> int:
        """How much all its processes have written so far, in bytes."""
        return sum(path.stat().st_size for kind in ("*.log", "*.out") for path in self.directory.glob(kind))

    def stop(self) -> None:
        """Stop all its processes; nothing happens if it does not run."""
        for process in reversed(self.processes):
            process.send_signal(signal.SIGTERM)
        for process in reversed(self.processes):
            process.stop()
        if self.mas is not None:
            self.mas.stop()

    def restart(self) -> Self:
        """Stop, start with the configuration as it is now, and wait."""
        self.stop()
        return self.start().wait()

    def start_expecting_failure(self, timeout: float = HANGING_SECONDS) -> str:
        """What a server wrote that refused to start; ``ChildFailedError`` if it did start."""
        before = len(self.output_text())
        self.write()
        self._main.start()
        try:
            self._wait_ready(self._main, self.client_url, timeout)
        except ChildFailedError:
            if self._main.returncode:
                return self.output_text()[before:]
            raise
        finally:
            self._main.stop()
        raise ChildFailedError(f"{self.name} started, although it should have refused")

    # What it says

    @property
    def log_path(self) -> Path:
        """The log of the main process."""
        return self.directory / "homeserver.log"

    def log_text(self) -> str:
        """The log of all its processes so far."""
        return "".join(path.read_text(errors="replace") for path in sorted(self.directory.glob("*.log")))

    def output_text(self) -> str:
        """What the main process wrote to its standard output and error so far, over all its starts."""
        return tail(self._main.output, sys.maxsize)

    def last_words(self, lines: int = 30) -> str:
        """The last lines of each log, for messages about failures."""
        parts = []
        for path in sorted([*self.directory.glob("*.log"), *self.directory.glob("*.out")]):
            text = "\n".join(path.read_text(errors="replace").splitlines()[-lines:])
            parts.append(f"--- {self.name}: {path.name}\n{text}")
        return "\n".join(parts)

    def metrics(self) -> dict[str, float]:
        """The metrics of the main process, by name with labels as they are printed."""
        return scrape(self.metrics_url)

    # What one can do to it

    def register(self, user: str, admin: bool = False, password: str = "password") -> MatrixUser:
        """Register a user, through the admin API with the shared secret, or as ``mas-cli`` does it."""
        if self.mas is not None:
            self.mas.register_user(user, admin=admin)
            token, device = self.mas.issue_compatibility_token(user, synapse_admin=admin)
            return MatrixUser(f"@{user}:{self.server_name}", token, self.client_url, device)
        return register_user(
            self.client_url, self.secrets.registration_secret, user, admin=admin, password=password
        )

    def federation_request(
        self,
        method: str,
        path: str,
        *,
        to: SynapseServer | str,
        content: Any = None,
        origin: str | None = None,
        key: Any = None,
        destination: str | None = None,
    ) -> httpx.Response:
        """Send a request that is signed as this server signs, over TLS.

        Args:
            method: of HTTP.
            path: with its query.
            to: the other server, or the URL at which to reach it (then name the ``destination``).
            content: the JSON body.
            origin: say to be another server.
            key: sign with another key (of ``signedjson``).
            destination: the server name that the signature is for; default that of ``to``.
        """
        if isinstance(to, SynapseServer):
            url, name = to.federation_url, to.server_name
        else:
            url, name = to, httpx.URL(to).netloc.decode("ascii")
        name = destination or name
        headers = self.federation.headers(method, path, name, content, origin=origin, key=key)
        return self._tls_request(method, url + path, headers, content)

    def anonymous_request(self, method: str, path: str, content: Any = None) -> httpx.Response:
        """Send an unsigned request to this server's federation listener, over TLS."""
        return self._tls_request(method, self.federation_url + path, {}, content)

    def _tls_request(self, method: str, url: str, headers: Mapping[str, str], content: Any) -> httpx.Response:
        with httpx.Client(verify=self._tls, trust_env=False, timeout=HANGING_SECONDS) as client:
            return client.request(method, url, headers=dict(headers), json=content)


def child_environment() -> dict[str, str]:
    """The environment of servers: this process's, but no proxy between them and loopback."""
    own = {
        "NO_PROXY": "localhost,127.0.0.1",
        "no_proxy": "localhost,127.0.0.1",
        "SYNAPSE_CACHE_FACTOR": "0.5",
    }
    return {**os.environ, **own}


def is_healthy(url: str) -> bool:
    """Whether a listener answers ``/health``."""
    try:
        return loopback.get(f"{url}/health", timeout=10.0).status_code == 200
    except httpx.HTTPError:
        return False


def scrape(url: str) -> dict[str, float]:
    """Read Prometheus metrics: value by name and labels as they are printed."""

    def collected() -> httpx.Response | None:
        # Synapse collects outside the reactor's thread: a cache that registers meanwhile makes it a 500.
        answer = loopback.get(url)
        return None if answer.status_code == 500 else answer.raise_for_status()

    text = cast(httpx.Response, wait_for(collected, 10, f"metrics of {url}")).text
    samples = (line.rpartition(" ") for line in text.splitlines() if line and not line.startswith("#"))
    return {name: float(value) for name, _, value in samples}
