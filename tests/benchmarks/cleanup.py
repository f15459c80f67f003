"""How long it takes to judge which rooms are to be cleaned up, on PostgreSQL with Synapse's own tables.

The baseline is the usual way: every room by itself, with three queries each (its newest message, its members,
its newest state). It is measured on a sample of the same rooms and compared per room.

Example: tox -e benchmark-cleanup -- --rooms 100000 --events 50
"""

import argparse
import contextlib
import resource
import statistics
import tempfile
import time
from pathlib import Path

import attrs
import psycopg2
from report import progress
from rich.console import Console
from rich.table import Table

from synapse_tim.admin.database import open_database
from synapse_tim.admin.output import print_json
from synapse_tim.cleanup.activity import RoomActivity
from synapse_tim.cleanup.rules import CleanupKind, CleanupRules, InsurersOf
from synapse_tim.cleanup.survey import RoomSurvey
from synapse_tim.cleanup.sweep import RoomSweep
from synapse_tim.core.products import Product, SpecVersion
from synapse_tim.testing import PostgresServer, SynapseServer, make_world

HOME = "bench.example"
INSURERS = InsurersOf.listed(frozenset(f"h{number}.example" for number in range(1, 300, 50)), HOME)
KINDS = tuple((product, version) for product in Product for version in SpecVersion)
SAMPLE = 2000

#: One room in 20 was given up long ago; in one of 50 nothing was ever said, its creator is alone in it. The
#: others have a member elsewhere, on one of 300 servers, who sends half of the messages. Events arrive as in
#: life: all rooms in turn.
FILL = """
    INSERT INTO rooms (room_id, is_public, creator, room_version)
    SELECT '!r' || i || ':{home}', false, '@u' || (i % 5000) || ':{home}', '10'
    FROM generate_series(1, {rooms}) AS i;

    INSERT INTO events (topological_ordering, event_id, type, room_id, processed, outlier, depth,
        origin_server_ts, received_ts, sender, contains_url, instance_name, stream_ordering, state_key)
    SELECT n, '$' || md5(i || '-' || n),
        CASE WHEN n = 1 THEN 'm.room.create' WHEN n IN (2, 6) THEN 'm.room.member'
            WHEN n <= 12 THEN 'm.room.state' || n ELSE 'm.room.encrypted' END,
        '!r' || i || ':{home}', true, false, n, ts, ts,
        CASE WHEN n > 12 AND n % 2 = 0 THEN '@p' || i || ':h' || (i % 300) || '.example'
            ELSE '@u' || (i % 5000) || ':{home}' END, false, 'master',
        row_number() OVER (ORDER BY ts),
        CASE WHEN n > 12 THEN NULL WHEN n = 2 THEN '@u' || (i % 5000) || ':{home}'
            WHEN n = 6 THEN '@p' || i || ':h' || (i % 300) || '.example' ELSE '' END
    FROM (
        SELECT i, n, (extract(epoch FROM now()) * 1000 - 86400000::bigint * 730 * (
            1 - (n + random()) / ({events} + 1) * (CASE WHEN i % 20 = 0 THEN 0.6 ELSE 1 END)
        ))::bigint AS ts
        FROM generate_series(1, {rooms}) AS i, generate_series(1, {events}) AS n
        WHERE i % 50 <> 0 OR (n <= 12 AND n <> 6)
    ) AS each ORDER BY ts;

    INSERT INTO event_json (event_id, room_id, internal_metadata, json, format_version)
    SELECT event_id, room_id, '{{"stream_ordering":' || stream_ordering || '}}',
        '{{"content": {{"room_version": "10", "body": "' || repeat(md5(event_id), 20) || '"}}}}', 3
    FROM events;

    CREATE TABLE synapse_tim_cleanup_rooms
        (room_id TEXT PRIMARY KEY, kind TEXT, since_ts BIGINT, begun_ts BIGINT);

    INSERT INTO event_forward_extremities (event_id, room_id)
    SELECT DISTINCT ON (room_id) event_id, room_id FROM events ORDER BY room_id, stream_ordering DESC;

    INSERT INTO current_state_events
        (event_id, room_id, type, state_key, membership, event_stream_ordering)
    SELECT event_id, room_id, type, state_key,
        CASE WHEN type = 'm.room.member' THEN 'join' END, stream_ordering
    FROM events WHERE state_key IS NOT NULL;

    INSERT INTO local_current_membership (room_id, user_id, event_id, membership, event_stream_ordering)
    SELECT room_id, state_key, event_id, 'join', stream_ordering
    FROM events WHERE type = 'm.room.member' AND state_key LIKE '%:{home}';

    INSERT INTO room_memberships (event_id, user_id, sender, room_id, membership, event_stream_ordering)
    SELECT event_id, state_key, sender, room_id, 'join', stream_ordering
    FROM events WHERE type = 'm.room.member';
"""

ONE_ROOM = (
    "SELECT received_ts FROM events WHERE room_id = %s AND state_key IS NULL"
    " AND type IN ('m.room.message', 'm.room.encrypted') ORDER BY stream_ordering DESC LIMIT 1",
    "SELECT state_key, membership FROM current_state_events WHERE room_id = %s AND type = 'm.room.member'",
    "SELECT MAX(e.origin_server_ts) FROM current_state_events AS c"
    " JOIN events AS e ON e.event_id = c.event_id WHERE c.room_id = %s",
)


@attrs.frozen
class Judged:
    """One way through all rooms."""

    seconds: float
    worst_page: float
    rooms: int
    found: dict[str, int]


@contextlib.contextmanager
def filled_database(rooms, events, say):
    """Synapse's tables, with rooms in them."""
    with tempfile.TemporaryDirectory() as directory, contextlib.ExitStack() as stack:
        postgres = PostgresServer().start()
        stack.callback(postgres.stop)
        postgres.create_database("synapse")
        server = SynapseServer("bench", Path(directory), make_world(), server_name=HOME)
        server.config["database"] = postgres.synapse_database("synapse")
        server.start()
        stack.callback(server.stop)
        server.wait(timeout=120)
        server.stop()
        say(f"making {rooms} rooms with {events} events each", 0)
        postgres.query(
            "synapse", "TRUNCATE rooms, events, current_state_events, event_forward_extremities CASCADE"
        )
        postgres.query("synapse", FILL.format(home=HOME, rooms=rooms, events=events))
        postgres.query("synapse", "VACUUM ANALYZE")
        ((count,),) = [postgres.query("synapse", "SELECT COUNT(*) FROM events").splitlines()]
        yield {"database": postgres.synapse_database("synapse")}, int(count)


def judge(document, rules, home=HOME):
    """Judge all rooms as cleanup does, without its pauses."""
    sweep = RoomSweep(RoomSurvey(RoomActivity(True, home), f"@notices:{home}"), rules, INSURERS)
    found = dict.fromkeys(CleanupKind, 0)
    now, rooms, worst, after = int(time.time() * 1000), 0, 0.0, ""
    with open_database(document, Path()) as database:
        start = time.perf_counter()
        while after is not None:
            begun = time.perf_counter()
            with database.transaction() as cursor:
                page = sweep.page(cursor, after, now)
            worst = max(worst, time.perf_counter() - begun)
            for due in page.due:
                found[due.kind] += 1
            after, rooms = page.last, rooms + page.rooms
        seconds = time.perf_counter() - start
    return Judged(seconds, worst, rooms, {kind.value: count for kind, count in found.items()})


def one_by_one(document, rooms):
    """Seconds for a sample of the rooms, each by itself."""
    arguments = document["database"]["args"]
    connection = psycopg2.connect(**{key: arguments[key] for key in arguments if not key.startswith("cp_")})
    with contextlib.closing(connection), connection.cursor() as cursor:
        step = max(1, rooms // SAMPLE)
        sample = [f"!r{number}:{HOME}" for number in range(1, rooms + 1, step)]
        start = time.perf_counter()
        for room in sample:
            for query in ONE_ROOM:
                cursor.execute(query, (room,))
                cursor.fetchall()
        return (time.perf_counter() - start) / len(sample) * rooms


def peak():
    """The most memory that this process ever had, in bytes."""
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024


def main():
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--rooms", type=int, default=100_000)
    parser.add_argument("--events", type=int, default=50, help="of a room")
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--json", action="store_true")
    options = parser.parse_args()
    lines = []
    with (
        progress(options.rounds * len(KINDS)) as say,
        filled_database(options.rooms, options.events, say) as (document, events),
    ):
        judge(document, CleanupRules(1, 1, 1))  # what was just written is read for the first time
        for number, (product, version) in enumerate(KINDS):
            rules = CleanupRules.of(product, version)
            ours, theirs = [], []
            before = peak()
            for round_number in range(options.rounds):
                say(f"{product.value} {version.value}", number * options.rounds + round_number)
                ours.append(judge(document, rules))
                theirs.append(one_by_one(document, options.rooms))
            ratio = statistics.median(o.seconds / t for o, t in zip(ours, theirs, strict=True))
            lines.append(
                {
                    "product": product.value,
                    "spec_version": version.value,
                    "seconds": statistics.median(each.seconds for each in ours),
                    "baseline_seconds": statistics.median(theirs),
                    "ratio": ratio,
                    "worst_page_seconds": max(each.worst_page for each in ours),
                    "peak_memory_growth": peak() - before,
                    "rooms": ours[0].rooms,
                    "due": ours[0].found,
                }
            )
    show(lines, events, as_json=options.json)


def show(lines, events, *, as_json):
    """Print what was measured."""
    if as_json:
        print_json({"baseline": "each room by itself", "events": events, "lines": lines})
        return
    table = Table(box=None, pad_edge=False, title=f"{lines[0]['rooms']} rooms, {events} events, PostgreSQL")
    for heading in ("", "judged in", "each room by itself", "ratio", "worst page", "memory", "due"):
        table.add_column(heading, justify="right", no_wrap=True)
    for line in lines:
        table.add_row(
            f"{line['product']} {line['spec_version']}",
            f"{line['seconds']:.2f} s",
            f"{line['baseline_seconds']:.1f} s",
            f"{line['ratio'] * 100:.1f} %",
            f"{line['worst_page_seconds'] * 1000:.0f} ms",
            f"+{line['peak_memory_growth'] / 2**20:.1f} MiB",
            ", ".join(f"{kind} {count}" for kind, count in line["due"].items() if count),
        )
    Console(highlight=False, width=140).print(table)


if __name__ == "__main__":
    main()
