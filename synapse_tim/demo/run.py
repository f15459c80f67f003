"""``synapse-tim demo``: a TI and real Synapse servers on loopback, driven through a story.

Prints what was tried, what was expected and what happened; exits 0 only if all agree. Everything runs in a
temporary directory and ends with the command.
"""

import argparse
import signal
import sys
import tempfile
import threading
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import attrs
import httpx

from synapse_tim.admin.output import print_json, print_table
from synapse_tim.demo.attempt import Attempt
from synapse_tim.demo.story import play
from synapse_tim.demo.world import PASSWORD, DemoWorld
from synapse_tim.testing import ChildFailedError


def add_command(commands: Any) -> None:
    """Add ``demo`` to the commands."""
    parser = commands.add_parser(
        "demo",
        help="start a simulated TI and several real Synapse servers, and show who may talk to each other",
        epilog="Example: synapse-tim demo --keep",
    )
    parser.add_argument(
        "--keep",
        action="store_true",
        help="leave everything running after the story, and print URLs and logins for a Matrix client",
    )
    parser.add_argument("--json", action="store_true", help="print JSON")
    parser.set_defaults(run=run)


def run(options: argparse.Namespace) -> int:
    """Run the demo; 1 as well if it cannot go on, with the last words of the server that is in the way."""
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, _raise_interrupt)
    try:
        return _run(options)
    except ChildFailedError as error:
        print(f"The demo gave up: {error}", file=sys.stderr)
    except (TimeoutError, httpx.HTTPError) as error:
        print(f"The demo gave up: {str(error) or type(error).__name__}", file=sys.stderr)
    return 1


def _run(options: argparse.Namespace) -> int:
    with (
        tempfile.TemporaryDirectory(prefix="synapse_tim-demo-") as directory,
        DemoWorld(Path(directory), _say) as world,
    ):
        attempts = []
        for attempt in _story(world):
            attempts.append(attempt)
            if not options.json:
                _say(f"{'ok ' if attempt.agrees else 'NO '} {attempt.what}")
        _print(attempts, as_json=options.json)
        if options.keep:
            _print_logins(world)
            threading.Event().wait()
    return 0 if all(attempt.agrees for attempt in attempts) else 1


def _say(what: str) -> None:
    """Print progress for the waiting user."""
    print(what, file=sys.stderr, flush=True)


def _story(world: DemoWorld) -> Iterator[Attempt]:
    """All attempts; ``ChildFailedError`` if a server gives no answer."""
    try:
        yield from play(world)
    except (TimeoutError, httpx.HTTPError) as error:
        words = "\n".join(server.last_words(5) for server in world.servers)
        raise ChildFailedError(f"{str(error) or type(error).__name__}\n{words}") from None


def _raise_interrupt(number: int, frame: object) -> None:
    raise KeyboardInterrupt


def _print(attempts: Sequence[Attempt], *, as_json: bool) -> None:
    failed = sum(not attempt.agrees for attempt in attempts)
    if as_json:
        rows = [{**attrs.asdict(attempt), "agrees": attempt.agrees} for attempt in attempts]
        print_json({"attempts": rows, "failed": failed})
        return
    print_table(
        ("requirement", "what was tried", "expected", "happened", ""),
        (
            (a.requirement, a.what, a.expected, a.happened, "ok" if a.agrees else "NOT AS EXPECTED")
            for a in attempts
        ),
    )
    print(f"{len(attempts) - failed} of {len(attempts)} as expected")


def _print_logins(world: DemoWorld) -> None:
    print_table(
        ("server", "homeserver URL for a Matrix client", "user", "password"),
        ((server.name, server.client_url, user.user_id, PASSWORD) for server, user in world.logins()),
        title="Running until you press Ctrl-C",
    )
    # The reader of a pipe waits for it, and the command goes on running.
    print(f"The federation list is served at {world.ti.plain_list_url}", flush=True)
