"""Enforces the federation list in this process.

Holds the verified list, judges every second whether it may still be used, and keeps Synapse's allow-list in
step with it. What leaves the list is denied before anything else happens; what is new is let in slice by
slice, so that half a million domains do not hold up the reactor. While there is no usable list the allow-list
is empty: remote traffic stops, local traffic does not notice.
"""

from __future__ import annotations

import datetime as dt
import logging
import time
from collections.abc import Callable, Mapping
from typing import Final

import attrs
from synapse.module_api import ModuleApi

from synapse_tim.adapter import metrics
from synapse_tim.adapter.allow_list import AllowList
from synapse_tim.adapter.threads import Threads
from synapse_tim.federation.acceptance import OnStale, Staleness, VerifiedList, staleness
from synapse_tim.federation.federation_members import FederationMembers
from synapse_tim.federation.list import FederationList
from synapse_tim.federation.updater import ListState
from synapse_tim.pki.certificates import describe

logger = logging.getLogger(__name__)

_SLICE: Final = 5_000
#: Removing more than this at once empties the allow-list and fills it again, which takes less time.
_MANY: Final = 5_000
#: After a start: longer than fetching the list may take.
_QUIET_SECONDS: Final = 120.0
_NOTHING: Final[Mapping[str, bool]] = {}


@attrs.frozen
class StalenessPolicy:
    """The operator's choice.

    Attributes:
        max_age: time since the last confirmation after which a list is stale.
        on_stale: what becomes of remote traffic then.
    """

    max_age: dt.timedelta
    on_stale: OnStale


class ListInForce:
    """Enforces a list in one process.

    Args:
        api: Synapse's module API.
        allow_list: Synapse's allow-list.
        policy: when a list may no longer be used.
        product_is_insurance: whether this server is one of TI-M ePA.
        threads: where large lists are compared.
        clock: the current time, with a time zone.
        on_applied: called when the allow-list names exactly the members of a list.
    """

    def __init__(
        self,
        api: ModuleApi,
        allow_list: AllowList,
        policy: StalenessPolicy,
        *,
        product_is_insurance: bool,
        threads: Threads,
        clock: Callable[[], dt.datetime],
        on_applied: Callable[[], None] = lambda: None,
    ) -> None:
        self._api = api
        self._on_applied = on_applied
        self._allow_list = allow_list
        self._policy = policy
        self._product_is_insurance = product_is_insurance
        self._clock = clock
        self._threads = threads
        self._state = ListState()
        self._confirmed_at = 0.0  # monotonic
        self._stale: Staleness | None = None  # as it was logged
        self._quiet_until = 0.0  # monotonic
        self._wanted: FederationList | None = None  # what the allow-list is to name
        self._filled: FederationList | None = None  # what it names, once it is complete
        self.members = FederationMembers(api.server_name)

    @property
    def known_list(self) -> FederationList | None:
        """The last verified list, whether it may still be used or not."""
        return self._state.in_force.content if self._state.in_force is not None else None

    @property
    def state(self) -> ListState:
        """What the update cycle goes on from."""
        return self._state

    async def take(self, state: ListState, *, restored: bool = False) -> None:
        """Enforce a state from now on.

        Args:
            state: with a list that verifies, or without one.
            restored: it was stored, so it may be old and is about to be confirmed.
        """
        before, self._state = self._state, state
        if restored and before.in_force is None:
            self._quiet_until = time.monotonic() + _QUIET_SECONDS
        if state.remembered is not None:
            age = self._clock() - state.remembered.confirmed_at
            self._confirmed_at = time.monotonic() - max(0.0, age.total_seconds())
        await self.judge()
        self._report()
        if state.in_force is not None and state.in_force is not before.in_force:
            self._announce(state.in_force)

    def not_confirmed(self) -> None:
        """Log from now on that a restored list is stale: nobody has confirmed it."""
        self._quiet_until = 0.0

    async def judge(self) -> None:
        """Judge whether the list may be used now, and let the allow-list follow."""
        usable = self._usable_list()
        if usable is self._wanted:
            return
        self._wanted = usable
        self.members = FederationMembers(self._api.server_name, usable)
        if usable is None:
            self._empty()
            return
        try:
            await self._fill(usable)
        except BaseException:
            # Whoever is still named may have been removed: deny everybody, and try again next time.
            if self._wanted is usable:
                self._empty()
                self._wanted = None
            raise

    def _usable_list(self) -> FederationList | None:
        verified = self._state.in_force
        if verified is None:
            metrics.LIST_STALE.set(1)
            return None
        stale = self._staleness(verified)
        if stale is not self._stale and (stale is None or time.monotonic() >= self._quiet_until):
            self._log_staleness(stale)
            self._stale = stale
        metrics.LIST_STALE.set(0 if stale is None else 1)
        if stale is not None and self._policy.on_stale is OnStale.DENY:
            return None
        return verified.content

    def _staleness(self, verified: VerifiedList) -> Staleness | None:
        now, remembered = self._clock(), self._state.remembered
        # Both clocks count: one may be set back, the other stands still while the machine sleeps.
        age = dt.timedelta(seconds=time.monotonic() - self._confirmed_at)
        if remembered is not None:
            age = max(age, now - remembered.confirmed_at)
        return staleness(verified, age, self._policy.max_age, now)

    def _log_staleness(self, stale: Staleness | None) -> None:
        if stale is None:
            logger.info("The federation list is current again")
        elif self._policy.on_stale is OnStale.DENY:
            logger.error("The federation list is stale (%s): remote traffic is denied", stale.value)
        else:
            logger.error("The federation list is stale (%s): it stays in use", stale.value)

    async def _fill(self, wanted: FederationList) -> None:
        """Make the allow-list name exactly the members of a list, unless another is wanted meanwhile."""
        old = self._filled.domains if self._filled is not None else _NOTHING
        gone, added = await self._threads.run(_difference, old, wanted.domains)
        if self._wanted is not wanted:
            return
        if len(gone) > _MANY or len(self._allow_list) != len(old):
            self._empty()
            gone, added = [], await self._threads.run(list[str], wanted.domains)
        for name in gone:
            self._allow_list.pop(name, None)
        self._filled = None
        for start in range(0, len(added), _SLICE):
            if self._wanted is not wanted:
                return
            self._allow_list.update(dict.fromkeys(added[start : start + _SLICE], True))
            await self._api.sleep(0)
        if self._wanted is wanted:
            self._filled = wanted
            self._on_applied()

    def _empty(self) -> None:
        self._allow_list.clear()
        self._filled = None

    def _report(self) -> None:
        remembered, verified = self._state.remembered, self._state.in_force
        if remembered is not None:
            metrics.LIST_LAST_CONFIRMED.set(remembered.confirmed_at.timestamp())
        if verified is None:
            return
        content = verified.content
        metrics.LIST_VERSION.set(content.version)
        metrics.LIST_DOMAINS.set(len(content.domains))
        metrics.LIST_SKIPPED.set(content.skipped)
        metrics.LIST_SIGNER_EXPIRY.set(verified.path.not_after.timestamp())
        metrics.OWN_DOMAIN_LISTED.set(self._api.server_name in content)
        metrics.PRODUCT_MISMATCH.set(self._mismatch(content))

    def _mismatch(self, content: FederationList) -> bool:
        return FederationMembers(self._api.server_name, content).own_kind_mismatch(
            product_is_insurance=self._product_is_insurance
        )

    def _announce(self, verified: VerifiedList) -> None:
        content = verified.content
        logger.info(
            "Federation list version %d in force: %d domains, %d of insurers, signed by %s",
            content.version,
            len(content.domains),
            len(content.insurance_domains),
            describe(verified.path.signer),
        )
        if self._mismatch(content):
            logger.error(
                "The federation list knows this server as %s, but product: %s is configured",
                "an insurer's (isInsurance)" if not self._product_is_insurance else "not an insurer's",
                "epa" if self._product_is_insurance else "pro",
            )
        if self._api.server_name not in content:
            logger.warning("The federation list does not name this server: others will not talk to it")


def _difference(old: Mapping[str, bool], new: Mapping[str, bool]) -> tuple[list[str], list[str]]:
    """Names that only one of them has; in Python, so that the reactor can run in between."""
    return [name for name in old if name not in new], [name for name in new if name not in old]
