"""A denial: the answer that a client or a server gets, and the requirements behind it.

Each subject has its own in ``denials``. A denial is a value: rules ``check`` and return one, or ``None``; the
parts turn it into Synapse's error and count it. Its text says what to do, names the requirement, and never
repeats a user id (A_22813, A_22817).
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

import attrs

#: What clients are told to wait when something is out of order for the moment.
RETRY_SECONDS: Final = 30
#: What Matrix says with a status, unless there is something better to say.
_USUAL: Final[Mapping[int, str]] = {
    400: "M_BAD_JSON",
    401: "M_UNKNOWN_TOKEN",
    403: "M_FORBIDDEN",
    404: "M_NOT_FOUND",
    429: "M_LIMIT_EXCEEDED",
    503: "M_UNKNOWN",
}


@attrs.frozen
class Denial:
    """A request that is refused."""

    name: str  #: that of its constant, in lower case
    policy: str  #: the part that decides, a label of ``synapse_tim_decisions_total``
    #: Gematik's ids, or the numbers of the requirements (``R4.10``) where gematik has no id; the first one is
    #: the ``rule`` label of ``synapse_tim_decisions_total``.
    requirements: tuple[str, ...]
    text: str  #: the human-readable ``error``
    status: int = 403
    errcode: str = attrs.field()  #: Matrix error code; by default the usual one of the status
    #: Seconds after which the same request may succeed, or ``None``; by default for 503 only.
    retry_after: int | None = attrs.field()
    detail: str = ""  #: what exactly is wrong, for denials that leave that open
    #: Whether the answer carries a reference to a line of the log: not where there is nothing to explain, or
    #: where it must not differ from Synapse's own answer.
    has_reference: bool = True
    server: str | None = attrs.field(
        default=None, eq=False
    )  #: the other server that it is about, for the log

    @errcode.default
    def _usual(self) -> str:
        return _USUAL[self.status]

    @retry_after.default
    def _soon(self) -> int | None:
        return RETRY_SECONDS if self.status == 503 else None

    @property
    def rule(self) -> str:
        """The requirement that is counted."""
        return self.requirements[0]

    @property
    def message(self) -> str:
        """The text, with the detail if there is one."""
        return f"{self.text}: {self.detail}" if self.detail else self.text

    def with_detail(self, detail: str) -> Denial:
        """The same denial that says what exactly is wrong."""
        return attrs.evolve(self, detail=detail)

    def about(self, server: str | None) -> Denial:
        """The same denial with the other server that it is about."""
        return attrs.evolve(self, server=server)
