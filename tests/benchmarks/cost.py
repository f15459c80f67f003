"""What of ours runs for a message, a sync, a key for a device, an invitation, and an event that arrives.

Two real Synapse servers on loopback that federate, with synapse_tim.TiMessenger; the reactor of the one that
is asked is profiled. Columns: calls of functions for one request, of all and of ours, and microseconds. Calls
are the same on every machine. The profiler makes small functions look several times slower than they are,
ours and Synapse's alike: the shares say more than the microseconds.
"""

import argparse
import os
import sys
from collections.abc import Callable, Iterator

import attrs
import profiled
from pairs import started_with
from rich.console import Console
from rich.table import Table

from synapse_tim.admin.output import print_json
from synapse_tim.testing import MatrixUser, SynapseServer, wait_for

_EVENTS = 50
_KEY = {"algorithm": "m.olm.v1.curve25519-aes-sha2", "sender_key": "x" * 43, "ciphertext": "x" * 1_200}
_ROOM = {"preset": "private_chat", "room_version": "10"}


@attrs.frozen
class Cost:
    """Of one request."""

    load: str
    requests: int
    of: int  #: what one profile is of
    calls: float
    ours: float
    microseconds: float
    our_microseconds: float
    functions: list[tuple[str, float, float]]  #: name, calls and microseconds; the most expensive first

    def without(self, other: "Cost") -> "Cost":
        """What this request costs on top of another one."""
        return attrs.evolve(
            self,
            calls=self.calls - other.calls / self.of,
            microseconds=self.microseconds - other.microseconds / self.of,
        )


def main() -> int:
    arguments = _arguments()
    with started_with("profiled.Profiled") as (here, there):
        nothing, *costs = _costs(here, there, arguments.requests)
    costs = [cost.without(nothing) for cost in costs]
    if arguments.json:
        print_json([attrs.asdict(cost) for cost in costs])
        return 0
    _show(costs, arguments.functions)
    return 0


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        description=__doc__,
        epilog="Example: python tests/benchmarks/cost.py --functions 5",
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument(
        "--requests", type=int, default=40, metavar="N", help="of each (default: %(default)s)"
    )
    parser.add_argument(
        "--functions", type=int, default=3, metavar="N", help="of ours to name (default: %(default)s)"
    )
    parser.add_argument("--json", action="store_true", help="with all functions of ours")
    return parser.parse_args()


def _nothing() -> None:
    """Do nothing: asking for the profile costs something itself."""


def _costs(here: SynapseServer, there: SynapseServer, requests: int) -> Iterator[Cost]:
    doctor, nurse, friend = here.register("doctor"), here.register("nurse"), there.register("friend")
    room = doctor.create_room(**_ROOM)
    for guest in (nurse, friend):
        doctor.invite(room, guest.user_id).raise_for_status()
        guest.join(room, via=[here.server_name]).raise_for_status()
    nurse.sync()

    def send(user: MatrixUser) -> None:
        user.send(room, "Die Befunde von heute liegen in der Akte.").raise_for_status()

    def to_device(to: MatrixUser) -> None:
        path = f"/_matrix/client/v3/sendToDevice/m.room.encrypted/{os.urandom(8).hex()}"
        doctor.request("PUT", path, {"messages": {to.user_id: {"*": _KEY}}}).raise_for_status()

    def synced() -> None:
        nurse.sync()

    rooms = iter([doctor.create_room(**_ROOM) for _ in range(requests + 1)])
    yield _cost("nothing", here, _nothing, requests)
    yield _cost("message", here, lambda: send(doctor), requests)
    yield _cost("sync", here, synced, requests, before=lambda: send(doctor))
    yield _cost("key for a device", here, lambda: to_device(nurse), requests)
    yield _cost("key for a remote device", here, lambda: to_device(friend), requests)
    yield _cost(
        "invitation", here, lambda: doctor.invite(next(rooms), nurse.user_id).raise_for_status(), requests
    )

    def arrive() -> None:
        for _ in range(_EVENTS):
            send(friend)
        last = friend.send(room, "the last").json()["event_id"]
        path = f"/_matrix/client/v3/rooms/{room}/event/{last}"
        wait_for(lambda: doctor.request("GET", path).is_success, what="the events")

    # Of one event: how many of them one transaction carries is Synapse's to decide.
    yield _cost("event that arrives", here, arrive, 1, of=_EVENTS + 1)


def _cost(
    load: str,
    server: SynapseServer,
    request: Callable[[], None],
    requests: int,
    *,
    before: Callable[[], None] = lambda: None,
    of: int = 1,
) -> Cost:
    calls, seconds = 0, 0.0
    ours: dict[str, tuple[int, float]] = {}
    for number in range(requests + 1):
        before()
        with profiled.profile(server.client_url) as found:
            request()
        if number == 0:
            continue  # what the first one costs is caches that are empty
        calls += found["calls"]
        seconds += found["seconds"]
        for name, (times, took) in found["functions"].items():
            has = ours.get(name, (0, 0.0))
            ours[name] = (has[0] + times, has[1] + took)
    count = requests * of
    functions = [(name, times / count, took * 1e6 / count) for name, (times, took) in ours.items()]
    return Cost(
        load,
        count,
        of,
        calls / count,
        sum(times for _, times, _ in functions),
        seconds * 1e6 / count,
        sum(microseconds for *_, microseconds in functions),
        sorted(functions, key=lambda each: -each[2]),
    )


def _show(costs: list[Cost], functions: int) -> None:
    table = Table(box=None, pad_edge=False)
    table.add_column("one", no_wrap=True)
    for heading in ("calls", "ours", "", "µs", "ours", "", "most of it"):
        table.add_column(heading, justify="left" if heading == "most of it" else "right")
    for cost in costs:
        table.add_row(
            cost.load,
            f"{cost.calls:,.0f}",
            f"{cost.ours:.1f}",
            f"{cost.ours / cost.calls:.1%}",
            f"{cost.microseconds:,.0f}",
            f"{cost.our_microseconds:.0f}",
            f"{cost.our_microseconds / cost.microseconds:.1%}",
            "\n".join(
                f"{name} ({calls:.1f}, {microseconds:.0f} µs)"
                for name, calls, microseconds in cost.functions[:functions]
            ),
        )
    Console(highlight=False, width=max(150, Console().width)).print(table)


if __name__ == "__main__":
    sys.exit(main())
