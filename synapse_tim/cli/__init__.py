"""The command ``synapse-tim``."""

from __future__ import annotations

import argparse
import sys
from collections.abc import Sequence

from synapse_tim import __version__


def main(arguments: Sequence[str] | None = None) -> int:
    """Run a command.

    Returns:
        The exit code: 0 for success, 1 for a refusal or a deviation, 2 for wrong usage.
    """
    from synapse_tim.cli import (
        check,
        cleanup,
        compliance,
        contacts,
        database,
        directory,
        federation_list,
        monitoring,
        reference,
    )
    from synapse_tim.demo import run as demo

    parser = argparse.ArgumentParser(
        prog="synapse-tim",
        description="TI-Messenger policies for an unmodified Synapse.",
        epilog="Example: synapse-tim federation-list verify federationList.jws --pinned-root GEM.RCA8.der",
    )
    parser.add_argument("--version", action="version", version=f"synapse_tim {__version__}")
    commands = parser.add_subparsers(required=True, metavar="COMMAND")
    check.add_command(commands)
    cleanup.add_command(commands)
    compliance.add_command(commands)
    contacts.add_command(commands)
    database.add_command(commands)
    demo.add_command(commands)
    directory.add_command(commands)
    federation_list.add_command(commands)
    monitoring.add_command(commands)
    reference.add_command(commands)
    parsed = parser.parse_args(arguments)
    try:
        code: int = parsed.run(parsed)
    except KeyboardInterrupt:
        print("interrupted", file=sys.stderr)
        return 130
    except BrokenPipeError:
        # The reader of our output has gone, as in "| head".
        sys.stderr.close()
        return 0
    return code
