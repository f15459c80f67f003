"""One server for all scenarios of contact management."""

import contextlib

import pytest

from synapse_tim.testing import SynapseServer, WorkerDeployment, wait_for
from synapse_tim.testing.ports import free_port
from synapse_tim.testing.servers.homeserver_config import http_listener
from tests.contacts.e2e.world import ASKER, MAX_CONTACTS, ContactWorld, part
from tests.support.world import with_mas

pytestmark = pytest.mark.servers


@pytest.fixture(scope="package")
def world(request, ti_world, tmp_path_factory):
    """The running server, the table made."""
    directory = tmp_path_factory.mktemp("contacts") / "clinic"
    contacts = {"contact": "it@clinic.example", "max_contacts": MAX_CONTACTS}
    options = {"modules": [part(contacts=contacts), {"module": "asker.Asker", "config": {}}]}
    options |= with_mas(request)
    with contextlib.ExitStack() as stack:
        if request.config.getoption("--with-workers"):
            databases = [request.getfixturevalue(f"{kind}_server") for kind in ("postgres", "redis")]
            server = WorkerDeployment("clinic", directory, ti_world, *databases, n_workers=2, **options)
        else:
            server = SynapseServer("clinic", directory, ti_world, **options)
        (directory / "asker.py").write_text(ASKER)
        port = free_port()
        server.config["listeners"].append(http_listener(port, ["federation"]))
        stack.callback(server.stop)
        server.start().wait()
        world = ContactWorld(server, f"http://127.0.0.1:{port}")
        owner = world.owner()
        wait_for(lambda: owner.send("GET").status_code == 200, what="the table")
        yield world
