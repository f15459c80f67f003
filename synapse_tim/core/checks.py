"""Checks of a homeserver's configuration, for start-up, where they stop or warn, and for the command.

A check never fails: it says what it found and whether that is right. What a check needs and could not be
read is not applicable, never right by default: what kept it from being read has a line of its own.
"""

import enum
import json
from collections.abc import Callable, Iterable, Sequence
from typing import Any, Final, Protocol

import attrs

from synapse_tim.core import durations
from synapse_tim.core.products import Product, SpecVersion

#: In the place of an id, for what keeps Synapse or a module from starting.
START_UP: Final = "start-up"
#: In the place of an id, for what no requirement demands and operators regret all the same.
GOOD_PRACTICE: Final = "good practice"

ALL_PRODUCTS: Final = frozenset(Product)
ALL_GENERATIONS: Final = frozenset(SpecVersion)
EPA: Final = frozenset({Product.EPA})
PRO: Final = frozenset({Product.PRO})
#: Generations that have what came with 1.2.
V1_2: Final = frozenset(version for version in SpecVersion if version.has_rules_of_1_2)
DRAFT: Final = frozenset({SpecVersion.DRAFT_1_15})
#: TI-M Basis, Pro and ePA: everything after the legacy generation.
CURRENT: Final = frozenset(version for version in SpecVersion if not version.is_legacy)
LEGACY: Final = ALL_GENERATIONS - CURRENT

_LONGEST_TEXT: Final = 160
#: Look at the files of a homeserver that starts, given their paths; the package adds what knows all parts.
AT_START_UP: Final[list[Callable[[Sequence[str]], None]]] = []


class Verdict(enum.StrEnum):
    """Verdict on a setting."""

    OK = "ok"
    VIOLATION = "violation"
    WARNING = "warning"
    NOT_APPLICABLE = "not_applicable"


VIOLATION, WARNING = Verdict.VIOLATION, Verdict.WARNING


class NotRead(Exception):  # noqa: N818  # no fault of the check
    """A value is not there: the process does not read it, this Synapse has none, or it was refused."""


class Facts(Protocol):
    """What every check may look at; those that are not made at start-up may look at more."""

    @property
    def product(self) -> Product | None:
        """Product of the server, or ``None`` if it does not say."""
        ...

    @property
    def spec_version(self) -> SpecVersion | None:
        """Generation of the server, or ``None`` if it does not say."""
        ...

    def option(self, section: str, attribute: str) -> object:
        """A value of Synapse's configuration object; ``NotRead`` if it is not known."""
        ...


@attrs.frozen
class Found:
    """One thing that a check found."""

    found: str  #: the value, for people; never a secret
    right: bool  #: whether it is as it should be
    key: str | None = None  #: where it stands, if more exact than the check's
    reason: str | None = None  #: if more exact than the check's
    verdict: Verdict | None = None  #: of something wrong, if other than the check's


@attrs.frozen
class Result:
    """One line of the outcome."""

    check: str
    requirement: str
    verdict: Verdict
    key: str
    found: str
    wanted: str
    reason: str
    process: str


Judge = Callable[[Any], Iterable[Found]]


@attrs.frozen
class Check:
    """One thing that is checked."""

    name: str  #: unique, for scripts
    key: str  #: in ``homeserver.yaml``
    requirement: str  #: gematik's id or that of our catalogue; or ``START_UP``, ``GOOD_PRACTICE``
    severity: Verdict  #: the verdict on what is wrong; at start-up, a violation stops the homeserver
    judge: Judge  #: finds out from facts; may yield nothing if there is nothing to say
    wanted: str  #: what it should be, for people
    reason: str  #: why, a part of a sentence
    products: frozenset[Product] = ALL_PRODUCTS  #: for which it counts
    spec_versions: frozenset[SpecVersion] = ALL_GENERATIONS  #: likewise
    of_deployment: bool = False  #: looks at all processes at once
    part: str | None = None  #: that checks it at start-up; ``None`` for what only the command checks
    value: object = None  #: what to write into the file, if the check is of one option

    def run(self, facts: Facts, process: str = "main") -> list[Result]:
        """Judge a configuration.

        Args:
            facts: what is known of it.
            process: of the homeserver that it is about, for the lines.

        Returns:
            A line for each thing that is wrong; one if nothing is, or if the check does not apply.
        """

        def line(verdict: Verdict, found: str, key: str | None = None, reason: str | None = None) -> Result:
            key, reason = key or self.key, reason or self.reason
            return Result(self.name, self.requirement, verdict, key, found, self.wanted, reason, process)

        try:
            found = list(self.judge(facts)) if self._applies(facts) else []
        except NotRead:
            found = []
        wrong = [each for each in found if not each.right]
        if wrong:
            return [line(each.verdict or self.severity, each.found, each.key, each.reason) for each in wrong]
        if not found:
            return [line(Verdict.NOT_APPLICABLE, "")]
        key = found[0].key if len(found) == 1 else None
        return [line(Verdict.OK, ", ".join(dict.fromkeys(each.found for each in found)), key)]

    def _applies(self, facts: Facts) -> bool:
        """Whether it counts for this server; what only counts for some waits for the product."""
        return (self.products == ALL_PRODUCTS or facts.product in self.products) and (
            self.spec_versions == ALL_GENERATIONS or facts.spec_version in self.spec_versions
        )


def at_most(limit: int) -> Callable[[object], bool]:
    """Whether a duration is set and not longer than some milliseconds."""
    return lambda value: isinstance(value, int) and value <= limit


def show_value(value: object) -> str:
    """A value as it could stand in the file, if it is not too long."""
    try:
        text = json.dumps(value, ensure_ascii=False, default=str)
    except (TypeError, ValueError, RecursionError):
        text = type(value).__name__
    return text if len(text) <= _LONGEST_TEXT else text[: _LONGEST_TEXT - 1] + "…"


def show_duration(value: object) -> str:
    """Milliseconds as a duration in the largest unit that fits."""
    if value is None:
        return "not set"
    if not isinstance(value, int) or isinstance(value, bool) or value <= 0:
        return show_value(value)
    return durations.to_text(value)


@attrs.frozen
class OptionJudge:
    """Judges one value of Synapse's configuration object."""

    section: str  #: of the object
    attribute: str  #: of the section
    right: Callable[[object], bool]  #: whether a value is
    show: Callable[[object], str] = show_value  #: the value for people

    def __call__(self, facts: Facts) -> Iterable[Found]:
        """The value."""
        value = facts.option(self.section, self.attribute)
        if value is None and self.section == "media" and not facts.option("media", "can_load_media_repo"):
            return  # a worker without media does not read it
        yield Found(self.show(value), self.right(value))


def option(
    name: str,
    where: str,
    right: Callable[[object], bool],
    requirement: str,
    severity: Verdict,
    wanted: str,
    reason: str,
    show: Callable[[object], str] = show_value,
    **more: Any,
) -> Check:
    """A check of one value of Synapse's configuration object.

    Args:
        name: of the check, and the key in the file.
        where: section and attribute of the object; the attribute is the name unless said otherwise.
        right: whether a value is.
        requirement: see ``Check``.
        severity: see ``Check``.
        wanted: see ``Check``.
        reason: see ``Check``.
        show: the value for people.
        more: see ``Check``.
    """
    section, _, attribute = where.partition(".")
    judge = OptionJudge(section, attribute or name, right, show)
    return Check(name, more.pop("key", name), requirement, severity, judge, wanted, reason, **more)
