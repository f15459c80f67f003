"""Checks of the log configuration: that the modules are heard, and nothing personal is (A_22813, A_22817).

What this project logs at INFO and above holds domains, ids of rules and counts. Synapse's own messages at
INFO hold user ids, rooms and addresses, those at DEBUG whole requests.
"""

import logging
from collections.abc import Iterable
from typing import Final

from synapse_tim.check.facts import Process
from synapse_tim.check.log_levels import LogConfigError, LogLevels
from synapse_tim.core.checks import (
    START_UP,
    VIOLATION,
    WARNING,
    Check,
    Found,
    Judge,
    NotRead,
    Verdict,
    show_value,
)

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


def _levels(process: Process) -> LogLevels:
    if process.log_unread:
        raise NotRead("log configuration")
    try:
        return LogLevels(_DEFAULT if process.log is None else process.log)
    except LogConfigError as error:
        raise NotRead("log configuration") from error


def _name(level: int) -> str:
    return logging.getLevelName(level)


def _log_check(
    name: str, requirement: str, severity: Verdict, judge: Judge, wanted: str, reason: str
) -> Check:
    def judge_with_key(process: Process) -> Iterable[Found]:
        """Workers have a log configuration of their own."""
        for each in judge(process):
            yield Found(each.found, each.right, process.log_key)

    return Check(f"log_config.{name}", "log_config", requirement, severity, judge_with_key, wanted, reason)


def _usable(process: Process) -> Iterable[Found]:
    if process.log is not None:
        try:
            LogLevels(process.log)
        except LogConfigError as error:
            yield Found(str(error), False)
        else:
            version = process.log.get("version")
            yield Found(f"version: {show_value(version)}", version == 1)


def _heard(process: Process) -> Iterable[Found]:
    silenced = _levels(process).silences_others
    yield Found("true" if silenced else "false", not silenced)


def _level_of_modules(process: Process) -> Iterable[Found]:
    level = _levels(process).heard_from("synapse_tim")
    yield Found(f"synapse_tim: {_name(level)}", level <= logging.WARNING)


def _debug(process: Process) -> Iterable[Found]:
    levels = _levels(process)
    names = ["", *levels.names_below("synapse", "synapse_tim", "twisted")]
    noisy = {name: levels.heard_from(name) for name in names if levels.heard_from(name) < logging.INFO}
    if noisy:
        said = ", ".join(f"{name or 'root'}: {_name(level)}" for name, level in noisy.items())
        yield Found(said, False)
    else:
        yield Found(f"root: {_name(levels.level(''))}", True)


def _info(process: Process) -> Iterable[Found]:
    levels = _levels(process)
    said = {name: levels.heard_from(name) for name in levels.names_below("synapse", "synapse.access")}
    talkative = [name for name, level in said.items() if logging.INFO <= level < logging.WARNING]
    if talkative:
        yield Found(", ".join(f"{name}: {_name(said[name])}" for name in talkative), False)
    else:
        yield Found(f"synapse: {_name(said['synapse'])}", True)


def _single_sign_on(process: Process) -> Iterable[Found]:
    """Synapse's handlers of single sign-on, where there is any."""
    if not process.option("oidc", "oidc_providers"):
        return
    levels = _levels(process)
    heard = {name: levels.heard_from(name) for name in _SINGLE_SIGN_ON}
    said = ", ".join(f"{name}: {_name(level)}" for name, level in heard.items())
    yield Found(said, all(heard[name] >= right for name, right in _SINGLE_SIGN_ON.items()))


def _rotation(process: Process) -> Iterable[Found]:
    for name, handler in _levels(process).handlers.items():
        kind = str(handler.get("class"))
        if kind not in _ROTATION:
            continue
        needed = _ROTATION[kind]
        missing = [key for key in needed or () if not handler.get(key)]
        right = needed is not None and not missing
        found = f"{name}: {kind.rpartition('.')[2]}"
        yield Found(f"{found} without {' and '.join(missing)}" if missing else found, right)


# fmt: off
CHECKS: Final = (
    _log_check("usable", START_UP, VIOLATION, _usable, "a log configuration of version 1",
               "Synapse does not start with another one"),
    _log_check("disable_existing_loggers", "R1.7", VIOLATION, _heard, "disable_existing_loggers: false",
               "otherwise the modules log nothing, not even that the federation list was refused"),
    _log_check("synapse_tim", "R1.7", VIOLATION, _level_of_modules, "synapse_tim: WARNING or less",
               "it has to be logged when a federation list is refused"),
    _log_check("debug", "A_22813, A_22817", VIOLATION, _debug, "INFO or more",
               "DEBUG logs personal data: which users talk to each other, and when"),
    _log_check("synapse", "A_22813", WARNING, _info, "synapse: WARNING or more",
               "at INFO Synapse logs every request with its user, room and address"),
    _log_check("single_sign_on", "A_22813", WARNING, _single_sign_on,
               "synapse.handlers.sso: WARNING or more, synapse.handlers.oidc: CRITICAL",
               "the former logs subjects and user ids at INFO, the latter answers of the provider at WARNING "
               "and a stack trace for each person who is refused"),
    _log_check("rotation", "A_22813", WARNING, _rotation,
               "a handler that rotates and deletes, or WatchedFileHandler with logrotate",
               "logs have to be deleted once they are not needed any more"),
)
