"""Reads the directory's settings in ``homeserver.yaml``, for commands: nothing else has to be right.

The block may be in any of the parts, and the login of the federation list in another one.
"""

from collections.abc import Iterator, Mapping
from typing import Any

from pydantic import ConfigDict

from synapse_tim.adapter.config_block import parse_block
from synapse_tim.core.config_types import Block, ReadablePath
from synapse_tim.directory.config import DirectoryConfig, DirectoryLogIn, VzdCredentialsConfig


class NoDirectoryError(Exception):
    """The configuration names no directory, or several."""


class _LogInOfList(Block):
    """What counts of the block ``federation_list``."""

    model_config = ConfigDict(extra="ignore")
    vzd_credentials: VzdCredentialsConfig | None = None
    ca_certificates: ReadablePath | None = None


class _Blocks(Block):
    """What counts of the configuration."""

    directory: DirectoryConfig
    federation_list: _LogInOfList | None = None


def read_directory(document: Mapping[str, Any]) -> tuple[DirectoryConfig, DirectoryLogIn]:
    """Read where the directory is, and how to log in there.

    Raises:
        NoDirectoryError: nothing says where it is, or two parts say different things.
        ConfigError: naming the key and what is expected.
    """
    found = {}
    for name in ("directory", "federation_list"):
        blocks = [block[name] for block in _own_blocks(document) if block.get(name) is not None]
        if any(block != blocks[0] for block in blocks):
            raise NoDirectoryError(f"several different blocks {name}: which one is meant?")
        if blocks:
            found[name] = blocks[0]
    if "directory" not in found:
        raise NoDirectoryError("no module of synapse_tim has a block directory in its config")
    parsed = parse_block(_Blocks, found)
    return parsed.directory, parsed.directory.log_in(parsed.federation_list)


def _own_blocks(document: Mapping[str, Any]) -> Iterator[Mapping[str, Any]]:
    """The blocks of all parts of this project."""
    modules = document.get("modules")
    for entry in modules if isinstance(modules, list) else ():
        name, block = (entry.get("module"), entry.get("config")) if isinstance(entry, dict) else (None, None)
        if isinstance(name, str) and name.startswith("synapse_tim.") and isinstance(block, dict):
            yield block
