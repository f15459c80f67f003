"""One world for all scenarios of the legacy generation."""

import contextlib

import pytest

from synapse_tim.testing import SynapseServer, TiSimulator, WorkerDeployment
from tests.legacy.e2e.world import LegacyWorld, legacy
from tests.support.world import make_faulty, module, with_mas

pytestmark = pytest.mark.servers


@pytest.fixture(scope="package")
def world(request, tmp_path_factory):
    """The running servers, every list in force."""
    directory = tmp_path_factory.mktemp("legacy")
    with contextlib.ExitStack() as stack:
        ti = stack.enter_context(TiSimulator())
        failing = stack.enter_context(TiSimulator(ti.world))

        def server(name, entry=None, several=False):
            options = {"modules": [entry] if entry else []}
            if entry:
                options |= with_mas(request)
                options["extra"] = {
                    "federation_domain_whitelist": [],
                    "background_updates": {"sleep_enabled": False},
                }
            if several and request.config.getoption("--with-workers"):
                databases = [request.getfixturevalue(f"{kind}_server") for kind in ("postgres", "redis")]
                return WorkerDeployment(name, directory / name, ti.world, *databases, n_workers=2, **options)
            return SynapseServer(name, directory / name, ti.world, **options)

        world = LegacyWorld(
            ti,
            failing,
            clinic=server("clinic", legacy(ti, ti, cleanup={"interval": "1s"}), several=True),
            ward=server("ward", legacy(ti, failing, {"deadline": "2s", "cache": "1s"})),
            practice=server("practice", module(ti)),
            insurer=server("insurer", module(ti, "epa")),
            lax=server("lax"),
        )
        make_faulty(world.lax)
        for one in world.servers:
            stack.callback(one.stop)
            one.start()
            ti.add(one.server_name, insurance=one is world.insurer)
        for one in world.servers:
            one.wait()
        world.settle()
        yield world
