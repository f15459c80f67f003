"""Reports of clients about structured data (TIMessengerClientReport 1.0.0, requirement R5.10).

Refused: what the schema does not allow, and more or longer than any client has to say. The rest of the
document, and when the client began to count, is not kept.

A name that clients may write freely can hold anything, a person's number included. Only names of the usual
shape are kept as they are; all others are counted together as ``other`` (A_22817).
"""

from __future__ import annotations

import datetime as dt
import enum
import json
import re
from collections import Counter
from collections.abc import Collection, Iterable, Mapping
from typing import Any, Final

import attrs

from synapse_tim.core import strict_json
from synapse_tim.core.text import is_storable

MAX_OCTETS: Final = 64 * 1024
MAX_ENTRIES: Final = 64
MAX_LENGTH: Final = 128
MAX_EVENTS: Final = 1_000_000
#: What is counted together.
OTHER: Final = "other"

_PROCEDURE: Final = re.compile(r"[A-Za-z][A-Za-z0-9_-]*(?:\.[A-Za-z0-9_-]+)+")
_VERSION: Final = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,31}")
# Numbers of persons, institutions and telephones have more digits than versions.
_NUMBER: Final = re.compile(r"[0-9]{7}")
_MOMENT: Final = re.compile(
    r"([0-9]{4}-[0-9]{2}-[0-9]{2}T[0-9]{2}:[0-9]{2})(:[0-9]{2})?(?:[.,][0-9]{1,12})?(Z|[+-][0-9]{2}(?::?[0-9]{2})?)"
)


class ReportError(ValueError):
    """The report is not used; says what is wrong with it."""


class Direction(enum.StrEnum):
    """Which way events went, as the members of the report are called."""

    SENT = "sent"
    RECEIVED = "received"


@attrs.frozen(order=True)
class Label:
    """What events are counted under."""

    direction: str
    procedure: str  #: ``Fachverfahren``, or ``other``
    version: str  #: of it, or ``other``

    @property
    def as_other(self) -> Label:
        """What is counted when there are too many labels."""
        return Label(self.direction, OTHER, OTHER)


def parse_report(body: bytes, procedures: Collection[str] | None = None) -> Mapping[Label, int]:
    """Read a report.

    Args:
        body: the bytes of the request.
        procedures: those that are counted by their names; ``None`` for all with a usual name.

    Returns:
        How many events there were, by label.

    Raises:
        ReportError: with what is wrong; never with a value of the report.
    """
    if len(body) > MAX_OCTETS:
        raise ReportError(f"more than {MAX_OCTETS} bytes")
    try:
        report = strict_json.parse(body)
    except strict_json.StrictJsonError as error:
        raise ReportError(f"not JSON: {error}") from None
    if not isinstance(report, dict):
        raise ReportError("expected an object")
    _check_start(report)
    events: Counter[Label] = Counter()
    for direction in Direction:
        for procedure, version, number in _entries(report, direction):
            if number:
                events[_label(direction, procedure, version, procedures)] += number
    return events


def within(labels: Iterable[Label], known: Collection[Label], limit: int) -> dict[Label, Label]:
    """Labels under which events count where there may be ``limit`` of them, besides ``other``."""
    there = {label for label in known if label != label.as_other}
    counted = {}
    for label in sorted(labels):
        if label not in there and len(there) >= limit:
            counted[label] = label.as_other
        else:
            counted[label] = label
            there |= {label} - {label.as_other}
    return counted


def _check_start(report: Mapping[str, Any]) -> None:
    start = report.get("start")
    found = _MOMENT.fullmatch(start) if isinstance(start, str) else None
    if found is None:
        raise ReportError("'start' has to be a date and time with a time zone (ISO 8601)")
    minutes, seconds, zone = found.groups()
    # Python knows no leap second.
    seconds = (seconds or ":00").replace(":60", ":59")
    try:
        dt.datetime.fromisoformat(f"{minutes}{seconds}{zone}")
    except ValueError:
        raise ReportError("'start' is not an existing date") from None


def _entries(report: Mapping[str, Any], direction: Direction) -> Iterable[tuple[str, str, int]]:
    if direction not in report:
        return
    entries = report[direction]
    if not isinstance(entries, list) or not entries:
        raise ReportError(f"'{direction}' has to be an array with at least one entry")
    if len(entries) > MAX_ENTRIES:
        raise ReportError(f"'{direction}' has more than {MAX_ENTRIES} entries")
    seen = set()
    for number, entry in enumerate(entries):
        where = f"{direction}[{number}]"
        if not isinstance(entry, dict):
            raise ReportError(f"{where} has to be an object")
        procedure = _text(entry, "Fachverfahren", where)
        version = _text(entry, "Version", where)
        events = entry.get("Anzahl")
        if type(events) is not int or not 0 <= events <= MAX_EVENTS:
            raise ReportError(f"{where}.Anzahl has to be an integer from 0 to {MAX_EVENTS}")
        written = _written(entry, where)
        if written in seen:
            raise ReportError(f"{where} is there twice")
        seen.add(written)
        yield procedure, version, events


def _text(entry: Mapping[str, Any], member: str, where: str) -> str:
    text = entry.get(member)
    if not isinstance(text, str) or not 1 <= len(text) <= MAX_LENGTH or not is_storable(text):
        raise ReportError(f"{where}.{member} has to be a text of 1 to {MAX_LENGTH} characters")
    return text


def _written(entry: Mapping[str, Any], where: str) -> str:
    """A canonical text, the same for equal entries."""
    try:
        return json.dumps(entry, sort_keys=True)
    except RecursionError:
        raise ReportError(f"{where} is nested too deeply") from None


def _label(direction: Direction, procedure: str, version: str, procedures: Collection[str] | None) -> Label:
    known = procedure in procedures if procedures is not None else _is_usual(_PROCEDURE, procedure)
    label = Label(direction.value, procedure, version)
    return label if known and _is_usual(_VERSION, version) else label.as_other


def _is_usual(shape: re.Pattern[str], text: str) -> bool:
    return shape.fullmatch(text) is not None and _NUMBER.search(text) is None
