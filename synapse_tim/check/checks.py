"""Checks of a homeserver's configuration: what one is, and how all of them are held against it.

A check never fails: it says of a configuration what it found and whether that is right. What a check needs
and nobody has read is not applicable, never right by default: what kept it from being read has a line of its
own.
"""

from __future__ import annotations

import datetime as dt
import json
from collections.abc import Callable, Iterable, Sequence
from typing import Final

import attrs

from synapse_tim.check.facts import Facts, NotRead, Online, Process, Verdict
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
V1_2: Final = frozenset({SpecVersion.V1_2})
#: TI-M Basis, Pro and ePA: everything after the legacy generation.
CURRENT: Final = frozenset({SpecVersion.V1_1, SpecVersion.V1_2})
LEGACY: Final = ALL_GENERATIONS - CURRENT

_LONGEST_TEXT: Final = 160


@attrs.frozen
class Found:
    """One thing that a check found.

    Attributes:
        found: the value, for people; never a secret.
        right: whether it is as it should be.
        key: where it stands, if more exact than the check's.
        reason: if more exact than the check's.
        verdict: of something wrong, if other than the check's.
    """

    found: str
    right: bool
    key: str | None = None
    reason: str | None = None
    verdict: Verdict | None = None


Judge = Callable[[Facts], Iterable[Found]]


@attrs.frozen
class Check:
    """One thing that is checked.

    Attributes:
        name: unique, for scripts.
        key: in ``homeserver.yaml``.
        requirement: gematik's id or that of our catalogue; or ``START_UP``, ``GOOD_PRACTICE``.
        wanted: what it should be, for people.
        reason: why, a part of a sentence.
        otherwise: the verdict if it is not.
        judge: finds out; may yield nothing if there is nothing to say.
        products: for which it counts.
        spec_versions: likewise.
        of_deployment: looks at all processes at once.
    """

    name: str
    key: str
    requirement: str
    wanted: str
    reason: str
    otherwise: Verdict
    judge: Judge
    products: frozenset[Product] = ALL_PRODUCTS
    spec_versions: frozenset[SpecVersion] = ALL_GENERATIONS
    of_deployment: bool = False

    def applies(self, facts: Facts) -> bool:
        """Whether it counts for this server; also what only counts for some waits for the product."""
        if facts.product is None and self.products != ALL_PRODUCTS:
            return False
        if facts.spec_version is None and self.spec_versions != ALL_GENERATIONS:
            return False
        return (facts.product is None or facts.product in self.products) and (
            facts.spec_version is None or facts.spec_version in self.spec_versions
        )


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


def judge_all(
    checks: Sequence[Check],
    processes: Sequence[Process],
    product: Product | None,
    spec_version: SpecVersion | None,
    now: dt.datetime,
    online: Online | None = None,
) -> list[Result]:
    """Hold every process against every check.

    Args:
        checks: the catalogue.
        processes: the main process first.
        product: of the server, if it is known.
        spec_version: likewise.
        now: the moment to judge certificates at.
        online: what was found out over the network, for the checks that need it.

    Returns:
        The lines, in the order of the checks; of workers only what is different from the main process.
    """
    lines: list[Result] = []
    for check in checks:
        seen: set[tuple[str, str, str, Verdict]] = set()
        for process in processes[:1] if check.of_deployment else processes:
            facts = Facts(process, tuple(processes), product, spec_version, now, online)
            for line in _judge(check, facts):
                same = (line.key, line.found, line.reason, line.verdict)
                if same not in seen and not (seen and line.verdict is Verdict.NOT_APPLICABLE):
                    lines.append(line)
                seen.add(same)
    return lines


def _judge(check: Check, facts: Facts) -> list[Result]:
    def line(verdict: Verdict, found: str, key: str | None = None, reason: str | None = None) -> Result:
        return Result(
            check=check.name,
            requirement=check.requirement,
            verdict=verdict,
            key=key or check.key,
            found=found,
            wanted=check.wanted,
            reason=reason or check.reason,
            process=facts.process.name,
        )

    if not check.applies(facts):
        return [line(Verdict.NOT_APPLICABLE, "")]
    if check.key.partition(".")[0] in facts.process.dropped:
        return [line(Verdict.NOT_APPLICABLE, "", reason="Synapse refuses it: see the line about start-up")]
    try:
        found = list(check.judge(facts))
    except NotRead:
        return [line(Verdict.NOT_APPLICABLE, "")]
    wrong = [each for each in found if not each.right]
    if wrong:
        return [line(each.verdict or check.otherwise, each.found, each.key, each.reason) for each in wrong]
    if not found:
        return [line(Verdict.NOT_APPLICABLE, "")]
    key = found[0].key if len(found) == 1 else None
    return [line(Verdict.OK, ", ".join(dict.fromkeys(each.found for each in found)), key)]


def value_check(
    name: str,
    section: str,
    attribute: str,
    right: Callable[[object], bool],
    *,
    requirement: str,
    wanted: str,
    reason: str,
    otherwise: Verdict,
    key: str | None = None,
    show: Callable[[object], str] | None = None,
    products: frozenset[Product] = ALL_PRODUCTS,
    spec_versions: frozenset[SpecVersion] = ALL_GENERATIONS,
) -> Check:
    """A check of one value of Synapse's configuration object.

    Args:
        name: of the check.
        section: of the value.
        attribute: of the section.
        right: whether a value is.
        requirement: see ``Check``.
        wanted: see ``Check``.
        reason: see ``Check``.
        otherwise: see ``Check``.
        key: see ``Check``; the name by default.
        show: the value for people.
        products: see ``Check``.
        spec_versions: see ``Check``.
    """

    def judge(facts: Facts) -> Iterable[Found]:
        value = facts.value(section, attribute)
        if value is None and section == "media" and not facts.value("media", "can_load_media_repo"):
            return  # a worker without media does not read it
        yield Found((show or show_value)(value), right(value))

    return Check(name, key or name, requirement, wanted, reason, otherwise, judge, products, spec_versions)


def setting_check(
    name: str,
    right: Callable[[object], bool],
    *,
    requirement: str,
    wanted: str,
    reason: str,
    otherwise: Verdict,
    show: Callable[[object], str] | None = None,
    products: frozenset[Product] = ALL_PRODUCTS,
    spec_versions: frozenset[SpecVersion] = ALL_GENERATIONS,
) -> Check:
    """A check of one setting of the blocks of this project; arguments as for ``value_check``."""

    def judge(facts: Facts) -> Iterable[Found]:
        setting = facts.process.setting(name)
        yield Found((show or show_value)(setting.value), right(setting.value), setting.key)

    key = f"modules[…].config.{name}"
    return Check(name, key, requirement, wanted, reason, otherwise, judge, products, spec_versions)


def is_false(value: object) -> bool:
    """Whether Synapse takes a value for false."""
    return not value


def is_true(value: object) -> bool:
    """Whether Synapse takes a value for true."""
    return bool(value)


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
