"""Schedule of requests for the list: regular, sooner after a failure, at once for an unknown domain.

All times are seconds of a monotonic clock. Nothing here sleeps; whoever owns the schedule asks it whether a
request is due.
"""

import random
import time
from collections.abc import Callable
from typing import Final

from cachetools import TTLCache

#: At most one request out of turn in this time (requirement R1.12).
FORCED_INTERVAL: Final = 60.0
#: The first retry after a failure, doubled each time up to the longest.
FIRST_RETRY: Final = 15.0
#: gematik's sequence diagram retries every five minutes (requirement R1.11).
LONGEST_RETRY: Final = 300.0
#: A server that has a usable list from before its start asks within this time.
RESTORED_SPREAD: Final = 30.0
_JITTER: Final = 0.2
_FIRST_JITTER: Final = 0.5


class Throttle:
    """Lets requests through at most once per interval; one that comes too early waits its turn."""

    def __init__(self, interval: float = FORCED_INTERVAL) -> None:
        self._interval = interval
        self._last = float("-inf")
        self._turn: float | None = None

    def ask(self, now: float) -> None:
        """Want a turn; any number of wishes make one turn."""
        if self._turn is None:
            self._turn = max(now, self._last + self._interval)

    def take(self, now: float) -> bool:
        """Whether there is a turn now; if so it is used up."""
        if self._turn is None or now < self._turn:
            return False
        self._turn = None
        self._last = now
        return True


class RefreshSchedule:
    """Decides when the next request is due.

    Servers that are started together must not ask together: the first request waits a little if it can, and
    the first interval is anything from half its length up, which spreads the later ones over half of one.

    Args:
        interval: seconds between regular requests.
        jitter: random numbers from 0 to 1; spreads the requests of many servers.
    """

    def __init__(self, interval: float, jitter: random.Random | None = None) -> None:
        self._interval = interval
        self._random = jitter or random.Random()
        self._next = float("-inf")
        self._forced = Throttle()
        self._failures = 0
        self._jitter = _FIRST_JITTER

    def due(self, now: float) -> bool:
        """Whether a request should be made now; if it is one out of turn, its turn is used up."""
        return self._forced.take(now) or now >= self._next

    def restored(self, now: float) -> None:
        """There is a usable list from before the start: the first request need not be at once."""
        self._next = now + min(RESTORED_SPREAD, self._interval / 10) * self._random.random()

    def succeeded(self, now: float) -> None:
        """The list is current: wait for the interval or a little less, the first time down to half of it."""
        self._failures = 0
        self._next = now + self._interval * (1 - self._jitter * self._random.random())
        self._jitter = _JITTER / 2

    def failed(self, now: float) -> None:
        """The request failed or was refused: try again sooner than regularly, but ever less often."""
        delay = min(FIRST_RETRY * 2 ** min(self._failures, 10), LONGEST_RETRY, self._interval)
        self._failures += 1
        self._next = now + delay * (1 + _JITTER * (self._random.random() - 0.5))

    def force(self, now: float) -> None:
        """Ask for a request out of turn: at once, or when the last one is a minute ago."""
        self._forced.ask(now)


class UnknownDomains:
    """Remembers which unknown domains have been asked for already (A_25537).

    Anyone can name domains that do not exist. Each is worth one request to the source per ``lifetime``, and
    memory is bounded: the oldest are forgotten first.

    Args:
        lifetime: seconds for which a domain is not asked for again.
        monotonic: seconds that only ever grow.
    """

    def __init__(
        self, lifetime: float, capacity: int = 10_000, monotonic: Callable[[], float] = time.monotonic
    ) -> None:
        self._seen: TTLCache[str, bool] = TTLCache(capacity, lifetime, timer=monotonic)

    def is_new(self, server_name: str) -> bool:
        """Whether the domain is worth a request; from then on it is known as asked for."""
        if server_name in self._seen:
            return False
        self._seen[server_name] = True
        return True
