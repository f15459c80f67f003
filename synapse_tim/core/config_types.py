"""Types of the values in configuration blocks, with what is accepted and what is expected instead.

Refused: unknown keys, wrong types, files that cannot be read.
"""

import contextlib
import enum
import re
from collections.abc import Callable, Iterator
from contextvars import ContextVar
from pathlib import Path
from typing import Annotated, Self

import attrs
from pydantic import (
    AfterValidator,
    BaseModel,
    BeforeValidator,
    ConfigDict,
    ValidationInfo,
    field_validator,
    model_validator,
)

from synapse_tim.core import durations
from synapse_tim.core.products import Product, SpecVersion
from synapse_tim.core.text import is_storable

_SHORTEST_MS = 1000
_LONGEST_MS = 10 * 365 * 24 * 60 * 60 * 1000
_FINGERPRINT = re.compile(r"[0-9a-f]{64}")
_UNREADABLE: ContextVar[dict[str, str] | None] = ContextVar("unreadable", default=None)


def duration(value: object) -> int:
    """Milliseconds of a Synapse duration: ``30s``, ``24h``, ``2w``, or a number of milliseconds."""
    if type(value) not in (int, str):
        raise ValueError("expected a duration such as 30s, 24h or 2w")
    try:
        milliseconds = durations.parse(value)  # type: ignore[arg-type]
    except ValueError:
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


def read_file(path: str, limit: int = -1) -> bytes | None:
    """Read a file that the block names.

    Args:
        limit: in bytes; by default everything.

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
    read_file(value, 1)
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


def checked(is_right: Callable[[str], bool], expected: str) -> AfterValidator:
    """Accept a text only if a function says so."""

    def check(value: str) -> str:
        if not is_right(value):
            raise ValueError(f"expected {expected}")
        return value

    return AfterValidator(check)


class InMilliseconds:
    """Marks a number that the file has as a duration; for the reference."""


Duration = Annotated[int, BeforeValidator(duration), InMilliseconds()]
DurationOrOff = Annotated[int | None, BeforeValidator(duration_or_off), InMilliseconds()]
ReadablePath = Annotated[str, AfterValidator(_readable)]
Pin = Annotated[str, AfterValidator(_pin)]
Text = Annotated[str, checked(lambda value: bool(value.strip()) and is_storable(value), "a text")]


@attrs.frozen
class ByProduct:
    """Marks a value whose default depends on the product and the generation."""

    default: Callable[[Product, SpecVersion], object]


class WrongValueError(ValueError):
    """A value that has the right shape and cannot be used all the same.

    Args:
        what: is wrong, and what is expected.
        keys: the path to it, from the model whose validator raises this.
    """

    def __init__(self, what: str, *keys: str | int) -> None:
        super().__init__(what)
        self.keys = keys


class Block(BaseModel):
    """A part of the block: nothing unknown, nothing of another type."""

    model_config = ConfigDict(extra="forbid", strict=True, frozen=True)


class PartConfig(Block):
    """What every part needs to know."""

    product: Annotated[Product, enum_value(Product)]
    """`pro` for organisations, `epa` for an insurer's messenger for insured persons. If the list says
    otherwise about this server, an error is logged and `synapse_tim_product_mismatch` is 1.
    """
    spec_version: Annotated[SpecVersion, enum_value(SpecVersion)]
    """In quotes. In 1.2 threads are allowed, redactions have a time limit, rooms of the type
    `de.gematik.tim.roomtype.default.v2` are not created, and orphaned rooms are deleted instead of inactive
    ones. `draft-1.15` is 1.2 with gematik's proposal for Matrix 1.15 ([login.md](login.md)); it may change.
    `legacy-1.1` is TI-Messenger-Dienst 1.1.x ([legacy.md](legacy.md)), for `pro` only.
    """

    @field_validator("spec_version")
    @classmethod
    def _is_of_the_product(cls, spec_version: SpecVersion, known: ValidationInfo) -> SpecVersion:
        if spec_version.is_legacy and known.data.get("product") is Product.EPA:
            raise ValueError("legacy-1.1 is for pro only: expected '1.1' or '1.2' with epa")
        return spec_version

    @model_validator(mode="after")
    def _fill_in_defaults(self) -> Self:
        for name in type(self).model_fields:
            block = getattr(self, name)
            if isinstance(block, Block):
                # The model is frozen otherwise.
                object.__setattr__(self, name, _with_defaults(block, self.product, self.spec_version))
        return self


def _with_defaults(block: Block, product: Product, spec_version: SpecVersion) -> Block:
    defaults = {}
    for name, field in type(block).model_fields.items():
        may_be_off = any(isinstance(mark, InMilliseconds) for mark in field.metadata)
        # A key without a value counts as missing, unless None is what "off" is read as.
        missing = name not in block.model_fields_set or (getattr(block, name) is None and not may_be_off)
        for mark in field.metadata:
            if missing and isinstance(mark, ByProduct):
                defaults[name] = mark.default(product, spec_version)
    return block.model_copy(update=defaults) if defaults else block
