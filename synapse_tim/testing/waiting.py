"""Waiting for something to become true, with a deadline."""

import time
from collections.abc import Callable
from typing import Final, TypeVar

_Found = TypeVar("_Found")

#: Longer than anything takes on a busy machine: it ends what hangs, and says nothing about speed.
HANGING_SECONDS: Final = 120.0


def wait_for(
    predicate: Callable[[], _Found],
    timeout: float = HANGING_SECONDS,
    what: str = "",
    *,
    interval: float = 0.05,
) -> _Found:
    """Ask again and again until the answer is true.

    Args:
        predicate: asked at least twice, at the beginning and at the end.
        timeout: seconds; the default only ends what hangs.
        what: is being waited for, for the error.
        interval: seconds between two questions.

    Returns:
        The first true answer.

    Raises:
        TimeoutError: there was none; the message names ``what`` and the last answer.
    """
    end = time.monotonic() + timeout
    while True:
        late = time.monotonic() >= end
        if found := predicate():
            return found
        if late:
            raise TimeoutError(f"not within {timeout:g} s: {what or predicate!r}; last answer: {found!r}")
        time.sleep(interval)
