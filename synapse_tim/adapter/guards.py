"""Arguments and results of request guards."""

from collections.abc import Awaitable, Callable
from typing import Any

#: Status and JSON.
Answer = tuple[int, Any]
#: Goes on with a request as if there were no guard.
Proceed = Callable[[], Awaitable[Answer]]
