"""One world for all scenarios of information services."""

import contextlib

import pytest

from synapse_tim.testing import SynapseServer, TiSimulator, WorkerDeployment, wait_for
from synapse_tim.testing.ports import free_ports
from synapse_tim.testing.servers.homeserver_config import http_listener
from tests.information.e2e.world import CONTACTS, IK, OTHER_IK, OTHER_INSURER, PAGE, InformationWorld, module
from tests.support.world import versions_at, with_mas

pytestmark = pytest.mark.servers

#: Listeners that clients do not use; a server of several processes has that of replication, too.
OTHERS = (["federation"], ["health"], ["metrics"], ["media"])


@pytest.fixture(scope="package")
def world(request, tmp_path_factory):
    """The running servers, the list in force."""
    directory = tmp_path_factory.mktemp("information")
    with contextlib.ExitStack() as stack:
        ti = stack.enter_context(TiSimulator())

        def server(name, product, information, several=False, **extra):
            options = {
                "modules": [module(ti, product, information=information)],
                "extra": {"federation_domain_whitelist": [], **extra},
                **with_mas(request),
            }
            if several and request.config.getoption("--with-workers"):
                databases = [request.getfixturevalue(f"{kind}_server") for kind in ("postgres", "redis")]
                return WorkerDeployment(name, directory / name, ti.world, *databases, n_workers=1, **options)
            return SynapseServer(name, directory / name, ti.world, **options)

        everything = {"support": {"contacts": CONTACTS, "support_page": PAGE}, "client_report": True}
        about = {
            "title": "Auskunft",
            "description": "Praxis am Markt",
            "contact": "it@praxis.example",
            "accept_access_tokens": True,
            "support": {"support_page": PAGE},
        }
        clinic = server("clinic", "pro", everything, several=True)
        practice = server("practice", "pro", about, serve_server_wellknown=True)
        insurer = server("insurer", "epa", {})
        others = dict(zip(map(tuple, OTHERS), free_ports(len(OTHERS)), strict=True))
        clinic.config["listeners"] += [http_listener(port, list(names)) for names, port in others.items()]
        world = InformationWorld(
            ti,
            clinic,
            practice,
            insurer,
            {
                tuple(listener["resources"][0]["names"]): f"http://127.0.0.1:{listener['port']}"
                for listener in clinic.config["listeners"]
                if listener["type"] == "http" and "client" not in listener["resources"][0]["names"]
            },
        )
        for one in world.servers:
            stack.callback(one.stop)
            one.start()
            ti.add(one.server_name, insurance=one is insurer, ik=[IK] if one is insurer else [])
        ti.add(OTHER_INSURER, insurance=True, ik=[OTHER_IK])
        for one in world.servers:
            one.wait()
        for one in world.servers:
            wait_for(lambda one=one: versions_at(one) == {ti.version}, what="the list")
        yield world
