"""``synapse-tim database port``: this project's tables move from SQLite to PostgreSQL with Synapse's own."""

import argparse
import sys
from typing import Any, Final

from synapse_tim.admin.database import open_database, open_for_changes
from synapse_tim.admin.database_port import Ported, PortRefusedError, port
from synapse_tim.admin.output import print_facts, print_json, progress
from synapse_tim.check.files import read_config
from synapse_tim.cli.settings import CommandError

_EXAMPLE: Final = (
    "Example: synapse-tim database port --from homeserver-sqlite.yaml --to homeserver.yaml --json. "
    "Exit codes: 0 done; 1 refused, nothing was changed; 2 a configuration or a database cannot be used."
)


def add_command(commands: Any) -> None:
    """Add ``database`` to the commands."""
    parser = commands.add_parser("database", help="move a homeserver to another database")
    commands = parser.add_subparsers(required=True, metavar="COMMAND")
    ported = commands.add_parser(
        "port",
        help="copy this project's tables from SQLite to PostgreSQL, after synapse_port_db",
        epilog=_EXAMPLE,
    )
    for name, which in (("--from", "of the SQLite database"), ("--to", "of the PostgreSQL database")):
        ported.add_argument(
            name,
            nargs="+",
            required=True,
            dest=f"config_{name[2:]}",
            metavar="homeserver.yaml",
            help=f"configuration {which}, as given to Synapse with -c",
        )
    ported.add_argument(
        "--replace", action="store_true", help="delete rows of this project that are there already"
    )
    ported.add_argument("--json", action="store_true", help="print JSON")
    ported.set_defaults(run=_port)


def _port(options: argparse.Namespace) -> int:
    old, new = read_config(options.config_from), read_config(options.config_to)
    names = [files.document.get("server_name") for files in (old, new)]
    if names[0] != names[1] or not names[0]:
        raise CommandError(f"the files are for different homeservers: server_name {names[0]} and {names[1]}")
    try:
        with (
            open_database(old.document, old.directory) as source,
            open_for_changes(new.document, new.directory) as target,
            progress("Copying"),
        ):
            if source.postgresql or not target.postgresql:
                raise CommandError("--from has to name a SQLite database, --to a PostgreSQL database")
            ported = port(source, target, replace=options.replace)
    except PortRefusedError as error:
        print(error, file=sys.stderr)
        return 1
    if options.json:
        print_json(_document(ported))
    else:
        _print(ported)
    return 0


def _document(ported: Ported) -> dict[str, object]:
    return {
        "tables": dict(ported.tables),
        "replaced_rows": ported.replaced,
        "sequences": [
            {"sequence": each.name, "stream": each.stream, "was": each.was, "now": each.now}
            for each in ported.sequences
        ],
    }


def _print(ported: Ported) -> None:
    rows: list[tuple[str, object]] = [(f"rows of {table}", count) for table, count in ported.tables.items()]
    if ported.replaced:
        rows.append(("rows replaced", ported.replaced))
    rows += [(f"sequence {each.name}", f"raised from {each.was} to {each.now}") for each in ported.sequences]
    print_facts(rows or [("tables", "none: the modules have never run on the old database")])
