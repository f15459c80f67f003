from __future__ import annotations

import ssl
from collections.abc import Callable, Iterator

import httpx
import pytest

# The fixtures of the package are what is tested here; importing them registers them for this directory.
from synapse_tim.testing.fixtures import (  # noqa: F401
    postgres_server,
    redis_server,
    synapse_server,
    ti_simulator,
    ti_world,
    worker_deployment,
)
from synapse_tim.testing.simulator import TiSimulator


@pytest.fixture
def ti(ti_simulator: Callable[..., TiSimulator]) -> TiSimulator:  # noqa: F811
    simulator = ti_simulator()
    simulator.add("hospital.example:8448")
    simulator.add("insurer.example", insurance=True, ik=["109500969"])
    return simulator


@pytest.fixture
def http(ti: TiSimulator) -> Iterator[httpx.Client]:
    context = ssl.create_default_context(cafile=str(ti.ca_file))
    with httpx.Client(verify=context, trust_env=False, timeout=5.0) as client:
        yield client
