"""Fixtures for pytest; take them with ``pytest_plugins = ["synapse_tim.testing.fixtures"]``.

- ``ti_world``: the certificates of a TI, one for all tests.
- ``ti_simulator``: call it for a running ``TiSimulator``.
- ``synapse_server``: call it with a name for a running ``SynapseServer``.
- ``worker_deployment``: call it with a name for a running ``WorkerDeployment``.
- ``postgres_server``, ``redis_server``: one for all tests; tests that need them are skipped, with the reason,
  where the programs are not installed.

What a test started is stopped when it ends, by process id; when it failed, the last log lines of its
servers are added to the report.
"""

from collections.abc import Callable, Generator, Iterator
from contextlib import ExitStack
from pathlib import Path
from typing import Any, TypeVar

import pytest

from synapse_tim.testing.servers import postgres, redis, workers
from synapse_tim.testing.servers.postgres import PostgresServer
from synapse_tim.testing.servers.redis import RedisServer
from synapse_tim.testing.servers.synapse import SynapseServer
from synapse_tim.testing.servers.workers import WorkerDeployment
from synapse_tim.testing.simulator.pki.world import TiWorld, make_world
from synapse_tim.testing.simulator.simulator import TiSimulator

_Server = TypeVar("_Server", bound=SynapseServer)
_SERVERS = pytest.StashKey[list[SynapseServer]]()


@pytest.fixture(scope="session")
def ti_world() -> TiWorld:
    """The certificates of a TI."""
    return make_world()


@pytest.fixture
def ti_simulator(ti_world: TiWorld) -> Iterator[Callable[..., TiSimulator]]:
    """A factory of running simulators; the arguments are those of ``TiSimulator``."""
    with ExitStack() as stack:

        def make(world: TiWorld | None = None, **options: Any) -> TiSimulator:
            return stack.enter_context(TiSimulator(world or ti_world, **options))

        yield make


@pytest.fixture
def synapse_server(
    request: pytest.FixtureRequest, ti_world: TiWorld, tmp_path: Path
) -> Iterator[Callable[..., SynapseServer]]:
    """A factory of servers: ``synapse_server(name, start=True, wait=True, **options)``.

    The options are those of ``SynapseServer``. With ``wait=False`` several can start at the same time.
    """
    with ExitStack() as stack:

        def make(name: str, *, start: bool = True, wait: bool = True, **options: Any) -> SynapseServer:
            server = SynapseServer(name, tmp_path / name, options.pop("tls_ca", ti_world), **options)
            return _run(server, request, stack, start=start, wait=wait)

        yield make


@pytest.fixture
def worker_deployment(
    request: pytest.FixtureRequest,
    ti_world: TiWorld,
    tmp_path: Path,
    postgres_server: PostgresServer,
    redis_server: RedisServer,
) -> Iterator[Callable[..., WorkerDeployment]]:
    """A factory of servers with workers: ``worker_deployment(name, n_workers=1, start=True, **options)``."""
    if reason := workers.available():
        pytest.skip(reason)
    with ExitStack() as stack:

        def make(name: str, *, start: bool = True, wait: bool = True, **options: Any) -> WorkerDeployment:
            ca = options.pop("tls_ca", ti_world)
            server = WorkerDeployment(name, tmp_path / name, ca, postgres_server, redis_server, **options)
            return _run(server, request, stack, start=start, wait=wait)

        yield make


@pytest.fixture(scope="session")
def postgres_server() -> Iterator[PostgresServer]:
    """A throw-away PostgreSQL."""
    if reason := postgres.available():
        pytest.skip(reason)
    server = PostgresServer()
    try:
        yield server.start()
    finally:
        server.stop()


@pytest.fixture(scope="session")
def redis_server() -> Iterator[RedisServer]:
    """A throw-away Redis."""
    if reason := redis.available():
        pytest.skip(reason)
    server = RedisServer()
    try:
        yield server.start()
    finally:
        server.stop()


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport(item: pytest.Item) -> Generator[None, pytest.TestReport, pytest.TestReport]:
    """Add the last log lines of the servers to the report of a test that failed."""
    report = yield
    if report.when != "teardown" and report.failed:
        for server in item.stash.get(_SERVERS, []):
            report.sections.append((f"logs of {server.name}", server.last_words()))
    return report


def _run(
    server: _Server, request: pytest.FixtureRequest, stack: ExitStack, *, start: bool, wait: bool
) -> _Server:
    request.node.stash.setdefault(_SERVERS, []).append(server)
    stack.callback(server.stop)
    if start:
        server.start()
        if wait:
            server.wait()
    return server
