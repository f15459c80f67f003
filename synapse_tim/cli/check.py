"""``synapse-tim check homeserver.yaml``: checks a configuration against the TI-M requirements.

Nothing has to run, and nothing is changed: no key is made, no directory, no log. Exit code 1 if a requirement
is violated (with ``--strict`` also if there is a warning), 2 if the configuration cannot be read.
"""

from __future__ import annotations

import argparse
import sys
from collections import Counter
from collections.abc import Callable, Iterable, Sequence
from typing import TYPE_CHECKING, Any, Final

import attrs

from synapse_tim.admin.output import print_facts, print_json, print_table, progress
from synapse_tim.core.checks import Result, Verdict

if TYPE_CHECKING:
    from synapse_tim.check.facts import Homeserver, Online

_EXAMPLE: Final = (
    "Examples: synapse-tim check homeserver.yaml conf.d --worker worker1.yaml --online; "
    "synapse-tim check homeserver.yaml --mas mas.yaml"
)
_ORDER: Final = (Verdict.VIOLATION, Verdict.WARNING, Verdict.OK, Verdict.NOT_APPLICABLE)
_LISTED_AS: Final = {None: "not listed", True: "epa", False: "pro"}
_PROBLEMS: Final = (Verdict.VIOLATION, Verdict.WARNING)


def add_command(commands: Any) -> None:
    """Add ``check`` to the commands."""
    parser = commands.add_parser(
        "check",
        help="check homeserver.yaml against the TI-M requirements",
        description="Exit code 0: nothing is violated; 1: something is; 2: the configuration cannot be read.",
        epilog=_EXAMPLE,
    )
    parser.add_argument(
        "files",
        nargs="+",
        metavar="FILE|DIRECTORY",
        help="homeserver.yaml and whatever else Synapse is given with -c, in the same order",
    )
    parser.add_argument(
        "--worker",
        action="append",
        default=[],
        metavar="FILE",
        help="a worker's configuration file; may be repeated",
    )
    parser.add_argument(
        "--mas",
        action="append",
        default=[],
        metavar="FILE",
        help="also check the configuration of Matrix Authentication Service; may be repeated",
    )
    parser.add_argument(
        "--online",
        action="store_true",
        help="also fetch and verify the federation list, visit the server, and look into the database",
    )
    parser.add_argument("--strict", action="store_true", help="exit with 1 if there are warnings, too")
    parser.add_argument("--all", action="store_true", help="also show checks that pass or do not apply")
    parser.add_argument("--json", action="store_true", help="print JSON, with all lines")
    parser.set_defaults(run=run)


def run(options: argparse.Namespace) -> int:
    """Check a configuration."""
    # Synapse takes a second to load; the other commands need not wait for it.
    from synapse_tim.adapter.clock import utc_now
    from synapse_tim.check.catalogue import CHECKS, MAS_CHECKS, ONLINE_CHECKS
    from synapse_tim.check.files import UnusableConfigError
    from synapse_tim.check.mas_files import read_mas
    from synapse_tim.check.reading import read_homeserver
    from synapse_tim.check.redaction import Redactor

    try:
        with progress("Reading the configuration"):
            homeserver = read_homeserver(options.files, options.worker, utc_now())
            if options.mas:
                homeserver = attrs.evolve(homeserver, mas=read_mas(options.mas))
    except UnusableConfigError as error:
        print(f"synapse-tim: {error}", file=sys.stderr)
        return 2
    checks = [*CHECKS, *(MAS_CHECKS if homeserver.mas is not None else ())]
    if options.online:
        from synapse_tim.check.online import look_online

        with progress("Fetching and verifying the federation list"):
            homeserver = attrs.evolve(homeserver, online=look_online(homeserver, utc_now))
        checks += ONLINE_CHECKS
    online = homeserver.online
    mas = [] if homeserver.mas is None else [homeserver.mas.document]
    redactor = Redactor([*(process.document for process in homeserver.processes), *mas])
    results = [_redacted(each, redactor.hide) for each in homeserver.judge(checks)]
    counts = Counter(each.verdict for each in results)
    if options.json:
        _print_json(homeserver, results, counts)
    else:
        _print_table(results, everything=options.all)
        if online is not None:
            _print_online(online, homeserver)
        print(", ".join(f"{counts[verdict]} {verdict.value.replace('_', ' ')}" for verdict in _ORDER))
    wrong = counts[Verdict.VIOLATION] + (counts[Verdict.WARNING] if options.strict else 0)
    return 1 if wrong else 0


def _redacted(result: Result, hide: Callable[[str], str]) -> Result:
    return attrs.evolve(
        result,
        key=_one_line(result.key),
        found=_one_line(hide(result.found)),
        reason=_one_line(hide(result.reason)),
        process=_one_line(result.process),
    )


def _one_line(text: str) -> str:
    """Without what moves a terminal's cursor: a file may hold anything."""
    return "".join(each if each.isprintable() else "�" for each in text)


def _sorted(results: Iterable[Result]) -> list[Result]:
    return sorted(results, key=lambda each: _ORDER.index(each.verdict))


def _print_json(homeserver: Homeserver, results: Sequence[Result], counts: Counter[Verdict]) -> None:
    document: dict[str, object] = {
        "product": homeserver.product,
        "spec_version": homeserver.spec_version,
        "processes": [_one_line(process.name) for process in homeserver.processes],
        "results": [attrs.asdict(each) for each in _sorted(results)],
        "summary": {verdict.value: counts[verdict] for verdict in _ORDER},
    }
    if homeserver.online is not None:
        document["online"] = dict(_facts(homeserver.online, homeserver))
    print_json(document)


def _facts(online: Online, homeserver: Homeserver) -> Iterable[tuple[str, object]]:
    """What was found out over the network, by name."""
    fetched = online.fetched
    if fetched is not None:
        yield "version", fetched.version
        yield "domains", fetched.domains
        yield "insurance_domains", fetched.insurance_domains
        yield "own_domain", homeserver.server_name
        yield "own_domain_listed_as", _LISTED_AS[fetched.insurer] if fetched.refusal is None else None
        yield "signer", fetched.signer
        expiry = fetched.signer_not_after
        yield "signer_not_after", expiry and expiry.isoformat().replace("+00:00", "Z")
        yield "refusal", fetched.refusal
    endpoints = (attrs.evolve(each, detail=_one_line(each.detail)) for each in online.endpoints)
    yield "endpoints", [attrs.asdict(each) for each in endpoints]


def _print_table(results: Sequence[Result], *, everything: bool) -> None:
    several = len({each.process for each in results}) > 1
    shown = [each for each in _sorted(results) if everything or each.verdict in _PROBLEMS]
    rows = [
        (
            each.requirement,
            each.verdict.value.replace("_", " "),
            f"{each.process}: {each.key}" if several else each.key,
            each.found,
            each.wanted,
            each.reason,
        )
        for each in shown
    ]
    if rows:
        print_table(("requirement", "verdict", "key", "found", "wanted", "because"), rows)


def _print_online(online: Online, homeserver: Homeserver) -> None:
    facts = dict(_facts(online, homeserver))
    facts.pop("endpoints")
    shown = [(name.replace("_", " "), value) for name, value in facts.items() if value is not None]
    print_facts([*shown, *((each.url, _one_line(each.detail)) for each in online.endpoints)])
