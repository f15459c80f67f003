"""Checks of the log configuration: that the modules are heard, and nothing personal is (A_22813, A_22817).

Whatever this project logs at INFO and above holds domains, ids of rules and counts. Synapse's own messages at
INFO hold user ids, rooms and addresses, those at DEBUG whole requests.
"""

from __future__ import annotations

import logging
from collections.abc import Iterable
from typing import Final

from synapse_tim.check.checks import START_UP, Check, Found, Judge, show_value
from synapse_tim.check.facts import Facts, NotRead, Verdict
from synapse_tim.check.log_levels import LogConfigError, LogLevels

#: What Synapse does without a log configuration: INFO and above to standard error.
_DEFAULT: Final = {
    "version": 1,
    "disable_existing_loggers": False,
    "handlers": {"console": {"class": "logging.StreamHandler"}},
    "root": {"level": "INFO", "handlers": ["console"]},
}
#: Loggers of single sign-on: subjects and user ids at INFO, a stack trace for each refusal at ERROR.
_SINGLE_SIGN_ON: Final = {
    "synapse.handlers.sso": logging.WARNING,
    "synapse.handlers.oidc": logging.CRITICAL,
}
_ROTATION: Final = {
    "logging.FileHandler": None,
    "logging.handlers.RotatingFileHandler": ("maxBytes", "backupCount"),
    "logging.handlers.TimedRotatingFileHandler": ("backupCount",),
}


def _levels(facts: Facts) -> LogLevels:
    if facts.process.log_unread:
        raise NotRead("log configuration")
    try:
        return LogLevels.of(_DEFAULT if facts.process.log is None else facts.process.log)
    except LogConfigError as error:
        raise NotRead("log configuration") from error


def _name(level: int) -> str:
    return logging.getLevelName(level)


def _with_key(judge: Judge) -> Judge:
    """Workers have a log configuration of their own."""

    def judge_with_key(facts: Facts) -> Iterable[Found]:
        for each in judge(facts):
            yield Found(each.found, each.right, each.key or facts.process.log_key)

    return judge_with_key


def _usable(facts: Facts) -> Iterable[Found]:
    if facts.process.log is not None:
        try:
            LogLevels.of(facts.process.log)
        except LogConfigError as error:
            yield Found(str(error), False)
        else:
            version = facts.process.log.get("version")
            yield Found(f"version: {show_value(version)}", version == 1)


def _heard(facts: Facts) -> Iterable[Found]:
    silenced = _levels(facts).silences_others
    yield Found("true" if silenced else "false", not silenced)


def _level_of_modules(facts: Facts) -> Iterable[Found]:
    level = _levels(facts).heard_from("synapse_tim")
    yield Found(f"synapse_tim: {_name(level)}", level <= logging.WARNING)


def _debug(facts: Facts) -> Iterable[Found]:
    levels = _levels(facts)
    names = ["", *levels.names_below("synapse", "synapse_tim", "twisted")]
    noisy = {name: levels.heard_from(name) for name in names if levels.heard_from(name) < logging.INFO}
    if noisy:
        said = ", ".join(f"{name or 'root'}: {_name(level)}" for name, level in noisy.items())
        yield Found(said, False)
    else:
        yield Found(f"root: {_name(levels.level(''))}", True)


def _info(facts: Facts) -> Iterable[Found]:
    levels = _levels(facts)
    said = {name: levels.heard_from(name) for name in levels.names_below("synapse", "synapse.access")}
    talkative = [name for name, level in said.items() if logging.INFO <= level < logging.WARNING]
    if talkative:
        yield Found(", ".join(f"{name}: {_name(said[name])}" for name in talkative), False)
    else:
        yield Found(f"synapse: {_name(said['synapse'])}", True)


def _single_sign_on(facts: Facts) -> Iterable[Found]:
    """Synapse's handlers of single sign-on, where there is any."""
    if not facts.value("oidc", "oidc_providers"):
        return
    levels = _levels(facts)
    heard = {name: levels.heard_from(name) for name in _SINGLE_SIGN_ON}
    said = ", ".join(f"{name}: {_name(level)}" for name, level in heard.items())
    yield Found(said, all(heard[name] >= right for name, right in _SINGLE_SIGN_ON.items()))


def _rotation(facts: Facts) -> Iterable[Found]:
    for name, handler in _levels(facts).handlers.items():
        kind = str(handler.get("class"))
        if kind not in _ROTATION:
            continue
        needed = _ROTATION[kind]
        missing = [key for key in needed or () if not handler.get(key)]
        right = needed is not None and not missing
        found = f"{name}: {kind.rpartition('.')[2]}"
        yield Found(f"{found} without {' and '.join(missing)}" if missing else found, right)


CHECKS: Final = (
    Check(
        "log_config.usable",
        "log_config",
        START_UP,
        "a log configuration of version 1",
        "Synapse does not start with another one",
        Verdict.VIOLATION,
        _with_key(_usable),
    ),
    Check(
        "log_config.disable_existing_loggers",
        "log_config",
        "R1.7",
        "disable_existing_loggers: false",
        "otherwise the modules log nothing, not even that the federation list was refused",
        Verdict.VIOLATION,
        _with_key(_heard),
    ),
    Check(
        "log_config.synapse_tim",
        "log_config",
        "R1.7",
        "synapse_tim: WARNING or less",
        "it has to be logged when a federation list is refused",
        Verdict.VIOLATION,
        _with_key(_level_of_modules),
    ),
    Check(
        "log_config.debug",
        "log_config",
        "A_22813, A_22817",
        "INFO or more",
        "personal data are logged at DEBUG: whom somebody talks to, and when",
        Verdict.VIOLATION,
        _with_key(_debug),
    ),
    Check(
        "log_config.synapse",
        "log_config",
        "A_22813",
        "synapse: WARNING or more",
        "at INFO Synapse logs every request with its user, room and address",
        Verdict.WARNING,
        _with_key(_info),
    ),
    Check(
        "log_config.single_sign_on",
        "log_config",
        "A_22813",
        "synapse.handlers.sso: WARNING or more, synapse.handlers.oidc: CRITICAL",
        "the former logs subjects and user ids at INFO, the latter answers of the provider at WARNING and a "
        "stack trace for each person who is refused",
        Verdict.WARNING,
        _with_key(_single_sign_on),
    ),
    Check(
        "log_config.rotation",
        "log_config",
        "A_22813",
        "a handler that rotates and deletes, or WatchedFileHandler with logrotate",
        "logs have to be deleted once they are not needed any more",
        Verdict.WARNING,
        _with_key(_rotation),
    ),
)
