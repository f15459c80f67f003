"""Checks of push, statistics and readable secrets."""

from collections.abc import Iterable
from operator import not_
from typing import Final

from synapse_tim.check.facts import Process
from synapse_tim.check.named_files import inline_secrets
from synapse_tim.core.checks import (
    GOOD_PRACTICE,
    START_UP,
    VIOLATION,
    WARNING,
    Check,
    Found,
    option,
    show_value,
)

_OTHERS: Final = 0o077
_EVERYBODY_WRITES: Final = 0o002


def _absent_files(process: Process) -> Iterable[Found]:
    for file in process.files:
        found = "readable" if file.problem is None else f"{file.path}: {file.problem}"
        yield Found(found, file.problem is None, file.key)


def _modes_of_secrets(process: Process) -> Iterable[Found]:
    for file in process.files:
        if file.secret and file.mode is not None:
            yield Found(f"{file.mode:04o}", not file.mode & _OTHERS, file.key)


def _modes_of_others(process: Process) -> Iterable[Found]:
    for file in process.files:
        if not file.secret and file.mode is not None:
            yield Found(f"{file.mode:04o}", not file.mode & _EVERYBODY_WRITES, file.key)


def _inline_secrets(process: Process) -> Iterable[Found]:
    for key in inline_secrets(process.document):
        yield Found("a secret", False, key)
    yield Found("none", True)


def _statistics(process: Process) -> Iterable[Found]:
    value = process.option("metrics", "report_stats")
    if value is not None:  # without it Synapse does not start
        yield Found(show_value(value), not value)


# fmt: off
CHECKS: Final = (
    option("push.include_content", "push.push_include_content", not_, "A_22808, A_22965", VIOLATION, "false",
           "push gateways must not get any content of messages"),
    option("email.enable_notifs", "email.email_enable_notifs", not_, "A_22808, A_22965", VIOLATION, "false",
           "e-mails about missed messages hold names and the content of messages"),
    Check("report_stats", "report_stats", "R1.23", WARNING, _statistics, "false",
          "otherwise the numbers of users and of their messages are reported to matrix.org, or to "
          "report_stats_endpoint"),
    option("sentry", "metrics.sentry_enabled", not_, "A_22813", WARNING, "not set",
           "reports of errors hold user ids, rooms and tokens, and go to another service",
           lambda value: "set" if value else "not set"),
    option("opentracing.enabled", "tracing.opentracer_enabled", not_, "A_22813, A_22817", WARNING, "false",
           "traces show who communicates with each other, and when"),
    Check("secrets.inline", "…", GOOD_PRACTICE, WARNING, _inline_secrets,
          "a path of a file: the same key with _path",
          "readers of the configuration need not know its secrets"),
    Check("secrets.permissions", "…", GOOD_PRACTICE, WARNING, _modes_of_secrets, "0600 or less",
          "other users of this machine may read or change a secret"),
    Check("files.permissions", "…", GOOD_PRACTICE, WARNING, _modes_of_others, "not writable by everybody",
          "what the homeserver trusts could be changed by anybody on this machine"),
    Check("files.readable", "…", START_UP, WARNING, _absent_files, "a file that can be read",
          "what is in it was not looked at, and the homeserver needs it"),
)
