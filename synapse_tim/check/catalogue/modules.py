"""Checks of the modules: that all parts are there, in an order in which they start, and are accepted."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Final

from synapse_tim.check.checks import GOOD_PRACTICE, START_UP, Check, Found
from synapse_tim.check.facts import Facts, Verdict
from synapse_tim.core.products import Product, SpecVersion

#: The requirement that is violated first where a part is missing.
PARTS: Final = {
    "FederationAllowList": "AF_10064-02",
    "InvitePolicy": "A_26021-01",
    "RoomPolicy": "A_26203",
    "EventPolicy": "A_26228-01",
    "ClientApiPolicy": "A_25641-01",
    "LoginPolicy": "AF_10057",
    "RoomCleanup": "A_25318",
    "InformationServices": "A_26265",
}
#: The same for what the legacy generation has besides.
LEGACY_PARTS: Final = {"Directory": "AF_10061-01", "ContactManagement": "AF_10061-01"}
#: What the legacy generation demands of the parts that later ones have, too.
_LEGACY_REQUIREMENTS: Final = {"InvitePolicy": "AF_10061-01", "RoomCleanup": "A_22811"}


def parts_of(spec_version: SpecVersion | None) -> Mapping[str, str]:
    """All parts of a generation, and the requirement that is violated first where one is missing."""
    legacy = spec_version is not None and spec_version.is_legacy
    return {**LEGACY_PARTS, **PARTS, **_LEGACY_REQUIREMENTS} if legacy else PARTS


def _parts(facts: Facts) -> Iterable[Found]:
    loaded = {part for module in facts.process.modules for part in module.parts}
    wanted = parts_of(facts.spec_version)
    missing = [f"{part} ({wanted[part]})" for part in wanted if part not in loaded]
    yield Found(f"without {', '.join(missing)}" if missing else "all parts", not missing)


def _order(facts: Facts) -> Iterable[Found]:
    loaded: list[str] = []
    for module in facts.process.modules:
        for part in module.parts:
            if part in loaded:
                yield Found(f"{part} is loaded twice", False, module.key)
            loaded.append(part)
    for part, needed in _needs(facts):
        if part in loaded and needed in loaded:
            late = loaded.index(needed) > loaded.index(part)
            yield Found(f"{needed} after {part}" if late else "in order", not late)


def _needs(facts: Facts) -> Iterable[tuple[str, str]]:
    """Parts, and others that have to be loaded before them."""
    yield "InvitePolicy", "FederationAllowList"
    if facts.spec_version is not None and facts.spec_version.is_legacy:
        yield from (("InvitePolicy", part) for part in LEGACY_PARTS)
    elif facts.product is Product.EPA:
        yield from (("LoginPolicy", "FederationAllowList"), ("RoomCleanup", "FederationAllowList"))
    else:
        yield "InformationServices", "FederationAllowList"


def _others(facts: Facts) -> Iterable[Found]:
    for module in facts.process.modules:
        if not module.parts:
            found = module.name if module.found else f"{module.name}, which is not installed here"
            yield Found(found, module.found, module.key)


def _problems(facts: Facts) -> Iterable[Found]:
    for problem in facts.process.problems:
        yield Found(problem.text, False, problem.key, problem.reason)
    yield Found("accepted", True)


def _remarks(facts: Facts) -> Iterable[Found]:
    for remark in facts.process.remarks:
        yield Found(remark.text, False, remark.key, remark.reason)
    yield Found("unambiguous", True)


CHECKS: Final = (
    Check(
        "start-up",
        "…",
        START_UP,
        "a configuration that Synapse and the modules accept",
        "the homeserver does not start otherwise",
        Verdict.VIOLATION,
        _problems,
    ),
    Check(
        "configuration",
        "…",
        GOOD_PRACTICE,
        "files that say everything once",
        "Synapse works with other values than a reader of the files expects",
        Verdict.WARNING,
        _remarks,
    ),
    Check(
        "modules.parts",
        "modules",
        ", ".join(PARTS.values()),
        "synapse_tim.TiMessenger, or all parts of it",
        "nothing enforces the requirements of a part that is missing",
        Verdict.VIOLATION,
        _parts,
    ),
    Check(
        "modules.order",
        "modules",
        START_UP,
        "each part once, synapse_tim.FederationAllowList before those that need it",
        "the homeserver does not start otherwise",
        Verdict.VIOLATION,
        _order,
    ),
    Check(
        "modules.others",
        "modules",
        START_UP,
        "modules that are installed",
        "the homeserver does not start while a module is missing; what modules of others do is not looked at",
        Verdict.WARNING,
        _others,
    ),
)
