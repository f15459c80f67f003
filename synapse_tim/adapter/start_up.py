"""Checks ``homeserver.yaml`` for the options that the parts rely on, at start-up."""

import json
import logging
from collections.abc import Iterable
from typing import Any

import attrs
from synapse.module_api import ModuleApi
from synapse.module_api.errors import ConfigError

from synapse_tim.adapter.config import HomeserverConfig, SynapseConfig
from synapse_tim.adapter.config_block import CONFIG_PATH
from synapse_tim.core.checks import AT_START_UP, Check, Found, Verdict
from synapse_tim.core.homeserver_options import options_for
from synapse_tim.core.products import Product, SpecVersion

logger = logging.getLogger(__name__)


def check_files(api: ModuleApi, config: HomeserverConfig) -> None:
    """Look at the files of this homeserver as a whole, in the one process that runs background tasks."""
    if api.should_run_background_tasks():
        for check in AT_START_UP:
            check(config.config_files)


@attrs.frozen
class _Running:
    """Facts about the homeserver that starts."""

    option: Any
    product: Product
    spec_version: SpecVersion | None = None  # no option depends on it


def check_options(config: SynapseConfig, part: str, product: Product) -> None:
    """Refuse to start with options that let a requirement be violated; warn of the others.

    Raises:
        ConfigError: naming every option of the part that has to be changed.
    """
    for check in _wrong(config, (part,), product, Verdict.WARNING):
        logger.warning("homeserver.yaml: %s", _explain(check))
    refuse_wrong_options(config, (part,), product)


def refuse_wrong_options(config: SynapseConfig, parts: Iterable[str], product: Product) -> None:
    """Refuse to start with options that let a requirement of any of several parts be violated.

    Raises:
        ConfigError: naming every option that has to be changed.
    """
    wrong = _wrong(config, parts, product, Verdict.VIOLATION)
    if wrong:
        lines = "\n".join(map(_explain, wrong))
        raise ConfigError(
            f"synapse_tim needs other values in homeserver.yaml:\n{lines}", path=wrong[0].key.split(".")
        )


def report(problems: Iterable[Found]) -> None:
    """Refuse to start with violations (``ConfigError`` names them); log the others as warnings."""
    violations = []
    for each in problems:
        if each.verdict is Verdict.VIOLATION:
            violations.append(each)
        else:
            logger.warning("%s", each.found)
    if violations:
        path = str(violations[0].key).removeprefix(f"{CONFIG_PATH}.").split(".")
        raise ConfigError("\n".join(map(_say, violations)), path=path)


def _say(violation: Found) -> str:
    """What to do, after the key of a block; Synapse's own keys are named in the text."""
    of_block = str(violation.key).startswith(CONFIG_PATH)
    return f"{violation.key}: {violation.found}" if of_block else violation.found


def _wrong(config: SynapseConfig, parts: Iterable[str], product: Product, severity: Verdict) -> list[Check]:
    facts = _Running(config.option, product)
    checks = [check for part in parts for check in options_for(part, product)]
    return [check for check in checks if any(line.verdict is severity for line in check.run(facts))]


def _explain(check: Check) -> str:
    return f"set {check.key}: {json.dumps(check.value)}, because {check.reason} ({check.requirement})"
