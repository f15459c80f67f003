"""Answers to denials as Synapse's errors, counted."""

from __future__ import annotations

from typing import NoReturn

from synapse.module_api.errors import SynapseError

from synapse_tim.adapter.metrics import DECISIONS
from synapse_tim.core.denial import Denial


def count_denied(denial: Denial) -> None:
    """Count a request that was refused."""
    DECISIONS.labels(denial.policy, denial.rule, "denied").inc()


def count_allowed(denial: Denial) -> None:
    """Count a request that was let through, by the denial that it could have got."""
    DECISIONS.labels(denial.policy, denial.rule, "allowed").inc()


def error_of(denial: Denial) -> SynapseError:
    """The error that a denial is answered with; counted by whoever denies."""
    headers = None if denial.retry_after is None else {"Retry-After": str(denial.retry_after)}
    return SynapseError(denial.status, denial.message, errcode=denial.errcode, headers=headers)


def reject(denial: Denial) -> NoReturn:
    """Count a denial and answer with it.

    Raises:
        SynapseError: always.
    """
    count_denied(denial)
    raise error_of(denial)


def enforce(denial: Denial | None, allowed: Denial | None = None) -> None:
    """Answer with a denial if there is one.

    Args:
        denial: why not, or ``None``.
        allowed: whose policy and rule to count otherwise; ``None`` if it is counted elsewhere.

    Raises:
        SynapseError: there is a denial.
    """
    if denial is not None:
        reject(denial)
    if allowed is not None:
        count_allowed(allowed)
