"""Rules for accepting a verified list in place of the one in force, and for its staleness.

Refused: a lower version than was ever accepted (rollback), a version below the operator's minimum, other
content under the version in force (equivocation), any update while the clock stands before a time that
was already seen, a list before its ``iat`` or after its ``exp``. What is refused changes nothing.

The list carries no times of its own, so its freshness is that of the last confirmation: the last moment at
which the source delivered it or said that it is current. Past ``max_age`` after that, past its ``exp`` or
past the validity of its signer's path it is stale (requirement R1.11).
"""

from __future__ import annotations

import datetime as dt
import enum
from typing import Final

import attrs

from synapse_tim.federation.compiled import VerifiedList
from synapse_tim.federation.list import FederationList
from synapse_tim.federation.refusals import ListRefusedError, Refusal
from synapse_tim.pki.certificates import CLOCK_SKEW
from synapse_tim.pki.errors import CLOCK_HINT

_NO_AGE: Final = dt.timedelta()


class OnStale(enum.StrEnum):
    """Handling of remote traffic when the list is stale."""

    DENY = "deny"
    KEEP = "keep"


class Staleness(enum.StrEnum):
    """Why a list is stale."""

    NOT_CONFIRMED = "not_confirmed"
    LIST_EXPIRED = "list_expired"
    SIGNER_EXPIRED = "signer_expired"


@attrs.frozen
class Acceptance:
    """What is remembered of accepted lists; the floor below which nothing is accepted again."""

    version: int
    jws_digest: str  #: SHA-256 over the whole serialization of the list in force, in hex
    payload_digest: str  #: SHA-256 over its payload alone: the same content signed anew has the same
    accepted_at: dt.datetime  #: when that list was first accepted
    #: When its source last delivered or confirmed it; behind a mirror, the mirror's source.
    confirmed_at: dt.datetime
    latest_time: dt.datetime

    def confirmed(self, at: dt.datetime, age: dt.timedelta = _NO_AGE) -> Acceptance:
        """The same list, confirmed by its source.

        Args:
            age: how long ago that was, if a mirror says it.
        """
        confirmed_at = max(at - age, self.confirmed_at) if age else at
        return attrs.evolve(self, confirmed_at=confirmed_at, latest_time=max(at, self.latest_time))


@attrs.frozen(eq=False)
class ListState:
    """Where the update cycle stands."""

    remembered: Acceptance | None = None  #: the floor, or ``None`` before the first list
    #: The list in use, or ``None`` if there is none that can be believed.
    in_force: VerifiedList | None = None


def check_clock(remembered: Acceptance | None, now: dt.datetime) -> None:
    """Refuse to update while the clock is behind a moment that has already been.

    Raises:
        ListRefusedError: ``clock_went_back``.
    """
    if remembered is not None and now + CLOCK_SKEW < remembered.latest_time:
        raise ListRefusedError(
            Refusal.CLOCK_WENT_BACK,
            f"it is {now:%Y-%m-%d %H:%M}Z, but it was {remembered.latest_time:%Y-%m-%d %H:%M}Z before",
        )


def check_times(content: FederationList, now: dt.datetime) -> None:
    """Refuse a list outside the times that it names itself.

    Raises:
        ListRefusedError: ``list_not_yet_valid`` or ``list_expired``.
    """
    if content.issued_at is not None and content.issued_at > now + CLOCK_SKEW:
        raise ListRefusedError(
            Refusal.LIST_NOT_YET_VALID, f"iat {content.issued_at:%Y-%m-%d %H:%M}Z; {CLOCK_HINT}"
        )
    if content.expires_at is not None and content.expires_at < now - CLOCK_SKEW:
        raise ListRefusedError(Refusal.LIST_EXPIRED, f"exp {content.expires_at:%Y-%m-%d %H:%M}Z")


def accept(
    candidate: VerifiedList,
    remembered: Acceptance | None,
    in_force: VerifiedList | None,
    now: dt.datetime,
    minimum_version: int = 0,
    age: dt.timedelta = _NO_AGE,
) -> Acceptance:
    """Decide on a verified list.

    Args:
        remembered: what was accepted before, ``None`` on first use.
        in_force: the list in use, if it could be loaded.
        minimum_version: the operator's floor for first use.
        age: how long ago its source delivered it, if a mirror says it.

    Returns:
        What to remember from now on.

    Raises:
        ListRefusedError: the list must not be used; the one in force stays.
    """
    check_clock(remembered, now)
    check_times(candidate.content, now)
    version = candidate.content.version
    if version < minimum_version:
        raise ListRefusedError(Refusal.BELOW_MINIMUM_VERSION, f"{version} < {minimum_version}")
    latest = now if remembered is None else max(now, remembered.latest_time)
    digests = (candidate.jws_digest, candidate.content.digest)
    if remembered is None or version > remembered.version:
        return Acceptance(version, *digests, accepted_at=now, confirmed_at=now - age, latest_time=latest)
    if version < remembered.version:
        raise ListRefusedError(Refusal.ROLLBACK, f"{version} < {remembered.version}")
    if candidate.content.digest != remembered.payload_digest and not (
        in_force is not None
        and in_force.content.version == version
        and candidate.content.says_the_same_as(in_force.content)
    ):
        raise ListRefusedError(Refusal.EQUIVOCATION, f"version {version} with other content")
    return attrs.evolve(remembered.confirmed(now, age), jws_digest=digests[0], payload_digest=digests[1])


def staleness(
    verified: VerifiedList, age: dt.timedelta, max_age: dt.timedelta, now: dt.datetime
) -> Staleness | None:
    """Why a list is stale, or ``None`` while it is fresh.

    Args:
        age: the time since its last confirmation.
        max_age: how old that may be.
    """
    if age > max_age:
        return Staleness.NOT_CONFIRMED
    expires_at = verified.content.expires_at
    if expires_at is not None and expires_at < now - CLOCK_SKEW:
        return Staleness.LIST_EXPIRED
    if verified.path.not_after < now - CLOCK_SKEW:
        return Staleness.SIGNER_EXPIRED
    return None
