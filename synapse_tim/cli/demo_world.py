"""The servers of the demo: a hospital, a practice, an insurer, an outsider, and the TI that they follow."""

from __future__ import annotations

import contextlib
import functools
from pathlib import Path
from typing import Any, Final, Self

from synapse_tim.testing import MatrixUser, SynapseServer, TiSimulator, make_world, wait_for

#: Throw-away servers on loopback: everyone may know it.
PASSWORD: Final = "demo-password"  # noqa: S105

_PATIENCE_SECONDS: Final = 30.0


class DemoWorld:
    """Four started servers and a directory that lists three of them.

    Args:
        directory: for everything that they write.

    Attributes:
        ti: the simulated TI.
        hospital: a member, product pro.
        practice: a member, product pro.
        insurer: a member, product epa.
        outsider: a stock Synapse that is not in the list.
    """

    def __init__(self, directory: Path) -> None:
        self._stack = contextlib.ExitStack()
        with contextlib.ExitStack() as undo:
            world = make_world()
            self.ti = undo.enter_context(TiSimulator(world))
            self.outsider = SynapseServer("outsider", directory / "outsider", world)
            self.hospital = self._member("hospital", directory, "pro")
            self.practice = self._member("practice", directory, "pro")
            self.insurer = self._member("insurer", directory, "epa")
            for server in self.servers:
                undo.callback(server.stop)
                server.start()
            for server in self.members:
                self.ti.add(server.server_name, insurance=server is self.insurer)
            for server in self.servers:
                server.wait()
            self.doctor = self.hospital.register("doctor", password=PASSWORD)
            self.nurse = self.hospital.register("nurse", password=PASSWORD)
            self.physician = self.practice.register("physician", password=PASSWORD)
            self.insured = self.insurer.register("insured", password=PASSWORD)
            self.neighbour = self.insurer.register("neighbour", password=PASSWORD)
            self.stranger = self.outsider.register("stranger", password=PASSWORD)
            self.settle()
            self._stack = undo.pop_all()

    def __enter__(self) -> Self:
        """Nothing more to start."""
        return self

    def __exit__(self, *reason: object) -> None:
        """Stop everything, by process id."""
        self._stack.close()

    @property
    def members(self) -> tuple[SynapseServer, ...]:
        """The servers that enforce the list."""
        return (self.hospital, self.practice, self.insurer)

    @property
    def servers(self) -> tuple[SynapseServer, ...]:
        """All servers."""
        return (*self.members, self.outsider)

    def log_ins(self) -> list[tuple[SynapseServer, MatrixUser]]:
        """Each user and its server."""
        return [
            (self.hospital, self.doctor),
            (self.hospital, self.nurse),
            (self.practice, self.physician),
            (self.insurer, self.insured),
            (self.insurer, self.neighbour),
            (self.outsider, self.stranger),
        ]

    def settle(self) -> None:
        """Wait until every member enforces the directory's current list."""
        for server in self.members:
            wait_for(
                functools.partial(self._follows, server),
                _PATIENCE_SECONDS,
                f"{server.name} to enforce the list",
            )

    def _follows(self, server: SynapseServer) -> bool:
        return _metric(server, "version") == self.ti.version

    def wait_for_refusal(self, reason: str) -> bool:
        """Wait until the hospital has refused a list for a reason."""
        name = f'updates_total{{result="{reason}"}}'
        before = _metric(self.hospital, name)
        return bool(
            wait_for(
                lambda: _metric(self.hospital, name) > before, _PATIENCE_SECONDS, f"the refusal {reason}"
            )
        )

    def _member(self, name: str, directory: Path, product: str) -> SynapseServer:
        block: dict[str, Any] = {
            "product": product,
            "spec_version": "1.2",
            "federation_list": self.ti.federation_list_config(),
        }
        return SynapseServer(
            name,
            directory / name,
            self.ti.world,
            modules=[{"module": "synapse_tim.TiMessenger", "config": block}],
            extra={"federation_domain_whitelist": []},
        )


def _metric(server: SynapseServer, name: str) -> float:
    return server.metrics().get(f"synapse_tim_federation_list_{name}", 0.0)
