"""A Synapse of several processes: main and generic workers, with PostgreSQL and Redis between them."""

import importlib.util
import re
import secrets
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, Self

import attrs
import yaml

from synapse_tim.testing.merge import deep_merge
from synapse_tim.testing.ports import free_ports
from synapse_tim.testing.servers import postgres, redis
from synapse_tim.testing.servers.homeserver_config import delegated, http_listener, log_config
from synapse_tim.testing.servers.postgres import PostgresServer
from synapse_tim.testing.servers.processes import Child
from synapse_tim.testing.servers.redis import RedisServer
from synapse_tim.testing.servers.synapse import SynapseServer, child_environment, scrape
from synapse_tim.testing.simulator.pki.identity import Identity
from synapse_tim.testing.simulator.pki.world import TiWorld
from synapse_tim.testing.waiting import HANGING_SECONDS

_APP = "synapse.app.generic_worker"


def available() -> str | None:
    """Why there can be no workers on this machine, or ``None`` if there can be."""
    if reason := postgres.available() or redis.available():
        return reason
    missing = [name for name in ("psycopg2", "txredisapi") if importlib.util.find_spec(name) is None]
    return f"not installed: {', '.join(missing)} (extra: workers)" if missing else None


@attrs.frozen(eq=False)
class Worker:
    """One generic worker."""

    name: str  #: its ``worker_name``: ``worker1`` and so on
    client_port: int  #: its plain listener
    metrics_port: int  #: its metrics
    directory: Path  #: of the whole server
    process: Child  #: the child

    @property
    def client_url(self) -> str:
        """Its client-server API."""
        return f"http://127.0.0.1:{self.client_port}"

    @property
    def log_path(self) -> Path:
        """Its log."""
        return self.directory / f"{self.name}.log"

    def log_text(self) -> str:
        """Its log so far."""
        return self.log_path.read_text(errors="replace") if self.log_path.exists() else ""

    def metrics(self) -> dict[str, float]:
        """Its metrics; see ``SynapseServer.metrics``."""
        return scrape(f"http://127.0.0.1:{self.metrics_port}/metrics")


class WorkerDeployment(SynapseServer):
    """A server whose federation arrives at the first worker.

    The client API is at ``client_url`` of the main process and of each worker; ``user.at(worker.client_url)``
    is a user there. Further arguments are those of ``SynapseServer``.

    Args:
        postgres_server: holds its database, which is created with the first start.
        redis_server: replicates between its processes.
        n_workers: how many.
    """

    def __init__(
        self,
        name: str,
        directory: Path,
        tls_ca: Identity | TiWorld,
        postgres_server: PostgresServer,
        redis_server: RedisServer,
        *,
        n_workers: int = 1,
        modules: Sequence[Mapping[str, Any]] = (),
        extra: Mapping[str, Any] | None = None,
        server_name: str | None = None,
        python: str = sys.executable,
        mas: Mapping[str, Any] | None = None,
    ) -> None:
        super().__init__(
            name, directory, tls_ca, modules=modules, server_name=server_name, python=python, mas=mas
        )
        self._postgres = postgres_server
        self.database = re.sub(r"\W", "_", name) + "_" + secrets.token_hex(4)
        self._database_made = False
        replication, spare, *ports = free_ports(2 + 2 * n_workers)
        _, plain, metrics = self.config["listeners"]
        shared: dict[str, Any] = {
            "database": postgres_server.synapse_database(self.database),
            "redis": {"enabled": True, "host": "127.0.0.1", "port": redis_server.port},
            "listeners": [
                plain,
                metrics,
                # A worker loads the certificate for its TLS listener only if main has such a listener too.
                http_listener(spare, ["federation", "client", "media"], tls=True),
                {
                    "port": replication,
                    "bind_addresses": ["127.0.0.1"],
                    "type": "http",
                    "resources": [{"names": ["replication"]}],
                },
            ],
            "instance_map": {"main": {"host": "127.0.0.1", "port": replication}},
            "worker_replication_secret": secrets.token_hex(16),
        }
        self.config = deep_merge({**self.config, **shared}, extra or {})
        if self.mas is not None:
            self.config = delegated(self.config, self.mas.url, self.mas.config.secret)
        self.workers = tuple(
            self._worker(f"worker{i + 1}", ports[2 * i], ports[2 * i + 1]) for i in range(n_workers)
        )

    @property
    def processes(self) -> tuple[Child, ...]:
        """All processes of the server, the main one first."""
        return (*super().processes, *(worker.process for worker in self.workers))

    def write(self) -> None:
        """Write the configuration files of all processes."""
        super().write()
        for worker in self.workers:
            first = worker is self.workers[0]
            path = self.directory / f"{worker.name}.yaml"
            path.write_text(yaml.safe_dump(self._worker_config(worker, federation=first)))
            (self.directory / f"{worker.name}.log.yaml").write_text(log_config(worker.log_path))
        if not self._database_made:
            self._postgres.create_database(self.database)
            self._database_made = True

    def start(self) -> Self:
        """Start the main process, wait until it has made the schema, and start the workers."""
        super().start()
        super().wait()
        for worker in self.workers:
            worker.process.start()
        return self

    def wait(self, timeout: float = HANGING_SECONDS) -> Self:
        """Wait until all processes answer; see ``SynapseServer.wait``."""
        super().wait(timeout)
        for worker in self.workers:
            self._wait_ready(worker.process, worker.client_url, timeout)
        return self

    def _worker(self, name: str, client_port: int, metrics_port: int) -> Worker:
        configs = ["-c", str(self.config_path), "-c", str(self.directory / f"{name}.yaml")]
        process = Child(
            f"{self.name} {name}",
            [self.python, "-m", _APP, *configs],
            self.directory / f"{name}.out",
            cwd=self.directory,
            env=child_environment(),
        )
        return Worker(name, client_port, metrics_port, self.directory, process)

    def _worker_config(self, worker: Worker, *, federation: bool) -> dict[str, Any]:
        listeners = [
            http_listener(worker.client_port, ["client", "federation", "replication"]),
            {"port": worker.metrics_port, "bind_addresses": ["127.0.0.1"], "type": "metrics"},
        ]
        if federation:
            listeners.append(http_listener(self.ports.federation, ["federation", "client"], tls=True))
        return {
            "worker_app": _APP,
            "worker_name": worker.name,
            "worker_listeners": listeners,
            "worker_log_config": str(self.directory / f"{worker.name}.log.yaml"),
        }
