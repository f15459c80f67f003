"""Values that can be had once: codes and the like."""

import secrets
import threading
import time
from typing import Generic, TypeVar

T = TypeVar("T")


class OneShot(Generic[T]):
    """Values to be had once each for a random name, until they expire; thread-safe."""

    def __init__(self, prefix: str = "", seconds: float = 60.0) -> None:
        self.seconds = seconds
        self._prefix = prefix
        self._lock = threading.Lock()
        self._values: dict[str, tuple[float, T]] = {}

    def put(self, value: T) -> str:
        """Keep a value; returns its name."""
        name, now = self._prefix + secrets.token_urlsafe(24), time.monotonic()
        with self._lock:
            self._values = {key: kept for key, kept in self._values.items() if kept[0] > now}
            self._values[name] = (now + self.seconds, value)
        return name

    def peek(self, name: str) -> T | None:
        """The value of a name, which stays."""
        with self._lock:
            end, value = self._values.get(name, (0.0, None))
        return value if time.monotonic() < end else None

    def take(self, name: str) -> T | None:
        """The value of a name, once."""
        value = self.peek(name)
        with self._lock:
            return value if self._values.pop(name, None) else None
