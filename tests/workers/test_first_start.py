"""A fresh deployment: nothing alarming in the logs, whichever process makes the tables."""

import pytest

from synapse_tim.testing import wait_for
from tests.workers.test_list_in_workers import everywhere, module

pytestmark = pytest.mark.workers


@pytest.fixture
def ti(ti_simulator):
    return ti_simulator()


@pytest.mark.parametrize("background", [None, "worker1"], ids=["main", "worker"])
def test_the_first_start_logs_no_warning_about_tables(ti, worker_deployment, background):
    """With a worker for background tasks, the main process is up before anybody has made the tables."""
    clinic = worker_deployment(
        "clinic",
        n_workers=2,
        tls_ca=ti.world,
        modules=[module(ti)],
        extra={
            "federation_domain_whitelist": [],
            **({"run_background_tasks_on": background} if background else {}),
        },
    )
    ti.add(clinic.server_name)
    wait_for(lambda: set(everywhere(clinic)) == {ti.version}, timeout=60, what="all processes")
    lines = [line for line in clinic.log_text().splitlines() if "synapse_tim" in line]
    alarming = [line for line in lines if " WARNING " in line or " ERROR " in line]
    assert [line for line in alarming if "table" in line.lower() or "could not be" in line] == []
    if background:
        assert any("no tables yet" in line for line in lines), "the main process has looked before"
