"""Settings that commands read from ``homeserver.yaml``, without Synapse's own parser."""

import argparse
import os
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, Final

import attrs

from synapse_tim.check.files import read_config

_MAX_TOKEN: Final = 8192


class CommandError(Exception):
    """A command cannot do what it is asked for; says why. Exit code 2."""


@attrs.frozen
class Settings:
    """What has to be known of a homeserver."""

    document: Mapping[str, Any]
    directory: Path  #: that relative paths are meant from
    server_name: str
    blocks: Sequence[Mapping[str, Any]]  #: the configuration of the modules in question; at least one


def add_config(parser: argparse.ArgumentParser) -> None:
    """Add the argument that names the files."""
    parser.add_argument("config", nargs="+", metavar="homeserver.yaml", help="as given to Synapse with -c")


def add_access(parser: argparse.ArgumentParser) -> None:
    """Add the arguments with which a command works with a homeserver that runs."""
    parser.add_argument(
        "--homeserver-url", metavar="URL", help="base URL of the client API and the admin API"
    )
    parser.add_argument(
        "--access-token-file", type=Path, metavar="FILE", help="the access token of a server administrator"
    )


def read_token(path: Path) -> str:
    """Read an access token from a file, with a warning if others can read it; ``CommandError``."""
    try:
        with path.open("rb") as file:
            token = file.read(_MAX_TOKEN).decode("ascii").strip()
            if os.fstat(file.fileno()).st_mode & 0o007:
                print(f"{path}: everybody on this machine can read this file", file=sys.stderr)
    except (OSError, UnicodeDecodeError) as error:
        raise CommandError(f"{path}: no readable access token ({type(error).__name__})") from None
    if not token or not token.isprintable() or " " in token:
        raise CommandError(f"{path}: expected one access token")
    return token


def read_settings(paths: Sequence[str], *modules: str) -> Settings:
    """Read the files of a homeserver.

    Args:
        paths: as they would be given to Synapse with ``-c``.
        modules: whose blocks are wanted, by the names of their classes.

    Raises:
        UnusableConfigError: a file cannot be read or is no YAML.
        CommandError: the name of the homeserver or a block is missing.
    """
    files = read_config(paths)
    name = files.document.get("server_name")
    entries = files.document.get("modules")
    wanted = [f"synapse_tim.{module}" for module in modules]
    blocks = [
        each["config"]
        for each in (entries if isinstance(entries, list) else [])
        if isinstance(each, dict) and each.get("module") in wanted and isinstance(each.get("config"), dict)
    ]
    if not isinstance(name, str) or not blocks:
        raise CommandError(f"a server_name and one {' or '.join(wanted)} with its config are needed")
    return Settings(files.document, files.directory, name, blocks)
