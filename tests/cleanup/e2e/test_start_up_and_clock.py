"""What cleanup does not do: without a list, after a leap of the clock, and what stops a start."""

import sqlite3
import time

import pytest

from synapse_tim.testing import SynapseServer, wait_for
from tests.cleanup.e2e.world import DAY_MS, cleaning, exists, is_deleted, outcomes, rounds, rows, wait_long

pytestmark = pytest.mark.servers

EXTRA = {"federation_domain_whitelist": []}
LONG_MS = 15 * DAY_MS


def cleaning_server(tmp_path, ti, product="epa", **cleanup):
    modules = [cleaning(ti, product, "1.2", **cleanup)]
    return SynapseServer("clinic", tmp_path / "clinic", ti.world, modules=modules, extra=EXTRA)


def test_a_26348_nobody_leaves_while_nobody_knows_who_is_insured(ti, start, tmp_path):
    ti.faults.bad_signature = True
    server = start(cleaning_server(tmp_path, ti))
    patient = server.register("patient")
    room, orphan = patient.create_room(), patient.create_room()
    patient.send(room, "note").raise_for_status()
    for each in (room, orphan):
        wait_long(server, each, LONG_MS)
    assert is_deleted(server, orphan)
    rounds(server)
    assert room in patient.joined_rooms()
    ti.faults.reset()
    ti.add(server.server_name, insurance=True)
    server.restart()
    wait_for(lambda: room not in patient.joined_rooms(), what="the patient to leave")


def test_a_28564_01_after_a_leap_of_the_clock_it_only_looks_for_a_day(ti, start, tmp_path):
    """A homeserver that was off, or whose clock is days ahead: both look like this from inside."""
    server = start(cleaning_server(tmp_path, ti, "pro"))
    doctor = server.register("doctor")
    room = doctor.create_room()
    rounds(server)
    server.stop()
    with sqlite3.connect(server.directory / "homeserver.db") as database:
        database.execute("UPDATE synapse_tim_cleanup SET seen_ts = seen_ts - ?", (2 * DAY_MS,))
        database.execute("UPDATE events SET received_ts = received_ts - ?", (LONG_MS,))
    server.start().wait()
    rounds(server)
    assert exists(server, room)
    assert "it only looks until tomorrow" in server.log_text()
    assert server.metrics()['synapse_tim_cleanup_due_rooms{kind="orphaned"}'] == 1
    ((until,),) = rows(server, "SELECT acts_from_ts FROM synapse_tim_cleanup")
    assert 0 < until - time.time() * 1000 <= DAY_MS
    server.stop()
    with sqlite3.connect(server.directory / "homeserver.db") as database:
        database.execute("UPDATE synapse_tim_cleanup SET acts_from_ts = 0")  # a day later
    server.start().wait()
    assert is_deleted(server, room)


def test_a_28564_01_a_dry_run_counts_and_keeps(ti, start, tmp_path):
    server = start(cleaning_server(tmp_path, ti, "pro", dry_run=True))
    room = server.register("doctor").create_room()
    wait_long(server, room, LONG_MS)
    due = 'synapse_tim_cleanup_due_rooms{kind="orphaned"}'
    wait_for(lambda: server.metrics().get(due) == 1)
    rounds(server)
    assert exists(server, room)


@pytest.mark.parametrize(
    ("config", "says"),
    [
        ({"product": "epa"}, "needs synapse_tim.FederationAllowList"),
        (
            {"product": "epa", "cleanup": {"inactive_rooms": "26w"}},
            "config.cleanup.inactive_rooms: what insured",
        ),
        ({"product": "pro", "cleanup": {"insured_only_rooms": "1w"}}, "is for product epa (A_26348)"),
    ],
)
def test_a_server_that_cannot_clean_up_as_configured_does_not_start(ti, tmp_path, config, says):
    block = {"spec_version": "1.2", **config}
    modules = [{"module": "synapse_tim.RoomCleanup", "config": block}]
    server = SynapseServer("clinic", tmp_path / "clinic", ti.world, modules=modules)
    assert says in server.start_expecting_failure()


def test_a_28342_a_server_that_forgets_rooms_for_its_users_does_not_start(ti, tmp_path):
    block = {"product": "pro", "spec_version": "1.2"}
    modules = [{"module": "synapse_tim.RoomCleanup", "config": block}]
    server = SynapseServer("clinic", tmp_path / "clinic", ti.world, modules=modules)
    server.config["forget_rooms_on_leave"] = True
    assert "set forget_rooms_on_leave: false" in server.start_expecting_failure()


def test_a_26348_whoever_is_in_many_rooms_leaves_them_all_and_can_still_write(ti, start, tmp_path):
    """Synapse limits what users do themselves; this is not done by them."""
    modules = [cleaning(ti, "epa", "1.1")]
    server = start(SynapseServer("clinic", tmp_path / "clinic", ti.world, modules=modules, extra=EXTRA))
    ti.add(server.server_name, insurance=True)
    patient = server.register("patient")
    kept, *rooms = [patient.create_room() for _ in range(14)]
    server.stop()
    server.config["rc_message"] = {"per_second": 0.2, "burst_count": 10}  # Synapse's own
    for room in rooms:
        wait_long(server, room, LONG_MS)
    server.start().wait()
    wait_for(lambda: patient.joined_rooms() == {kept}, what="the patient to leave")
    assert outcomes(server, "insured_only", "failed") == 0
    patient.send(kept, "note").raise_for_status()
