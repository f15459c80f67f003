"""The queries against a plain reading of the same rooms, on rooms that chance makes."""

import json
import sqlite3
import string

import attrs
from hypothesis import given, settings
from hypothesis import strategies as st

from synapse_tim.cleanup.activity import RoomActivity
from synapse_tim.cleanup.rules import CleanupKind, CleanupRules, InsurersOf
from synapse_tim.cleanup.survey import RoomSurvey
from synapse_tim.cleanup.sweep import RoomSweep
from tests.cleanup.synapse_tables import SCHEMA

HOME = "home.example"
DOMAINS = {HOME: True, "insurer.example": True, "hospital.example": False}
NOW = 1_000_000
RULES = CleanupRules(inactive_ms=500, orphaned_ms=100, insured_only_ms=50)
NOTICES = f"@notices:{HOME}"
SURVEY = RoomSurvey(RoomActivity(postgresql=False, server_name=HOME), NOTICES)

USERS = [f"@{name}:{server}" for server in (*DOMAINS, "stranger.example") for name in ("a", "b")]


@attrs.frozen
class Event:
    type: str
    sender: str
    state_key: str | None
    ts: int
    membership: str | None = None
    outlier: bool = False
    rejected: bool = False
    soft_failed: bool = False

    @property
    def ignored(self):
        hidden = self.soft_failed and not self.sender.endswith(HOME)  # Synapse hides what others sent
        return self.rejected or hidden or self.type == "org.matrix.dummy_event"


@attrs.frozen
class Room:
    creator: str
    events: list[Event]
    in_it: bool
    partial: bool
    leaving: bool
    space: bool
    begun: tuple[CleanupKind, int] | None = None

    @property
    def state(self):
        found = {}
        for event in self.events:
            if event.state_key is not None and not event.ignored:
                found[event.type, event.state_key] = event
        return found


times = st.integers(0, NOW)
messages = st.builds(
    Event,
    st.sampled_from(["m.room.message", "org.matrix.dummy_event", "m.reaction"]),
    st.sampled_from(USERS),
    st.none(),
    times,
    outlier=st.booleans(),
    rejected=st.booleans(),
    soft_failed=st.booleans(),
)
memberships = st.builds(
    lambda user, what, ts, soft_failed: Event("m.room.member", user, user, ts, what, soft_failed=soft_failed),
    st.sampled_from(USERS),
    st.sampled_from(["join", "join", "invite", "leave", "ban", "knock"]),
    times,
    st.sampled_from([False, False, False, True]),
)


@st.composite
def rooms(draw):
    creator = draw(st.sampled_from([*USERS, NOTICES]))
    first = draw(times)
    events = [
        Event("m.room.create", creator, "", first),
        Event("m.room.member", creator, creator, first, "join"),
        *draw(st.lists(st.one_of(memberships, messages), max_size=6)),
    ]
    kinds = st.sampled_from([CleanupKind.INACTIVE, CleanupKind.ORPHANED])
    begun = draw(st.none() | st.tuples(kinds, times))
    return Room(creator, events, *(draw(st.booleans()) and draw(st.booleans()) for _ in range(4)), begun)


def fill(database, named):
    for room_id, room in named.items():
        database.execute("INSERT INTO rooms VALUES (?, ?)", (room_id, room.creator))
        for number, event in enumerate(room.events):
            event_id = f"${room_id}{number}"
            key = ("events", event_id, room_id, event.type, event.sender, event.state_key, event.ts)
            database.execute(
                "INSERT INTO events VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?)",
                (*key[1:], number, event.outlier, "no" if event.rejected else None),
            )
            content = {"type": "m.space"} if room.space else {}
            metadata = '{"soft_failed":true}' if event.soft_failed else "{}"
            document = json.dumps({"content": content if event.type == "m.room.create" else {}})
            database.execute("INSERT INTO event_json VALUES (?, ?, ?)", (event_id, document, metadata))
            if number == len(room.events) - 1 and not event.ignored:
                database.execute("INSERT INTO event_forward_extremities VALUES (?, ?)", (event_id, room_id))
            if event.membership:
                database.execute(
                    "INSERT INTO room_memberships VALUES (?, ?, ?, ?)",
                    (event_id, room_id, event.state_key, event.membership),
                )
            if room.state.get((event.type, event.state_key)) is event:
                if is_in(room):
                    database.execute(
                        "INSERT INTO current_state_events VALUES (?, ?, ?, ?, ?)",
                        (event_id, room_id, event.type, event.state_key, event.membership),
                    )
                if event.membership and event.state_key.endswith(HOME):
                    database.execute(
                        "INSERT INTO local_current_membership VALUES (?, ?, ?, ?)",
                        (room_id, event.state_key, event.membership, event_id),
                    )
        if room.partial:
            database.execute("INSERT INTO partial_state_rooms VALUES (?)", (room_id,))
        if room.begun:
            kind, begun_ts = room.begun
            row = (room_id, kind.value, 0, begun_ts)
            database.execute("INSERT INTO synapse_tim_cleanup_rooms VALUES (?, ?, ?, ?)", row)
        status = "active" if room.leaving else "complete"
        database.execute(
            "INSERT INTO scheduled_tasks VALUES ('shutdown_and_purge_room', ?, ?, 1, '')", (status, room_id)
        )


def members(room, *memberships):
    return {
        event.state_key: event
        for (kind, _), event in room.state.items()
        if kind == "m.room.member" and event.membership in memberships
    }


def is_in(room):
    """Synapse forgets the state of rooms that none of its users is in."""
    return any(user.endswith(HOME) for user in members(room, "join"))


def expected(room, invitations_ms):
    """The same as the queries and the rules, in plain words."""
    if room.partial or room.creator == NOTICES:
        return None
    effective = [event for event in room.events if not event.ignored]
    said = [event for event in effective if event.state_key is None and not event.outlier]
    newest = max(event.ts for event in effective)
    local = is_in(room)
    joined = set(members(room, "join")) if local else set()
    waiting = [event for user, event in members(room, "invite", "knock").items() if user.endswith(HOME)]
    invited = list(members(room, "invite").values()) if local else []

    def counts(event):
        return invitations_ms is None or event.ts >= NOW - invitations_ms

    if not room.leaving:
        arrivals = [event.ts for event in effective if event.membership in ("invite", "knock")]
        there = set()
        for event in effective:
            if event.membership == "join" and event.state_key not in there:
                arrivals.append(event.ts)
            if event.membership:
                (there.add if event.membership == "join" else there.discard)(event.state_key)
        silent = not said or said[-1].ts < NOW - RULES.inactive_ms
        if room.begun and silent and max([*(event.ts for event in said), *arrivals]) <= room.begun[1]:
            return room.begun[0]
        orphaned = not said and joined <= {room.creator} and (local or not waiting)
        if orphaned and newest < NOW - RULES.orphaned_ms:
            return CleanupKind.ORPHANED
        pending = any(counts(event) for event in (*waiting, *invited))
        idle = room.space and local and not said
        last = max([max(event.ts for event in said) if said else newest, *arrivals])
        if not pending and not idle and last < NOW - RULES.inactive_ms:
            return CleanupKind.INACTIVE
    if not local or any(DOMAINS.get(server_of(user)) is not True for user in joined):
        return None
    outside = [event for event in invited if DOMAINS.get(server_of(event.state_key)) is not True]
    if any(counts(event) for event in outside):
        return None
    others = [
        event.ts
        for user, event in members(room, "leave", "ban", "knock").items()
        if DOMAINS.get(server_of(user)) is not True
    ]
    ended = [event.ts + invitations_ms for event in outside]
    since = max([room.events[0].ts, *others, *ended])
    return CleanupKind.INSURED_ONLY if since < NOW - RULES.insured_only_ms else None


def server_of(user):
    return user.partition(":")[2]


@settings(max_examples=300)
@given(st.lists(rooms(), min_size=1, max_size=8), st.integers(1, 3), st.none() | st.integers(1, NOW))
def test_the_queries_say_what_a_plain_reading_says(made, limit, invitations_ms):
    named = {f"!{string.ascii_letters[number]}:home.example": room for number, room in enumerate(made)}
    database = sqlite3.connect(":memory:")
    database.executescript(SCHEMA)
    fill(database, named)
    sweep = RoomSweep(
        SURVEY,
        attrs.evolve(RULES, invitations_ms=invitations_ms),
        InsurersOf.listed(frozenset({"insurer.example"}), HOME),
    )
    cursor = database.cursor()
    found, after, looked_at = {}, "", 0
    while after is not None:
        page = sweep.page(cursor, after, NOW, limit)
        found.update({due.room_id: due for due in page.due})
        after, looked_at = page.last, looked_at + page.rooms
    wanted = {room_id: kind for room_id, room in named.items() if (kind := expected(room, invitations_ms))}
    assert {room_id: due.kind for room_id, due in found.items()} == wanted
    assert looked_at == sum(not room.partial and room.creator != NOTICES for room in made)
    for due in found.values():
        assert sweep.still_due(cursor, due, NOW)
        assert not sweep.still_due(cursor, attrs.evolve(due, room_id="!gone:home.example"), NOW)
    blind = RoomSweep(sweep.survey, RULES, insurers=None).page(cursor, "", NOW)
    assert CleanupKind.INSURED_ONLY not in {due.kind for due in blind.due}


def test_messages_of_the_hour_in_which_the_clock_was_years_behind_doom_no_room():
    database = sqlite3.connect(":memory:")
    database.executescript(SCHEMA)
    user, guest = USERS[0], USERS[4]
    begin = [
        Event("m.room.create", user, "", 1),
        Event("m.room.member", user, user, 1, "join"),
        Event("m.room.member", guest, guest, 1, "join"),
    ]
    said = [Event("m.room.message", guest, None, ts) for ts in (NOW - 1, 0)]
    in_room = Room(user, [*begin, *said], *[False] * 4)
    state = [Event("m.room.topic", user, "", ts) for ts in (NOW - 1, 0)]
    without_words = Room(user, [*begin[:2], *state], *[False] * 4)
    fill(database, {"!said:home.example": in_room, "!state:home.example": without_words})
    page = RoomSweep(SURVEY, RULES).page(database.cursor(), "", NOW)
    assert page.rooms == 2
    assert list(page.due) == []


def test_a_room_of_which_nobody_knows_when_something_arrived_stays():
    """Synapse did not always note it, and what others put into its database need not have it."""
    database = sqlite3.connect(":memory:")
    database.executescript(SCHEMA)
    user = USERS[0]
    begin = [Event("m.room.create", user, "", None), Event("m.room.member", user, user, None, "join")]
    said = Event("m.room.message", user, None, None)
    fill(
        database,
        {
            "!said:home.example": Room(user, [*begin, said], *[False] * 4),
            "!state:home.example": Room(user, begin, *[False] * 4),
        },
    )
    insurers = InsurersOf.listed(frozenset(), HOME)
    page = RoomSweep(SURVEY, RULES, insurers).page(database.cursor(), "", NOW)
    assert page.rooms == 2
    assert list(page.due) == []
