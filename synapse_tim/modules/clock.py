"""The machine's time, in one place: everything below the modules is given it."""

from __future__ import annotations

import datetime as dt
import time


def utc_now() -> dt.datetime:
    """The time, with a time zone."""
    return dt.datetime.now(dt.UTC)


def now_s() -> int:
    """The time in whole seconds since 1970."""
    return int(time.time())
