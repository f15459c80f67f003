"""Checks of the modules: that all parts are there, in an order in which they start, and are accepted."""

from collections.abc import Iterable
from typing import Final

from synapse_tim import parts
from synapse_tim.check.facts import Process
from synapse_tim.core.checks import GOOD_PRACTICE, START_UP, VIOLATION, WARNING, Check, Found
from synapse_tim.core.products import Product


def _parts(process: Process) -> Iterable[Found]:
    loaded = {part for module in process.modules for part in module.parts}
    wanted = parts.of_generation(process.spec_version)
    missing = [f"{part} ({wanted[part]})" for part in wanted if part not in loaded]
    yield Found(f"without {', '.join(missing)}" if missing else "all parts", not missing)


def _order(process: Process) -> Iterable[Found]:
    loaded: list[str] = []
    for module in process.modules:
        for part in module.parts:
            if part in loaded:
                yield Found(f"{part} is loaded twice", False, module.key)
            loaded.append(part)
    for part, needed in _needs(process):
        if part in loaded and needed in loaded:
            late = loaded.index(needed) > loaded.index(part)
            yield Found(f"{needed} after {part}" if late else "in order", not late)


def _needs(process: Process) -> Iterable[tuple[str, str]]:
    """Parts, and others that have to be loaded before them."""
    yield "InvitePolicy", "FederationAllowList"
    if process.spec_version is not None and process.spec_version.is_legacy:
        yield from (("InvitePolicy", "Directory"), ("InvitePolicy", "ContactManagement"))
    elif process.product is Product.EPA:
        yield from (("LoginPolicy", "FederationAllowList"), ("RoomCleanup", "FederationAllowList"))
    else:
        yield "InformationServices", "FederationAllowList"


def _others(process: Process) -> Iterable[Found]:
    for module in process.modules:
        if not module.parts:
            found = module.name if module.found else f"{module.name}, which is not installed here"
            yield Found(found, module.found, module.key)
    for missing in process.missing:
        yield Found(f"{missing.found}, which is not installed here", False, missing.key)


def _problems(process: Process) -> Iterable[Found]:
    yield from process.problems
    yield Found("accepted", True)


def _remarks(process: Process) -> Iterable[Found]:
    yield from process.remarks
    yield Found("unambiguous", True)


# fmt: off
CHECKS: Final = (
    Check("start-up", "…", START_UP, VIOLATION, _problems,
          "a configuration that Synapse and the modules accept",
          "the homeserver does not start otherwise"),
    Check("configuration", "…", GOOD_PRACTICE, WARNING, _remarks, "files that say everything once",
          "Synapse works with other values than a reader of the files expects"),
    Check("modules.parts", "modules", ", ".join(parts.of_generation(None).values()), VIOLATION, _parts,
          "synapse_tim.TiMessenger, or all parts of it",
          "nothing enforces the requirements of a part that is missing"),
    Check("modules.order", "modules", START_UP, VIOLATION, _order,
          "each part once, synapse_tim.FederationAllowList before those that need it",
          "the homeserver does not start otherwise"),
    Check("modules.others", "modules", START_UP, WARNING, _others, "modules that are installed",
          "the homeserver does not start while a module is missing; what modules of others do is not looked "
          "at"),
)
