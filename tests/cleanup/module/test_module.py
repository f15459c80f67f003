"""Wiring of cleanup: going on after a restart, what fails, what is only looked at."""

from unittest.mock import AsyncMock

import pytest
from synapse.module_api.errors import ConfigError, SynapseError
from synapse.util.task_scheduler import TaskScheduler

from synapse_tim.adapter.clock import now_ms
from synapse_tim.adapter.metrics import CLEANUP_DUE, CLEANUP_LAST_RUN, CLEANUP_ROOMS
from synapse_tim.cleanup import rounds as cleanup_rounds
from synapse_tim.cleanup.activity import RoomActivity
from synapse_tim.cleanup.config import CleanupConfig
from synapse_tim.cleanup.module import RoomCleanup
from synapse_tim.cleanup.progress import Progress, ProgressStore
from synapse_tim.cleanup.rounds import CleanupRounds
from synapse_tim.cleanup.rules import CleanupRules, InsurersOf
from synapse_tim.cleanup.survey import RoomSurvey
from tests.cleanup.synapse_tables import SCHEMA

HOME = "hospital.example"
DAY = 24 * 60 * 60 * 1000
SURVEY = RoomSurvey(RoomActivity(postgresql=False, server_name=HOME))


@pytest.fixture
def rooms(database):
    """Orphans ``!0`` to ``!8`` of somebody who left them long ago."""
    database.executescript(SCHEMA)
    for number in range(9):
        room = f"!{number}"
        database.execute("INSERT INTO rooms VALUES (?, '')", (room,))
        database.execute(
            "INSERT INTO events VALUES (?, ?, 'm.room.create', '@a:b', '', 1, ?, false, NULL)",
            (f"${number}", room, number),
        )
        database.execute("INSERT INTO synapse_tim_cleanup_rooms VALUES (?, 'orphaned', 1, 5)", (room,))
    return [f"!{number}" for number in range(9)]


@pytest.fixture
def rounds(api, rooms, monkeypatch):
    """What cleans up, four rooms a page."""
    monkeypatch.setattr(cleanup_rounds, "PAGE", 4)
    page = RoomSurvey.page
    monkeypatch.setattr(RoomSurvey, "page", lambda self, cursor, after, limit: page(self, cursor, after, 4))

    def make(rules=None, **config):
        settings = CleanupConfig.model_validate(config)
        return CleanupRounds(
            api,
            settings,
            rules or CleanupRules(orphaned_ms=DAY),
            SURVEY,
            lambda: None,
            AsyncMock(),
            lambda server_name: server_name != "removed.example",
        )

    return make


def deleted(api):
    return [call.args[0] for call in api.delete_room.await_args_list]


def count(outcome, kind="orphaned"):
    return CLEANUP_ROOMS.labels(kind, outcome)._value.get()


def test_a_round_goes_through_all_rooms_with_pauses(api, rounds, rooms, run):
    before = count("purged")
    run(rounds().tick())
    assert deleted(api) == rooms
    assert count("purged") == before + 9
    assert CLEANUP_DUE.labels("orphaned")._value.get() == 9
    assert CLEANUP_LAST_RUN._value.get() > 0
    assert [call.args for call in api.sleep.await_args_list] == [(0.2,), (0.2,)]


def test_the_next_round_has_to_wait(api, rounds, run):
    first = rounds()
    run(first.tick())
    api.delete_room.reset_mock()
    run(first.tick())
    run(rounds().tick())  # also after a restart
    assert deleted(api) == []


def test_a_restart_goes_on_where_the_last_process_was(api, rounds, rooms, run):
    api.delete_room.side_effect = [None] * 5 + [KeyboardInterrupt]
    with pytest.raises(KeyboardInterrupt):
        run(rounds().tick())
    assert run(ProgressStore(api).read()).after_room_id == "!3"
    api.delete_room.reset_mock(side_effect=True)
    CLEANUP_DUE.labels("orphaned").set(77)
    run(rounds().tick())
    assert deleted(api) == rooms[4:]
    assert CLEANUP_DUE.labels("orphaned")._value.get() == 77  # nobody knows how many there were in all
    assert run(ProgressStore(api).read()).after_room_id == ""


def test_one_room_that_fails_does_not_stop_the_others(api, rounds, rooms, run):
    before = count("failed"), count("skipped"), count("purged")
    api.delete_room.side_effect = [RuntimeError, SynapseError(400, "Purge already in progress")] + [None] * 7
    run(rounds().tick())
    assert deleted(api) == rooms
    assert (count("failed"), count("skipped"), count("purged")) == (
        before[0] + 1,
        before[1] + 1,
        before[2] + 7,
    )


def test_a_room_that_synapse_could_not_delete_is_tried_again_and_counted(api, rounds, rooms, database, run):
    database.execute("INSERT INTO scheduled_tasks VALUES ('shutdown_and_purge_room', 'failed', '!3', 1, '')")
    before = count("failed"), count("purged")
    run(rounds().tick())
    assert deleted(api) == rooms
    assert (count("failed"), count("purged")) == (before[0] + 1, before[1] + 8)


def test_a_room_that_is_just_beginning_is_not_touched(api, rounds, rooms, database, run):
    """Synapse notes the room before it stores its first event, or the invitation to it."""
    database.execute("INSERT INTO rooms VALUES ('!0beginning', '')")
    run(rounds().tick())
    assert deleted(api) == rooms


def test_a_dry_run_only_looks(api, rounds, run):
    run(rounds(dry_run=True).tick())
    assert deleted(api) == []
    assert CLEANUP_DUE.labels("orphaned")._value.get() == 9


def test_a_database_that_does_not_answer_ends_the_round_quietly(api, rounds, run, caplog):
    api.run_db_interaction = AsyncMock(side_effect=RuntimeError("secret"))
    run(rounds().tick())
    assert "RuntimeError" in caplog.text
    assert "secret" not in caplog.text


def test_what_is_judged_is_deleted_at_once(api, rounds, rooms, database, run):
    """Synapse runs a few tasks at a time; the others wait, and are not judged again before they run."""
    at_once = TaskScheduler.MAX_CONCURRENT_RUNNING_TASKS
    tasks = [0]

    async def delete(room):
        database.execute(
            "INSERT INTO scheduled_tasks VALUES ('shutdown_and_purge_room', 'active', ?, 1, '')", (room,)
        )
        ((under_way,),) = database.execute("SELECT COUNT(*) FROM scheduled_tasks WHERE status = 'active'")
        tasks.append(under_way)

    async def sleep(seconds):
        if seconds >= 1:  # it waits for Synapse; between pages it only pauses
            database.execute("UPDATE scheduled_tasks SET status = 'complete'")

    api.delete_room.side_effect, api.sleep.side_effect = delete, sleep
    run(rounds().tick())
    assert deleted(api) == rooms
    assert max(tasks) < at_once


def test_what_synapse_cannot_take_yet_waits(api, rounds, rooms, database, run):
    for number in range(4):
        database.execute(
            "INSERT INTO scheduled_tasks VALUES ('shutdown_and_purge_room', 'active', ?, 1, '')",
            (f"!other{number}",),
        )

    async def sleep(seconds):
        if api.sleep.await_count == 3:
            database.execute("DELETE FROM scheduled_tasks WHERE resource_id = '!other1'")

    api.sleep.side_effect = sleep
    run(rounds().tick())
    assert deleted(api) == rooms
    database.execute("UPDATE scheduled_tasks SET resource_id = '!x'")
    database.execute("INSERT INTO scheduled_tasks SELECT * FROM scheduled_tasks")
    database.execute("UPDATE synapse_tim_cleanup SET finished_ts = 0")
    api.delete_room.reset_mock()
    run(rounds().tick())
    assert deleted(api) == []  # and it does not wait for ever
    assert run(ProgressStore(api).read()).finished_ts == 0


def test_what_synapse_is_to_delete_days_later_keeps_nothing_waiting(api, rounds, rooms, database, run):
    """Each room that everybody has forgotten is noted so (``forgotten_room_retention_period``)."""
    for number in range(50):
        database.execute(
            "INSERT INTO scheduled_tasks VALUES ('purge_room', 'scheduled', ?, ?, '')",
            (f"!forgotten{number}", now_ms() + DAY),
        )
    run(rounds().tick())
    assert deleted(api) == rooms


def test_a_room_that_is_not_due_any_more_stays(api, rounds, rooms, database, run):
    async def delete(room):
        database.execute("UPDATE events SET state_key = NULL WHERE room_id = '!2'")

    api.delete_room.side_effect = delete
    before = count("skipped")
    run(rounds().tick())
    assert deleted(api) == [room for room in rooms if room != "!2"]
    assert count("skipped") == before + 1


def test_everybody_who_can_leaves(api, database, rooms, run):
    left = AsyncMock(side_effect=[RuntimeError, None])
    for user in ("@a", "@b"):
        database.execute(
            "INSERT INTO local_current_membership VALUES ('!1', ?, 'join', '$')", (f"{user}:{HOME}",)
        )
        database.execute(
            "INSERT INTO current_state_events VALUES ('$', '!1', 'm.room.member', ?, 'join')",
            (f"{user}:{HOME}",),
        )
    database.execute("INSERT INTO current_state_events VALUES ('$1', '!1', 'm.room.create', '', NULL)")
    before = count("failed", "insured_only")
    rounds = CleanupRounds(
        api,
        CleanupConfig(),
        CleanupRules(insured_only_ms=DAY),
        SURVEY,
        lambda: InsurersOf.listed(frozenset(), HOME),
        left,
        lambda server_name: True,
    )
    run(rounds.tick())
    users = [f"{user}:{HOME}" for user in ("@a", "@b")]
    assert [call.args for call in left.await_args_list] == [(user, user, "!1") for user in users]
    assert count("failed", "insured_only") == before + 1


def test_a_room_is_taken_apart_first_and_deleted_when_others_were_told(api, rounds, rooms, database, run):
    database.execute("DELETE FROM synapse_tim_cleanup_rooms WHERE room_id IN ('!1', '!2')")
    database.execute("INSERT INTO destination_rooms VALUES ('other.example', '!2', 7)")
    database.execute("INSERT INTO destination_rooms VALUES ('removed.example', '!1', 7)")
    run(rounds().tick())
    assert deleted(api) == [room for room in rooms if room not in ("!1", "!2")]

    def again(begun_ts):
        api.delete_room.reset_mock()
        database.execute("UPDATE synapse_tim_cleanup SET finished_ts = 1")
        database.execute("UPDATE synapse_tim_cleanup_rooms SET begun_ts = ? WHERE begun_ts > 5", (begun_ts,))
        database.execute("DELETE FROM rooms WHERE room_id NOT IN ('!1', '!2')")
        run(rounds().tick())
        return deleted(api)

    assert again(now_ms() - 2 * DAY) == ["!1"]
    assert again(now_ms() - 4 * DAY) == ["!1", "!2"]  # nobody is waited for for ever
    assert database.execute("SELECT COUNT(*) FROM synapse_tim_cleanup_rooms").fetchall() == [(2,)]


@pytest.mark.parametrize(
    ("passed", "acts"),
    [(0, True), (DAY, True), (DAY + 1, False), (400 * DAY, False), (-60_000, True), (-60_001, False)],
)
def test_after_a_leap_of_the_clock_it_only_looks_for_a_day(passed, acts):
    progress = Progress(seen_ts=1000 * DAY).at(1000 * DAY + passed)
    assert progress.acts() is acts
    later = progress.at(progress.seen_ts + DAY)
    assert later.acts()
    assert Progress().at(5).acts()  # the very first time


def test_nothing_is_deleted_while_the_clock_may_be_wrong(api, rounds, rooms, database, run, caplog):
    run(rounds(dry_run=True).tick())
    database.execute("UPDATE synapse_tim_cleanup SET seen_ts = 1, finished_ts = 1")
    run(rounds().tick())
    assert deleted(api) == []
    assert "it only looks until tomorrow" in caplog.text
    database.execute("UPDATE synapse_tim_cleanup SET finished_ts = 1")
    run(rounds().tick())
    assert deleted(api) == []
    database.execute("UPDATE synapse_tim_cleanup SET finished_ts = 1, acts_from_ts = 1")
    run(rounds().tick())
    assert deleted(api) == rooms


@pytest.mark.parametrize(
    ("progress", "due"),
    [
        (Progress(), True),
        (Progress("", 99_000), True),
        (Progress("", 99_001), False),
        (Progress("!a", 99_999), True),
        (Progress("", 100_001), True),  # the clock was ahead
    ],
)
def test_when_there_is_something_to_do(progress, due):
    assert progress.is_due(100_000, 1000) is due


BLOCK = {"product": "pro", "spec_version": "1.2"}


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (
            {"cleanup": {"inactive_rooms": "1h"}},
            "cleanup.inactive_rooms: expected a day (1d) or more, or off",
        ),
        ({"cleanup": {"orphaned_rooms": 14}}, "cleanup.orphaned_rooms: expected a duration from one second"),
        ({"cleanup": {"orphaned_rooms": "soon"}}, "or off"),
        ({"cleanup": {"interval": "2w"}}, "cleanup.interval: expected a week (1w) or less"),
        ({"cleanup": {"dry_run": 1}}, "cleanup.dry_run"),
        ({"cleanup": {"invitations_count_for": "1h"}}, "cleanup.invitations_count_for: expected a day (1d)"),
        ({"cleanup": {"rooms": "1w"}}, "cleanup.rooms: this key is unknown"),
        ({"cleanup": {"insured_only_rooms": "1w"}}, "cleanup.insured_only_rooms: is for product epa"),
        ({"product": "epa", "cleanup": {"inactive_rooms": "26w"}}, "cleanup.inactive_rooms: what insured"),
    ],
)
def test_what_is_refused(change, message):
    with pytest.raises(ConfigError) as refused:
        RoomCleanup.parse_config({**BLOCK, **change})
    assert message in refused.value.msg
    assert "modules[…].config.cleanup" in refused.value.msg


@pytest.mark.parametrize(
    ("change", "rules"),
    [
        ({}, CleanupRules(orphaned_ms=14 * DAY)),
        ({"cleanup": {"orphaned_rooms": False}}, CleanupRules()),
        ({"cleanup": {"orphaned_rooms": "off", "inactive_rooms": "52w"}}, CleanupRules(364 * DAY)),
        ({"spec_version": "1.1"}, CleanupRules(182 * DAY)),
        ({"cleanup": {"invitations_count_for": "off"}}, CleanupRules(orphaned_ms=14 * DAY)),
        (
            {"cleanup": {"invitations_count_for": "30d"}},
            CleanupRules(orphaned_ms=14 * DAY, invitations_ms=30 * DAY),
        ),
        ({"spec_version": "legacy-1.1"}, CleanupRules(182 * DAY)),
        ({"spec_version": "1.1", "cleanup": {"inactive_rooms": "off"}}, CleanupRules()),
        ({"product": "epa"}, CleanupRules(None, 14 * DAY, 7 * DAY)),
        ({"product": "epa", "cleanup": {"inactive_rooms": "off"}}, CleanupRules(None, 14 * DAY, 7 * DAY)),
        ({"product": "epa", "cleanup": {"insured_only_rooms": "off"}}, CleanupRules(None, 14 * DAY)),
    ],
)
def test_what_the_operator_says_counts(change, rules):
    assert RoomCleanup.parse_config({**BLOCK, **change}).cleanup_rules == rules


def test_a_list_that_ends_while_rooms_are_cleaned_up_counts_at_once(api, database, rooms, run):
    """Deleting what comes first on a page may take hours."""
    user = f"@a:{HOME}"
    for number in (1, 2):
        room = f"!{number}"
        database.execute("INSERT INTO local_current_membership VALUES (?, ?, 'join', '$')", (room, user))
        for event, kind, key, what in (("$", "member", user, "join"), (f"${number}", "create", "", None)):
            database.execute(
                "INSERT INTO current_state_events VALUES (?, ?, ?, ?, ?)",
                (event, room, f"m.room.{kind}", key, what),
            )
    lists = [InsurersOf.listed(frozenset(), HOME)]

    left = AsyncMock(side_effect=lambda sender, user_id, room_id: lists.clear())
    before = count("skipped", "insured_only")
    rounds = CleanupRounds(
        api,
        CleanupConfig(),
        CleanupRules(insured_only_ms=DAY),
        SURVEY,
        lambda: lists[0] if lists else None,
        left,
        lambda server_name: True,
    )
    run(rounds.tick())
    assert left.await_count == 1
    assert count("skipped", "insured_only") == before + 1
