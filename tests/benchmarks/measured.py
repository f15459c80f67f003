"""Measures one variant on one list and prints the result as JSON: a program of its own per measurement.

A process that has read a list before has its memory lying about, so each one measures a single variant.
"""

import gc
import json
import statistics
import sys
import threading
import time
from collections.abc import Callable
from pathlib import Path

from generated import write_list
from variants import VARIANTS

_TICK = 0.0005


def resident(field: str = "VmRSS") -> int:
    """Resident memory of this process, or with ``VmHWM`` the most it ever was, in bytes."""
    return resident_of("self", field)


def resident_of(process: int | str, field: str = "VmRSS") -> int:
    """The same of another process."""
    status = Path(f"/proc/{process}/status").read_text()
    line = next(line for line in status.splitlines() if line.startswith(field))
    return int(line.split()[1]) * 1024


def longest_gap(work: Callable[[], object]) -> float:
    """Seconds for which a thread that wants to run every half millisecond could not, beside the work."""
    thread = threading.Thread(target=work)
    longest = 0.0
    last = time.perf_counter()
    thread.start()
    running = True
    while running:
        running = thread.is_alive()  # what held this thread up at the very end counts, too
        time.sleep(_TICK)
        now = time.perf_counter()
        longest = max(longest, now - last)
        last = now
    thread.join()
    return longest


def measure(variant: str, directory: Path, runs: int) -> dict[str, object]:
    """Time, memory and stalls of one variant; memory in the first run, on a heap that is still clean."""
    read = VARIANTS[variant](directory)
    warm_up = directory / "warm-up"
    warm_up.mkdir(exist_ok=True)
    write_list(warm_up, 10)
    VARIANTS[variant](warm_up)((warm_up / "list.jws").read_bytes())
    octets = (directory / "list.jws").read_bytes()
    gc.collect()
    Path("/proc/self/clear_refs").write_text("5")  # VmHWM starts anew
    before = resident()
    result = read(octets)
    peak = resident("VmHWM") - before
    gc.collect()
    kept = resident() - before
    del result
    seconds = []
    for _ in range(runs):
        start = time.perf_counter()
        result = read(octets)
        seconds.append(time.perf_counter() - start)
        del result
    stalls = [longest_gap(lambda: read(octets)) for _ in range(runs)]
    return {
        "seconds": statistics.median(seconds),
        "peak": peak,
        "kept": kept,
        "stall": statistics.median(stalls),
        "all_seconds": seconds,
        "all_stalls": stalls,
    }


if __name__ == "__main__":
    print(json.dumps(measure(sys.argv[1], Path(sys.argv[2]), int(sys.argv[3]))))
