"""However many parts there are, each function of Synapse is wrapped once."""

import json
import os
from pathlib import Path

import pytest

from synapse_tim.testing import SynapseServer
from tests.support.world import module

pytestmark = pytest.mark.servers

ROOT = Path(__file__).resolve().parents[3]


@pytest.mark.parametrize("product", ["epa", "pro"])
def test_with_all_parts_a_message_passes_one_hook_that_asks_nobody(ti, start, tmp_path, monkeypatch, product):
    paths = [str(ROOT), *filter(None, [os.environ.get("PYTHONPATH")])]
    monkeypatch.setenv("PYTHONPATH", os.pathsep.join(paths))
    counted = tmp_path / "counted.json"
    counter = {"module": "tests.support.hook_counter.HookCounter", "config": {"file": str(counted)}}
    start(
        SynapseServer(
            "clinic",
            tmp_path / "clinic",
            ti.world,
            modules=[module(ti, product), counter],
            extra={"federation_domain_whitelist": []},
        )
    )
    found = json.loads(counted.read_text())
    servlets = {name: count for name, count in found["wrappers"].items() if "Servlet." in name}
    assert {count for name, count in found["wrappers"].items() if name not in servlets} == {1}
    assert set(servlets.values()) == {0, 1}
    assert found["check_event_for_spam"] == 1
    assert found["checks"]["m.room.encrypted"] == 0
    assert found["checks"]["m.room.message"] == (1 if product == "epa" else 0)  # clear text
    assert found["checks"]["m.room.member"] > 1
