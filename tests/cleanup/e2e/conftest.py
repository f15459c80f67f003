"""One world for all scenarios of cleanup."""

import contextlib

import pytest

from synapse_tim.testing import SynapseServer, TiSimulator, WorkerDeployment, wait_for
from tests.cleanup.e2e.world import CleanupWorld, cleaning, wait_until_updated
from tests.support.world import versions_at, with_mas

pytestmark = pytest.mark.servers


@pytest.fixture(scope="package")
def world(request, tmp_path_factory):
    """The running servers, every list in force."""
    directory = tmp_path_factory.mktemp("cleanup")
    with contextlib.ExitStack() as stack:
        ti = stack.enter_context(TiSimulator())

        def server(name, product=None, spec_version=None, several=False):
            options = {}
            if product:
                options |= with_mas(request)
                options["modules"] = [cleaning(ti, product, spec_version)]
                options["extra"] = {
                    "federation_domain_whitelist": [],
                    "background_updates": {"sleep_enabled": False},
                    "enable_ephemeral_messages": True,
                    "experimental_features": {"msc4140_enabled": True},
                    "max_event_delay_duration": "24h",
                    "forgotten_room_retention_period": "7d",
                    "server_notices": {"system_mxid_localpart": "notices", "room_name": "Notices"},
                }
            if several and request.config.getoption("--with-workers"):
                databases = [request.getfixturevalue(f"{kind}_server") for kind in ("postgres", "redis")]
                options["extra"]["run_background_tasks_on"] = "worker1"
                return WorkerDeployment(name, directory / name, ti.world, *databases, n_workers=2, **options)
            return SynapseServer(name, directory / name, ti.world, **options)

        world = CleanupWorld(
            ti,
            clinic=server("clinic", "pro", "1.1"),
            hospital=server("hospital", "pro", "1.2", several=True),
            insurer=server("insurer", "epa", "1.2"),
            fund=server("fund", "epa", "1.1"),
            lax=server("lax"),
        )
        for one in world.servers:
            stack.callback(one.stop)
            one.start()
            ti.add(one.server_name, insurance=one in (world.insurer, world.fund))
        for one in world.servers:
            one.wait()
        for one in world.servers[:-1]:
            wait_for(lambda one=one: versions_at(one) == {ti.version})
            wait_until_updated(one)
        yield world
