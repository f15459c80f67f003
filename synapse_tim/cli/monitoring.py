"""``synapse-tim monitoring alerts|dashboard``: what Prometheus and Grafana load, of this version.

Both come with the package, so that they fit the metrics of the version that is installed.
"""

import argparse
import importlib.resources
import re
from typing import Any, Final
from urllib.parse import urlsplit

FILES: Final = {"alerts": "alerts.yaml", "dashboard": "dashboard.json"}
_RUNBOOK: Final = "docs/operations.md"
#: What needs no quotes, neither in a URL nor in YAML; no fragment.
_PLAIN: Final = re.compile(r"[A-Za-z0-9:/?@!$&()*+,;=._~%\[\]-]+")
_EXAMPLE: Final = "Example: synapse-tim monitoring alerts > /etc/prometheus/rules/synapse_tim.yaml"


def add_command(commands: Any) -> None:
    """Add ``monitoring`` to the commands."""
    parser = commands.add_parser(
        "monitoring",
        help="print the alert rules for Prometheus, or the dashboard for Grafana",
        description="alerts: rules for Prometheus, in YAML. dashboard: for Grafana, in JSON.",
        epilog=_EXAMPLE,
    )
    parser.add_argument("what", choices=sorted(FILES))
    parser.add_argument(
        "--runbook-base",
        type=_page,
        metavar="URL",
        help="where you serve docs/operations.md: each alert gets a runbook_url, that of its section there",
    )
    parser.set_defaults(run=run)


def run(options: argparse.Namespace) -> int:
    """Print a file."""
    text = text_of(options.what)
    if options.runbook_base is not None:
        text = text.replace(f"runbook: {_RUNBOOK}", f"runbook_url: {options.runbook_base}")
    print(text, end="")
    return 0


def _page(text: str) -> str:
    """The URL of a page, without a fragment; for ``argparse``."""
    try:
        parts = urlsplit(text)
    except ValueError:
        raise argparse.ArgumentTypeError(f"{text!r} is not a URL") from None
    if parts.scheme not in ("http", "https") or not parts.netloc or not _PLAIN.fullmatch(text):
        raise argparse.ArgumentTypeError(
            f"{text!r} is not the URL of a page, such as https://example.org/page"
        )
    return text


def text_of(what: str) -> str:
    """The text of a file, by its key in ``FILES``."""
    return importlib.resources.files("synapse_tim").joinpath("monitoring", FILES[what]).read_text("utf-8")
