"""``synapse-tim explain``: why something is refused, for a helpdesk; from configuration, database and log."""

import argparse
import datetime as dt
import gzip
import sys
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import IO, Any, Final

from synapse_tim.admin.database import open_database
from synapse_tim.admin.output import print_facts, print_json, print_table
from synapse_tim.cli.settings import CommandError
from synapse_tim.compliance.denials import CATALOGUE
from synapse_tim.core.checks import NotRead
from synapse_tim.core.refusal import Refusal, is_reference
from synapse_tim.core.server_name import of_matrix_id
from synapse_tim.directory.owner_types import user_id_of
from synapse_tim.explain.explainer import Explainer, OwnerTypes, Policy
from synapse_tim.explain.explanation import Explanation
from synapse_tim.explain.stored import Stored

_EXAMPLE: Final = (
    "Example: synapse-tim explain invite @doctor:practice.example @nurse:hospital.example "
    "--config homeserver.yaml. Exit codes: 0 nothing is refused; 1 refused; 2 it could not be found out."
)
_LOGS: Final = (
    "Example: synapse-tim explain reference h4kq7zta /var/log/matrix-synapse/homeserver.log*. "
    "Exit codes: 0 found; 1 not found; 2 a file cannot be read."
)


def add_command(commands: Any) -> None:
    """Add ``explain`` to the commands."""
    parser = commands.add_parser("explain", help="say why something is refused", epilog=_EXAMPLE)
    kinds = parser.add_subparsers(required=True, metavar="WHAT")
    invite = kinds.add_parser("invite", help="whether a user may invite another one", epilog=_EXAMPLE)
    invite.add_argument("inviter", metavar="INVITER", help="a user id")
    invite.add_argument("invitee", metavar="INVITEE", help="a user id")
    server = kinds.add_parser("server", help="whether a server is in the federation", epilog=_EXAMPLE)
    server.add_argument("name", metavar="SERVER", help="its name")
    user = kinds.add_parser("user", help="what is stored about a user of this server", epilog=_EXAMPLE)
    user.add_argument("user", metavar="USER", help="a user id")
    for each, run in ((invite, _invite), (server, _server), (user, _user)):
        each.add_argument(
            "--config",
            action="append",
            required=True,
            metavar="homeserver.yaml",
            help="as given to Synapse with -c; may be repeated",
        )
        each.add_argument("--json", action="store_true", help="print JSON")
        each.set_defaults(run=run)
    reference = kinds.add_parser("reference", help="which rule a reference stands for", epilog=_LOGS)
    reference.add_argument("reference", metavar="REFERENCE", help="the eight letters and digits of a refusal")
    reference.add_argument(
        "logs", nargs="+", metavar="LOG", help="log files, also compressed with gzip; - for stdin"
    )
    reference.add_argument("--json", action="store_true", help="print JSON")
    reference.set_defaults(run=_reference)


def _invite(options: argparse.Namespace) -> int:
    for user_id in (options.inviter, options.invitee):
        _require_user_id(user_id)
    with _explainer(options.config, directory=True) as explainer:
        return _show(explainer.invitation(options.inviter, options.invitee), as_json=options.json)


def _server(options: argparse.Namespace) -> int:
    with _explainer(options.config) as explainer:
        return _show(explainer.server(options.name), as_json=options.json)


def _user(options: argparse.Namespace) -> int:
    _require_user_id(options.user)
    with _explainer(options.config) as explainer:
        if of_matrix_id(options.user) != explainer.policy.server_name:
            raise CommandError(f"{options.user} is not a user of {explainer.policy.server_name}")
        return _show(explainer.user(options.user), as_json=options.json)


def _reference(options: argparse.Namespace) -> int:
    reference = options.reference.strip().strip("[]").removeprefix("Reference:").strip().lower()
    if not is_reference(reference):
        raise CommandError(
            f"{options.reference!r} is no reference: eight of the letters a to z and the digits 2 to 7"
        )
    found = [refusal for path in options.logs for refusal in _refusals(path, reference)]
    if options.json:
        print_json({"reference": reference, "refusals": [_refusal(each) for each in found]})
    elif not found:
        print(f"{reference} is not in these files", file=sys.stderr)
    for refusal in () if options.json else found:
        print_facts(_refusal(refusal).items())
    return 0 if found else 1


def _refusals(path: str, reference: str) -> Iterator[Refusal]:
    try:
        with ExitStack() as stack:
            for line in _lines(path, stack):
                refusal = Refusal.parse(line) if reference in line else None
                if refusal is not None and refusal.reference == reference:
                    yield refusal
    except (OSError, EOFError) as error:
        raise CommandError(f"{path}: {getattr(error, 'strerror', None) or error}") from None


def _lines(path: str, stack: ExitStack) -> IO[str]:
    if path == "-":
        return sys.stdin
    if path.endswith(".gz"):
        return stack.enter_context(gzip.open(path, "rt", errors="replace"))
    return stack.enter_context(Path(path).open(errors="replace"))


def _refusal(refusal: Refusal) -> dict[str, object]:
    denial = CATALOGUE.get(refusal.denial)
    return {
        "reference": refusal.reference,
        "rule": refusal.rule,
        "denial": refusal.denial,
        "server": refusal.server,
        "other_server": refusal.other,
        "text": None if denial is None else denial.text,
        "requirements": [] if denial is None else list(denial.requirements),
    }


@contextmanager
def _explainer(paths: list[str], *, directory: bool = False) -> Iterator[Explainer]:
    from synapse_tim.check.reading import read_homeserver
    from synapse_tim.federation.config import AllowListConfig
    from synapse_tim.invites.config import InvitePolicyConfig

    homeserver = read_homeserver(paths, (), dt.datetime.now(dt.UTC))
    main, problems = homeserver.main, [each.found for each in homeserver.main.problems]
    try:
        settings = main.block(AllowListConfig)[1].federation_list
        invites = main.block(InvitePolicyConfig)[1]
    except NotRead:
        reason = f": {problems[0]}" if problems else ""
        raise CommandError(f"no module of synapse_tim has a block that can be used{reason}") from None
    with ExitStack() as stack:
        database = stack.enter_context(open_database(main.document, main.directory))
        policy = Policy(
            server_name=homeserver.server_name,
            product=invites.product,
            spec_version=invites.spec_version,
            default=invites.default,
            max_age=dt.timedelta(milliseconds=settings.max_age),
            on_stale=settings.on_stale,
            now=homeserver.now,
            switches=invites.invites.switches,
        )
        owner_type = (
            _owner_types(main.document, stack) if directory and policy.spec_version.is_legacy else None
        )
        yield Explainer(policy, Stored(database, policy.product), owner_type)


def _owner_types(document: Any, stack: ExitStack) -> OwnerTypes:
    from synapse.module_api.errors import ConfigError

    from synapse_tim.directory.assembly import build_directory
    from synapse_tim.directory.from_file import NoDirectoryError, read_directory

    try:
        services = build_directory(*read_directory(document))
    except ConfigError as error:
        raise CommandError(error.msg) from None
    except NoDirectoryError:
        return None
    stack.callback(services.transport.close)
    return services.client.owner_type


def _require_user_id(text: str) -> None:
    if user_id_of(text) is None or not text.startswith("@"):
        raise CommandError(f"{text!r} is not a user id such as @name:server.example")


def _show(explanation: Explanation, *, as_json: bool) -> int:
    denial = explanation.denial
    if as_json:
        print_json(
            {
                "question": explanation.question,
                "steps": [
                    {
                        "subject": step.subject,
                        "finding": step.finding,
                        "denial": None if step.denial is None else step.denial.name,
                    }
                    for step in explanation.steps
                ],
                "denial": None if denial is None else denial.name,
                "rule": None if denial is None else denial.rule,
                "text": None if denial is None else denial.message,
                "result": explanation.result,
                "known": explanation.known,
            }
        )
    else:
        rows = [
            (step.subject, step.finding, step.denial.name if step.denial else "")
            for step in explanation.steps
        ]
        print_table(("looked at", "found", "denial"), rows, title=explanation.question)
        facts = [("result", explanation.result)] if explanation.result else []
        if denial is not None:
            facts += [("rule", denial.rule), ("what the user is told", denial.message)]
        print_facts(facts)
    if not explanation.known:
        return 2
    return 0 if denial is None else 1
