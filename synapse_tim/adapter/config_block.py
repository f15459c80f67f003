"""What the blocks of all modules have in common: how they are checked at start-up, and types of values.

Refused: unknown keys, wrong types, files that cannot be read. Every error names the full key path and what is
expected.
"""

from __future__ import annotations

import contextlib
import enum
import re
from collections.abc import Callable, Iterator
from contextvars import ContextVar
from pathlib import Path
from typing import Annotated, Any, TypeVar
from urllib.parse import urlsplit

import httpx
from pydantic import (
    AfterValidator,
    BaseModel,
    BeforeValidator,
    ConfigDict,
    ValidationError,
    ValidationInfo,
    field_validator,
)
from synapse.config._base import Config
from synapse.module_api.errors import ConfigError

from synapse_tim.core.products import Product, SpecVersion
from synapse_tim.core.text import is_storable

#: Where the block stands in homeserver.yaml, for error messages.
CONFIG_PATH = "modules[…].config"

_SHORTEST_MS = 1000
_LONGEST_MS = 10 * 365 * 24 * 60 * 60 * 1000
_LABEL = r"[a-z0-9_](?:[a-z0-9_-]{0,61}[a-z0-9_])?"
_HOST = re.compile(rf"{_LABEL}(?:\.{_LABEL})*\.?|[0-9a-f.]*:[0-9a-f:.]*")  # urlsplit lowers it, brackets off
_FINGERPRINT = re.compile(r"[0-9a-f]{64}")
_UNREADABLE: ContextVar[dict[str, str] | None] = ContextVar("unreadable", default=None)


def duration(value: object) -> int:
    """Milliseconds of a Synapse duration: ``30s``, ``24h``, ``2w``, or a number of milliseconds."""
    if type(value) not in (int, str):
        raise ValueError("expected a duration such as 30s, 24h or 2w")
    try:
        milliseconds = Config.parse_duration(value)  # type: ignore[arg-type]
    except (ValueError, TypeError):
        raise ValueError("expected a duration such as 30s, 24h or 2w") from None
    if not _SHORTEST_MS <= milliseconds <= _LONGEST_MS:
        raise ValueError("expected a duration from one second (1s) to ten years (10y)")
    return milliseconds


def duration_or_off(value: object) -> int | None:
    """Milliseconds of a duration, or ``None`` for ``off``."""
    # YAML 1.1 reads a bare "off" as false.
    if value is False or value == "off":
        return None
    try:
        return duration(value)
    except ValueError as error:
        raise ValueError(f"{error}, or off") from None


def _url(value: str) -> str:
    try:
        parts = urlsplit(value)
        usable = parts.scheme in ("http", "https") and parts.port != 0
        usable = usable and _HOST.fullmatch(parts.hostname or "") is not None
        httpx.URL(value)
    except (ValueError, httpx.InvalidURL):
        usable = False
    if not usable:
        raise ValueError("expected an http or https URL")
    if parts.username is not None or parts.password is not None:
        raise ValueError("expected a URL without user name and password; secrets are read from files")
    if parts.fragment:
        raise ValueError("expected a URL without a fragment")
    return value


def _base_url(value: str) -> str:
    if urlsplit(_url(value)).query:
        raise ValueError("expected a URL without a query: paths are appended to it")
    return value


def _secure_url(value: str) -> str:
    if not _url(value).lower().startswith("https://"):
        raise ValueError("expected an https URL: credentials are sent there")
    return value


def _trusted_url(value: str) -> str:
    host = urlsplit(_url(value)).hostname
    if not value.lower().startswith("https://") and host not in ("localhost", "127.0.0.1", "::1"):
        raise ValueError("expected an https URL: what is served there is trusted")
    return value


@contextlib.contextmanager
def without_files() -> Iterator[dict[str, str]]:
    """Take blocks whose files cannot be read here: for looking at a configuration elsewhere.

    Yields:
        The files that could not be read, and why; filled while blocks are checked.
    """
    noted: dict[str, str] = {}
    token = _UNREADABLE.set(noted)
    try:
        yield noted
    finally:
        _UNREADABLE.reset(token)


def read_octets(path: str, limit: int = -1) -> bytes | None:
    """What a file of the block holds.

    Args:
        path: of the file.
        limit: in octets; by default everything.

    Returns:
        ``None`` for a file that cannot be read and need not be (``without_files``).

    Raises:
        ValueError: it cannot be read.
    """
    try:
        with Path(path).open("rb") as file:
            return file.read(limit)
    except OSError as error:
        unreadable = _UNREADABLE.get()
        if unreadable is None:
            raise ValueError(f"cannot read {path}: {error.strerror}") from None
        unreadable[path] = str(error.strerror)
        return None


def _readable(value: str) -> str:
    read_octets(value, 1)
    return value


def _pin(value: str) -> str:
    """A SHA-256 fingerprint in lower-case hex, or the path of a file that can be read."""
    digest = value.replace(":", "").lower()
    if _FINGERPRINT.fullmatch(digest):
        return digest
    if "/" not in value:
        raise ValueError("expected 64 hex digits (SHA-256 of a root certificate) or the path of a file")
    return _readable(value)


def enum_value(choices: type[enum.StrEnum]) -> BeforeValidator:
    """Takes the text of a value of an enumeration."""

    def convert(value: object) -> object:
        # YAML 1.1 reads a bare "off" as false.
        value = "off" if value is False else value
        try:
            if not isinstance(value, str):
                raise ValueError
            return choices(value)
        except ValueError:
            raise ValueError("expected " + " or ".join(repr(c.value) for c in choices)) from None

    return BeforeValidator(convert)


class InMilliseconds:
    """Marks a number that the file has as a duration; for the reference."""


Duration = Annotated[int, BeforeValidator(duration), InMilliseconds()]
DurationOrOff = Annotated[int | None, BeforeValidator(duration_or_off), InMilliseconds()]
Url = Annotated[str, AfterValidator(_url)]
BaseUrl = Annotated[str, AfterValidator(_base_url)]
SecureUrl = Annotated[str, AfterValidator(_secure_url)]
SecureBaseUrl = Annotated[str, AfterValidator(_base_url), AfterValidator(_secure_url)]
TrustedUrl = Annotated[str, AfterValidator(_trusted_url)]
ReadablePath = Annotated[str, AfterValidator(_readable)]
Pin = Annotated[str, AfterValidator(_pin)]
_Model = TypeVar("_Model", bound=BaseModel)


class Block(BaseModel):
    """A part of the block: nothing unknown, nothing of another type."""

    model_config = ConfigDict(extra="forbid", strict=True, frozen=True, use_attribute_docstrings=True)


class PartConfig(Block):
    """What every part needs to know."""

    product: Annotated[Product, enum_value(Product)]
    """`pro` for organisations, `epa` for an insurer's messenger for insured persons. If the list says
    otherwise about this server, an error is logged and `synapse_tim_product_mismatch` is 1.
    """
    spec_version: Annotated[SpecVersion, enum_value(SpecVersion)]
    """In quotes. In 1.2 threads are allowed, redactions have a time limit, rooms of the type
    `de.gematik.tim.roomtype.default.v2` are not created, and orphaned rooms are deleted instead of inactive
    ones. `legacy-1.1` is TI-Messenger-Dienst 1.1.x ([legacy.md](legacy.md)), for `pro` only.
    """

    @field_validator("spec_version")
    @classmethod
    def _is_of_the_product(cls, spec_version: SpecVersion, known: ValidationInfo) -> SpecVersion:
        if spec_version.is_legacy and known.data.get("product") is Product.EPA:
            raise ValueError("legacy-1.1 is for pro only: expected '1.1' or '1.2' with epa")
        return spec_version


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


def _checked(is_right: Callable[[str], bool], expected: str) -> AfterValidator:
    def check(value: str) -> str:
        if not is_right(value):
            raise ValueError(f"expected {expected}")
        return value

    return AfterValidator(check)


def _is_text(value: str) -> bool:
    return bool(value.strip()) and is_storable(value)


Text = Annotated[str, _checked(_is_text, "a text")]
