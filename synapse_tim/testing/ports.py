"""Free ports on loopback.

They are for servers that open them a moment later, or again after an outage. So they lie outside the range
from which the system gives ports to connections that go out: one of those would take a port meanwhile.
"""

import contextlib
import os
import random
import socket
from pathlib import Path
from typing import Final

_LOWEST: Final = 10240
_HIGHEST: Final = 65535
_OUTGOING: Final = Path("/proc/sys/net/ipv4/ip_local_port_range")
_OUTGOING_BY_DEFAULT: Final = (32768, _HIGHEST)

_handed_out: Final[set[int]] = set()


def free_port() -> int:
    """A free TCP port on 127.0.0.1."""
    return free_ports(1)[0]


def free_ports(n: int) -> list[int]:
    """Several different ports, none of them handed out before by this process."""
    found: list[int] = []
    first, last = _outgoing()
    candidates = [*range(_LOWEST, first), *range(max(last + 1, _LOWEST), _HIGHEST + 1)]
    candidates = _of_this_process(candidates)
    random.shuffle(candidates)
    for port in candidates:
        if len(found) == n:
            break
        if port not in _handed_out and _is_free(port):
            found.append(port)
    if len(found) < n:
        raise OSError(f"there are no {n} free ports outside the range for outgoing connections")
    _handed_out.update(found)
    return found


def _is_free(port: int) -> bool:
    with socket.socket() as probe:
        try:
            probe.bind(("127.0.0.1", port))
        except OSError:
            return False
    return True


def _of_this_process(ports: list[int]) -> list[int]:
    """What is left for one of several processes that run tests side by side (pytest-xdist)."""
    count = int(os.environ.get("PYTEST_XDIST_WORKER_COUNT", "1"))
    number = int(os.environ.get("PYTEST_XDIST_WORKER", "gw0").removeprefix("gw"))
    return ports[number % count :: count]


def _outgoing() -> tuple[int, int]:
    with contextlib.suppress(OSError, ValueError):
        first, last = map(int, _OUTGOING.read_text().split())
        return first, last
    return _OUTGOING_BY_DEFAULT
