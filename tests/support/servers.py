"""Servers on which the scenarios of invitations, rooms, events and the client API run.

They are started once in a test process: files with such scenarios come first, and after the last of them the
servers stop, so that they take no time from the tests that follow.
"""

import contextlib

import pytest

from synapse_tim.testing import SynapseServer, TiSimulator, WorkerDeployment
from tests.support.world import AppService, World, make_faulty, module, with_mas

#: Events may be sent later (MSC4140) and account data removed (MSC3391): more ways to try.
ENFORCING = {
    "federation_domain_whitelist": [],
    "max_event_delay_duration": "24h",
    "experimental_features": {"msc3391_enabled": True, "msc4133_enabled": True},
}


def write_device_messages_at(server, worker):
    """Have messages to devices written where clients are served, and not in the main process."""
    server.config["stream_writers"] = {"to_device": [worker.name]}
    server.config["instance_map"][worker.name] = {"host": "127.0.0.1", "port": worker.client_port}


_files, _fixtures = set(), set()


@pytest.hookimpl(trylast=True)
def pytest_collection_modifyitems(items):
    for item in items:
        if fixture := _shared_world(item):
            _files.add(item.path)
            _fixtures.add(fixture)
    items.sort(key=lambda item: item.path not in _files)


@pytest.hookimpl(trylast=True)
def pytest_runtest_teardown(item, nextitem):
    if item.path in _files and nextitem is not None and nextitem.path not in _files:
        for fixture in _fixtures:
            fixture.finish(item._request)  # a test that wants the servers after all has them started again


def _shared_world(item):
    """The fixture below if a test uses it, and not a ``world`` that its directory has."""
    found = item._fixtureinfo.name2fixturedefs.get("world") if isinstance(item, pytest.Function) else None
    return found[-1] if found and not found[-1].baseid else None


@pytest.fixture(scope="session")
def world(request, tmp_path_factory):
    """The running servers, every list in force."""
    directory = tmp_path_factory.mktemp("policies")
    with contextlib.ExitStack() as stack:
        ti = stack.enter_context(TiSimulator())

        def server(name, product, several=False):
            options = {
                "modules": [module(ti, product)] if product else [],
                "extra": ENFORCING if product else {},
                **(with_mas(request) if product else {}),
            }
            if several and request.config.getoption("--with-workers"):
                databases = [request.getfixturevalue(f"{kind}_server") for kind in ("postgres", "redis")]
                several = WorkerDeployment(
                    name, directory / name, ti.world, *databases, n_workers=2, **options
                )
                write_device_messages_at(several, several.workers[-1])
                return several
            return SynapseServer(name, directory / name, ti.world, **options)

        world = World(
            ti,
            hospital=server("hospital", "pro", several=True),
            practice=server("practice", "pro"),
            insurer=server("insurer", "epa", several=True),
            fund=server("fund", "epa"),
            lax=server("lax", None),
            past=AppService(),
        )
        for one in (world.hospital, world.lax):
            world.past.install(one)
        make_faulty(world.lax)
        for one in world.servers:
            stack.callback(one.stop)
            one.start()
            ti.add(one.server_name, insurance=one in (world.insurer, world.fund))
        for one in world.servers:
            one.wait()
        world.settle()
        yield world
