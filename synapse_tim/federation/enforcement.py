"""Enforces the federation list in this process.

Holds the verified list, judges every second whether it may still be used, and lets Synapse's allow-list be a
view of it: what leaves the list is denied, and what is new let in, at the same instant. While there is no
usable list the allow-list is empty: remote traffic stops, local traffic does not notice.
"""

import datetime as dt
import logging
import time
from collections.abc import Callable
from typing import Final

import attrs
from synapse.module_api import ModuleApi

from synapse_tim.adapter import metrics
from synapse_tim.adapter.allow_list import AllowList
from synapse_tim.federation.acceptance import ListState, OnStale, Staleness, staleness
from synapse_tim.federation.compiled import VerifiedList
from synapse_tim.federation.federation_members import FederationMembers
from synapse_tim.federation.list import FederationList
from synapse_tim.pki.certificates import describe

logger = logging.getLogger(__name__)

#: After a start: longer than fetching the list may take.
_QUIET_SECONDS: Final = 120.0


@attrs.frozen
class StalenessPolicy:
    """The operator's choice."""

    max_age: dt.timedelta  #: time since the last confirmation after which a list is stale
    on_stale: OnStale  #: what becomes of remote traffic then


class ListInForce:
    """Enforces a list in one process.

    Args:
        policy: when a list may no longer be used.
        product_is_insurance: whether this server is one of TI-M ePA.
        clock: the current time, with a time zone.
        on_applied: called when others are members than before.
    """

    def __init__(
        self,
        api: ModuleApi,
        allow_list: AllowList,
        policy: StalenessPolicy,
        *,
        product_is_insurance: bool,
        clock: Callable[[], dt.datetime],
        on_applied: Callable[[], None] = lambda: None,
    ) -> None:
        self._api = api
        self._on_applied = on_applied
        self._allow_list = allow_list
        self._policy = policy
        self._product_is_insurance = product_is_insurance
        self._clock = clock
        self._state = ListState()
        self._confirmed_at = 0.0  # monotonic
        self._stale: Staleness | None = None  # as it was logged
        self._quiet_until = 0.0  # monotonic
        self.members = FederationMembers(api.server_name)

    @property
    def known_list(self) -> FederationList | None:
        """The last verified list, whether it may still be used or not."""
        return self._state.in_force.content if self._state.in_force is not None else None

    @property
    def state(self) -> ListState:
        """What the update cycle goes on from."""
        return self._state

    def take(self, state: ListState, *, restored: bool = False) -> None:
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
        self.judge()
        self._report()
        if state.in_force is not None and state.in_force is not before.in_force:
            self._announce(state.in_force)

    def not_confirmed(self) -> None:
        """Log from now on that a restored list is stale: nobody has confirmed it."""
        self._quiet_until = 0.0

    def judge(self) -> None:
        """Judge whether the list may be used now, and let the allow-list follow."""
        usable = self._usable_list()
        if usable is self.members.usable_list:
            return
        self.members = FederationMembers(self._api.server_name, usable)
        if usable is None:
            self._allow_list.deny_all()
            return
        self._allow_list.members = usable.domains
        self._on_applied()

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
