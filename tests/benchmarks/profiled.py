"""A Synapse module for benchmarks: profiles the reactor's thread, and says what of it is ours."""

import contextlib
import cProfile
import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx
from synapse.module_api import ModuleApi
from twisted.web.resource import Resource
from twisted.web.server import Request

import synapse_tim
from synapse_tim.testing import loopback

PATH = "/_benchmark/profile"
_OURS = str(Path(synapse_tim.__file__).parent)


class Profiled(Resource):
    """``POST`` with the body ``start``, and with ``stop``, which answers what was called in between."""

    isLeaf = True  # noqa: N815

    def __init__(self, config: dict[str, Any], api: ModuleApi) -> None:
        super().__init__()
        self._profile = cProfile.Profile()
        api.register_web_resource(PATH, self)

    @staticmethod
    def parse_config(config: dict[str, Any]) -> dict[str, Any]:
        return config

    def render_POST(self, request: Request) -> bytes:  # noqa: N802
        if request.content.read() == b"start":
            self._profile = cProfile.Profile()
            self._profile.enable()
            return b""
        self._profile.disable()
        return json.dumps(totals(self._profile)).encode()


@contextlib.contextmanager
def profile(client_url: str) -> Iterator[dict[str, Any]]:
    """Profile a homeserver that has this module; what ``totals`` says is there at the end."""

    def ask(what: str) -> httpx.Response:
        return loopback.post(f"{client_url}{PATH}", content=what).raise_for_status()

    found: dict[str, Any] = {}
    ask("start")
    yield found
    found |= ask("stop").json()


def totals(profile: cProfile.Profile) -> dict[str, Any]:
    """Calls and seconds: of everything, of ours, and of each of our functions.

    Ours is what is written in this package, with the built-in functions that it calls directly.
    """
    calls, seconds = 0, 0.0
    functions: dict[str, tuple[int, float]] = {}
    for entry in profile.getstats():
        if isinstance(entry.code, str) and "poll" in entry.code:
            continue  # waiting
        calls += entry.callcount
        seconds += entry.inlinetime
        if isinstance(entry.code, str) or not entry.code.co_filename.startswith(_OURS):
            continue
        builtin = [each for each in entry.calls or () if isinstance(each.code, str)]
        name = f"{Path(entry.code.co_filename).relative_to(_OURS)}: {entry.code.co_qualname}"
        before = functions.get(name, (0, 0.0))
        functions[name] = (
            before[0] + entry.callcount + sum(each.callcount for each in builtin),
            before[1] + entry.inlinetime + sum(each.inlinetime for each in builtin),
        )
    return {"calls": calls, "seconds": seconds, "functions": functions}
