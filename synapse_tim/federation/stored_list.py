"""The stored list of one process: compiled, which is in force at once, and signed, which is verified again.

The compiled list was made by a process of this homeserver that had verified the signed one. So it is used
without waiting, and what it was made of is verified all the same: an error, or somebody who has the secret of
the homeserver, could have made another one. Where both contradict each other the signed one counts; if that
does not verify, nobody is allowed.
"""

import logging
from typing import Final

from synapse_tim.adapter import metrics
from synapse_tim.adapter.threads import Threads
from synapse_tim.core.memory import give_back
from synapse_tim.federation.acceptance import Acceptance, ListState
from synapse_tim.federation.compiled import CompiledListError, Seal, VerifiedList
from synapse_tim.federation.refusals import NOT_READ, ListRefusedError
from synapse_tim.federation.store import ListStore
from synapse_tim.federation.updater import Update, Updater
from synapse_tim.jose.large_jws import JwsLimits
from synapse_tim.pki.trust_store import TrustStore

logger = logging.getLogger(__name__)

_MAX_BYTES: Final = JwsLimits().total


class StoredList:
    """Reads the stored list into force, and stores what was accepted."""

    def __init__(
        self, store: ListStore, updater: Updater, trust: TrustStore, threads: Threads, seal: Seal
    ) -> None:
        self._store = store
        self._updater = updater
        self._trust = trust
        self._threads = threads
        self._seal = seal

    async def create_tables(self) -> None:
        """Create what is missing; for one process only."""
        await self._store.create_tables()

    async def read_acceptance(self) -> Acceptance | None:
        """What is remembered of accepted lists."""
        return await self._store.read_acceptance()

    async def compiled(self) -> ListState | None:
        """The compiled list that is stored; ``None`` if there is none that can be used."""
        remembered, sealed, material = await self._store.read_compiled(_MAX_BYTES)
        if remembered is None or sealed is None:
            return None

        def take_up() -> VerifiedList:
            compiled, certificates = self._seal.open(sealed)
            self._trust.restore(material)
            return self._updater.verify_compiled(remembered, compiled, certificates)

        try:
            return ListState(remembered, await self._threads.run(take_up))
        except CompiledListError as error:
            if error.authentic:
                logger.info("The compiled federation list is not used: %s", error)
                return None
            metrics.LIST_COMPILED_REFUSED.labels("not_authentic").inc()
            logger.error("The compiled federation list is refused: %s. The signed one is read instead", error)
        except ListRefusedError as error:
            logger.error("The compiled federation list is not usable: %s", error)
        return None

    async def verified(self) -> ListState:
        """The signed list that is stored, verified; without a list if it does not verify."""
        remembered, packed, material = await self._store.read(_MAX_BYTES)

        def verify() -> ListState:
            self._trust.restore(material)
            return self._updater.restore_packed(remembered, packed)

        return await self._threads.run(verify)

    async def contradiction(self, state: ListState) -> ListState | None:
        """Verify the signed list behind a compiled one that is in force.

        Returns:
            ``None`` if they say the same, or another list is stored by now, which is somebody else's turn;
            otherwise what has to be in force instead.

        Raises:
            ListRefusedError: the signed list could not be read here and now.
        """
        remembered, packed, material = await self._store.read(_MAX_BYTES)
        compiled = state.in_force
        if remembered is None or compiled is None or remembered.jws_digest != compiled.jws_digest:
            return None

        def verify() -> VerifiedList:
            self._trust.restore(material)
            return self._updater.verify_kept(remembered, packed)

        try:
            signed = await self._threads.run(verify)
        except ListRefusedError as error:
            if error.reason in NOT_READ:
                raise
            _contradicts(f"the signed list is refused: {error}; remote traffic is denied")
            return ListState(remembered)
        if _data(signed) == _data(compiled):
            return None
        _contradicts("it is not what the signed list says, which is used from now on")
        return ListState(remembered, signed)

    async def write(self, update: Update, before: ListState) -> bool:
        """Store a step of the update cycle.

        Returns:
            Whether it was stored; another process may have stored a later list.
        """
        remembered, in_force = update.state.remembered, update.state.in_force
        if remembered is None:
            return False
        sealed = None
        if in_force is not None and in_force is not before.in_force:
            sealed = await self._threads.run(self._sealed, in_force)
        return await self._store.write(remembered, update.packed, self._trust.material, sealed)

    async def write_compiled(self, verified: VerifiedList) -> None:
        """Store the compiled form of the list that is stored."""
        sealed = await self._threads.run(self._sealed, verified)
        if sealed is not None:
            await self._store.write_compiled(verified.jws_digest, sealed)

    async def give_back_memory(self) -> None:
        """Return what reading or storing a list has taken, once nothing holds it any more."""
        await self._threads.run(give_back)

    def _sealed(self, verified: VerifiedList) -> bytes | None:
        return None if verified.compiled is None else self._seal.close(verified.compiled, verified.path)


def _data(verified: VerifiedList) -> bytes | None:
    return None if verified.compiled is None else verified.compiled.data


def _contradicts(what: str) -> None:
    metrics.LIST_COMPILED_REFUSED.labels("contradiction").inc()
    logger.error("The compiled federation list contradicts the signed one: %s", what)
