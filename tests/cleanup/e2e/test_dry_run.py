"""``synapse-tim cleanup --dry-run`` beside a homeserver that runs: what would go, and why."""

import datetime as dt
import json

import pytest

from synapse_tim.cli import main
from tests.cleanup.e2e.world import DAY_MS, WEEK_MS, exists, rounds, wait_long
from tests.support.world import PRIVATE, together

pytestmark = pytest.mark.servers


def dry_run(server, capsys, *, days=0):
    at = (dt.datetime.now(dt.UTC) + dt.timedelta(days=days)).isoformat()
    capsys.readouterr()
    assert main(["cleanup", "--dry-run", str(server.config_path), "--json", "--at", at]) == 0
    found = json.loads(capsys.readouterr().out)
    return found, {each["room_id"]: each for each in found["due"]}


def test_a_25318_what_will_be_inactive_is_seen_before(world, capsys):
    doctor = world.user(world.clinic)
    room = doctor.create_room()
    doctor.send(room, "something").raise_for_status()
    wait_long(world.clinic, room, 20 * WEEK_MS)
    found, due = dry_run(world.clinic, capsys)
    assert room not in due
    assert found["rooms"] >= 1
    _, due = dry_run(world.clinic, capsys, days=50)
    assert due[room]["kind"] == "inactive"
    assert due[room]["becomes"] == "deleted"
    assert due[room]["requirements"] == "A_25318, A_25319"
    since = dt.datetime.fromisoformat(due[room]["since"])
    age = dt.datetime.now(dt.UTC) - since
    assert dt.timedelta(weeks=20) <= age < dt.timedelta(weeks=20, days=1)
    rounds(world.clinic)
    assert exists(world.clinic, room)


def test_a_28564_01_on_the_hospitals_database(world, capsys):
    doctor = world.user(world.hospital)
    room = doctor.create_room()
    wait_long(world.hospital, room, 10 * DAY_MS)
    _, due = dry_run(world.hospital, capsys, days=5)
    assert due[room]["kind"] == "orphaned"
    assert main(["cleanup", "--dry-run", str(world.hospital.config_path), "--at", "2999-01-01"]) == 0
    printed = capsys.readouterr().out
    assert room in printed
    assert "due: orphaned" in printed


def test_a_26348_who_is_insured_is_known_from_the_stored_list(world, capsys):
    doctor, patient = world.user(world.lax), world.user(world.insurer)
    alone, treated = patient.create_room(), together(doctor, patient, **PRIVATE)
    patient.send(alone, "note").raise_for_status()
    patient.send(treated, "hello").raise_for_status()
    found, due = dry_run(world.insurer, capsys, days=8)
    assert found["insurers_known"] is True
    assert due[alone]["kind"] == "insured_only"
    assert due[alone]["becomes"] == "left"
    assert treated not in due
