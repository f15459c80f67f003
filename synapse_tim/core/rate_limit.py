"""Rate limit per user, without a list of users.

The generic cell rate algorithm: of each there is one number, the time at which all of their requests will
have been paid off. Users who have paid are forgotten.
"""

from collections import OrderedDict


class RequestRate:
    """Limits how often each may do something.

    Args:
        interval: seconds in which one request is paid off.
        burst: how many there may be at once.
        capacity: of how many users it is known; beyond, the first ones are forgotten.
    """

    def __init__(self, interval: float, burst: int, capacity: int = 50_000) -> None:
        self._interval = interval
        self._burst = burst
        self._capacity = capacity
        self._paid_at: OrderedDict[bytes, float] = OrderedDict()

    def __len__(self) -> int:
        """Of how many it is known."""
        return len(self._paid_at)

    def allows(self, who: bytes, now: float) -> bool:
        """Whether there may be a request ``now`` (seconds of a monotonic clock); if so it is noted."""
        self._forget(now)
        paid_at = max(self._paid_at.get(who, now), now)
        if paid_at + self._interval - now > self._interval * self._burst:
            return False
        self._paid_at[who] = paid_at + self._interval
        self._paid_at.move_to_end(who)
        while len(self._paid_at) > self._capacity:
            self._paid_at.popitem(last=False)
        return True

    def _forget(self, now: float) -> None:
        """Forget those who came first and have paid."""
        while self._paid_at:
            who, paid_at = next(iter(self._paid_at.items()))
            if paid_at > now:
                return
            del self._paid_at[who]
