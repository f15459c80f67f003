"""Checks configuration blocks at start-up; every error names the full key path and what is expected."""

from __future__ import annotations

from typing import Any, TypeVar

from pydantic import BaseModel, ValidationError
from synapse.module_api.errors import ConfigError

#: Where the block stands in homeserver.yaml, for error messages.
CONFIG_PATH = "modules[…].config"

_Model = TypeVar("_Model", bound=BaseModel)


def parse_block(model: type[_Model], block: object) -> _Model:
    """Check a configuration block.

    Args:
        model: what it has to look like.
        block: as YAML gave it.

    Raises:
        ConfigError: naming each key that is wrong and what is expected there.
    """
    try:
        return model.model_validate(block)
    except ValidationError as error:
        wrong = error.errors(include_url=False, include_context=False)
    lines = [f"{_key_path(each['loc'])}: {_explain(each)}" for each in wrong]
    raise ConfigError("\n".join(lines), path=[str(part) for part in wrong[0]["loc"]])


def wrong(what: str, *keys: str | int) -> ConfigError:
    """The error of a value that has the right shape and cannot be used all the same.

    Args:
        what: is wrong, and what is expected.
        keys: the path to it.
    """
    return ConfigError(f"{_key_path(keys)}: {what}", path=[str(key) for key in keys])


def _key_path(location: tuple[int | str, ...]) -> str:
    path = CONFIG_PATH
    for part in location:
        path += f"[{part}]" if isinstance(part, int) else f".{part}"
    return path


def _explain(error: Any) -> str:
    kind, found = error["type"], error["input"]
    if kind == "extra_forbidden":
        return "this key is unknown, or belongs to a policy that this version does not have"
    if kind == "missing":
        return "this key is required"
    message: str = error["msg"].removeprefix("Value error, ")
    if kind == "too_short":
        return "expected at least one entry"
    if kind == "value_error" or isinstance(found, dict | list):
        return message
    return f"{message}, found {found!r:.60}"
