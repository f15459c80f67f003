"""A mirror of the federation list on loopback, as a process of its own."""

from __future__ import annotations

import copy
import sys
from pathlib import Path
from typing import Any, Self

import httpx
import yaml

from synapse_tim.testing.merge import deep_merge
from synapse_tim.testing.ports import free_ports
from synapse_tim.testing.servers.processes import Child
from synapse_tim.testing.simulator.simulator import TiSimulator
from synapse_tim.testing.waiting import HANGING_SECONDS


class MirrorServer:
    """``synapse-tim federation-list mirror`` in front of a simulator; its ports stay the same.

    Args:
        directory: where its files go; made if it is not there.
        ti: the source.
        federation_list: merged into the block ``federation_list``, as for ``federation_list_config``.
        settings: further keys of its file.
    """

    def __init__(
        self, directory: Path, ti: TiSimulator, federation_list: dict[str, Any] | None = None, **settings: Any
    ) -> None:
        directory.mkdir(parents=True, exist_ok=True)
        self.port, self._metrics_port = free_ports(2)
        self.url = f"{'https' if 'tls' in settings else 'http'}://localhost:{self.port}"
        self.config = directory / "mirror.yaml"
        self.database = directory / "mirror.db"
        document = {
            "listen": f"127.0.0.1:{self.port}",
            "metrics": f"127.0.0.1:{self._metrics_port}",
            "database": str(self.database),
            "federation_list": ti.federation_list_config(**(federation_list or {})),
        }
        self.config.write_text(yaml.safe_dump({**document, **settings}))
        self.output = directory / "mirror.out"
        command = [sys.executable, "-m", "synapse_tim", "federation-list", "mirror", str(self.config)]
        self.process = Child("mirror", command, self.output)

    def start(self, timeout: float = HANGING_SECONDS) -> Self:
        """Start, and wait until it answers, with a list or without.

        Raises:
            ChildFailedError: it did not start.
        """
        self.process.start()
        self.process.wait_ready(self._answers, timeout)
        return self

    def stop(self) -> None:
        """Stop, as in an outage."""
        self.process.stop()

    def list_config(self, ti: TiSimulator, **overrides: Any) -> dict[str, Any]:
        """The ``federation_list`` block of a homeserver that gets everything from this mirror.

        Args:
            ti: whose roots are pinned.
            **overrides: as for ``federation_list_config``.
        """
        block = ti.federation_list_config(
            url=f"{self.url}/federationList.jws",
            ca_certificates=None,
            client_certificate=None,
            trust={"ca_base_url": self.url, "ocsp_responder_url": f"{self.url}/ocsp"},
        )
        return deep_merge(block, copy.deepcopy(overrides))

    def metrics(self) -> dict[str, float]:
        """Its metrics, by name with labels."""
        text = httpx.get(f"http://localhost:{self._metrics_port}/metrics", timeout=10).text
        lines = (line.rpartition(" ") for line in text.splitlines() if line and not line.startswith("#"))
        return {name: float(value) for name, _, value in lines}

    def _answers(self) -> bool:
        try:
            return httpx.get(f"http://localhost:{self._metrics_port}/metrics", timeout=2).status_code == 200
        except httpx.HTTPError:
            return False
