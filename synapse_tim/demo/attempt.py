"""One thing that the demo tries, and how its outcome is put into words."""

from collections.abc import Callable
from typing import Final

import attrs
import httpx

from synapse_tim.testing import MatrixUser, wait_for

FORBIDDEN: Final = "403 M_FORBIDDEN"


def answer(response: httpx.Response) -> str:
    """Status and errcode."""
    try:
        errcode = response.json().get("errcode", "")
    except ValueError:
        errcode = ""
    return f"{response.status_code} {errcode}".strip()


def _in_words(happened: str | httpx.Response) -> str:
    return happened if isinstance(happened, str) else answer(happened)


@attrs.frozen
class Attempt:
    """One thing that was tried."""

    requirement: str  #: gematik's id, or the number of the rule
    what: str  #: for people
    expected: str  #: the answer that the requirement demands
    happened: str = attrs.field(converter=_in_words)  #: the answer that came, or what else was seen

    @property
    def agrees(self) -> bool:
        """Whether it happened as expected."""
        return self.expected == self.happened


def seen(predicate: Callable[[], bool], word: str) -> str:
    """The word if it comes true in time."""
    try:
        wait_for(predicate, what=word)
    except TimeoutError:
        return "nothing"
    return word


def invited(user: MatrixUser, room_id: str) -> str:
    """Whether an invitation arrives in time."""
    return seen(lambda: room_id in user.invited_to(), "invited")
