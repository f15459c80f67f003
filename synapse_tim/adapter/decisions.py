"""Turning decisions into Synapse's answers, and counting them."""

from __future__ import annotations

from typing import NoReturn

from synapse.module_api.errors import SynapseError

from synapse_tim.adapter import metrics
from synapse_tim.core.denial import Denial


def answer_to(denial: Denial, fault: str = "") -> SynapseError:
    """The error that a denial is answered with; counted by whoever denies.

    Args:
        denial: why.
        fault: what exactly is wrong; added to the text.
    """
    text = f"{denial.text}: {fault}" if fault else denial.text
    headers = None if denial.retry_after is None else {"Retry-After": str(denial.retry_after)}
    return SynapseError(denial.status, text, errcode=denial.errcode, headers=headers)


def refuse(denial: Denial, fault: str = "") -> NoReturn:
    """Count a denial and answer with it.

    Args:
        denial: why.
        fault: what exactly is wrong; added to the text.

    Raises:
        SynapseError: always.
    """
    metrics.count_denied(denial)
    raise answer_to(denial, fault)


def decide(denial: Denial | None, policy: str, rule: str) -> None:
    """Refuse, or count that a policy had a look and let it pass.

    Args:
        denial: why not, or ``None``.
        policy: that looked.
        rule: gematik's id.

    Raises:
        SynapseError: there is a denial.
    """
    if denial is not None:
        refuse(denial)
    metrics.count_allowed(policy, rule)
