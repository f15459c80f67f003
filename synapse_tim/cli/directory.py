"""``synapse-tim directory lookup``: what the directory says about a user, an organisation or a practitioner.

It asks as the homeserver would, with the login in ``homeserver.yaml``, and besides searches for the
entries. Of the configuration only the block ``directory`` has to be right, and of ``federation_list`` how
to log in.
"""

from __future__ import annotations

import argparse
import enum
import sys
from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Any, Final, TypeVar

import attrs

from synapse_tim.admin.output import print_facts, print_json, print_table, progress
from synapse_tim.check.files import read_config
from synapse_tim.cli.settings import CommandError
from synapse_tim.core.institution_code import is_code
from synapse_tim.directory.failures import DirectoryError, DirectoryFailure
from synapse_tim.directory.owner_types import OwnerType, user_id_of

if TYPE_CHECKING:
    from synapse_tim.directory.assembly import DirectoryServices
    from synapse_tim.directory.entries import DirectoryEntry, Entries, ListedEndpoint, Owner
    from synapse_tim.directory.search import DirectorySearch

_EXAMPLE: Final = (
    "Example: synapse-tim directory lookup @reception:hospital.example --config homeserver.yaml. "
    "Exit code: 0 listed, 1 not listed, 2 no answer."
)
#: Then there is no use in asking something else.
_SILENT: Final = frozenset({DirectoryFailure.UNREACHABLE, DirectoryFailure.DEADLINE})
_Found = TypeVar("_Found")


class IdKind(enum.StrEnum):
    """What kind of id the argument was taken for."""

    MXID = "mxid"
    IK = "ik"
    TELEMATIK_ID = "telematik-id"


@attrs.define
class _Answer:
    """What the directory says."""

    asked: str
    kind: IdKind  #: what kind of id that is
    insured: bool  #: whether it is what insured persons see
    #: Where a user is listed; ``None`` if not asked, or without an answer.
    owner_type: OwnerType | None = None
    entries: Entries | None = None  #: what the search found; ``None`` if there was no answer
    failures: dict[str, DirectoryError] = attrs.field(factory=dict)  #: why there was none, by what was asked

    @property
    def listed(self) -> bool:
        """Whether it is listed, and active; insured persons do not see everything that is."""
        if self.entries is not None and any(entry.active for entry in self.entries.entries):
            return True
        return not self.insured and self.owner_type not in (None, OwnerType.NONE)


def add_command(commands: Any) -> None:
    """Add ``directory`` to the commands."""
    parser = commands.add_parser(
        "directory", help="look users and organisations up in the directory", epilog=_EXAMPLE
    )
    actions = parser.add_subparsers(required=True, metavar="ACTION")
    lookup = actions.add_parser(
        "lookup", help="look up a user, an organisation or a practitioner", epilog=_EXAMPLE
    )
    lookup.add_argument(
        "id",
        metavar="MXID|TELEMATIK-ID|IK",
        help="a user id (@… or matrix:u/…), nine digits for an institution code, or else a telematik id",
    )
    lookup.add_argument(
        "--config",
        action="append",
        required=True,
        metavar="homeserver.yaml",
        help="as given to Synapse with -c; may be repeated",
    )
    lookup.add_argument("--insured", action="store_true", help="search as insured persons do")
    lookup.add_argument("--json", action="store_true", help="print JSON")
    lookup.set_defaults(run=run)


def run(options: argparse.Namespace) -> int:
    """Ask, and print what was answered."""
    kind = kind_of(options.id)
    if kind is IdKind.MXID and user_id_of(options.id) is None:
        raise CommandError(f"{options.id!r} is not a user id such as @name:server.example")
    services, search = _connect(read_config(options.config).document, insured=options.insured)
    answer = _Answer(options.id, kind, options.insured)
    try:
        with progress("Asking the directory"):
            _ask(answer, services, search)
    finally:
        services.transport.close()
    if options.json:
        print_json(_document(answer))
    else:
        _print(answer)
    for what, failure in answer.failures.items():
        print(f"no answer to the {what}: {failure}", file=sys.stderr)
    if answer.failures:
        return 2
    return 0 if answer.listed else 1


def kind_of(text: str) -> IdKind:
    """What kind of id a text is taken for."""
    if text.startswith("@") or text.lower().startswith("matrix:u/"):
        return IdKind.MXID
    return IdKind.IK if is_code(text) else IdKind.TELEMATIK_ID


def _connect(document: Mapping[str, Any], *, insured: bool) -> tuple[DirectoryServices, DirectorySearch]:
    from synapse.module_api.errors import ConfigError

    from synapse_tim.directory.assembly import build_directory
    from synapse_tim.directory.from_file import NoDirectoryError, read_directory
    from synapse_tim.directory.search import DirectorySearch

    try:
        config, log_in = read_directory(document)
        services = build_directory(config, log_in)
    except ConfigError as error:
        raise CommandError(error.msg) from None
    except NoDirectoryError as error:
        raise CommandError(str(error)) from None
    search = DirectorySearch(services.search_transport, services.search, config.base_url, insured=insured)
    return services, search


def _ask(answer: _Answer, services: DirectoryServices, search: DirectorySearch) -> None:
    def attempt(what: str, ask: Callable[[str], _Found]) -> _Found | None:
        try:
            return ask(answer.asked)
        except DirectoryError as error:
            answer.failures[what] = error
            return None

    if answer.kind is IdKind.MXID:
        answer.owner_type = attempt("localization", services.client.owner_type)
        if any(error.reason in _SILENT for error in answer.failures.values()):
            return
        answer.entries = attempt("search", search.find_by_mxid)
    elif answer.kind is IdKind.IK:
        answer.entries = attempt("search", search.find_by_ik)
    else:
        answer.entries = attempt("search", search.find_by_telematik_id)


def _document(answer: _Answer) -> dict[str, object]:
    entries = answer.entries
    return {
        "asked": answer.asked,
        "kind": answer.kind.value,
        "insured": answer.insured,
        "listed": None if answer.failures and not answer.listed else answer.listed,
        "owner_type": answer.owner_type.value if answer.owner_type is not None else None,
        "entries": None if entries is None else [_entry(each) for each in entries.entries],
        "skipped_resources": None if entries is None else entries.skipped,
        "failures": {what: error.reason.value for what, error in answer.failures.items()},
    }


def _entry(entry: DirectoryEntry) -> dict[str, object]:
    def fields(of: ListedEndpoint | Owner | None) -> dict[str, object] | None:
        return None if of is None else attrs.asdict(of, filter=attrs.filters.exclude("hidden"))

    return {
        "active": entry.active,
        "hidden_from_insured": entry.hidden,
        "user": fields(entry.endpoint),
        "owner": fields(entry.owner),
    }


def _print(answer: _Answer) -> None:
    entries = answer.entries
    if entries is not None and entries.entries:
        columns = ("user", "as", "status", "insured persons", "of", "telematik id", "profession")
        print_table(columns, [_row(each) for each in entries.entries])
    facts: list[tuple[str, object]] = [("asked about", f"{answer.asked} ({answer.kind.value})")]
    if answer.owner_type is not None:
        facts.append(("owner type", answer.owner_type.value))
    if entries is not None:
        facts.append(("entries", len(entries.entries)))
        if entries.skipped:
            facts.append(("unreadable resources", entries.skipped))
    if answer.listed or not answer.failures:
        facts.append(("listed", "yes" if answer.listed else "no"))
    print_facts(facts)


def _row(entry: DirectoryEntry) -> tuple[str, ...]:
    owner, endpoint = entry.owner, entry.endpoint
    return (
        endpoint.user_id if endpoint is not None else "none",
        endpoint.role.value if endpoint is not None else "",
        endpoint.status if endpoint is not None else "",
        "do not see it" if entry.hidden else "see it",
        "unknown, or not active" if owner is None else f"{owner.kind.value} {owner.name}",
        "" if owner is None else ", ".join(owner.telematik_ids),
        "" if owner is None else ", ".join(owner.professions),
    )
