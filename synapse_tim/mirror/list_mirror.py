"""List that the mirror has in force: fetched, verified and kept as a homeserver does it.

A step takes as long as the network does and runs in a thread; what is served changes by one assignment.
"""

import datetime as dt
import logging
import sqlite3
import time
from collections.abc import Callable

import attrs

from synapse_tim.adapter import metrics
from synapse_tim.federation.acceptance import ListState, OnStale, staleness
from synapse_tim.federation.compiled import VerifiedList
from synapse_tim.federation.schedule import RefreshSchedule
from synapse_tim.federation.updater import Updater
from synapse_tim.mirror.lookups import Lookups
from synapse_tim.mirror.store import MirrorStore
from synapse_tim.pki.trust_store import TrustStore

logger = logging.getLogger(__name__)


@attrs.frozen(eq=False)
class ServedList:
    """A list to serve."""

    data: bytes  #: the signed bytes
    verified: VerifiedList  #: what they say
    confirmed_at: dt.datetime  #: when the source last delivered or confirmed it
    confirmed_monotonic: float  #: the same, in seconds of a monotonic clock

    @property
    def version(self) -> int:
        """Of the list."""
        return self.verified.content.version

    @property
    def etag(self) -> bytes:
        """A strong validator (RFC 9110 §8.8.3): the same bytes have the same."""
        return f'"{self.verified.jws_digest}"'.encode()

    def age(self, now: dt.datetime) -> dt.timedelta:
        """The time since its source confirmed it; by the clock that says more."""
        monotonic = dt.timedelta(seconds=time.monotonic() - self.confirmed_monotonic)
        return max(monotonic, now - self.confirmed_at, dt.timedelta())


class ListMirror:
    """Follows the source.

    Args:
        trust: the certificates to keep along with the list.
        lookups: learn from each step which certificates the list rests on.
        max_age: how old a list that is served may be.
        on_stale: whether an older one is served all the same.
        clock: the current time, with a time zone.
    """

    def __init__(
        self,
        updater: Updater,
        trust: TrustStore,
        lookups: Lookups,
        store: MirrorStore,
        schedule: RefreshSchedule,
        max_age: dt.timedelta,
        on_stale: OnStale,
        clock: Callable[[], dt.datetime],
    ) -> None:
        self._updater = updater
        self._trust = trust
        self._lookups = lookups
        self._store = store
        self._schedule = schedule
        self._max_age = max_age
        self._on_stale = on_stale
        self._clock = clock
        self._state = ListState()
        self._served: ServedList | None = None

    def load(self) -> None:
        """Take up what was kept; what does not verify is not served."""
        remembered, data, material = self._store.read()
        self._trust.restore(material)
        self._lookups.learn(self._trust.material)
        self._lookups.restore()
        self._state = self._updater.restore(remembered, data)
        self._serve(bytes(data) if data is not None else b"")
        if self.current() is not None:
            self._schedule.restored(time.monotonic())

    @property
    def due(self) -> bool:
        """Whether the source should be asked now."""
        return self._schedule.due(time.monotonic())

    def force(self) -> None:
        """Have the source asked out of turn, at most once a minute."""
        self._schedule.force(time.monotonic())

    def refresh(self) -> None:
        """Ask the source; in a thread."""
        with metrics.LIST_UPDATE_DURATION.time():
            update = self._updater.refresh(self._state)
        result = update.result
        if update.refusal is None and update.state.remembered is not None:
            try:
                self._store.write(update.state.remembered, update.data, self._trust.material)
            except sqlite3.Error:
                logger.exception("The federation list could not be kept")
                result = "database"
        metrics.LIST_UPDATES.labels(result).inc()
        if result not in ("accepted", "confirmed"):
            served = self._served
            logger.error(
                "The federation list was not updated: %s; version %s is served until it is too old",
                update.refusal or result,
                served.version if served else "none",
            )
            self._schedule.failed(time.monotonic())
            return
        changed, self._state = update.data is not None, update.state
        self._lookups.learn(self._trust.material)
        if update.state.in_force is not None:
            self._lookups.warm(update.state.in_force.path)
        self._serve(bytes(update.data) if update.data is not None else self._data)
        self._schedule.succeeded(time.monotonic())
        if changed and self._served is not None:
            logger.info("Federation list version %d is served", self._served.version)

    @property
    def _data(self) -> bytes:
        return self._served.data if self._served is not None else b""

    def _serve(self, data: bytes) -> None:
        verified, remembered = self._state.in_force, self._state.remembered
        if verified is None or remembered is None:
            return
        now = self._clock()
        ago = max(0.0, (now - remembered.confirmed_at).total_seconds())
        self._served = ServedList(data, verified, remembered.confirmed_at, time.monotonic() - ago)
        metrics.LIST_VERSION.set(verified.content.version)
        metrics.LIST_DOMAINS.set(len(verified.content.domains))
        metrics.LIST_SKIPPED.set(verified.content.skipped)
        metrics.LIST_SIGNER_EXPIRY.set(verified.path.not_after.timestamp())
        metrics.LIST_LAST_CONFIRMED.set(remembered.confirmed_at.timestamp())

    def current(self) -> ServedList | None:
        """The list to serve now; ``None`` if there is none or it is too old."""
        served = self._served
        stale = True
        if served is not None:
            now = self._clock()
            stale = staleness(served.verified, served.age(now), self._max_age, now) is not None
        metrics.LIST_STALE.set(stale)
        return None if stale and self._on_stale is OnStale.DENY else served
