"""Logins through the identity gateway: how many a second, and how much of a login is our own work.

One real Synapse on loopback with two ways of single sign-on, and a broker as the identity provider of both:
the gateway, which is synapse_tim.IdentityGateway, and the broker itself, judged by synapse_tim.OidcMapping.
One browser after the other goes through all redirects to a session. Both ways are taken in turns, so each
turn gives a ratio. Afterwards the reactor is profiled for some logins of each way: what of it is ours.
"""

import argparse
import contextlib
import os
import statistics
import sys
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import profiled
from loads import Sample
from ratios import Comparison, p50, throughput

from synapse_tim.admin.output import print_json, print_table
from synapse_tim.testing import SynapseServer, TiSimulator, wait_for
from tests.gateway.e2e import world

_HERE = Path(__file__).parent
_GATEWAY, _BROKER = "gateway", "broker"
_PROFILED = 10


def main() -> int:
    arguments = _arguments()
    with _started() as (ti, server):
        people = {way: _browser(ti, server, way) for way in (_BROKER, _GATEWAY)}
        turns: dict[str, list[Sample]] = {way: [] for way in people}
        for number in range(arguments.rounds):
            print(f"round {number + 1} of {arguments.rounds}", file=sys.stderr, flush=True)
            for way in sorted(people, reverse=bool(number % 2)):
                turns[way].append(_sample(server, people[way], way, arguments.logins))
        profiles = {way: _profile(server, people[way], way) for way in people}
    _show(turns, profiles, as_json=arguments.json)
    return 0


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        description=__doc__,
        epilog="Example: tox -e benchmark-gateway -- --rounds 20",
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("--rounds", type=int, default=10, metavar="K", help="turns (default: %(default)s)")
    parser.add_argument(
        "--logins", type=int, default=10, metavar="N", help="of each way in a turn (default: %(default)s)"
    )
    parser.add_argument("--json", action="store_true", help="the value of every turn")
    return parser.parse_args()


@contextlib.contextmanager
def _started() -> Iterator[tuple[TiSimulator, SynapseServer]]:
    os.environ["PYTHONPATH"] = os.pathsep.join(filter(None, [str(_HERE), os.environ.get("PYTHONPATH")]))
    with contextlib.ExitStack() as stack:
        directory = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="gateway-benchmark-")))
        ti = stack.enter_context(TiSimulator())
        keys = world.Keys(directory)
        extra = {**world.SSO, "rc_login": _unlimited("address", "account", "failed_attempts")}
        server = SynapseServer(
            "clinic", directory / "clinic", ti.world, modules=[world.module(ti, "pro", {})], extra=extra
        )
        client = world.synapse_client(server, keys)
        block = world.gateway(keys, [client], [world.upstream(ti, keys)])
        login = {"providers": [world.broker(ti)]}
        server.config["modules"] = [
            world.module(ti, "pro", login, identity_gateway=block),
            {"module": "profiled.Profiled"},
        ]
        mapping = {
            "module": "synapse_tim.OidcMapping",
            "config": {
                "profile": "gematik_idp",
                "professions": [world.DOCTOR],
                "localpart": {"template": "direct.{idNummer}"},
                "localpart_template": None,
                "display_name_template": None,
            },
        }
        server.config["oidc_providers"] = [
            world.single_sign_on(server, client),
            ti.broker.oidc_provider_config(user_mapping_provider=mapping),
        ]
        server.config["public_baseurl"] = f"{server.federation_url}/"
        ti.add(server.server_name)
        stack.callback(server.stop)
        server.start().wait()
        wait_for(lambda: server.metrics().get("synapse_tim_federation_list_version"), 30, "the list")
        yield ti, server


def _unlimited(*kinds: str) -> dict[str, Any]:
    return {kind: {"per_second": 1_000_000, "burst_count": 1_000_000} for kind in kinds}


def _browser(ti: TiSimulator, server: SynapseServer, way: str) -> world.Browser:
    """Somebody who has been here before, by this way."""
    browser = world.Browser(ti, world.doctor())
    _log_in(server, browser, way)
    return browser


def _log_in(server: SynapseServer, browser: world.Browser, way: str) -> None:
    provider = "synapse" if way == _GATEWAY else "broker"
    answer = browser.visit(world.sso(server, provider), world.LANDING)
    if not answer.is_redirect:
        raise RuntimeError(f"{way}: {answer.status_code} {answer.text[-500:]}")
    world.session_of(server, answer).raise_for_status()


def _sample(server: SynapseServer, browser: world.Browser, way: str, logins: int) -> Sample:
    latencies = []
    for _ in range(logins):
        began = time.perf_counter()
        _log_in(server, browser, way)
        latencies.append(time.perf_counter() - began)
    return Sample(latencies, sum(latencies), 0.0)


def _profile(server: SynapseServer, browser: world.Browser, way: str) -> dict[str, float]:
    with profiled.profile(server.client_url) as found:
        for _ in range(_PROFILED):
            _log_in(server, browser, way)
    ours = [sum(column) for column in zip(*found["functions"].values(), strict=True)]
    return {
        "calls": found["calls"] / _PROFILED,
        "our_calls": ours[0] / _PROFILED,
        "milliseconds": found["seconds"] * 1000 / _PROFILED,
        "our_milliseconds": ours[1] * 1000 / _PROFILED,
    }


def _show(turns: dict[str, list[Sample]], profiles: dict[str, dict[str, float]], *, as_json: bool) -> None:
    rates, latencies = (
        Comparison(
            "",
            name,
            unit,
            None,
            [read(each) for each in turns[_BROKER]],
            [read(each) for each in turns[_GATEWAY]],
            0,
        )
        for name, unit, read in (("logins", "/s", throughput), ("a login, p50", "ms", p50))
    )
    if as_json:
        values = {each.name: {"broker": each.baseline, "gateway": each.other} for each in (rates, latencies)}
        print_json({**values, "reactor": profiles})
        return
    print_table(
        ("", "broker itself", "gateway", "ratio"),
        (
            (
                each.name,
                f"{statistics.median(each.baseline):.1f} {each.unit}",
                f"{statistics.median(each.other):.1f} {each.unit}",
                f"{each.ratio * 100:.0f} %",
            )
            for each in (rates, latencies)
        ),
        title="One browser after the other; both ways in turns",
    )
    print_table(
        ("way", "calls", "ours", "ms", "ours", "share"),
        (
            (
                way,
                f"{each['calls']:,.0f}",
                f"{each['our_calls']:,.0f}",
                f"{each['milliseconds']:.1f}",
                f"{each['our_milliseconds']:.1f}",
                f"{each['our_milliseconds'] / each['milliseconds'] * 100:.1f} %",
            )
            for way, each in profiles.items()
        ),
        title="The reactor in one login, profiled, which makes small functions look slower",
    )


if __name__ == "__main__":
    sys.exit(main())
