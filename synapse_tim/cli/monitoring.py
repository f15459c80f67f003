"""``synapse-tim monitoring alerts|dashboard``: what Prometheus and Grafana load, of this version.

Both come with the package, so that they fit the metrics of the version that is installed.
"""

from __future__ import annotations

import argparse
import importlib.resources
from typing import Any, Final

FILES: Final = {"alerts": "alerts.yaml", "dashboard": "dashboard.json"}
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
    parser.set_defaults(run=run)


def run(options: argparse.Namespace) -> int:
    """Print a file."""
    print(text_of(options.what), end="")
    return 0


def text_of(what: str) -> str:
    """The text of a file.

    Args:
        what: a key of ``FILES``.
    """
    return importlib.resources.files("synapse_tim").joinpath("monitoring", FILES[what]).read_text("utf-8")
