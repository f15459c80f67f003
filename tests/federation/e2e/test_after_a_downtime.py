"""R1.11: after a downtime the log says that the list is stale only if nobody confirms it."""

import contextlib
import sqlite3

import pytest

from synapse_tim.testing import wait_for
from tests.federation.e2e.conftest import enforcing, version_of

pytestmark = pytest.mark.servers

STALE = "The federation list is stale"
DAYS_MS = 10 * 24 * 60 * 60 * 1000


def updates(server, result):
    return server.metrics().get(f'synapse_tim_federation_list_updates_total{{result="{result}"}}', 0)


@pytest.fixture
def hospital(ti, start, tmp_path):
    """A server that was down for ten days: it has its list, and has to ask whether that is the latest."""
    server = start(enforcing("hospital", tmp_path, ti, max_age="72h"))
    ti.add(server.server_name)
    wait_for(lambda: version_of(server) == ti.version, what="the list")
    server.stop()
    with contextlib.closing(sqlite3.connect(server.directory / "homeserver.db")) as database, database:
        times = ", ".join(
            f"{name} = {name} - {DAYS_MS}" for name in ("accepted_ts", "confirmed_ts", "latest_ts")
        )
        database.execute(f"UPDATE synapse_tim_federation_list SET {times}")
    server.log_path.unlink()
    return server


def test_r1_11_a_list_that_is_confirmed_is_never_said_to_be_stale(ti, hospital):
    hospital.start().wait()
    wait_for(lambda: updates(hospital, "confirmed") or updates(hospital, "accepted"))
    wait_for(lambda: hospital.metrics()["synapse_tim_federation_list_stale"] == 0)
    assert STALE not in hospital.log_text()
    assert "current again" not in hospital.log_text()


def test_r1_11_a_list_that_nobody_confirms_is(ti, hospital):
    ti.stop()
    hospital.start().wait()
    wait_for(lambda: updates(hospital, "unreachable"), what="the attempt")
    assert hospital.metrics()["synapse_tim_federation_list_stale"] == 1
    wait_for(lambda: STALE in hospital.log_text(), what="the log")
    assert f"{STALE} (not_confirmed): remote traffic is denied" in hospital.log_text()
    ti.start()
    wait_for(lambda: "The federation list is current again" in hospital.log_text())
