"""How long a new federation list takes until it is in force in running homeservers, and what it costs them.

Real Synapse servers on loopback, one after the other: with synapse_tim.FederationAllowList and with a module
that does it in the usual way, each as one process and, where PostgreSQL and Redis are there, with a worker.
All get the same lists, from a service of their own. Columns, of the median run: seconds from the request that
gets the list until it is in force in the process that fetches, and until it is so everywhere; for workers the
time since then; the longest answer to /health meanwhile, of any process; memory of the process that fetches,
and of the worker, that is kept of the list.
"""

import argparse
import contextlib
import datetime as dt
import gc
import http.client
import json
import os
import re
import statistics
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import attrs
from generated import payload, write_list_of
from list_service import asked_at
from measured import resident_of

from synapse_tim.testing import SynapseServer, TiSimulator, free_port, wait_for
from synapse_tim.testing.servers import postgres, redis, workers
from synapse_tim.testing.servers.homeserver_config import needed_options
from synapse_tim.testing.servers.postgres import PostgresServer
from synapse_tim.testing.servers.redis import RedisServer
from synapse_tim.testing.servers.workers import WorkerDeployment

_HERE = Path(__file__).parent
_OURS, _USUAL = "synapse_tim", "the usual way"
#: A list of this size is in force before memory and time are measured.
_SMALL = 10
_SETTLE_SECONDS = 3.0
_COLUMNS = ("entries", "variant", "in force", "everywhere", "worker after", "stall", "kept", "by worker")
#: Entries: what the ratio to the usual way, or the value, is to be at most.
_TARGETS = {
    150_000: {"everywhere": 1.2},
    500_000: {"ratio": 2 / 3, "follower": 0.3, "stall": 0.015, "kept": 8e6, "kept_by_follower": 8e6},
}


@attrs.frozen
class Measured:
    """One change of the list; times in seconds, memory in bytes.

    Attributes:
        in_force: from the request to force, in the process that fetches.
        everywhere: the same in the last process.
        follower: what the worker took from then on; ``None`` without one.
        stall: the longest answer to ``/health``.
        kept: memory of the process that fetches.
        kept_by_follower: of the worker.
    """

    in_force: float
    everywhere: float
    follower: float | None
    stall: float
    kept: int
    kept_by_follower: int | None


class Source:
    """The service with the list."""

    def __init__(self, directory: Path, ti: TiSimulator) -> None:
        self.directory, self._ti, self.port = directory, ti, free_port()
        self.version = 0
        self.publish(_SMALL)
        arguments = [sys.executable, str(_HERE / "list_service.py"), str(self.port), str(directory)]
        self._process = subprocess.Popen(arguments)

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}/list"

    def publish(self, entries: int) -> int:
        """Serve another list; its version."""
        self.version += 1
        made = self.directory / "new.jws"
        write_list_of(made, payload(entries, self.version), self._ti.world)
        made.replace(self.directory / "list.jws")
        (self.directory / "version").write_text(str(self.version))
        return self.version

    def close(self) -> None:
        self._process.terminate()
        self._process.wait()


def main() -> int:
    arguments = _arguments()
    if sys.platform != "linux":
        print("Memory is read from Linux' /proc; it is not there.", file=sys.stderr)
        return 2
    os.environ["PYTHONPATH"] = os.pathsep.join((str(_HERE), *os.environ.get("PYTHONPATH", "").split(":")))
    found: dict[int, dict[str, Measured]] = {entries: {} for entries in arguments.entries}
    for variant in (_OURS, _USUAL):
        for entries in arguments.entries:
            runs = list(_runs(variant, entries, arguments.runs, alone=arguments.alone))
            found[entries][variant] = _median(runs)
    results = [_result(entries, variants) for entries, variants in found.items()]
    if arguments.json:
        print(json.dumps(results, indent=2))
    else:
        _print(found, results)
    return 0


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        description=__doc__,
        epilog="Example: python tests/benchmarks/in_force.py --entries 150000 500000 --runs 5",
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    sizes = [1_000, 10_000, 150_000, 500_000, 1_000_000]
    parser.add_argument(
        "--entries", type=int, nargs="+", metavar="N", default=sizes, help="sizes (default: %(default)s)"
    )
    parser.add_argument("--runs", type=int, default=3, metavar="K", help="of each (default: %(default)s)")
    parser.add_argument("--alone", action="store_true", help="one process on SQLite, without a worker")
    parser.add_argument("--json", action="store_true", help="everything measured, in seconds and bytes")
    return parser.parse_args()


def _runs(variant: str, entries: int, runs: int, *, alone: bool) -> Iterator[Measured]:
    with contextlib.ExitStack() as stack:
        directory = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="list-benchmark-")))
        ti = stack.enter_context(TiSimulator())
        source = Source(directory, ti)
        stack.callback(source.close)
        server = _server(stack, directory, ti, _module(variant, source, ti), alone=alone)
        stack.callback(server.stop)
        server.start().wait()
        _wait_for_force(server, source.version)
        for number in range(runs):
            print(f"{entries:,} entries, {variant}: run {number + 1}", file=sys.stderr, flush=True)
            yield _change(server, source, entries)
            _wait_for_force(server, source.publish(_SMALL))


def _module(variant: str, source: Source, ti: TiSimulator) -> dict[str, object]:
    if variant == _USUAL:
        return {
            "module": "usual_way.UsualWay",
            "config": {"url": source.url, "directory": str(source.directory)},
        }
    settings = ti.federation_list_config(url=source.url)
    block = {"product": "pro", "spec_version": "1.2", "federation_list": settings}
    return {"module": "synapse_tim.FederationAllowList", "config": block}


def _server(
    stack: contextlib.ExitStack, directory: Path, ti: TiSimulator, module: dict[str, object], *, alone: bool
) -> SynapseServer:
    options = {"modules": [module], "extra": {**needed_options([module]), "federation_domain_whitelist": []}}
    if alone or postgres.available() or redis.available() or workers.available():
        return SynapseServer("measured", directory / "measured", ti.world, **options)
    database, replication = PostgresServer(), RedisServer()
    for service in (database, replication):
        stack.callback(service.stop)
        service.start()
    place = directory / "measured"
    return WorkerDeployment("measured", place, ti.world, database, replication, n_workers=1, **options)


def _change(server: SynapseServer, source: Source, entries: int) -> Measured:
    pids = [process.pid for process in server.processes]
    time.sleep(_SETTLE_SECONDS)
    before = [resident_of(pid) for pid in pids]
    gc.collect()
    urls = [server.client_url, *(worker.client_url for worker in _workers(server))]
    # Made while nothing is measured.
    made = source.directory / "next.jws"
    version = source.version + 1
    write_list_of(made, payload(entries, version), source._ti.world)
    with _watched(urls) as longest:
        source.version = version
        made.replace(source.directory / "list.jws")
        (source.directory / "version").write_text(str(version))
        _wait_for_force(server, version)
        time.sleep(_SETTLE_SECONDS)  # what follows stalls as well: clean-up, and verifying again
    asked = asked_at(source.directory, version)
    assert asked is not None
    main, *others = [at - asked for at in _in_force_at(server, version)]
    kept, *by_others = [resident_of(pid) - was for pid, was in zip(pids, before, strict=True)]
    return Measured(
        in_force=main,
        everywhere=max(main, *others) if others else main,
        follower=max(others) - main if others else None,
        stall=longest(),
        kept=kept,
        kept_by_follower=max(by_others) if by_others else None,
    )


def _workers(server: SynapseServer) -> tuple[workers.Worker, ...]:
    return server.workers if isinstance(server, WorkerDeployment) else ()


def _in_force_at(server: SynapseServer, version: int) -> list[float]:
    """When each process has said that a version is in force, as far as they have."""
    said = re.compile(rf"^(\S+ \S+) .*Federation list version {version} in force", re.MULTILINE)
    logs = [server.log_text(), *(worker.log_text() for worker in _workers(server))]
    found = [said.search(log) for log in logs]
    form = "%Y-%m-%d %H:%M:%S,%f"
    return [dt.datetime.strptime(each[1], form).timestamp() for each in found if each]  # noqa: DTZ007


def _wait_for_force(server: SynapseServer, version: int) -> None:
    processes = 1 + len(_workers(server))
    wait_for(lambda: len(_in_force_at(server, version)) == processes, 300, what=f"version {version}")


@contextlib.contextmanager
def _watched(urls: list[str]) -> Iterator[Callable[[], float]]:
    """Ask each process every few milliseconds whether it is well; the longest time that one took."""
    ended, longest = threading.Event(), [0.0] * len(urls)

    def watch(number: int, url: str) -> None:
        connection = http.client.HTTPConnection(url.removeprefix("http://"))
        while not ended.is_set():
            start = time.perf_counter()
            connection.request("GET", "/health")
            connection.getresponse().read()
            longest[number] = max(longest[number], time.perf_counter() - start)
            time.sleep(0.002)
        connection.close()

    threads = [threading.Thread(target=watch, args=each) for each in enumerate(urls)]
    for thread in threads:
        thread.start()
    try:
        yield lambda: max(longest)
    finally:
        ended.set()
        for thread in threads:
            thread.join()


def _median(runs: list[Measured]) -> Measured:
    columns = zip(*(attrs.astuple(run) for run in runs), strict=True)
    return Measured(*(None if None in column else statistics.median(column) for column in columns))


def _result(entries: int, found: dict[str, Measured]) -> dict[str, object]:
    ours = found[_OURS]
    ratio = ours.in_force / found[_USUAL].in_force
    values = {**attrs.asdict(ours), "ratio": ratio}
    targets = {
        name: {"most": most, "found": values[name], "met": values[name] <= most}
        for name, most in _TARGETS.get(entries, {}).items()
        if values[name] is not None
    }
    measured = {variant: attrs.asdict(each) for variant, each in found.items()}
    return {"entries": entries, "measured": measured, "ratio": ratio, "targets": targets}


def _print(found: dict[int, dict[str, Measured]], results: list[dict[str, object]]) -> None:
    rows = [_COLUMNS]
    for (entries, variants), result in zip(found.items(), results, strict=True):
        for variant, each in variants.items():
            follower = "-" if each.follower is None else f"{each.follower:.2f} s"
            by_follower = "-" if each.kept_by_follower is None else f"{each.kept_by_follower / 1e6:.1f} MB"
            rows.append(
                (
                    f"{entries:,}",
                    variant,
                    f"{each.in_force:.2f} s",
                    f"{each.everywhere:.2f} s",
                    follower,
                    f"{each.stall * 1000:.0f} ms",
                    f"{each.kept / 1e6:.1f} MB",
                    by_follower,
                )
            )
        rows.append(("", "ratio", f"{result['ratio'] * 100:.0f} %", "", "", "", "", ""))
    widths = [max(len(row[i]) for row in rows) for i in range(len(_COLUMNS))]
    for row in rows:
        print("  ".join(cell.rjust(width) for cell, width in zip(row, widths, strict=True)))
    for result in results:
        for name, target in result["targets"].items():
            verdict = "met" if target["met"] else "missed"
            values = f"{target['found']:.3g}, at most {target['most']:.3g}"
            print(f"{result['entries']:,} entries, {name}: {values}: {verdict}")


if __name__ == "__main__":
    sys.exit(main())
