"""Settings that commands read from ``homeserver.yaml``, without Synapse's own parser."""

import argparse
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import attrs

from synapse_tim.check.files import read_config


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
