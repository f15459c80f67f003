"""``synapse-tim reference``: every key, denial, option, check, and what is used of Synapse.

The pages ``docs/configuration-reference.md``, ``docs/denials.md``, ``docs/homeserver-options.md``,
``docs/checks.md`` and ``docs/synapse-internals.md`` are its output.
"""

import argparse
import json
import sys
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any, Final

import attrs

from synapse_tim.admin.output import markdown_table, print_json, print_table
from synapse_tim.compliance.denials import CATALOGUE
from synapse_tim.core.checks import Verdict
from synapse_tim.core.homeserver_options import OPTIONS

if TYPE_CHECKING:
    from synapse_tim.adapter.shape import Touched

_EXAMPLE: Final = "Example: synapse-tim reference denials --json"


@attrs.frozen
class Page:
    """A table with what stands above it."""

    title: str
    introduction: str
    columns: Sequence[str]
    rows: Sequence[Sequence[str]]


def denials() -> Page:
    """All denials."""
    rows = [
        (
            name,
            ", ".join(each.requirements),
            each.policy,
            f"{each.status} {each.errcode}",
            "yes" if each.has_reference else "",
            each.text,
        )
        for name, each in CATALOGUE.items()
    ]
    introduction = (
        "Whatever is refused is refused with one of these answers. Each is counted under its policy and\n"
        'its first requirement in `synapse_tim_decisions_total{policy,rule,outcome="denied"}`.\n'
        "Answers with status 503 carry `Retry-After`: the same request may succeed later. Those with a\n"
        'reference end in `[Reference: abcd2345]` and have it as `"synapse_tim.reference"` in the JSON; it\n'
        "leads to a [line in the log](operations.md#why-was-this-refused)."
    )
    return Page(
        "Denials", introduction, ("name", "requirements", "policy", "answer", "reference", "text"), rows
    )


def options() -> Page:
    """All options of homeserver.yaml that are checked at start-up."""
    rows = [
        (
            each.key,
            json.dumps(each.value),
            ", ".join(sorted(product.value for product in each.products)),
            "error" if each.severity is Verdict.VIOLATION else "warning",
            each.requirement,
            each.reason,
        )
        for each in OPTIONS
    ]
    introduction = (
        "Where Synapse has an option for a requirement, that option does the work. The modules check them\n"
        "at start-up: an `error` stops Synapse and names every option to be changed, a `warning` is logged."
    )
    columns = ("option", "value", "product", "otherwise", "requirement", "because")
    return Page("Options of homeserver.yaml", introduction, columns, rows)


def checks() -> Page:
    """Everything that ``synapse-tim check`` looks at."""
    from synapse_tim.check.catalogue import (
        CHECKS,
        MAS_CHECKS,
        ONLINE_CHECKS,
    )  # with Synapse, which takes a second

    rows = [
        (
            each.name,
            each.requirement,
            each.key,
            each.wanted,
            ", ".join(sorted(each.products)),
            ", ".join(sorted(each.spec_versions)),
            each.severity.value,
            each.reason,
        )
        for each in (*CHECKS, *ONLINE_CHECKS, *MAS_CHECKS)
    ]
    introduction = (
        "What `synapse-tim check` holds a configuration against; [check.md](check.md) says how to use it.\n"
        "`otherwise` is the verdict on another value; where it depends on it, the worse one is shown.\n"
        "What is named `online.…` is looked at with `--online` only, and `mas.…`, whose keys are those of\n"
        "`mas.yaml`, with `--mas`."
    )
    columns = ("check", "requirement", "key", "wanted", "product", "spec_version", "otherwise", "because")
    return Page("Checks of a configuration", introduction, columns, rows)


def configuration() -> Page:
    """All keys of the configuration block."""
    # Synapse is imported for the classes of the block, and for nothing else here.
    from synapse_tim.cli.config_reference import keys

    rows = [(f"`{each.path}`", each.takes, each.default, each.meaning) for each in keys()]
    introduction = (
        "Every key of the block of `synapse_tim.TiMessenger`. A part that is loaded by itself takes\n"
        "`product`, `spec_version` and its own keys; [configuration.md](configuration.md) says which.\n"
        "`[]` stands for each entry of a list. The block of `synapse_tim.OidcMapping` has the keys of\n"
        "`login.providers[]` from `profile` to `display_name`. Durations are Synapse's: `30s`, `24h`, `2w`."
    )
    return Page("Configuration reference", introduction, ("key", "takes", "default", "meaning"), rows)


def synapse() -> Page:
    """Everything of Synapse that is used beyond its module API."""
    # Synapse is imported for the adapter, and for nothing else here.
    from synapse_tim.adapter.reference import touched

    rows = [
        (
            each.capability,
            f"`{each.path}{each.parameters}`",
            each.access,
            each.use.value,
            f"{each.why}{_releases(each)}",
        )
        for each in touched()
    ]
    introduction = (
        "What the modules touch in Synapse beyond its module API, and what for. All of it is asserted when\n"
        "the homeserver starts, by the capability of the adapter that is named, if a part that is loaded\n"
        "uses it: a Synapse that looks different stops with a message that says so. `(a, b)` are all\n"
        "parameters of a function, `(a, …)` its first ones, `(…, a)` some of them. What is `wrapped` is\n"
        "wrapped once, however many parts have something to check there."
    )
    return Page("Synapse's internals", introduction, ("capability", "what", "access", "use", "why"), rows)


def _releases(touched: "Touched") -> str:
    """In which releases of Synapse something is there, if not in all."""
    if touched.since > (0, 0):
        return f"; since Synapse {touched.since[0]}.{touched.since[1]}"
    if touched.before < (sys.maxsize, 0):
        return f"; before Synapse {touched.before[0]}.{touched.before[1]}"
    return ""


PAGES: Final[dict[str, Callable[[], Page]]] = {
    "checks": checks,
    "configuration": configuration,
    "denials": denials,
    "options": options,
    "synapse": synapse,
}


def add_command(commands: Any) -> None:
    """Add ``reference`` to the commands."""
    parser = commands.add_parser(
        "reference",
        help="list the keys of the configuration, denials, options, checks, or what is used of Synapse",
        epilog=_EXAMPLE,
    )
    parser.add_argument("page", choices=sorted(PAGES))
    form = parser.add_mutually_exclusive_group()
    form.add_argument("--json", action="store_true", help="print JSON")
    form.add_argument("--markdown", action="store_true", help="print the page of the documentation")
    parser.set_defaults(run=run)


def run(options: argparse.Namespace) -> int:
    """Print a page."""
    page = PAGES[options.page]()
    if options.json:
        print_json({options.page: [dict(zip(page.columns, row, strict=True)) for row in page.rows]})
    elif options.markdown:
        print(f"# {page.title}\n\n{page.introduction}\n\n{markdown_table(page.columns, page.rows)}")
    else:
        print_table(page.columns, page.rows)
    return 0
