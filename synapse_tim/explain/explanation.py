"""An explanation: what was looked at, step by step, and the denial that follows."""

import attrs

from synapse_tim.core.denial import Denial


@attrs.frozen
class Step:
    """One thing that was looked at."""

    subject: str  #: what it is, in a few words
    finding: str  #: what was found
    denial: Denial | None = None  #: if it decides against


@attrs.frozen
class Explanation:
    """The answer to one question."""

    question: str
    steps: tuple[Step, ...]
    result: str = ""  #: in one sentence; empty if nothing was asked that has one
    known: bool = True  #: whether all that decides could be looked at

    @property
    def denial(self) -> Denial | None:
        """The denial of the step that decides, if there is one."""
        return next((step.denial for step in self.steps if step.denial is not None), None)
