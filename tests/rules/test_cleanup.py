"""Which rooms are cleaned up, at the boundaries."""

import attrs
import pytest

from synapse_tim.rules.cleanup import CleanupKind, CleanupRules, Due, InsuredRoom, InsurersOf, RoomFacts
from synapse_tim.rules.products import Product, SpecVersion

DAY = 24 * 60 * 60 * 1000
NOW = 1000 * DAY
ALL = CleanupRules(inactive_ms=182 * DAY, orphaned_ms=14 * DAY, insured_only_ms=7 * DAY)
ORPHANS = attrs.evolve(ALL, inactive_ms=None)
INACTIVE = attrs.evolve(ALL, orphaned_ms=None)
HOME = "insurer.example"
INSURERS = InsurersOf.listed(frozenset({"other.example"}), HOME)

ORPHAN = RoomFacts("!a", last_event_ts=NOW - 15 * DAY, creator="@a:b", joined=1, alone="@a:b", local=True)
SILENT = RoomFacts(
    "!a", last_message_ts=NOW - 183 * DAY, last_event_ts=NOW, creator="@a:b", joined=2, local=True
)


@pytest.mark.parametrize(
    ("product", "version", "expected"),
    [
        ("pro", "legacy-1.1", (182 * DAY, None, None)),
        ("pro", "1.1", (182 * DAY, None, None)),
        ("pro", "1.2", (None, 14 * DAY, None)),
        ("epa", "1.1", (182 * DAY, None, 7 * DAY)),
        ("epa", "1.2", (None, 14 * DAY, 7 * DAY)),
    ],
)
def test_every_product_and_generation_has_its_own_clean_up(product, version, expected):
    assert attrs.astuple(CleanupRules.of(Product(product), SpecVersion(version))) == expected


@pytest.mark.parametrize("version", ["legacy-1.1", "1.1", "1.2"])
@pytest.mark.parametrize(
    ("change", "expected"),
    [
        ({}, True),
        ({"failed_ts": None}, False),
        ({"failed_ts": NOW - 2}, False),
        ({"last_arrival_ts": NOW}, False),
        ({"local": True}, False),
        ({"awaiting": True}, False),
        ({"last_message_ts": NOW - 1}, False),
    ],
)
def test_a_room_that_synapse_failed_to_delete_is_due_as_long_as_nothing_happens(version, change, expected):
    """Everybody was made to leave just now, which alone is no reason to keep it."""
    room = RoomFacts("!a", last_event_ts=NOW - 1, creator="@a:b", failed_ts=NOW - 1)
    rules = CleanupRules.of(Product.PRO, SpecVersion(version))
    due = rules.judge(attrs.evolve(room, **change), NOW)
    kind = CleanupKind.ORPHANED if version == "1.2" else CleanupKind.INACTIVE
    assert due == (Due("!a", kind, NOW - 1) if expected else None)
    assert CleanupRules().judge(attrs.evolve(room, **change), NOW) is None


@pytest.mark.parametrize(
    ("change", "expected"),
    [
        ({}, True),
        ({"last_event_ts": NOW - 14 * DAY}, False),
        ({"last_event_ts": NOW - 14 * DAY - 1}, True),
        ({"last_message_ts": NOW - 900 * DAY}, False),
        ({"joined": 2, "alone": None}, False),
        ({"alone": "@other:b"}, False),
        ({"joined": 0, "alone": None, "local": False}, True),
        ({"joined": 0, "alone": None, "local": False, "creator": None}, True),
        ({"joined": 0, "alone": None, "local": False, "creator": None, "awaiting": True}, False),
        ({"invited": 3, "awaiting": True}, True),
        ({"space": True}, True),
    ],
)
def test_a_28564_01_orphans(change, expected):
    due = ORPHANS.judge(attrs.evolve(ORPHAN, **change), NOW)
    assert (due is not None and due.kind is CleanupKind.ORPHANED) is expected


@pytest.mark.parametrize(
    ("change", "expected"),
    [
        ({}, True),
        ({"last_message_ts": NOW - 182 * DAY}, False),
        ({"last_message_ts": NOW - 182 * DAY - 1}, True),
        ({"last_message_ts": None}, False),
        ({"last_message_ts": None, "last_event_ts": NOW - 183 * DAY}, True),
        ({"last_message_ts": None, "last_event_ts": NOW - 183 * DAY, "space": True}, False),
        ({"last_message_ts": None, "last_event_ts": NOW - 183 * DAY, "space": True, "local": False}, True),
        ({"space": True}, True),
        ({"invited": 1}, False),
        ({"awaiting": True}, False),
        ({"last_arrival_ts": NOW - 5 * DAY}, False),
        ({"last_arrival_ts": NOW - 500 * DAY}, True),
        ({"creator": None, "joined": 0, "local": False}, True),
    ],
)
def test_a_25318_inactive_rooms(change, expected):
    due = INACTIVE.judge(attrs.evolve(SILENT, **change), NOW)
    assert (due is not None and due.kind is CleanupKind.INACTIVE) is expected


@pytest.mark.parametrize(
    ("created", "departures", "expected"),
    [
        (8 * DAY, {}, True),
        (7 * DAY, {}, False),
        (90 * DAY, {"@doctor:hospital.example": 8 * DAY}, True),
        (90 * DAY, {"@doctor:hospital.example": 6 * DAY}, False),
        (90 * DAY, {"@doctor:hospital.example": 8 * DAY, "@bot:unknown.example": DAY}, False),
        (90 * DAY, {"@patient:insurer.example": DAY, "@child:other.example": DAY}, True),
    ],
)
def test_a_26348_a_week_after_the_last_of_the_others_left(created, departures, expected):
    room = InsuredRoom("!a", NOW - created, {who: NOW - at for who, at in departures.items()})
    due = ALL.judge_insured(room, INSURERS, NOW)
    assert (due is not None) is expected
    assert attrs.evolve(ALL, insured_only_ms=None).judge_insured(room, INSURERS, NOW) is None


def test_a_26348_who_is_insured():
    assert INSURERS.servers == {HOME, "other.example"}
    assert InsurersOf.listed(frozenset(), HOME).servers == {HOME}


def test_what_is_switched_off_needs_no_closer_look():
    assert not CleanupRules().may_be_due(None, NOW)
    assert not ORPHANS.may_be_due(0, NOW)
    assert ORPHANS.may_be_due(None, NOW)
    assert INACTIVE.may_be_due(NOW - 183 * DAY, NOW)
    assert not INACTIVE.may_be_due(NOW, NOW)
    assert CleanupRules().judge(ORPHAN, NOW) is None
    assert {kind.requirements for kind in CleanupKind} == {"A_25318, A_25319", "A_28564-01", "A_26348"}
