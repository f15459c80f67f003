from __future__ import annotations

import ssl
from collections.abc import Callable, Iterator

import httpx
import pytest

from synapse_tim.testing.simulator.simulator import TiSimulator


@pytest.fixture
def ti(ti_simulator: Callable[..., TiSimulator]) -> TiSimulator:
    simulator = ti_simulator()
    simulator.add("hospital.example:8448")
    simulator.add("insurer.example", insurance=True, ik=["109500969"])
    return simulator


@pytest.fixture
def http(ti: TiSimulator) -> Iterator[httpx.Client]:
    context = ssl.create_default_context(cafile=str(ti.ca_file))
    with httpx.Client(verify=context, trust_env=False) as client:
        yield client
