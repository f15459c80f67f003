"""``synapse-tim contacts``: converts approval lists of ``legacy-1.1`` to permission configurations.

``migrate`` reads the lists from the homeserver's database, and stores permission configurations over the
homeserver's own APIs while it runs, before or after it is configured as a later generation. ``import`` copies
the lists of another product first. ``remove-old`` removes the lists once nothing of them is needed.
"""

import argparse
import datetime as dt
import sys
import time
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Any, Final

import attrs

from synapse_tim.admin.api import HomeserverAdmin
from synapse_tim.admin.database import open_database, open_for_changes
from synapse_tim.admin.output import print_facts, print_json, print_table, progress
from synapse_tim.cli import imported_contacts
from synapse_tim.cli.settings import CommandError, Settings, add_access, add_config, read_settings, read_token
from synapse_tim.contacts.migration import ContactMigration, Done
from synapse_tim.contacts.migration_rules import MEANING, Limited, MigrationRules, Outcome, Plan
from synapse_tim.contacts.migration_store import ContactLists, ContactNotes
from synapse_tim.core.products import Product, SpecVersion
from synapse_tim.invites.permission_config import ACCOUNT_DATA_TYPES

_MIGRATE_EXAMPLE: Final = "Example: synapse-tim contacts migrate homeserver.yaml --dry-run"
_IMPORT_EXAMPLE: Final = "Example: synapse-tim contacts import homeserver.yaml --dry-run"
_REMOVE_EXAMPLE: Final = "Example: synapse-tim contacts remove-old homeserver.yaml --yes"
_NOTHING: Final = "There is no table of contacts: nothing to do."
#: Users between two lines about how far it is, where there is no terminal.
_LINE_EVERY: Final = 100


@attrs.frozen
class _Server:
    """What has to be known of the homeserver."""

    settings: Settings
    product: Product
    spec_version: SpecVersion

    @property
    def kind(self) -> str:
        """The account data type of permission configurations."""
        return ACCOUNT_DATA_TYPES[self.product]


def add_command(commands: Any) -> None:
    """Add ``contacts`` to the commands."""
    parser = commands.add_parser("contacts", help="move approval lists of legacy-1.1 to later generations")
    commands = parser.add_subparsers(required=True, metavar="COMMAND")
    migrate = commands.add_parser(
        "migrate", help="convert approval lists to permission configurations", epilog=_MIGRATE_EXAMPLE
    )
    add_config(migrate)
    migrate.add_argument("--dry-run", action="store_true", help="show what would be done; nothing is changed")
    add_access(migrate)
    migrate.add_argument(
        "--limited",
        type=Limited,
        choices=list(Limited),
        help="how to migrate approvals with an end date",
    )
    migrate.add_argument(
        "--skip", action="append", default=[], metavar="MXID", help="do not migrate this user's list"
    )
    migrate.add_argument("--json", action="store_true", help="print JSON")
    migrate.set_defaults(run=_migrate)
    imported = commands.add_parser(
        "import", help="take over the approval lists of synapse-invite-checker 0.2", epilog=_IMPORT_EXAMPLE
    )
    add_config(imported)
    imported.add_argument("--dry-run", action="store_true", help="show what would be copied")
    imported.add_argument("--json", action="store_true", help="print JSON")
    imported.set_defaults(run=imported_contacts.run)
    remove = commands.add_parser(
        "remove-old", help="remove the approval lists after they were migrated", epilog=_REMOVE_EXAMPLE
    )
    add_config(remove)
    remove.add_argument("--yes", action="store_true", required=True, help="required: confirms the deletion")
    remove.add_argument("--force", action="store_true", help="delete lists that were not migrated, too")
    remove.set_defaults(run=_remove_old)


# migrate ------------------------------------------------------------------------------------------------


def _migrate(options: argparse.Namespace) -> int:
    server = _read_server(options.config)
    with open_database(server.settings.document, server.settings.directory) as database:
        lists = ContactLists(database, server.kind)
        owners = lists.owners() if lists.exist else []
        strangers = set(options.skip) - set(owners)
        if strangers:
            raise CommandError(f"--skip: these users have no approval list: {', '.join(sorted(strangers))}")
        name = server.settings.server_name
        rules = MigrationRules(name, server.product, options.limited, frozenset(options.skip))
        with progress("Looking at lists"):
            plans = [rules.plan(lists.of(owner), _now()) for owner in owners]
    if options.dry_run:
        done = [Done(plan) for plan in plans]
    else:
        _refuse_undecided(plans)
        done = list(_carry_out(options, server, rules, owners)) if owners else []
    if options.json:
        print_json(_document(done, dry_run=options.dry_run))
    else:
        _print(done, dry_run=options.dry_run, exist=lists.exist)
    return int(any(each.plan.open for each in done))


def _refuse_undecided(plans: Sequence[Plan]) -> None:
    undecided = sum(plan.count(Outcome.UNDECIDED) for plan in plans)
    if undecided:
        raise CommandError(
            f"{undecided} approvals have an end date, which a permission configuration cannot express. "
            "Nothing was done. Use --limited allow to migrate them without it, or --limited leave-out"
        )


def _carry_out(
    options: argparse.Namespace, server: _Server, rules: MigrationRules, owners: Sequence[str]
) -> Iterator[Done]:
    if options.homeserver_url is None or options.access_token_file is None:
        raise CommandError("--homeserver-url and --access-token-file are required, unless you use --dry-run")
    if _delegates_authentication(server.settings.document):
        raise CommandError(
            "Matrix Authentication Service has taken over accounts, and Synapse's admin API cannot log in as "
            "its users: migrate before it is put into operation"
        )
    token = read_token(options.access_token_file)
    with (
        open_for_changes(server.settings.document, server.settings.directory) as database,
        HomeserverAdmin.open(options.homeserver_url, token, server.settings.server_name) as admin,
    ):
        notes, lists = ContactNotes(database), ContactLists(database, server.kind)
        migration = ContactMigration(rules, server.kind, lists, notes, admin, _now)
        for done in migration.migrate_all(_counted(owners)):
            if done.fault:
                print(f"{done.plan.owner}: {done.fault}", file=sys.stderr)
            yield done


def _counted(owners: Sequence[str]) -> Iterator[str]:
    """The same, telling how far it is."""
    with progress(f"Migrating the lists of {len(owners)} users"):
        for number, owner in enumerate(owners):
            if number and number % _LINE_EVERY == 0:
                print(f"{number} of {len(owners)} users", file=sys.stderr)
            yield owner


def _count(done: Iterable[Done]) -> dict[Outcome, int]:
    """How many approvals have which outcome, of those that some have."""
    counted = Counter(outcome for each in done for outcome in each.plan.outcomes.values())
    return {outcome: counted[outcome] for outcome in Outcome if counted[outcome]}


def _document(done: Sequence[Done], *, dry_run: bool) -> dict[str, object]:
    return {
        "at": dt.datetime.now(dt.UTC).isoformat(timespec="seconds"),
        "dry_run": dry_run,
        "approvals": _count(done),
        "users": [
            {
                "user_id": each.plan.owner,
                "written": None if each.fault else each.plan.document,
                "fault": each.fault or None,
                "approvals": [
                    {"user_id": contact.mxid, "outcome": outcome.value, "end": contact.end}
                    for contact, outcome in each.plan.outcomes.items()
                ],
            }
            for each in done
        ],
    }


def _print(done: Sequence[Done], *, dry_run: bool, exist: bool) -> None:
    if not exist:
        print(_NOTHING)
        return
    writes = "would write" if dry_run else "wrote"
    rows = []
    for each in done:
        approvals = ", ".join(f"{number} {outcome}" for outcome, number in _count([each]).items())
        document = "a new document" if each.plan.document is not None and not each.fault else "nothing"
        rows.append((each.plan.owner, document, approvals or "none left"))
    if rows:
        print_table(("user", writes, "approvals"), rows)
    counted = ((f"{outcome}: {MEANING[outcome]}", number) for outcome, number in _count(done).items())
    print_facts([("users", len(done)), *counted])


# remove-old ---------------------------------------------------------------------------------------------


def _remove_old(options: argparse.Namespace) -> int:
    server = _read_server(options.config)
    if server.spec_version is SpecVersion.LEGACY_1_1:
        raise CommandError("the homeserver is configured as legacy-1.1, which needs the lists")
    with open_for_changes(server.settings.document, server.settings.directory) as database:
        if not ContactLists(database, server.kind).exist:
            print(_NOTHING)
            return 0
        notes = ContactNotes(database)
        left = notes.left(_now())
        if left and not options.force:
            hint = "run 'synapse-tim contacts migrate', or say --force to remove the lists all the same"
            print(f"{left}; {hint}", file=sys.stderr)
            return 1
        notes.remove_everything()
    print(f"The approval lists are removed; {left.approvals} approvals are lost.")
    return 0


# What both need -----------------------------------------------------------------------------------------


def _read_server(paths: Sequence[str]) -> _Server:
    settings = read_settings(paths, "TiMessenger", "ContactManagement", "InvitePolicy")
    said = {(str(block.get("product")), str(block.get("spec_version"))) for block in settings.blocks}
    if len(said) > 1:
        raise CommandError("the modules are configured for different products or generations")
    product, spec_version = next(iter(said))
    try:
        return _Server(settings, Product(product), SpecVersion(spec_version))
    except ValueError as error:
        raise CommandError(f"modules[…].config: {error}") from None


def _delegates_authentication(document: Mapping[str, Any]) -> bool:
    experimental = document.get("experimental_features")
    found = (
        document.get("matrix_authentication_service"),
        experimental.get("msc3861") if isinstance(experimental, dict) else None,
    )
    return any(isinstance(each, dict) and each.get("enabled") for each in found)


def _now() -> int:
    return int(time.time())
