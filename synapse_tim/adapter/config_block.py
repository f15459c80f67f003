"""Checks configuration blocks at start-up; every error names the full key path and what is expected."""

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

    Raises:
        ConfigError: naming each key that is wrong and what is expected there.
    """
    found = validate_block(model, block, **context)
    if isinstance(found, list):
        raise BlockError(found)
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


class BlockError(ConfigError):
    """A block with wrong values, at least one; the same value twice is told once."""

    def __init__(self, values: Sequence[WrongValueError]) -> None:
        #: The path of each key that is wrong, and what is expected there.
        self.problems = tuple(dict.fromkeys((key_path(*each.keys), str(each)) for each in values))
        super().__init__("\n".join(map(": ".join, self.problems)), path=[str(key) for key in values[0].keys])
        self.args = (self.msg,)  # what it is printed as; Synapse's class leaves that to its arguments


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


def wrong(what: str, *keys: str | int) -> BlockError:
    """The error of a value that has the right shape and cannot be used all the same."""
    return BlockError([WrongValueError(what, *keys)])


def key_path(*keys: str | int) -> str:
    """A key of the block as messages name it."""
    return CONFIG_PATH + "".join(f"[{key}]" if isinstance(key, int) else f".{key}" for key in keys)


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
