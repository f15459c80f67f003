"""Which rooms are cleaned up, at the boundaries."""

import attrs
import pytest

from synapse_tim.cleanup.rules import (
    Begun,
    CleanupKind,
    CleanupRules,
    Due,
    InsuredRoom,
    InsurersOf,
    RoomFacts,
)
from synapse_tim.core.products import Product, SpecVersion

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
        ("pro", "legacy-1.1", (182 * DAY, None, None, None)),
        ("pro", "1.1", (182 * DAY, None, None, None)),
        ("pro", "1.2", (None, 14 * DAY, None, None)),
        ("epa", "1.1", (182 * DAY, None, 7 * DAY, None)),
        ("epa", "1.2", (None, 14 * DAY, 7 * DAY, None)),
    ],
)
def test_every_product_and_generation_has_its_own_clean_up(product, version, expected):
    assert attrs.astuple(CleanupRules.of(Product(product), SpecVersion(version))) == expected


@pytest.mark.parametrize("version", ["legacy-1.1", "1.1", "1.2"])
@pytest.mark.parametrize(
    ("change", "expected"),
    [
        ({}, True),
        ({"begun": None}, False),
        ({"last_arrival_ts": NOW - 4}, False),
        ({"last_arrival_ts": NOW - 5}, True),
        ({"local": True}, True),
        ({"awaiting_ts": NOW - 900 * DAY}, True),
        ({"last_message_ts": NOW - 4}, False),
        ({"last_message_ts": NOW - 900 * DAY}, True),
    ],
)
def test_a_removal_that_was_begun_goes_on_as_long_as_nothing_happens(version, change, expected):
    """Everybody was made to leave just now, which alone is no reason to keep it."""
    kind = CleanupKind.ORPHANED if version == "1.2" else CleanupKind.INACTIVE
    begun = Begun(kind, since_ts=NOW - 300 * DAY, begun_ts=NOW - 5)
    room = RoomFacts("!a", last_event_ts=NOW - 1, creator="@a:b", begun=begun)
    rules = CleanupRules.of(Product.PRO, SpecVersion(version))
    due = rules.judge(attrs.evolve(room, **change), NOW)
    assert due == (Due("!a", kind, NOW - 300 * DAY, NOW - 5) if expected else None)
    assert CleanupRules().judge(attrs.evolve(room, **change), NOW) is None
    other = attrs.evolve(begun, kind=CleanupKind.ORPHANED if version != "1.2" else CleanupKind.INACTIVE)
    assert rules.judge(attrs.evolve(room, begun=other), NOW) is None  # switched off meanwhile


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
        ({"joined": 0, "alone": None, "local": False, "creator": None, "awaiting_ts": NOW}, False),
        ({"invited_ts": NOW, "awaiting_ts": NOW}, True),
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
        ({"invited_ts": NOW - 900 * DAY}, False),
        ({"awaiting_ts": NOW}, False),
        ({"last_arrival_ts": NOW - 5 * DAY}, False),
        ({"last_arrival_ts": NOW - 500 * DAY}, True),
        ({"creator": None, "joined": 0, "local": False}, True),
    ],
)
def test_a_25318_inactive_rooms(change, expected):
    due = INACTIVE.judge(attrs.evolve(SILENT, **change), NOW)
    assert (due is not None and due.kind is CleanupKind.INACTIVE) is expected


@pytest.mark.parametrize("name", ["invited_ts", "awaiting_ts"])
@pytest.mark.parametrize(("age", "expected"), [(30 * DAY, False), (30 * DAY + 1, True)])
def test_a_25318_an_invitation_counts_for_as_long_as_is_configured(name, age, expected):
    rules = attrs.evolve(INACTIVE, invitations_ms=30 * DAY)
    room = attrs.evolve(SILENT, **{name: NOW - age})
    assert (rules.judge(room, NOW) is not None) is expected
    assert INACTIVE.judge(room, NOW) is None


@pytest.mark.parametrize(
    ("invited", "for_ever", "a_month"),
    [
        ({"@doctor:hospital.example": 90 * DAY}, False, True),
        ({"@doctor:hospital.example": 37 * DAY + 1}, False, True),
        ({"@doctor:hospital.example": 37 * DAY}, False, False),
        ({"@doctor:hospital.example": 30 * DAY}, False, False),
        ({"@doctor:hospital.example": 90 * DAY, "@nurse:hospital.example": DAY}, False, False),
        ({"@patient:other.example": DAY}, True, True),
    ],
)
def test_a_26348_an_invitation_of_somebody_else_counts_for_as_long_as_is_configured(
    invited, for_ever, a_month
):
    """A week after it no longer does, the insured persons leave."""
    room = InsuredRoom("!a", NOW - 99 * DAY, invitations={who: NOW - at for who, at in invited.items()})
    assert (ALL.judge_insured(room, INSURERS, NOW) is not None) is for_ever
    rules = attrs.evolve(ALL, invitations_ms=30 * DAY)
    assert (rules.judge_insured(room, INSURERS, NOW) is not None) is a_month


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
