"""``synapse-tim cleanup --dry-run homeserver.yaml``: which rooms would be cleaned up, and why.

Cleaning up is what the homeserver does; this looks into its database with the same rules and changes nothing.
The homeserver may run meanwhile.
"""

from __future__ import annotations

import argparse
import datetime as dt
import sys
from collections import Counter
from collections.abc import Iterator, Mapping
from typing import Any, Final

import attrs

from synapse_tim.admin.database import DatabaseUnusableError, ReadOnlyDatabase, open_database
from synapse_tim.cleanup.activity import RoomActivity
from synapse_tim.cleanup.rules import CleanupKind, CleanupRules, Due, InsurersOf
from synapse_tim.cleanup.survey import RoomSurvey
from synapse_tim.cleanup.sweep import RoomSweep
from synapse_tim.cli.output import moment, print_facts, print_json, print_table, progress

_EXAMPLE: Final = "Example: synapse-tim cleanup --dry-run homeserver.yaml --json"
_MODULES: Final = ("synapse_tim.TiMessenger", "synapse_tim.RoomCleanup")
_WHAT: Final = {
    CleanupKind.INACTIVE: ("deleted", "nothing was said since"),
    CleanupKind.ORPHANED: ("deleted", "nothing was ever said, and nobody is there, since"),
    CleanupKind.INSURED_ONLY: ("left", "only insured persons are there since"),
}


class _UnusableSettingsError(Exception):
    """What the command cannot work with."""


@attrs.frozen
class _Server:
    """What has to be known of the homeserver."""

    server_name: str
    notices_user: str | None
    rules: CleanupRules


def add_command(commands: Any) -> None:
    """Add ``cleanup`` to the commands."""
    parser = commands.add_parser(
        "cleanup", help="show which rooms would be cleaned up, and why", epilog=_EXAMPLE
    )
    parser.add_argument("config", nargs="+", metavar="homeserver.yaml", help="as given to Synapse with -c")
    parser.add_argument(
        "--dry-run", action="store_true", required=True, help="always to be given: nothing is changed"
    )
    parser.add_argument("--at", type=moment, metavar="TIME", help="judge as of this time, such as 2027-06-01")
    parser.add_argument("--json", action="store_true", help="print JSON")
    parser.set_defaults(run=run)


def run(options: argparse.Namespace) -> int:
    """Judge all rooms and print what is due."""
    from synapse_tim.check.files import UnusableConfigError, read_config

    now: dt.datetime = options.at or dt.datetime.now(dt.UTC)
    try:
        files = read_config(options.config)
        server = _read_server(files.document)
        with open_database(files.document, files.directory) as database, progress("Looking at rooms"):
            insurers = _insurers(database, server.server_name)
            activity = RoomActivity(database.postgresql, server.server_name)
            survey = RoomSurvey(activity, server.notices_user, _knows_begun(database))
            sweep = RoomSweep(survey, server.rules, insurers)
            looked_at, due = _judge(database, sweep, int(now.timestamp() * 1000))
    except (UnusableConfigError, DatabaseUnusableError, _UnusableSettingsError) as error:
        print(error, file=sys.stderr)
        return 2
    unknown = server.rules.insured_only_ms is not None and insurers is None
    if options.json:
        print_json(_document(now, looked_at, due, insurers_known=not unknown))
    else:
        _print(looked_at, due, insurers_known=not unknown)
    return 0


def _read_server(document: Mapping[str, Any]) -> _Server:
    from synapse.module_api.errors import ConfigError

    from synapse_tim.cleanup.module import RoomCleanup

    name = document.get("server_name")
    modules = document.get("modules")
    entries = [each for each in modules if isinstance(each, dict)] if isinstance(modules, list) else []
    blocks = [each.get("config") for each in entries if each.get("module") in _MODULES]
    if not isinstance(name, str) or len(blocks) != 1 or not isinstance(blocks[0], dict):
        wanted_modules = " or ".join(_MODULES)
        raise _UnusableSettingsError(f"a server_name and one {wanted_modules} with its config are needed")
    wanted = {key: blocks[0][key] for key in ("product", "spec_version", "cleanup") if key in blocks[0]}
    try:
        config = RoomCleanup.parse_config(wanted)
    except ConfigError as error:
        raise _UnusableSettingsError(error.msg) from None
    notices = document.get("server_notices")
    localpart = notices.get("system_mxid_localpart") if isinstance(notices, dict) else None
    return _Server(name, f"@{localpart}:{name}" if localpart else None, config.cleanup_rules)


def _insurers(database: ReadOnlyDatabase, server_name: str) -> InsurersOf | None:
    """Whose users are insured persons, by the list that the homeserver has verified and stored."""
    from synapse_tim.federation.store import read_stored_insurers

    try:
        with database.transaction() as cursor:
            domains = read_stored_insurers(cursor)
    except DatabaseUnusableError:
        return None  # the table is made when the homeserver first starts with the module
    return None if domains is None else InsurersOf.listed(domains, server_name)


def _knows_begun(database: ReadOnlyDatabase) -> bool:
    """Whether the homeserver has made the table of removals, which it does when it first starts."""
    try:
        with database.transaction() as cursor:
            cursor.execute("SELECT 1 FROM synapse_tim_cleanup_rooms LIMIT 1")
    except DatabaseUnusableError:
        return False
    return True


def _judge(database: ReadOnlyDatabase, sweep: RoomSweep, now_ms: int) -> tuple[int, list[Due]]:
    looked_at, due = 0, list[Due]()
    for rooms, found in _pages(database, sweep, now_ms):
        looked_at += rooms
        due += found
    return looked_at, due


def _pages(database: ReadOnlyDatabase, sweep: RoomSweep, now_ms: int) -> Iterator[tuple[int, list[Due]]]:
    after: str | None = ""
    while after is not None:
        with database.transaction() as cursor:
            page = sweep.page(cursor, after, now_ms)
        yield page.rooms, list(page.due)
        after = page.last


def _document(now: dt.datetime, looked_at: int, due: list[Due], *, insurers_known: bool) -> dict[str, object]:
    return {
        "at": now.isoformat(),
        "rooms": looked_at,
        "insurers_known": insurers_known,
        "due": [
            {
                "room_id": each.room_id,
                "kind": each.kind.value,
                "requirements": each.kind.requirements,
                "becomes": _WHAT[each.kind][0],
                "because": _WHAT[each.kind][1],
                "since": _date(each.since_ts),
            }
            for each in due
        ],
    }


def _print(looked_at: int, due: list[Due], *, insurers_known: bool) -> None:
    if due:
        rows = [
            (each.room_id, *_WHAT[each.kind], _date(each.since_ts), each.kind.requirements) for each in due
        ]
        print_table(("room", "would be", "because", "since", "requirement"), rows)
    found = Counter(each.kind for each in due)
    print_facts(
        [("rooms looked at", looked_at), *((f"due: {kind.value}", found[kind]) for kind in CleanupKind)]
    )
    if not insurers_known:
        print("No federation list is stored yet: nobody knows who is insured, and no room is left (A_26348).")


def _date(milliseconds: int) -> str:
    return dt.datetime.fromtimestamp(max(0, milliseconds) / 1000, dt.UTC).isoformat(timespec="seconds")
