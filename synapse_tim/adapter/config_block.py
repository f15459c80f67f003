"""Checks configuration blocks at start-up; every error names the full key path and what is expected."""

from __future__ import annotations

import ssl
from collections.abc import Sequence
from pathlib import Path
from typing import Any, TypeVar

from pydantic import BaseModel, ValidationError
from pydantic_core import ErrorDetails
from synapse.module_api.errors import ConfigError

from synapse_tim.core.config_types import WrongValueError
from synapse_tim.transport.tls import client_context

#: Where the block stands in homeserver.yaml, for error messages.
CONFIG_PATH = "modules[…].config"

_Model = TypeVar("_Model", bound=BaseModel)


def parse_block(model: type[_Model], block: object, **context: object) -> _Model:
    """Check a configuration block.

    Args:
        model: what it has to look like.
        block: as YAML gave it.
        context: what its validators get from other blocks.

    Raises:
        ConfigError: naming each key that is wrong and what is expected there.
    """
    found = validate_block(model, block, **context)
    if isinstance(found, list):
        raise wrong_block(found)
    return found


def validate_block(model: type[_Model], block: object, **context: object) -> _Model | list[WrongValueError]:
    """Check a configuration block, as ``parse_block`` does; returns what is wrong instead of raising it."""
    try:
        return model.model_validate(block, context=context)
    except ValidationError as error:
        return [_wrong_value(each) for each in error.errors(include_url=False)]


def _wrong_value(error: ErrorDetails) -> WrongValueError:
    cause = error.get("ctx", {}).get("error")
    keys = cause.keys if isinstance(cause, WrongValueError) else ()
    return WrongValueError(_explain(error), *error["loc"], *keys)


def wrong_block(values: Sequence[WrongValueError]) -> ConfigError:
    """The error of a block with several values that are wrong.

    Args:
        values: at least one; the same twice is told once.
    """
    lines = dict.fromkeys(f"{_key_path(each.keys)}: {each}" for each in values)
    return ConfigError("\n".join(lines), path=[str(key) for key in values[0].keys])


def read_cas(file: str | None, *keys: str | int) -> ssl.SSLContext:
    """TLS settings with the CAs of a file that a block names.

    Args:
        file: PEM; ``None`` for the system's CAs.
        keys: the path to it, for messages.

    Raises:
        ConfigError: it holds none.
    """
    try:
        return client_context(Path(file) if file else None)
    except OSError as error:
        raise wrong(f"holds no usable PEM certificates: {error}", *keys) from None


def wrong(what: str, *keys: str | int) -> ConfigError:
    """The error of a value that has the right shape and cannot be used all the same.

    Args:
        what: is wrong, and what is expected.
        keys: the path to it.
    """
    return wrong_block([WrongValueError(what, *keys)])


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
