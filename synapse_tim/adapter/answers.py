"""Answers to requests: what guards return, and denials as Synapse's errors, counted and logged.

Guards, checks and callbacks refuse by raising the ``SynapseError`` of a denial: 403 ``M_FORBIDDEN`` unless
their docstrings say otherwise, 503 if something that they need does not answer.
"""

import logging
from collections.abc import Awaitable, Callable
from typing import Any, NoReturn, TypeVar

from synapse.api.errors import LoginError
from synapse.module_api.errors import SynapseError

from synapse_tim.adapter.current_request import current_requester, current_server_name
from synapse_tim.adapter.metrics import DECISIONS
from synapse_tim.core.denial import Denial
from synapse_tim.core.refusal import REFERENCE, Refusal, new_reference
from synapse_tim.core.server_name import normalise

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
    """Synapse's error for a denial, with a reference to a line in the log; the caller counts it."""
    return _error(SynapseError, denial)


def login_error_of(denial: Denial) -> SynapseError:
    """The same for a login, which Synapse counts as a failed attempt."""
    return _error(LoginError, denial)


def referred(denial: Denial, text: str) -> str:
    """A text that a page shows instead of the denial's, with a reference to a line in the log."""
    return _with_reference(text, _log(denial))


def _error(kind: type[SynapseError], denial: Denial) -> SynapseError:
    text, fields = denial.message, {}
    if denial.has_reference:
        reference = _log(denial)
        text, fields = _with_reference(text, reference), {REFERENCE: reference}
    return kind(denial.status, text, denial.errcode, fields, headers_of(denial))


def headers_of(denial: Denial) -> dict[str, str] | None:
    """The headers of the answer."""
    return None if denial.retry_after is None else {"Retry-After": str(denial.retry_after)}


def _with_reference(text: str, reference: str) -> str:
    return f"{text} [Reference: {reference}]"


def _log(denial: Denial) -> str:
    """Log a refusal without user, room or text; returns a new reference to it."""
    reference = new_reference()
    own, other = current_server_name(), normalise(denial.server or current_requester() or "")
    logger.info("%s", Refusal(reference, denial.rule, denial.name, own, None if other == own else other))
    return reference


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
