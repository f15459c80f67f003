"""The machine's time, in one place: everything below the modules is given it."""

import datetime as dt


def utc_now() -> dt.datetime:
    """The time, with a time zone."""
    return dt.datetime.now(dt.UTC)


def now_s() -> int:
    """The time in whole seconds since 1970, as gematik's contact management has it."""
    return int(utc_now().timestamp())


def now_ms() -> int:
    """The time in milliseconds since 1970, as Synapse stores it."""
    return int(utc_now().timestamp() * 1000)
