"""One federation for all scenarios of this directory: real Synapse processes on loopback.

- ``hospital``, ``practice``: members, product pro; ``insurer``: member, product epa; all three enforce.
- ``lax``: a member that enforces nothing, as another vendor's faulty server might.
- ``former``: no module; a member only while a scenario says so.
- ``stranger``: no module; never a member, its keys are known to nobody.
"""

import attrs
import pytest

from synapse_tim.testing import SynapseServer, TiSimulator, wait_for
from synapse_tim.testing.simulator.pki.world import TiWorld, make_world

pytestmark = pytest.mark.servers


def tim_module(ti, product="pro", **federation_list):
    """The entry of ``modules:`` for a server that uses the simulator."""
    return {
        "module": "synapse_tim.TiMessenger",
        "config": {
            "product": product,
            "spec_version": "1.2",
            "federation_list": ti.federation_list_config(**federation_list),
            **({"login": {"permitted": ["password"]}} if product == "pro" else {}),
        },
    }


def enforcing(name, directory, ti, product="pro", extra=None, **federation_list):
    """A server with the module, not started yet."""
    return SynapseServer(
        name,
        directory / name,
        ti.world,
        modules=[tim_module(ti, product, **federation_list)],
        extra={
            "federation_domain_whitelist": [],
            **(extra or {}),
        },
    )


def version_of(server):
    return server.metrics().get("synapse_tim_federation_list_version", 0)


@attrs.define
class Federation:
    """The servers and the directory they follow."""

    ti: TiSimulator
    world: TiWorld
    hospital: SynapseServer
    practice: SynapseServer
    insurer: SynapseServer
    lax: SynapseServer
    former: SynapseServer
    stranger: SynapseServer
    users: dict = attrs.field(factory=dict)

    @property
    def servers(self):
        return (self.hospital, self.practice, self.insurer, self.lax, self.former, self.stranger)

    @property
    def enforcing(self):
        return (self.hospital, self.practice, self.insurer)

    def user(self, server, name="user", **options):
        """A user of a server, registered on first use."""
        if (server.name, name) not in self.users:
            self.users[server.name, name] = server.register(name, **options)
        return self.users[server.name, name]

    def settle(self):
        """Wait until every enforcing server has the directory's current list."""
        for server in self.enforcing:
            wait_for(
                lambda server=server: version_of(server) == self.ti.version,
                what=f"{server.name} to follow the list",
            )

    def add(self, *servers):
        for server in servers:
            self.ti.add(server.server_name, insurance=server is self.insurer)
        self.settle()

    def remove(self, *servers):
        for server in servers:
            self.ti.remove(server.server_name)
        self.settle()

    def reset(self):
        """The members as they are at the beginning."""
        self.ti.faults.reset()
        members = {s.server_name for s in (*self.enforcing, self.lax)}
        for server in (self.former, self.stranger):
            if server.server_name in self.ti.directory.domains:
                self.ti.remove(server.server_name)
        for server in (*self.enforcing, self.lax):
            if server.server_name not in self.ti.directory.domains:
                self.ti.add(server.server_name, insurance=server is self.insurer)
        assert members <= set(self.ti.directory.domains)
        self.settle()


@pytest.fixture(scope="package")
def everything(tmp_path_factory):
    directory = tmp_path_factory.mktemp("federation")
    world = make_world()
    with TiSimulator(world) as ti:
        hospital = enforcing("hospital", directory, ti)
        practice = enforcing("practice", directory, ti)
        insurer = enforcing("insurer", directory, ti, product="epa")
        lax, former, stranger = (
            SynapseServer(name, directory / name, world) for name in ("lax", "former", "stranger")
        )
        federation = Federation(ti, world, hospital, practice, insurer, lax, former, stranger)
        try:
            for server in federation.servers:
                server.start()
            for server in federation.servers:
                server.wait()
            federation.reset()
            yield federation
        finally:
            for server in federation.servers:
                server.stop()


@pytest.fixture
def federation(everything, request):
    """The federation as it is at the beginning; what a scenario changed is undone."""
    everything.reset()
    yield everything
    everything.reset()
