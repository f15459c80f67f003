"""``synapse-tim cleanup --dry-run homeserver.yaml``: which rooms would be cleaned up, and why.

Cleaning up is what the homeserver does; this looks into its database with the same rules and changes nothing.
The homeserver may run meanwhile.
"""

import argparse
import datetime as dt
from collections import Counter
from collections.abc import Iterator
from typing import Any, Final

from synapse_tim.admin.database import ReadOnlyDatabase, open_database
from synapse_tim.admin.output import moment, print_facts, print_json, print_table, progress
from synapse_tim.cleanup.activity import RoomActivity
from synapse_tim.cleanup.rules import CleanupKind, CleanupRules, Due, InsurersOf
from synapse_tim.cleanup.survey import RoomSurvey
from synapse_tim.cleanup.sweep import JudgedPage, RoomSweep
from synapse_tim.cli.settings import CommandError, Settings, add_config, read_settings

_EXAMPLE: Final = "Example: synapse-tim cleanup --dry-run homeserver.yaml --json"
_WHAT: Final = {
    CleanupKind.INACTIVE: ("deleted", "nothing was said since"),
    CleanupKind.ORPHANED: ("deleted", "nothing was ever said, and nobody is there, since"),
    CleanupKind.INSURED_ONLY: ("left", "only insured persons are there since"),
}


def add_command(commands: Any) -> None:
    """Add ``cleanup`` to the commands."""
    parser = commands.add_parser(
        "cleanup", help="show which rooms would be cleaned up, and why", epilog=_EXAMPLE
    )
    add_config(parser)
    parser.add_argument("--dry-run", action="store_true", required=True, help="required; nothing is changed")
    parser.add_argument("--at", type=moment, metavar="TIME", help="judge as of this time, such as 2027-06-01")
    parser.add_argument("--json", action="store_true", help="print JSON")
    parser.set_defaults(run=run)


def run(options: argparse.Namespace) -> int:
    """Judge all rooms and print what is due."""
    now: dt.datetime = options.at or dt.datetime.now(dt.UTC)
    settings = read_settings(options.config, "TiMessenger", "RoomCleanup")
    rules = _rules(settings)
    with (
        open_database(settings.document, settings.directory) as database,
        progress("Looking at rooms"),
    ):
        insurers = _insurers(database, settings.server_name)
        activity = RoomActivity(database.postgresql, settings.server_name)
        survey = RoomSurvey(
            activity, _notices_user(settings), database.has_table("synapse_tim_cleanup_rooms")
        )
        pages = list(_pages(database, RoomSweep(survey, rules, insurers), int(now.timestamp() * 1000)))
    looked_at = sum(page.rooms for page in pages)
    due = [each for page in pages for each in page.due]
    unknown = rules.insured_only_ms is not None and insurers is None
    if options.json:
        print_json(_document(now, looked_at, due, insurers_known=not unknown))
    else:
        _print(looked_at, due, insurers_known=not unknown)
    return 0


def _rules(settings: Settings) -> CleanupRules:
    from synapse.module_api.errors import ConfigError

    from synapse_tim.cleanup.module import RoomCleanup

    if len(settings.blocks) > 1:
        raise CommandError("one synapse_tim.TiMessenger or synapse_tim.RoomCleanup is needed, not several")
    block = settings.blocks[0]
    wanted = {key: block[key] for key in ("product", "spec_version", "cleanup") if key in block}
    try:
        return RoomCleanup.parse_config(wanted).cleanup_rules
    except ConfigError as error:
        raise CommandError(error.msg) from None


def _notices_user(settings: Settings) -> str | None:
    notices = settings.document.get("server_notices")
    localpart = notices.get("system_mxid_localpart") if isinstance(notices, dict) else None
    return f"@{localpart}:{settings.server_name}" if localpart else None


def _insurers(database: ReadOnlyDatabase, server_name: str) -> InsurersOf | None:
    """Whose users are insured persons, by the list that the homeserver has verified and stored."""
    from synapse_tim.federation.store import read_stored_list

    if not database.has_table("synapse_tim_federation_list"):
        return None
    with database.transaction() as cursor:
        stored = read_stored_list(cursor)
    return None if stored is None else InsurersOf.listed(stored[1].insurance_domains, server_name)


def _pages(database: ReadOnlyDatabase, sweep: RoomSweep, now_ms: int) -> Iterator[JudgedPage]:
    after: str | None = ""
    while after is not None:
        with database.transaction() as cursor:
            page = sweep.page(cursor, after, now_ms)
        yield page
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
        print("No federation list is stored yet, so insured persons are unknown and leave no room (A_26348).")


def _date(milliseconds: int) -> str:
    return dt.datetime.fromtimestamp(max(0, milliseconds) / 1000, dt.UTC).isoformat(timespec="seconds")
