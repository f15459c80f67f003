"""The command ``synapse-tim``."""

import argparse
import importlib.resources
import sys
from collections.abc import Sequence

from synapse_tim import __version__


def main(arguments: Sequence[str] | None = None) -> int:
    """Run a command; the exit code is 0 for success, 1 for a refusal or a deviation, 2 for wrong usage."""
    # "import synapse_tim.cli" alone loads no command.
    from synapse_tim.admin.api import AdminUnusableError
    from synapse_tim.admin.database import DatabaseUnusableError
    from synapse_tim.check.files import UnusableConfigError
    from synapse_tim.cli import (
        accounts,
        check,
        cleanup,
        compliance,
        contacts,
        database,
        directory,
        explain,
        federation_list,
        identity_providers,
        monitoring,
        reference,
        settings,
        status,
        test_driver,
    )
    from synapse_tim.demo import run as demo

    parser = argparse.ArgumentParser(
        prog="synapse-tim",
        description="TI-Messenger policies for an unmodified Synapse.",
        epilog="Example: synapse-tim federation-list verify federationList.jws --pinned-root GEM.RCA8.der",
    )
    parser.add_argument("--version", action="version", version=_version())
    commands = parser.add_subparsers(required=True, metavar="COMMAND")
    for command in (
        accounts,
        check,
        cleanup,
        compliance,
        contacts,
        database,
        demo,
        directory,
        explain,
        federation_list,
        identity_providers,
        monitoring,
        reference,
        status,
        test_driver,
    ):
        command.add_command(commands)
    parsed = parser.parse_args(arguments)
    try:
        code: int = parsed.run(parsed)
    except (settings.CommandError, UnusableConfigError, DatabaseUnusableError, AdminUnusableError) as error:
        print(error, file=sys.stderr)
        return 2
    except KeyboardInterrupt:
        print("interrupted", file=sys.stderr)
        return 130
    except BrokenPipeError:
        # The reader of our output has gone, as in "| head".
        sys.stderr.close()
        return 0
    return code


def _version() -> str:
    """The version, and the commit that the package was built from, if it says so."""
    version = f"synapse_tim {__version__}"
    try:
        commit = importlib.resources.files("synapse_tim").joinpath("commit.txt").read_text("utf-8")
    except OSError:  # installed from a checkout as it is, or built where nobody knew
        return version
    return f"{version} (commit {commit.strip()})"
