"""``synapse-tim compliance``: gematik's requirements, what enforces them, and the tests that show it.

``docs/compliance.md`` is this command's output.
"""

import argparse
import itertools
import sys
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any, Final

import attrs

from synapse_tim.admin.output import markdown_table, print_json, print_table
from synapse_tim.compliance.evidence import Evidence, EvidenceError, collect, packaged, to_json
from synapse_tim.compliance.requirements import BY_ID, MEANING, REQUIREMENTS, Requirement, Status
from synapse_tim.core.products import Product, SpecVersion

_EXAMPLE: Final = "Example: synapse-tim compliance --product pro --spec-version 1.2 --status enforced"

_INTRODUCTION: Final = """\
gematik's requirements on a server, and what enforces each of them. This page is the output of
`synapse-tim compliance --markdown`; `synapse-tim compliance A_28271` shows one requirement with its tests,
`--json` all of them. Whatever is enforced, wholly or partly, and every setting has a test that starts real
Synapse servers and sends them the request in question. Titles are in our own words."""
_LEGEND: Final = """\
Spec version `legacy-1.1` is TI-Messenger-Dienst 1.1.x, whose requirements count as long as nothing newer was
seen. Rules are names of [denials](denials.md), of [options of homeserver.yaml](homeserver-options.md), and
Python names below `synapse_tim`."""


@attrs.frozen
class Row:
    """A requirement and its tests."""

    requirement: Requirement  #: what it is about
    tests: Sequence[str]  #: on real servers, as pytest names them

    @property
    def rule(self) -> list[str]:
        """What decides: denials, options, functions and classes."""
        named = self.requirement
        return [*named.denials, *named.options, *map(_short, named.rules)]

    @property
    def generations(self) -> list[str]:
        """Those for which it counts, the oldest first."""
        return [each.value for each in SpecVersion if each in self.requirement.generations]

    def as_json(self) -> dict[str, object]:
        """For scripts."""
        named = self.requirement
        return {
            "id": named.id,
            "also": list(named.also),
            "title": named.title,
            "products": sorted(named.products),
            "spec_versions": self.generations,
            "status": named.status.value,
            "denials": named.denials,
            "options": named.options,
            "rules": named.rules,
            "where": named.where,
            "tests": self.tests,
            "note": named.note,
        }


def add_command(commands: Any) -> None:
    """Add ``compliance`` to the commands."""
    parser = commands.add_parser(
        "compliance",
        help="list gematik's requirements, what enforces them and which tests show it",
        description="Exit 1 if a requirement is said to be enforced and no test on real servers shows it.",
        epilog=_EXAMPLE,
    )
    parser.add_argument(
        "ids", nargs="*", metavar="ID", help="id of a requirement, such as A_28271; default: all"
    )
    parser.add_argument("--status", action="append", choices=list(Status), help="may be given several times")
    parser.add_argument("--product", choices=list(Product))
    parser.add_argument("--spec-version", choices=list(SpecVersion))
    parser.add_argument(
        "--tests", type=Path, metavar="DIR", help="look for the tests there; default: those of this version"
    )
    form = parser.add_mutually_exclusive_group()
    form.add_argument("--json", action="store_true", help="print JSON")
    form.add_argument("--markdown", action="store_true", help="print the page of the documentation")
    form.add_argument(
        "--collect", action="store_true", help="print what is found in the tests, for evidence.json"
    )
    parser.set_defaults(run=run)


def run(options: argparse.Namespace) -> int:
    """Print the requirements that were asked for."""
    if options.collect and options.tests is None:
        print("--collect wants to know where: --tests DIR", file=sys.stderr)
        return 2
    unknown = [name for name in options.ids if name not in BY_ID]
    if unknown:
        print("\n".join(map(_unknown, unknown)), file=sys.stderr)
        return 2
    try:
        evidence = packaged() if options.tests is None else collect(options.tests, BY_ID)
    except EvidenceError as error:
        print(error, file=sys.stderr)
        return 2
    if options.collect:
        print(to_json(evidence), end="")
        return 0
    rows = _selected(options, evidence)
    if options.json:
        print_json({"requirements": [row.as_json() for row in rows]})
    elif options.markdown:
        _print_markdown(rows)
    elif options.ids:
        _print_one_by_one(rows)
    else:
        _print_table(rows)
    missing = [row.requirement.id for row in rows if row.requirement.needs_proof and not row.tests]
    if missing:
        print(f"no test on real servers: {', '.join(missing)}", file=sys.stderr)
    return 1 if missing else 0


def _selected(options: argparse.Namespace, evidence: Evidence) -> list[Row]:
    """The requirements that were asked for, each once, with their tests."""
    wanted = [BY_ID[name] for name in options.ids] or REQUIREMENTS
    return [
        Row(each, sorted({test for name in each.names for test in evidence.get(name, ())}))
        for each in REQUIREMENTS
        if each in wanted
        and (options.status is None or each.status in options.status)
        and (options.product is None or options.product in each.products)
        and (options.spec_version is None or options.spec_version in each.generations)
    ]


def _unknown(name: str) -> str:
    number = name.upper().partition("-")[0]
    similar = [each.id for each in REQUIREMENTS if each.id.partition("-")[0] == number]
    hint = f"; there is {', '.join(similar)}" if similar else ""
    return f"unknown requirement: {name!r:.60}{hint}"


def _print_table(rows: Sequence[Row]) -> None:
    columns = ("id", "title", "rule", "where", "tests", "status")
    cells = (
        (
            row.requirement.id,
            row.requirement.title,
            ", ".join(row.rule),
            ", ".join(map(_short, row.requirement.where)),
            str(len(row.tests) or ""),
            row.requirement.status,
        )
        for row in rows
    )
    print_table(columns, cells)
    counts = ", ".join(f"{number} {status}" for status, number in _counts(rows))
    tests = {test for row in rows for test in row.tests}
    print(f"{len(rows)} requirements: {counts}; {len(tests)} tests on real servers")


def _print_one_by_one(rows: Iterable[Row]) -> None:
    for number, row in enumerate(rows):
        named = row.requirement
        if number:
            print()
        facts: dict[str, Iterable[str]] = {
            "id": named.names,
            "title": (named.title,),
            "status": (f"{named.status}: {MEANING[named.status]}",),
            "products": (", ".join(sorted(named.products)),),
            "spec versions": (", ".join(row.generations),),
            "rule": row.rule,
            "where": map(_short, named.where),
            "tests": row.tests,
            "note": (named.note,) if named.note else (),
        }
        for name, values in facts.items():
            for label, value in zip(itertools.chain((name,), itertools.repeat("")), values, strict=False):
                print(f"{label:<15}{value}")


def _print_markdown(rows: Sequence[Row]) -> None:
    """The page of the documentation; without tests, so that it changes only if requirements or rules do."""
    print(f"# Requirements\n\n{_INTRODUCTION}\n")
    statuses = ((status, MEANING[status], str(number)) for status, number in _counts(rows))
    print(markdown_table(("status", "meaning", "requirements"), statuses))
    print(f"\n{_LEGEND}\n")
    columns = ("id", "title", "product", "spec version", "status", "rule", "where", "note")
    print(markdown_table(columns, map(_markdown_row, rows)))


def _markdown_row(row: Row) -> Sequence[str]:
    named = row.requirement
    return (
        ", ".join(named.names),
        named.title,
        ", ".join(sorted(named.products)),
        ", ".join(row.generations),
        named.status,
        ", ".join(f"`{name}`" for name in row.rule),
        ", ".join(f"`{_short(name)}`" for name in named.where),
        named.note,
    )


def _counts(rows: Sequence[Row]) -> list[tuple[Status, int]]:
    statuses = [row.requirement.status for row in rows]
    return [(status, statuses.count(status)) for status in MEANING if status in statuses]


def _short(name: str) -> str:
    """A Python name below the package."""
    return name.removeprefix("synapse_tim.")
