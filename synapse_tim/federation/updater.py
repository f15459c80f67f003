"""Update cycle: fetch, verify, decide; one step at a time, without storing anything itself.

Modelled on the client side of TUF: the source transports, the verifier verifies, the acceptance rules
decide, and this module only puts them in order. A refusal is a result, not an exception, and leaves the
state as it was.
"""

import datetime as dt
import logging
from collections.abc import Callable
from typing import Final

import attrs
from cryptography import x509

from synapse_tim.federation import list_reader
from synapse_tim.federation.acceptance import Acceptance, ListState, accept, check_clock, check_times
from synapse_tim.federation.compiled import CompiledList, VerifiedList
from synapse_tim.federation.refusals import ListRefusedError, Refusal
from synapse_tim.federation.source import ListSource
from synapse_tim.federation.verifier import ListVerifier

logger = logging.getLogger(__name__)

#: A confirmation is not signed, so the list itself is asked for at least this often.
FULL_FETCH_INTERVAL: Final = dt.timedelta(hours=24)


@attrs.frozen(eq=False)
class Update:
    """The outcome of one step."""

    state: ListState
    refusal: ListRefusedError | None = None  #: why nothing changed, or ``None``
    data: bytearray | None = None  #: the serialization, if it has to be stored anew
    packed: bytes | None = None  #: the same as it is stored

    @property
    def result(self) -> str:
        """The label for metrics: ``accepted``, ``confirmed`` or the name of the refusal."""
        if self.refusal is not None:
            return self.refusal.reason.value
        return "accepted" if self.packed is not None else "confirmed"


class Updater:
    """Makes the steps of the update cycle.

    Args:
        clock: the current time, with a time zone.
        minimum_version: nothing older is accepted on first use.
    """

    def __init__(
        self,
        source: ListSource,
        verifier: ListVerifier,
        clock: Callable[[], dt.datetime],
        minimum_version: int = 0,
    ) -> None:
        self._source = source
        self._verifier = verifier
        self._clock = clock
        self._minimum_version = minimum_version
        self._full_fetch_at: dt.datetime | None = None

    def restore(self, remembered: Acceptance | None, data: bytes | bytearray | None) -> ListState:
        """Verify what was stored; what does not verify is left out, its version stays the floor."""
        if remembered is None or data is None:
            return ListState(remembered)
        return self.restore_packed(remembered, list_reader.pack(data))

    def restore_packed(self, remembered: Acceptance | None, packed: bytes | bytearray | None) -> ListState:
        """The same with a list as it is stored."""
        if remembered is None or packed is None:
            return ListState(remembered)
        try:
            return ListState(remembered, self.verify_kept(remembered, packed))
        except ListRefusedError as error:
            logger.error("The stored federation list is not usable: %s", error)
            return ListState(remembered)

    def verify_kept(self, remembered: Acceptance, packed: bytes | bytearray | None) -> VerifiedList:
        """Verify the stored list, which has to be the accepted one.

        Raises:
            ListRefusedError: with the reason.
        """
        if packed is None:
            raise ListRefusedError(Refusal.EQUIVOCATION, "the accepted list is not stored")
        kept = self._verifier.verify_kept(packed, remembered.confirmed_at)
        return self._the_accepted(kept, remembered)

    def verify_compiled(
        self, remembered: Acceptance, compiled: CompiledList, certificates: tuple[x509.Certificate, ...]
    ) -> VerifiedList:
        """Verify a compiled list of this homeserver, which has to be the accepted one.

        Raises:
            ListRefusedError: with the reason.
        """
        kept = self._verifier.verify_compiled(compiled, certificates, remembered.confirmed_at)
        return self._the_accepted(kept, remembered)

    def _the_accepted(self, kept: VerifiedList, remembered: Acceptance) -> VerifiedList:
        if kept.jws_digest != remembered.jws_digest or kept.content.version != remembered.version:
            raise ListRefusedError(Refusal.EQUIVOCATION, "the stored list is not the accepted one")
        if kept.content.version < self._minimum_version:
            raise ListRefusedError(Refusal.BELOW_MINIMUM_VERSION, f"{kept.content.version}")
        return kept

    def refresh(self, state: ListState) -> Update:
        """Ask the source and decide on its answer; takes as long as the network does."""
        try:
            return self._refresh(state)
        except ListRefusedError as error:
            return Update(state, refusal=error)
        except Exception as error:
            logger.exception("Updating the federation list failed unexpectedly")
            return Update(state, refusal=ListRefusedError(Refusal.INTERNAL, type(error).__name__))

    def _refresh(self, state: ListState) -> Update:
        now = self._clock()
        check_clock(state.remembered, now)
        fetched = self._source.fetch(self._version_to_name(state, now))
        data, age = fetched.data, fetched.age
        now = self._clock()
        if data is None:
            return self._confirm(state, now, age)
        self._full_fetch_at = now
        if state.in_force is not None and self._verifier.digest(data) == state.in_force.jws_digest:
            return self._confirm(state, now, age)
        candidate, packed = self._verifier.verify_to_store(data, now)
        remembered = accept(candidate, state.remembered, state.in_force, now, self._minimum_version, age)
        return Update(ListState(remembered, candidate), data=data, packed=packed)

    def _version_to_name(self, state: ListState, now: dt.datetime) -> int | None:
        if state.in_force is None or self._full_fetch_at is None:
            return None
        if not dt.timedelta(0) <= now - self._full_fetch_at < FULL_FETCH_INTERVAL:
            return None
        return state.in_force.content.version

    def _confirm(self, state: ListState, now: dt.datetime, age: dt.timedelta) -> Update:
        if state.remembered is None or state.in_force is None:
            raise ListRefusedError(Refusal.HTTP_STATUS, "a confirmation of a list that is not at hand")
        check_clock(state.remembered, now)
        check_times(state.in_force.content, now)
        confirmed = self._verifier.confirm(state.in_force, now)
        return Update(ListState(state.remembered.confirmed(now, age), confirmed))
