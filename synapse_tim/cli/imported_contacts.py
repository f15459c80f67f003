"""``synapse-tim contacts import``: takes over the approval lists of synapse-invite-checker 0.2."""

import argparse
import time
from collections import Counter

from synapse_tim.admin.database import open_database, open_for_changes
from synapse_tim.admin.output import print_facts, print_json, print_table
from synapse_tim.cli.settings import read_settings
from synapse_tim.contacts.imported_lists import FOREIGN, MEANING, Imported, exists, look_at, take_over


def run(options: argparse.Namespace) -> int:
    """Copy the lists, or show what would be copied; 1 if some rows are invalid."""
    settings = read_settings(options.config, "TiMessenger", "ContactManagement", "InvitePolicy")
    now = int(time.time())
    done: list[tuple[str, str, Imported]] = []
    with open_database(settings.document, settings.directory) as database:
        is_there = exists(database)
        if is_there and options.dry_run:
            done = look_at(database, now)
    if is_there and not options.dry_run:
        with open_for_changes(settings.document, settings.directory) as writable:
            done = take_over(writable, now)
    counted = Counter(outcome for _, _, outcome in done)
    if options.json:
        rows = [{"owner": owner, "user_id": mxid, "outcome": outcome.value} for owner, mxid, outcome in done]
        found = {outcome.value: counted[outcome] for outcome in Imported if counted[outcome]}
        print_json({"dry_run": options.dry_run, "approvals": found, "rows": rows})
    elif not is_there:
        print(f"There is no table {FOREIGN}: nothing to do.")
    else:
        left = [(owner, mxid, outcome) for owner, mxid, outcome in done if outcome is not Imported.COPIED]
        if left:
            print_table(("owner", "contact", "outcome"), left)
        facts = [(f"{each}: {MEANING[each]}", counted[each]) for each in Imported if counted[each]]
        print_facts([("approvals", len(done)), *facts])
    return int(bool(counted[Imported.INVALID]))
