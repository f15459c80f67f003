"""A room that was used in every way, and purged, can be joined, read and written to again.

Synapse's purge forgets rows that its own code trips over when it stores the same events again.
"""

import pytest

from synapse_tim.testing import wait_for
from tests.cleanup.e2e.world import WEEK_MS, exists, is_deleted, rounds, rows, wait_long
from tests.support.world import ENCRYPTED, PRIVATE, in_database, invited, together

pytestmark = pytest.mark.servers

CLIENT = "/_matrix/client/v3"
RETENTION = {"type": "m.room.retention", "state_key": "", "content": {"max_lifetime": 10**10}}
#: Tables that keep something of a purged room, which does no harm.
HARMLESS = {
    "current_state_delta_stream",
    "delayed_events",
    "device_lists_changes_in_room",
    "event_reports",
    "ex_outlier_stream",
    "push_rules",
    "push_rules_enable",
    "push_rules_stream",
    "room_reports",
    "room_tags_revisions",
    "scheduled_tasks",
    "threads",
    "timeline_gaps",
}


def use(room, sender, reader):
    """Use a room in every way that Synapse notes somewhere; the event ids of what was said."""
    main = reader.at(getattr(reader, "main_url", reader.base_url))  # writes what workers are not to write
    text = {"msgtype": "m.text", "body": "hello"}
    root = said(sender, room, text)
    arrived(reader, room, root)
    for kind in ("m.read", "m.read.private"):
        post(main, room, f"receipt/{kind}/{root}", {})
    post(main, room, "read_markers", {"m.fully_read": root})
    relation = {"rel_type": "m.thread", "event_id": root}
    answer = said(sender, room, {**text, "m.relates_to": relation})
    arrived(reader, room, answer)
    post(main, room, f"receipt/m.read/{answer}", {"thread_id": root})
    reaction = {"m.relates_to": {"rel_type": "m.annotation", "event_id": root, "key": "👍"}}
    reader.send_event(room, "m.reaction", reaction).raise_for_status()
    mistake = said(reader, room, {**text, "body": "a mistake"})
    edit = {"m.new_content": text, "m.relates_to": {"rel_type": "m.replace", "event_id": mistake}}
    said(reader, room, {**text, **edit})
    put(reader, room, f"redact/{mistake}/1", {})
    said(sender, room, {**text, "org.matrix.labels": ["work", "urgent"]})
    said(sender, room, {**text, "org.matrix.self_destruct_after": 10**13})
    put(main, room, "send/m.room.message/later?org.matrix.msc4140.delay=9000000", text)
    post(main, room, f"report/{root}", {"reason": "spam"})
    mine = f"{CLIENT}/user/{reader.user_id}/rooms/{room}"
    main.request("PUT", f"{mine}/tags/m.favourite", {"order": 0.5}).raise_for_status()
    main.request("PUT", f"{mine}/account_data/org.example.note", {"a": 1}).raise_for_status()
    rule = f"{CLIENT}/pushrules/global/room/{room}"
    main.request("PUT", rule, {"actions": ["notify"]}).raise_for_status()
    last = said(sender, room, {**text, "body": "the last word"})
    arrived(reader, room, last)
    return root, last


def said(user, room, content):
    answer = user.send_event(room, "m.room.message", content)
    assert answer.status_code == 200, answer.text
    return answer.json()["event_id"]


def post(user, room, path, body):
    user.request("POST", f"{CLIENT}/rooms/{room}/{path}", body).raise_for_status()


def put(user, room, path, body):
    user.request("PUT", f"{CLIENT}/rooms/{room}/{path}", body).raise_for_status()


def arrived(user, room, event_id):
    seen = lambda: event_id in {event["event_id"] for event in user.messages(room)}  # noqa: E731
    wait_for(seen, timeout=15, what="the message")


def columns(server):
    """The columns of all tables that may name a room or an event."""
    if hasattr(server, "workers"):
        statement = (
            "SELECT table_name, column_name FROM information_schema.columns WHERE table_schema = 'public'"
            " AND data_type IN ('text', 'character varying')"
        )
        return rows(server, statement)
    tables = rows(
        server, "SELECT name FROM sqlite_master WHERE type = 'table' AND name NOT LIKE 'event_search_%'"
    )
    return [
        (table, column)
        for (table,) in tables
        for _, column, kind, *_ in rows(server, f"PRAGMA table_info('{table}')")
        if kind.upper().startswith(("TEXT", "VARCHAR"))
    ]


def tables_naming(server, room, event_ids):
    """Which tables name a room or one of its events."""
    found = set()
    for table, column in columns(server):
        if table not in found and column.endswith(("room_id", "event_id", "resource_id", "rule_id")):
            names = {each for (each,) in rows(server, f'SELECT DISTINCT "{column}" FROM "{table}"') if each}
            if any(room in name for name in names) or names & event_ids:
                found.add(table)
    return found


def event_ids(server, room):
    return {each for (each,) in rows(server, "SELECT event_id FROM events WHERE room_id = ?", (room,))}


@pytest.fixture(params=["clinic", "hospital"])
def server(world, request):
    return getattr(world, request.param)


@pytest.fixture(params=["cleaned up", "purged by an administrator"])
def remove(request, world, server):
    """How the room goes."""

    def clean_up(room):
        statement = (
            "UPDATE events SET type = 'org.matrix.dummy_event' WHERE room_id = {0} AND state_key IS NULL"
        )
        if server is world.hospital:  # where only a room in which nothing was said goes
            in_database(server, statement, (room,))
        wait_long(server, room, 60 * WEEK_MS)
        assert is_deleted(server, room)

    def purge(room):
        administrator = world.user(server, admin=True)
        path = f"/_synapse/admin/v2/rooms/{room}"
        administrator.request("DELETE", path, {"purge": True}).raise_for_status()
        assert is_deleted(server, room)

    return purge if "administrator" in request.param else clean_up


@pytest.mark.parametrize("made", ["elsewhere", "here"])
def test_a_room_is_joined_again(world, server, remove, made):
    friend, doctor, nurse = world.user(world.lax), world.user(server), world.user(server)
    if made == "elsewhere":
        room = together(friend, doctor, **{**PRIVATE, "initial_state": [ENCRYPTED, RETENTION]})
    else:
        room = together(doctor, friend, initial_state=[RETENTION])
        levels = doctor.state(room, "m.room.power_levels").json()
        levels["users"][friend.user_id] = 100
        doctor.put_state(room, "m.room.power_levels", levels).raise_for_status()
        wait_for(lambda: friend.state(room, "m.room.power_levels").json() == levels, timeout=15)
    friend.put_state(room, "m.room.retention", {"max_lifetime": 10**10 + 1}).raise_for_status()
    root, last = use(room, friend, doctor)
    before = event_ids(server, room)
    if server is world.hospital:
        doctor.leave(room).raise_for_status()  # only rooms that nobody but the creator is in go there
    remove(room)
    wait_for(lambda: tables_naming(server, room, before) <= HARMLESS, timeout=20, what="the rows to go")
    wait_for(lambda: doctor.user_id not in friend.members(room), timeout=15, what="the leave")

    for user in (doctor, nurse):
        friend.invite(room, user.user_id).raise_for_status()
        invited(user, room)
        user.join(room, via=[world.lax.server_name]).raise_for_status()
    if made == "elsewhere":  # of a room that began here, nobody has all the history any more
        arrived(nurse, room, last)
        arrived(doctor, room, root)
    threads = f"/_matrix/client/v1/rooms/{room}/threads"
    listed = doctor.request("GET", threads).raise_for_status().json()["chunk"]
    assert {event["event_id"] for event in listed} <= {root}
    for user in (doctor, nurse):
        use(room, friend, user)
    assert exists(server, room)


def test_a_room_that_was_joined_again_before_this_was_there(world, server):
    """The stale row is there, the join has failed, and the room exists by now."""
    friend, doctor = world.user(world.lax), world.user(server)
    room = together(friend, doctor, **{**PRIVATE, "initial_state": [ENCRYPTED, RETENTION]})
    ((event_id,),) = rows(
        server, "SELECT event_id FROM events WHERE room_id = ? AND type = 'm.room.retention'", (room,)
    )
    doctor.leave(room).raise_for_status()
    wait_long(server, room, 60 * WEEK_MS)
    assert is_deleted(server, room)
    statement = "INSERT INTO room_retention (room_id, event_id, max_lifetime) VALUES ({0}, {0}, 1)"
    in_database(server, statement, (room, event_id))
    friend.invite(room, doctor.user_id).raise_for_status()
    invited(doctor, room)
    stale = lambda: rows(server, "SELECT 1 FROM room_retention WHERE room_id = ?", (room,))  # noqa: E731
    wait_for(lambda: not stale(), timeout=20, what="the row to go")
    doctor.join(room, via=[world.lax.server_name]).raise_for_status()
    assert stale()  # its own row, which stays
    rounds(server)
    assert stale()
