"""A TI on loopback and real Synapse servers, to test your own image against (extra ``testing``).

Nothing here leaves the machine, needs a smart card or a contract, or holds a secret: keys are
thrown away, subjects of certificates say ``TEST-ONLY``. Installed with
``pip install "synapse-tim[testing]"``; for workers add the extra ``workers``, PostgreSQL and Redis.

In short, for a vendor with pytest::

    # conftest.py
    pytest_plugins = ["synapse_tim.testing.fixtures"]


    # test_federation.py
    def test_a_server_that_is_not_on_the_list_cannot_invite(ti_simulator, synapse_server):
        ti = ti_simulator()
        outsider = synapse_server("outsider")
        ours = synapse_server(
            "ours",
            extra={"federation_domain_whitelist": []},
            modules=[
                {
                    "module": "synapse_tim.TiMessenger",
                    "config": {
                        "product": "pro",
                        "spec_version": "1.2",
                        "federation_list": ti.federation_list_config(),
                    },
                }
            ],
        )
        mallory, alice = outsider.register("mallory"), ours.register("alice")
        room = mallory.create_room()
        assert mallory.invite(room, alice.user_id).status_code >= 400
        ti.add(outsider.server_name)
        wait_for(lambda: mallory.invite(room, alice.user_id).status_code == 200, what="the new list")

Without pytest the same classes are context managers or have ``start`` and ``stop``. A homeserver that runs in
a container of its own needs only the simulator: ``python -m synapse_tim.testing.simulator --domain NAME``
prints the ``federation_list`` block to put into its homeserver.yaml.

What there is:

- ``simulator``: ``TiSimulator``, a TI on loopback, and what can go wrong with it (``simulator.faults``);
  ``simulator.pki``: ``make_world``, ``sign_list``, ``ocsp_answer``, certificates and signatures in gematik's
  shape, and every wrong one; ``simulator.directory``: the VZD directory; ``simulator.idp``: identity
  providers, who logs in there, their client, and tokens.
- ``servers``: ``SynapseServer``, ``WorkerDeployment``, ``PostgresServer``, ``RedisServer``, and their client
  ``MatrixUser``.
- ``fixtures``: all of it for pytest.
"""

from __future__ import annotations

from synapse_tim.testing.merge import REMOVED
from synapse_tim.testing.ports import free_port, free_ports
from synapse_tim.testing.servers.client import MatrixUser
from synapse_tim.testing.servers.postgres import PostgresServer
from synapse_tim.testing.servers.processes import Child, ChildFailedError
from synapse_tim.testing.servers.redis import RedisServer
from synapse_tim.testing.servers.synapse import SynapseServer
from synapse_tim.testing.servers.workers import WorkerDeployment
from synapse_tim.testing.simulator.faults import Faults
from synapse_tim.testing.simulator.idp.cards import Card, InsuredPerson
from synapse_tim.testing.simulator.idp.jws import sign_token
from synapse_tim.testing.simulator.idp.relying_party import RelyingParty
from synapse_tim.testing.simulator.pki.world import (
    Identity,
    TestPki,
    TiWorld,
    make_world,
    ocsp_answer,
    sign_list,
)
from synapse_tim.testing.simulator.simulator import TiSimulator
from synapse_tim.testing.waiting import wait_for

__all__ = [
    "REMOVED",
    "Card",
    "Child",
    "ChildFailedError",
    "Faults",
    "Identity",
    "InsuredPerson",
    "MatrixUser",
    "PostgresServer",
    "RedisServer",
    "RelyingParty",
    "SynapseServer",
    "TestPki",
    "TiSimulator",
    "TiWorld",
    "WorkerDeployment",
    "free_port",
    "free_ports",
    "make_world",
    "ocsp_answer",
    "sign_list",
    "sign_token",
    "wait_for",
]
