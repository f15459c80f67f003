"""What a mirror saves a hoster: the fetchers of many homeservers, on their own schedules, against one mirror.

Each fetcher makes the steps that a homeserver makes: it asks, verifies signature, path and revocation, and
accepts. All are in this process; the mirror is a process of its own, and the TI is simulated. First they
start together, then nothing changes for a while, then there are changes; all of it once without the mirror.

Example: tox -e benchmark-mirror -- --homeservers 200 --entries 10000
"""

import argparse
import datetime as dt
import statistics
import tempfile
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import attrs
from report import progress

from synapse_tim.admin.output import print_json, print_table
from synapse_tim.federation.acceptance import ListState
from synapse_tim.federation.schedule import RefreshSchedule
from synapse_tim.federation.source import ListSource
from synapse_tim.federation.updater import Updater
from synapse_tim.federation.verifier import ListVerifier
from synapse_tim.pki.certificate_source import DownloadServer
from synapse_tim.pki.ocsp_client import OcspClient
from synapse_tim.pki.revocation import OcspMode
from synapse_tim.pki.trust_store import TrustStore
from synapse_tim.testing import TiSimulator, wait_for
from synapse_tim.testing.servers.mirror import MirrorServer
from synapse_tim.transport.fetcher import Fetcher
from synapse_tim.transport.tls import client_context

_THREADS = 32


def _now():
    return dt.datetime.now(dt.UTC)


@attrs.define(eq=False)
class Follower:
    """The fetching process of one homeserver."""

    updater: Updater
    schedule: RefreshSchedule
    state: ListState = attrs.field(factory=ListState)
    running: bool = False
    refused: int = 0

    @classmethod
    def behind(cls, ti, base, context, interval):
        """One that asks a mirror at a URL, or the TI itself."""
        fetcher = Fetcher(context)
        trust = TrustStore(DownloadServer(fetcher, base or ti.ca_base_url), ti.pins, allow_test=True)
        ocsp = OcspClient(OcspMode.HARD, fetcher, f"{base}/ocsp" if base else ti.ocsp_url)
        source = ListSource(fetcher, f"{base}/federationList.jws" if base else ti.list_url, "BP256R1")
        verifier = ListVerifier(trust, ocsp, frozenset({"BP256R1"}))
        return cls(Updater(source, verifier, _now), RefreshSchedule(interval))

    @property
    def version(self) -> int:
        return self.state.in_force.content.version if self.state.in_force is not None else 0

    def step(self) -> None:
        update = self.updater.refresh(self.state)
        self.state = update.state
        if update.refusal is None:
            self.schedule.succeeded(time.monotonic())
        else:
            self.refused += 1
            self.schedule.failed(time.monotonic())
        self.running = False


class Fleet:
    """All of them, each on its own schedule."""

    def __init__(self, followers: list[Follower]) -> None:
        self.followers = followers

    def run(self, pool: ThreadPoolExecutor, until) -> list[float]:
        """Run until something is so; gives when each had a new version, in seconds from now."""
        began, before = time.monotonic(), [each.version for each in self.followers]
        reached: dict[int, float] = {}
        while not until(time.monotonic() - began, len(reached)):
            now = time.monotonic()
            for number, each in enumerate(self.followers):
                if number not in reached and each.version > before[number]:
                    reached[number] = now - began
                if not each.running and each.schedule.due(now):
                    each.running = True
                    pool.submit(each.step)
            time.sleep(0.02)
        return sorted(reached.values())


def _cpu(mirror: MirrorServer | None) -> float:
    return mirror.metrics()["process_cpu_seconds_total"] if mirror is not None else 0.0


def _measure(ti: TiSimulator, mirror: MirrorServer | None, options, context, say) -> dict[str, object]:
    base = mirror.url if mirror is not None else None
    count = options.homeservers
    fleet = Fleet([Follower.behind(ti, base, context, options.interval) for _ in range(count)])
    upstream, cpu = len(ti.requests), _cpu(mirror)
    with ThreadPoolExecutor(_THREADS) as pool:
        say("they start")
        start = fleet.run(pool, lambda seconds, reached: reached == count)
        started, started_cpu = len(ti.requests) - upstream, _cpu(mirror) - cpu
        upstream, cpu, quiet = len(ti.requests), _cpu(mirror), options.intervals * options.interval
        say("nothing changes")
        fleet.run(pool, lambda seconds, reached: seconds >= quiet)
        idle, idle_cpu = len(ti.requests) - upstream, _cpu(mirror) - cpu
        spread, change_cpu = [], _cpu(mirror)
        upstream = len(ti.requests)
        for number in range(options.changes):
            say(f"change {number + 1}")
            ti.add(f"new{number}.example")
            spread.append(fleet.run(pool, lambda seconds, reached: reached == count))
        changes, change_cpu = len(ti.requests) - upstream, _cpu(mirror) - change_cpu
    return {
        "through": "mirror" if mirror is not None else "the TI itself",
        "requests_at_start": started,
        "seconds_until_all_started": start[-1],
        "requests_each_interval": idle / options.intervals,
        "requests_each_change": changes / options.changes,
        "seconds_until_half_have_a_change": statistics.median(times[len(times) // 2] for times in spread),
        "seconds_until_all_have_a_change": statistics.median(times[-1] for times in spread),
        "mirror_cpu_at_start": started_cpu,
        "mirror_cpu_each_interval": idle_cpu / options.intervals,
        "mirror_cpu_each_change": change_cpu / options.changes,
        "refused": sum(each.refused for each in fleet.followers),
    }


def main():
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--homeservers", type=int, default=200)
    parser.add_argument("--entries", type=int, default=10_000, help="domains in the list")
    parser.add_argument("--interval", type=float, default=10.0, help="refresh_interval of all, in seconds")
    parser.add_argument("--intervals", type=int, default=3, help="without a change")
    parser.add_argument("--changes", type=int, default=3)
    parser.add_argument("--json", action="store_true")
    options = parser.parse_args()
    lines = []
    with tempfile.TemporaryDirectory() as directory, TiSimulator() as ti, progress(2) as say:
        ti.set_generated(options.entries)
        context = client_context(ti.ca_file)
        block = {"refresh_interval": f"{options.interval:g}s"}
        mirror = MirrorServer(Path(directory), ti, block).start()
        try:
            wait_for(lambda: mirror.metrics().get("synapse_tim_federation_list_version"), what="the list")
            lines.append(_measure(ti, mirror, options, context, lambda text: say(f"mirror: {text}", 0)))
        finally:
            mirror.stop()
        lines.append(_measure(ti, None, options, context, lambda text: say(f"without: {text}", 1)))
    if options.json:
        print_json({**vars(options), "lines": lines})
        return
    print(f"{options.homeservers} homeservers, {options.entries} domains, every {options.interval:g} s")
    names = [name for name in lines[0] if name != "through"]
    rows = [(name.replace("_", " "), *(f"{line[name]:.1f}" for line in lines)) for name in names]
    print_table(("", *(str(line["through"]) for line in lines)), rows)


if __name__ == "__main__":
    main()
