"""Services that a process needs to follow the federation list, as leader or follower."""

from __future__ import annotations

import attrs
from synapse.module_api import ModuleApi

from synapse_tim.adapter.threads import Threads
from synapse_tim.federation.enforcement import ListInForce
from synapse_tim.federation.signals import ListSignals
from synapse_tim.federation.store import ListStore
from synapse_tim.federation.updater import ListState, Updater
from synapse_tim.jose.large_jws import JwsLimits
from synapse_tim.pki.trust_store import TrustStore


@attrs.frozen(eq=False)
class ListServices:
    """The services of one process.

    Attributes:
        api: Synapse's module API.
        database: where the accepted list is kept.
        signals: to and from the other processes.
        threads: where network and verification run.
        in_force: what this process enforces.
        updater: makes the steps of the update cycle.
        trust: the certificates to keep along with the list.
    """

    api: ModuleApi
    database: ListStore
    signals: ListSignals
    threads: Threads
    in_force: ListInForce
    updater: Updater
    trust: TrustStore

    async def restore(self) -> ListState:
        """Read what is stored and verify it, off the reactor."""
        remembered, data, material = await self.database.read(JwsLimits().total)

        def verify() -> ListState:
            self.trust.restore(material)
            return self.updater.restore(remembered, data)

        return await self.threads.run(verify)
