"""Answers to requests: what guards return, and denials as Synapse's errors, counted.

Guards, checks and callbacks refuse by raising the ``SynapseError`` of a denial: 403 ``M_FORBIDDEN`` unless
their docstrings say otherwise, 503 if something that they need does not answer.
"""

import logging
from collections.abc import Awaitable, Callable
from typing import Any, NoReturn, TypeVar

from synapse.module_api.errors import SynapseError

from synapse_tim.adapter.metrics import DECISIONS
from synapse_tim.core.denial import Denial

logger = logging.getLogger(__name__)

_T = TypeVar("_T")

#: Status and JSON.
Answer = tuple[int, Any]
#: Goes on with a request as if there were no guard.
Proceed = Callable[[], Awaitable[Answer]]


def count_denied(denial: Denial) -> None:
    """Count a request that was refused."""
    DECISIONS.labels(denial.policy, denial.rule, "denied").inc()


def count_allowed(denial: Denial) -> None:
    """Count a request that was let through, by the denial that it could have got."""
    DECISIONS.labels(denial.policy, denial.rule, "allowed").inc()


def error_of(denial: Denial) -> SynapseError:
    """Synapse's error for a denial; the caller counts it."""
    headers = None if denial.retry_after is None else {"Retry-After": str(denial.retry_after)}
    return SynapseError(denial.status, denial.message, errcode=denial.errcode, headers=headers)


def reject(denial: Denial) -> NoReturn:
    """Count a denial, and raise it as a ``SynapseError``."""
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


async def looked_up(answer: Awaitable[_T], unavailable: Denial) -> _T:
    """The answer of the database about common rooms.

    Args:
        unavailable: what to answer if there is none.

    Raises:
        SynapseError: the database does not answer.
    """
    try:
        return await answer
    except Exception as error:
        logger.error("Common rooms could not be looked up: %s", type(error).__name__)
        reject(unavailable)
