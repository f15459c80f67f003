"""What the modules cost a homeserver: messages, invitations, keys for devices, against plain Synapse.

Four real Synapse servers on loopback: two plain ones that federate, and two with synapse_tim.TiMessenger,
configured alike otherwise. Both do the same for a second or so, one after the other, and then the other way
round. Every such pair of samples gives a ratio; printed are their median, the middle half of them, and the
interval in which the true median is at 95 %. Below 100 % is less, of time or of messages. A question mark
says that the target is within that interval. Processor time is that of both servers for one request, which
depends least on what else the machine does. With ``--hook`` it is one pair with the module, so that no luck
of one process against another comes in: a single hook is taken off and put on again, where it can be before
each request.
"""

import argparse
import concurrent.futures
import contextlib
import functools
import sys
from collections.abc import Callable, Sequence

from loads import Loads, Sample, Sizes
from pairs import Pair, started_pairs, started_toggle, wait_until_idle
from ratios import Comparison, Turn, Turns, compare
from report import progress, show

from synapse_tim.testing import ChildFailedError

_FULL = Sizes(senders=4, messages_each=15, messages_alone=60, invites=20, keys=100)
_QUICK = Sizes(senders=4, messages_each=5, messages_alone=10, invites=5, keys=10)
#: The closer the target, the more often.
_ROUND = (
    *("concurrent_messages", "concurrent_messages", "lone_messages"),
    *("concurrent_messages", "concurrent_messages", "local_invites"),
    *("concurrent_messages", "concurrent_messages", "remote_invites"),
)
_ROUND_OF_DEVICES = ("concurrent_keys", "lone_keys", "keys_for_many", "remote_keys")
#: Starts two pairs of servers.
Start = Callable[[], contextlib.AbstractContextManager[tuple[Pair, Pair]]]
#: Of two equal processes one is faster by luck, as long as it runs; so there are several.
_ROUNDS_PER_START = 5


def main() -> int:
    arguments = _arguments()
    if sys.platform != "linux":
        print("Processor time is read from Linux' clocks; they are not there.", file=sys.stderr)
        return 2
    sizes = _QUICK if arguments.quick else _FULL
    rounds = arguments.rounds or (3 if arguments.quick else 15)
    try:
        loads = _ROUND_OF_DEVICES if arguments.devices or arguments.hook else _ROUND
        start = (
            started_toggle if arguments.hook else functools.partial(started_pairs, control=arguments.control)
        )
        comparisons = _measure(loads, sizes, rounds, start)
    except KeyboardInterrupt:
        return 130
    except ChildFailedError as error:
        print(error, file=sys.stderr)
        return 1
    baseline = "without the hook" if arguments.hook else "plain Synapse"
    other = "with it" if arguments.hook else "plain again" if arguments.control else "TiMessenger"
    show(comparisons, baseline, other, rounds, as_json=arguments.json)
    return 0


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        description=__doc__,
        epilog="Example: python tests/benchmarks/homeserver.py --rounds 30",
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument(
        "--rounds", type=_count, metavar="K", help="how many rounds (default: 15, about six minutes)"
    )
    parser.add_argument(
        "--quick", action="store_true", help="3 short rounds, to see that it works; the ratios say little"
    )
    parser.add_argument(
        "--control",
        action="store_true",
        help="plain Synapse against itself: how far from 100 %% chance alone gets",
    )
    parser.add_argument(
        "--devices", action="store_true", help="messages to devices, instead of events and invitations"
    )
    parser.add_argument(
        "--hook",
        action="store_true",
        help="messages to devices in the same two processes without and with the hook that judges them",
    )
    parser.add_argument("--json", action="store_true", help="the value of every sample, too")
    return parser.parse_args()


def _count(text: str) -> int:
    number = int(text)
    if number < 1:
        raise argparse.ArgumentTypeError("has to be at least 1")
    return number


def _measure(round_: Sequence[str], sizes: Sizes, rounds: int, start: Start) -> list[Comparison]:
    turns: Turns = {load: [] for load in round_}
    with progress(rounds) as say:
        for first in range(0, rounds, _ROUNDS_PER_START):
            say("starting the servers", first)
            with start() as pairs:
                both = (Loads(pairs[0], sizes), Loads(pairs[1], sizes))
                say("warming up", first)
                for load in dict.fromkeys(round_):
                    _turn(load, both, plain_first=True)
                for number in range(first, min(first + _ROUNDS_PER_START, rounds)):
                    say(f"round {number + 1} of {rounds}", number)
                    for load in round_:
                        turns[load].append(_turn(load, both, plain_first=len(turns[load]) % 2 == 0))
    return compare(turns)


def _turn(load: str, both: tuple[Loads, Loads], *, plain_first: bool) -> Turn:
    if both[0].pair.hook is not None and load in Loads.SINGLE:
        return _alternating(load, both, plain_first=plain_first)
    # Rooms and users are made on both sides at once, which saves time and is not measured.
    with concurrent.futures.ThreadPoolExecutor(len(both)) as threads:
        runs = tuple(threads.map(lambda loads: getattr(loads, load)(), both))
    samples: dict[int, Sample] = {}
    for side in (0, 1) if plain_first else (1, 0):
        wait_until_idle(*(loads.pair for loads in both))
        samples[side] = runs[side]()
    return samples[0], samples[1]


def _alternating(load: str, both: tuple[Loads, Loads], *, plain_first: bool) -> Turn:
    """Single requests in turns: nothing else differs between them."""
    singles = [loads.single(load) for loads in both]
    found: tuple[list[Sample], list[Sample]] = ([], [])
    for number in range(both[0].sizes.keys):
        first = (number + plain_first + 1) % 2
        for side in (first, 1 - first):
            found[side].append(singles[side]())
    return Sample.of(found[0]), Sample.of(found[1])


if __name__ == "__main__":
    sys.exit(main())
