"""Circuit breaker in front of the directory: after failures it is not asked for a while (requirement R6.4).

While it is open, a look-up fails at once instead of waiting for a directory that is known to be down. After a
while it is half-open: one look-up tries, and the others go on failing at once until that one has an answer.
"""

import enum
import threading
from collections.abc import Callable
from typing import Final

#: ``RETRY_TIME`` and ``RETRY_TIME_MAX``, in seconds.
RETRY_TIME: Final = 5.0
RETRY_TIME_MAX: Final = 300.0
#: From this failure in a row on it stays open for longer.
_GROWS_FROM: Final = 3


class State(enum.Enum):
    """State in which a look-up meets the circuit breaker."""

    CLOSED = enum.auto()  #: it may ask
    HALF_OPEN = enum.auto()  #: it may ask, and decides for the others
    OPEN = enum.auto()  #: it must not ask


class CircuitBreaker:
    """Counts failures in a row, in any thread; tells ``on_change`` whether the directory is down."""

    def __init__(self, on_change: Callable[[bool], None] = lambda down: None) -> None:
        self._lock = threading.Lock()
        self._on_change = on_change
        self._failures = 0
        self._failed_at = float("-inf")
        self._until = float("-inf")
        self._probing = False

    def enter(self, now: float) -> State:
        """Ask to be let in; the caller then has to call ``succeeded``, ``failed`` or ``undecided``."""
        with self._lock:
            if not self._failures:
                return State.CLOSED
            if self._probing or now < self._until:
                return State.OPEN
            self._probing = True
            return State.HALF_OPEN

    def succeeded(self) -> None:
        """The directory answers."""
        with self._lock:
            was_down = self._failures > 0
            self._failures = 0
            self._probing = False
            if was_down:
                self._on_change(False)

    def failed(self, began: float, now: float, at_least: float = 0.0) -> None:
        """A look-up failed.

        Args:
            began: when it began; those that were under way at the same time count as one failure.
            at_least: seconds for which the directory wants to be left alone.
        """
        with self._lock:
            first = not self._failures
            if first or began >= self._failed_at:
                self._failures += 1
            self._probing = False
            self._failed_at = now
            # Never longer than the longest time, even if the directory demands it.
            wait = min(max(_wait_after(self._failures), at_least), RETRY_TIME_MAX)
            self._until = max(self._until, now + wait)
            if first:
                self._on_change(True)

    def undecided(self, state: State) -> None:
        """A look-up ended without showing whether the directory answers."""
        if state is State.HALF_OPEN:
            with self._lock:
                self._probing = False


def _wait_after(failures: int) -> float:
    growth = max(0, failures - _GROWS_FROM + 1)
    return RETRY_TIME * 2.0 ** min(growth, 10)
