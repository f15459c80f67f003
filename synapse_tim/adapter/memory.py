"""Memory of large buffers, which is to go back to the system when they are no longer needed."""

import contextlib
import ctypes
import sys
from typing import Final

_M_MMAP_THRESHOLD: Final = -3  # malloc.h
_LARGE: Final = 1 << 20


def return_large_buffers() -> None:
    """Have glibc map each buffer of a megabyte or more by itself, and unmap it when it is freed.

    glibc begins like that, and stops once the first such buffer is freed: from then on those up to 32 MB stay
    with the process, in pieces. A federation list would leave 40 MB behind. Other allocators (jemalloc, musl)
    have no such habit, and are left alone.
    """
    if sys.platform == "linux":
        with contextlib.suppress(OSError, AttributeError):
            ctypes.CDLL(None).mallopt(_M_MMAP_THRESHOLD, _LARGE)
