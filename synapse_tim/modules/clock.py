"""The machine's time, in one place: everything below the modules is given it."""

from __future__ import annotations

import datetime as dt


def utc_now() -> dt.datetime:
    """The time, with a time zone."""
    return dt.datetime.now(dt.UTC)
