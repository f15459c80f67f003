"""A denial: the answer that a client or a server gets, and the requirements behind it.

Each subject has its own in ``denials``. A denial is a value: the parts turn it into Synapse's error and count
it. Its text says what to do, names the requirement, and never repeats a user id (A_22813, A_22817).
"""

from __future__ import annotations

from typing import Final

import attrs

#: What clients are told to wait when something is out of order for the moment.
RETRY_SECONDS: Final = 30


@attrs.frozen
class Denial:
    """A request that is refused.

    Attributes:
        name: tells it apart from all others.
        policy: the part that decides, a label of ``synapse_tim_decisions_total``.
        requirements: gematik's ids, or the numbers of the requirements (``R4.10``) where gematik has no id;
            the first one is the ``rule`` label of ``synapse_tim_decisions_total``.
        status: HTTP status.
        errcode: Matrix error code.
        text: the human-readable ``error``.
        retry_after: seconds after which the same request may succeed, or ``None``.
    """

    name: str
    policy: str
    requirements: tuple[str, ...]
    status: int
    errcode: str
    text: str
    retry_after: int | None = None

    @property
    def rule(self) -> str:
        """The requirement that is counted."""
        return self.requirements[0]
