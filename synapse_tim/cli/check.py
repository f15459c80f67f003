"""``synapse-tim check homeserver.yaml``: checks configurations against the TI-M requirements.

Nothing has to run, and nothing is changed: no key is made, no directory, no log. Exit code 1 if a requirement
is violated (with ``--strict`` also if there is a warning), 2 if a configuration cannot be read.
"""

import argparse
import sys
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any, Final

import attrs

from synapse_tim.admin.output import progress
from synapse_tim.cli.check_formats import FORMATS, Checked, Form, in_order, one_line, print_schema
from synapse_tim.core.checks import Result

_EXAMPLE: Final = """\
Example: synapse-tim check homeserver.yaml conf.d --worker worker1.yaml --online
         synapse-tim check homeserver.yaml --mas mas.yaml
         synapse-tim check --each /srv/homeservers --format junit
"""


def add_command(commands: Any) -> None:
    """Add ``check`` to the commands."""
    parser = commands.add_parser(
        "check",
        help="check homeserver.yaml against the TI-M requirements",
        description="Exit code 0: nothing is violated; 1: something is; 2: a configuration cannot be read.",
        epilog=_EXAMPLE,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument(
        "files",
        nargs="*",
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
        "--each",
        action="store_true",
        help="each argument is a homeserver: a file; a directory with homeserver.yaml, and with conf.d and"
        " workers if there are any; or a directory of such directories",
    )
    parser.add_argument(
        "--online",
        action="store_true",
        help="also fetch and verify the federation list, visit the server, and look into the database",
    )
    parser.add_argument("--strict", action="store_true", help="exit with 1 if there are warnings, too")
    parser.add_argument("--all", action="store_true", help="also show checks that pass or do not apply")
    parser.add_argument(
        "--format", choices=[*FORMATS], default="text", help="github: annotations; junit: XML for pipelines"
    )
    parser.add_argument(
        "--json", dest="format", action="store_const", const="json", help="print JSON, with all lines"
    )
    parser.add_argument("--schema", action="store_true", help="print the JSON schema of what --json prints")
    parser.set_defaults(run=lambda options: run(options, parser))


def run(options: argparse.Namespace, parser: argparse.ArgumentParser) -> int:
    """Check one configuration, or many."""
    if options.schema:
        print_schema()
        return 0
    if not options.files:
        parser.error("the following arguments are required: FILE|DIRECTORY")
    if options.each and (options.worker or options.mas):
        parser.error("--worker and --mas belong to one homeserver: with --each, put the files beside its own")
    # Synapse takes a second to load; the other commands need not wait for it.
    from synapse_tim.check.files import UnusableConfigError

    checked = []
    for files in _homeservers(options):
        name = one_line(files.name)
        try:
            checked.append(_check(name, files, online=options.online))
        except UnusableConfigError as error:
            if not options.each:
                print(f"synapse-tim: {error}", file=sys.stderr)
                return 2
            checked.append(Checked(name, None, error=one_line(str(error))))
    FORMATS[options.format](checked, Form(options.each, options.all, options.strict))
    if any(one.homeserver is None for one in checked):
        return 2
    return 1 if any(one.fails(strict=options.strict) for one in checked) else 0


@attrs.frozen
class _Files:
    """The files of a homeserver."""

    name: str
    shared: Sequence[str]
    workers: Sequence[str] = ()
    mas: Sequence[str] = ()


def _homeservers(options: argparse.Namespace) -> Iterator[_Files]:
    """Each homeserver that is named."""
    if not options.each:
        yield _Files(options.files[0], options.files, options.worker, options.mas)
        return
    for name in options.files:
        place = Path(name)
        inside = [place] if (place / "homeserver.yaml").is_file() else []
        if not inside and place.is_dir():
            inside = sorted(each.parent for each in place.glob("*/homeserver.yaml"))
        if not inside:
            yield _Files(name, [name])
        for directory in inside:
            shared = [directory / "homeserver.yaml", directory / "conf.d"]
            workers = sorted({*directory.glob("worker*.yaml"), *directory.glob("workers/*.yaml")})
            mas = sorted(directory.glob("mas.yaml"))
            yield _Files(
                str(directory),
                [str(each) for each in shared if each.exists()],
                [*map(str, workers)],
                [*map(str, mas)],
            )


def _check(name: str, files: _Files, *, online: bool) -> Checked:
    """Check one homeserver.

    Raises:
        UnusableConfigError: its files cannot be read.
    """
    from synapse_tim.adapter.clock import utc_now
    from synapse_tim.check.catalogue import CHECKS, MAS_CHECKS, ONLINE_CHECKS
    from synapse_tim.check.mas_files import read_mas
    from synapse_tim.check.reading import read_homeserver
    from synapse_tim.check.redaction import Redactor

    with progress(f"Reading the configuration {name}"):
        homeserver = read_homeserver(files.shared, files.workers, utc_now())
        if files.mas:
            homeserver = attrs.evolve(homeserver, mas=read_mas(files.mas))
    checks = [*CHECKS, *(MAS_CHECKS if homeserver.mas is not None else ())]
    if online:
        from synapse_tim.check.online import look_online

        with progress("Fetching and verifying the federation list"):
            homeserver = attrs.evolve(homeserver, online=look_online(homeserver, utc_now))
        checks += ONLINE_CHECKS
    mas = [] if homeserver.mas is None else [homeserver.mas.document]
    redactor = Redactor([*(process.document for process in homeserver.processes), *mas])
    results = [_redacted(each, redactor.hide) for each in homeserver.judge(checks)]
    return Checked(name, homeserver, in_order(results))


def _redacted(result: Result, hide: Callable[[str], str]) -> Result:
    return attrs.evolve(
        result,
        key=one_line(result.key),
        found=one_line(hide(result.found)),
        reason=one_line(hide(result.reason)),
        process=one_line(result.process),
    )
