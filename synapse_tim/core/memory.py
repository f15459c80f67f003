"""Give memory back to the system."""

import contextlib
import ctypes


def give_back() -> None:
    """Return what has been freed: of a large list, glibc would keep some megabytes per thread for later.

    Other C libraries have no such function, and need none. The interpreter is free meanwhile.
    """
    with contextlib.suppress(AttributeError, OSError, TypeError):
        ctypes.CDLL(None).malloc_trim(0)
