"""What an insurer's database costs: the code that reads and writes it, with a million users and their rooms.

A homeserver on PostgreSQL gets users, each with a permission configuration, a device and a session at the
provider; rooms; and a day's used tokens. Then the functions that the modules call in their transactions run
against it: permission look-ups, logins (a token is used once, a session is noted), logouts, forgetting, and
cleanup's judgement of all rooms. At the end a real homeserver starts on it and people log in to it.

The tables of this project are bounded: each line shows what bounds it, its rows, and its size.

Example: tox -e benchmark-growth -- --users 1000000
"""

import argparse
import contextlib
import datetime as dt
import inspect
import json
import statistics
import tempfile
import time
from pathlib import Path

import psycopg2
from cleanup import judge
from report import progress

from synapse_tim.admin.output import print_json, print_table
from synapse_tim.cleanup.rules import CleanupRules
from synapse_tim.core.products import Product, SpecVersion
from synapse_tim.invites.permission_config import parse
from synapse_tim.login.store import LoginStore, ProviderSession
from synapse_tim.testing import PostgresServer, SynapseServer, TiSimulator, wait_for

PERMISSIONS = "de.gematik.tim.account.permissionsconfig.epa.v1"

#: Of rooms: one in twenty has not been used for years, the others are two people's of different servers.
FILL = """
    CREATE TABLE IF NOT EXISTS synapse_tim_cleanup_rooms
        (room_id TEXT PRIMARY KEY, kind TEXT, since_ts BIGINT, begun_ts BIGINT);

    INSERT INTO users (name, creation_ts, admin, is_guest, shadow_banned, approved)
    SELECT '@u' || i || ':{home}', 0, 0, 0, false, true FROM generate_series(1, {users}) AS i;

    INSERT INTO account_data (user_id, account_data_type, stream_id, content)
    SELECT '@u' || i || ':{home}', '{permissions}', i, '{document}' FROM generate_series(1, {users}) AS i;

    INSERT INTO devices (user_id, device_id, display_name, hidden)
    SELECT '@u' || i || ':{home}', 'D', 'phone', false FROM generate_series(1, {users}) AS i;

    INSERT INTO synapse_tim_provider_session
    SELECT '@u' || i || ':{home}', 'D', 'idp', encode(sha256(('s' || i)::bytea), 'hex'),
        encode(sha256(('p' || i)::bytea), 'hex'), 0 FROM generate_series(1, {users}) AS i;

    INSERT INTO synapse_tim_used_token
    SELECT encode(sha256(i::text::bytea), 'hex'),
        (extract(epoch FROM now()) * 1000)::bigint + (i % 100 - 80) * 36000, 0
    FROM generate_series(1, {tokens}) AS i;

    INSERT INTO rooms (room_id, is_public, creator, room_version)
    SELECT '!r' || i || ':{home}', false, '@u' || i || ':{home}', '10' FROM generate_series(1, {rooms}) AS i;

    INSERT INTO events (topological_ordering, event_id, type, room_id, processed, outlier, depth,
        origin_server_ts, received_ts, sender, contains_url, instance_name, stream_ordering, state_key)
    SELECT n, '$' || i || '-' || n,
        (ARRAY['m.room.create', 'm.room.member', 'm.room.member', 'm.room.encrypted', 'm.room.encrypted'])[n],
        '!r' || i || ':{home}', true, false, n, ts, ts, '@u' || i || ':{home}', false, 'master',
        10 + row_number() OVER (ORDER BY n, i),
        (ARRAY['', '@u' || i || ':{home}', '@p' || i || ':h' || (i % 300) || '.example', NULL, NULL])[n]
    FROM (
        SELECT i, n, (extract(epoch FROM now()) * 1000
            - 86400000::bigint * (CASE WHEN i % 20 = 0 THEN 900 ELSE 10 END))::bigint AS ts
        FROM generate_series(1, {rooms}) AS i, generate_series(1, 5) AS n
    ) AS each;

    INSERT INTO event_forward_extremities (event_id, room_id)
    SELECT '$' || i || '-5', '!r' || i || ':{home}' FROM generate_series(1, {rooms}) AS i;

    INSERT INTO current_state_events
        (event_id, room_id, type, state_key, membership, event_stream_ordering)
    SELECT event_id, room_id, type, state_key,
        CASE WHEN type = 'm.room.member' THEN 'join' END, stream_ordering
    FROM events WHERE state_key IS NOT NULL AND room_id LIKE '!r%';

    INSERT INTO local_current_membership (room_id, user_id, event_id, membership, event_stream_ordering)
    SELECT room_id, state_key, event_id, 'join', stream_ordering
    FROM events WHERE type = 'm.room.member' AND state_key LIKE '%:{home}';
"""

#: What bounds each table that grows.
BOUNDS = {
    "synapse_tim_used_token": "logins within the lifetime of their tokens",
    "synapse_tim_provider_session": "devices that exist",
    "synapse_tim_new_account": "registrations of a day, and what was never linked",
    "synapse_tim_cleanup_rooms": "rooms whose removal is under way",
}


class Transaction:
    """A cursor with Synapse's placeholders."""

    def __init__(self, cursor) -> None:
        self._cursor = cursor

    def execute(self, sql, parameters=()) -> None:
        self._cursor.execute(sql.replace("?", "%s"), tuple(parameters))

    def __getattr__(self, name):
        return getattr(self._cursor, name)


class Api:
    """Runs interactions as Synapse does: each in a transaction of its own."""

    def __init__(self, connection) -> None:
        self._connection = connection

    async def run_db_interaction(self, description, function, *arguments):
        with self._connection, self._connection.cursor() as cursor:
            return function(Transaction(cursor), *arguments)


def done(coroutine):
    """The result of a coroutine that waits for nothing."""
    assert inspect.iscoroutine(coroutine)
    with contextlib.closing(coroutine):
        try:
            coroutine.send(None)
        except StopIteration as end:
            return end.value
    raise AssertionError("it waits")


def timed(function, times):
    """Milliseconds of each call, given its number; median, and the slowest of a hundred."""
    found = []
    for number in range(times):
        began = time.perf_counter()
        function(number)
        found.append((time.perf_counter() - began) * 1000)
    found.sort()
    return {"median_ms": statistics.median(found), "p99_ms": found[int(len(found) * 0.99)], "calls": times}


def in_transactions(connection, options):
    """The functions of the modules, against the full tables."""
    api, now = Api(connection), dt.datetime.now(dt.UTC)
    store = LoginStore(api)
    step = max(1, options.users // options.calls)

    def permission(number):
        def read(txn):
            txn.execute(
                "SELECT content FROM account_data WHERE user_id = ? AND account_data_type = ?",
                (f"@u{1 + number * step % options.users}:{options.home}", PERMISSIONS),
            )
            return txn.fetchone()[0]

        parse(json.loads(done(api.run_db_interaction("", read))), Product.EPA)

    def session(number):
        return ProviderSession("idp", f"new{number}", f"subject{number}", now)

    def login(number):
        assert done(store.use_once([("jti", f"new{number}", now + dt.timedelta(minutes=5))])) is None
        assert done(store.add_session(f"@u{1 + number * step}:{options.home}", "D", session(number)))

    def end_of_session(number):
        assert len(done(store.end_session("idp", f"new{number}", now))) == 1

    def end_of_person(number):
        person = ProviderSession("idp", None, f"subject{number}", now)
        assert len(done(store.end_sessions_of(person, now))) == 1

    return {
        "permission look-up": timed(permission, options.calls),
        "login: token and session": timed(login, options.calls),
        "replay refused": timed(lambda n: done(store.use_once([("jti", f"new{n}", now)])), options.calls),
        "logout of a session": timed(end_of_session, options.calls),
        "logout of a person": timed(end_of_person, options.calls),
        "forget used tokens": timed(lambda _: done(store.forget(now)), 1),
    }


def tables(postgres):
    """Rows and bytes of each table of this project."""
    found = {}
    for name, bound in BOUNDS.items():
        rows = int(postgres.query("synapse", f"SELECT COUNT(*) FROM {name}"))
        size = int(postgres.query("synapse", f"SELECT pg_total_relation_size('{name}')"))
        found[name] = {"rows": rows, "bytes": size, "bound": bound}
    return found


def homeserver(ti, directory, name, product, **options):
    """One with all modules, not started yet."""
    block = {"product": product, "spec_version": "1.2", "federation_list": ti.federation_list_config()}
    if product == "pro":
        block["login"] = {"permitted": ["password"]}
    module = {"module": "synapse_tim.TiMessenger", "config": block}
    extra = {"federation_domain_whitelist": []}
    return SynapseServer(name, directory / name, ti.world, modules=[module], extra=extra, **options)


def fill(postgres, options):
    """Make users, rooms and rows of this project's tables."""
    document = json.dumps({"defaultSetting": "allow all", "serverExceptions": {}})
    values = {"permissions": PERMISSIONS, "document": document}
    postgres.query("synapse", FILL.format(**values, **vars(options)))
    postgres.query("synapse", "VACUUM ANALYZE")


def invite(ti, practice, insurer, options):
    """Invite insured persons from a practice: at their homeserver, each is a look-up that nothing cached."""
    for server in (practice, insurer):
        wait_for(
            lambda server=server: server.metrics().get("synapse_tim_federation_list_version") == ti.version,
            what="the list",
        )
    doctor = practice.register("doctor")
    step = max(1, options.users // options.invitations)

    def one(number):
        room = doctor.create_room()
        answer = doctor.invite(room, f"@u{1 + number * step}:{options.home}")
        assert answer.status_code == 200, answer.text

    return timed(one, options.invitations)


def cleanup_of(document, home):
    """Judge all rooms."""
    judged = judge(document, CleanupRules.of(Product.EPA, SpecVersion.V1_1), home)
    return {
        "rooms": judged.rooms,
        "seconds": judged.seconds,
        "worst_page_ms": judged.worst_page * 1000,
        "due": sum(judged.found.values()),
    }


def tables_of(postgres):
    """The names of this project's tables."""
    return postgres.query("synapse", "SELECT tablename FROM pg_tables WHERE tablename LIKE 'synapse_tim%'")


def show(options, calls, before, after, rooms):
    """Print what was measured."""
    if options.json:
        found = {"calls": calls, "tables": before, "tables_after_forgetting": after, "cleanup": rooms}
        print_json({**vars(options), **found})
        return
    print_table(
        ("", "median", "99 %"),
        [(name, f"{line['median_ms']:.2f} ms", f"{line['p99_ms']:.2f} ms") for name, line in calls.items()],
        title=f"{options.users} users, {options.rooms} rooms, {options.tokens} used tokens; PostgreSQL",
    )
    print_table(
        ("table", "rows", "size", "a row", "rows after forgetting", "bounded by"),
        [
            (
                name,
                str(line["rows"]),
                f"{line['bytes'] / 2**20:.1f} MiB",
                f"{line['bytes'] / line['rows']:.0f} bytes" if line["rows"] else "",
                str(after[name]["rows"]),
                line["bound"],
            )
            for name, line in before.items()
        ],
    )
    print(
        f"cleanup: {rooms['rooms']} rooms judged in {rooms['seconds']:.1f} s,"
        f" a page of 1000 in {rooms['worst_page_ms']:.0f} ms at most; {rooms['due']} due"
    )


def main():
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--users", type=int, default=1_000_000)
    parser.add_argument("--rooms", type=int, help="default: one for five users")
    parser.add_argument("--tokens", type=int, help="used within their lifetime; default: one for ten users")
    parser.add_argument("--calls", type=int, default=1000)
    parser.add_argument("--invitations", type=int, default=50)
    parser.add_argument("--json", action="store_true")
    options = parser.parse_args()
    options.rooms = options.rooms or options.users // 5
    options.tokens = options.tokens or options.users // 10
    with (
        tempfile.TemporaryDirectory() as directory,
        contextlib.ExitStack() as stack,
        progress(5) as say,
    ):
        postgres = PostgresServer().start()
        stack.callback(postgres.stop)
        postgres.create_database("synapse")
        document = {"database": postgres.synapse_database("synapse")}
        ti = stack.enter_context(TiSimulator())
        insurer = homeserver(ti, Path(directory), "insurer", "epa")
        options.home = insurer.server_name
        insurer.config["database"] = document["database"]
        practice = homeserver(ti, Path(directory), "practice", "pro")
        say("a homeserver makes its tables", 0)
        insurer.start().wait()
        wait_for(lambda: "synapse_tim_provider_session" in tables_of(postgres), what="the tables")
        insurer.stop()
        say(f"making {options.users} users and {options.rooms} rooms", 1)
        began = time.perf_counter()
        fill(postgres, options)
        filled = time.perf_counter() - began
        say(f"calling what the modules call (filled in {filled:.0f} s)", 2)
        before = tables(postgres)
        arguments = {key: value for key, value in document["database"]["args"].items() if key[:3] != "cp_"}
        with contextlib.closing(psycopg2.connect(**arguments)) as connection:
            calls = in_transactions(connection, options)
        after = tables(postgres)
        say("judging all rooms", 3)
        rooms = cleanup_of(document, options.home)
        say("inviting", 4)
        for server, insurance in ((insurer, True), (practice, False)):
            stack.callback(server.stop)
            server.start().wait()
            ti.add(server.server_name, insurance=insurance)
        calls["invitation of an insured person"] = invite(ti, practice, insurer, options)
    show(options, calls, before, after, rooms)


if __name__ == "__main__":
    main()
