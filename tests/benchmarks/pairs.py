"""Two pairs of real Synapse servers on loopback: plain ones, and ones with ``synapse_tim.TiMessenger``.

The servers of a pair federate with each other. Between the pairs nothing differs but ``modules`` and
``federation_domain_whitelist``: the options that the module demands are set for plain Synapse as well.
Or one pair with the module, of which one hook is taken off and put on again.
"""

import contextlib
import os
import tempfile
import time
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import attrs
import toggle

from synapse_tim.testing import SynapseServer, TiSimulator, loopback, wait_for
from synapse_tim.testing.servers.homeserver_config import needed_options

#: Members of the federation besides the two servers, so that the list has a size of real life.
_OTHER_MEMBERS = 10_000
_CPU_CLOCK = 2  # CPUCLOCK_SCHED: all threads of a process, in nanoseconds


@attrs.frozen
class Pair:
    """Two servers that federate.

    Attributes:
        here: where messages are sent and invitations made.
        there: where remote users are invited.
        hook: whether the hook that can be taken off is to be ``on`` or ``off``; ``None`` if there is no such.
    """

    here: SynapseServer
    there: SynapseServer
    hook: str | None = None

    @property
    def servers(self) -> tuple[SynapseServer, SynapseServer]:
        return (self.here, self.there)

    def prepare(self) -> None:
        """Take off the hook or put it on; called before each sample."""
        if self.hook is not None:
            for server in self.servers:
                loopback.post(f"{server.client_url}{toggle.PATH}", content=self.hook).raise_for_status()

    def cpu_seconds(self) -> float:
        """Processor time that both servers have used since they started."""
        return sum(time.clock_gettime(~server.processes[0].pid << 3 | _CPU_CLOCK) for server in self.servers)


@contextlib.contextmanager
def started_pairs(*, control: bool = False) -> Iterator[tuple[Pair, Pair]]:
    """Plain Synapse and Synapse with the module, started; all is stopped and removed at the end.

    Args:
        control: leave the module out of both, which shows what chance alone does.
    """
    with _simulator() as (ti, directory, stack):
        module = _module(ti)

        def pair(name: str, **options: Any) -> Pair:
            names = (f"{name}-here", f"{name}-there")
            return Pair(*(SynapseServer(one, directory / one, ti.world, **options) for one in names))

        without = {"extra": needed_options([module])}
        enforcing = {"modules": [module], "extra": {"federation_domain_whitelist": []}}
        plain, other = pair("plain", **without), pair("other", **(without if control else enforcing))
        _start(stack, ti, (*plain.servers, *other.servers), () if control else other.servers)
        yield plain, other


@contextlib.contextmanager
def started_toggle() -> Iterator[tuple[Pair, Pair]]:
    """One pair with the module, twice: without the hook for messages to devices, and with it."""
    with started_with("toggle.DeviceMessagesToggle") as servers:
        yield Pair(*servers, "off"), Pair(*servers, "on")


@contextlib.contextmanager
def started_with(module: str) -> Iterator[Sequence[SynapseServer]]:
    """One pair with the module, and a module of a benchmark besides."""
    with _simulator() as (ti, directory, stack):
        here = str(Path(__file__).parent)
        os.environ["PYTHONPATH"] = os.pathsep.join(filter(None, [here, os.environ.get("PYTHONPATH")]))
        modules = [_module(ti), {"module": module}]
        extra = {"federation_domain_whitelist": []}
        servers = [
            SynapseServer(name, directory / name, ti.world, modules=modules, extra=extra)
            for name in ("here", "there")
        ]
        _start(stack, ti, servers, servers)
        yield servers


@contextlib.contextmanager
def _simulator() -> Iterator[tuple[TiSimulator, Path, contextlib.ExitStack]]:
    with contextlib.ExitStack() as stack:
        directory = stack.enter_context(tempfile.TemporaryDirectory(prefix="homeserver-benchmark-"))
        yield stack.enter_context(TiSimulator()), Path(directory), stack


def _start(
    stack: contextlib.ExitStack,
    ti: TiSimulator,
    servers: Sequence[SynapseServer],
    enforcing: Sequence[SynapseServer],
) -> None:
    ti.set_domains(server.server_name for server in enforcing)
    ti.set_generated(_OTHER_MEMBERS)
    for server in servers:
        stack.callback(server.stop)
        server.start()
    for server in servers:
        server.wait()
    for server in enforcing:
        wait_for(lambda server=server: _has_list(server, ti.version), 30, f"the list at {server.name}")


def wait_until_idle(*pairs: Pair, seconds: float = 3.0) -> None:
    """Let the servers finish what they do after they have answered, which would be measured otherwise."""
    step, few = 0.1, 0.015
    end = time.monotonic() + seconds
    used = sum(pair.cpu_seconds() for pair in pairs)
    while time.monotonic() < end:
        time.sleep(step)
        before, used = used, sum(pair.cpu_seconds() for pair in pairs)
        if used - before < few:
            return


def _module(ti: TiSimulator) -> dict[str, Any]:
    """The module as in production: a refresh every hour is none during the measurement."""
    block = {
        "product": "pro",
        "spec_version": "1.2",
        "federation_list": ti.federation_list_config(refresh_interval=None, max_age=None),
    }
    return {"module": "synapse_tim.TiMessenger", "config": block}


def _has_list(server: SynapseServer, version: int) -> bool:
    return server.metrics().get("synapse_tim_federation_list_version") == version
