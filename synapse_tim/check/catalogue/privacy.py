"""Checks of what leaves the homeserver beside messages, and of what lies about: push, statistics, secrets."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Final

from synapse_tim.check.checks import GOOD_PRACTICE, START_UP, Check, Found, is_false, value_check
from synapse_tim.check.facts import Facts, Verdict

_OTHERS: Final = 0o077
_EVERYBODY_WRITES: Final = 0o002


def _absent_files(facts: Facts) -> Iterable[Found]:
    for file in facts.process.files:
        if file.problem is None:
            yield Found("readable", True, file.key)
        else:
            yield Found(f"{file.path}: {file.problem}", False, file.key)


def _modes_of_secrets(facts: Facts) -> Iterable[Found]:
    for file in facts.process.files:
        if file.secret and file.mode is not None:
            yield Found(f"{file.mode:04o}", not file.mode & _OTHERS, file.key)


def _modes_of_others(facts: Facts) -> Iterable[Found]:
    for file in facts.process.files:
        if not file.secret and file.mode is not None:
            yield Found(f"{file.mode:04o}", not file.mode & _EVERYBODY_WRITES, file.key)


def _inline_secrets(facts: Facts) -> Iterable[Found]:
    for key in facts.process.inline_secrets:
        yield Found("a secret", False, key)
    yield Found("none", True)


CHECKS: Final = (
    value_check(
        "push.include_content",
        "push",
        "push_include_content",
        is_false,
        requirement="A_22808, A_22965",
        wanted="false",
        reason="push gateways must not get any content of messages",
        otherwise=Verdict.VIOLATION,
    ),
    value_check(
        "email.enable_notifs",
        "email",
        "email_enable_notifs",
        is_false,
        requirement="A_22808, A_22965",
        wanted="false",
        reason="e-mails about missed messages hold names and the content of messages",
        otherwise=Verdict.VIOLATION,
    ),
    value_check(
        "report_stats",
        "metrics",
        "report_stats",
        is_false,
        requirement="R1.23",
        wanted="false",
        reason=(
            "otherwise the numbers of users and of their messages are reported to matrix.org, or to "
            "report_stats_endpoint"
        ),
        otherwise=Verdict.WARNING,
    ),
    value_check(
        "sentry",
        "metrics",
        "sentry_enabled",
        is_false,
        requirement="A_22813",
        wanted="not set",
        reason="reports of errors hold user ids, rooms and tokens, and go to another service",
        otherwise=Verdict.WARNING,
        show=lambda value: "set" if value else "not set",
    ),
    value_check(
        "opentracing.enabled",
        "tracing",
        "opentracer_enabled",
        is_false,
        requirement="A_22813, A_22817",
        wanted="false",
        reason="traces say who does what with whom and when",
        otherwise=Verdict.WARNING,
    ),
    Check(
        "secrets.inline",
        "…",
        GOOD_PRACTICE,
        "a path of a file: the same key with _path",
        "whoever may read the configuration need not know its secrets",
        Verdict.WARNING,
        _inline_secrets,
    ),
    Check(
        "secrets.permissions",
        "…",
        GOOD_PRACTICE,
        "0600 or less",
        "other users of this machine may read or change a secret",
        Verdict.WARNING,
        _modes_of_secrets,
    ),
    Check(
        "files.permissions",
        "…",
        GOOD_PRACTICE,
        "not writable by everybody",
        "what the homeserver trusts could be changed by anybody on this machine",
        Verdict.WARNING,
        _modes_of_others,
    ),
    Check(
        "files.readable",
        "…",
        START_UP,
        "a file that can be read",
        "what is in it was not looked at, and the homeserver needs it",
        Verdict.WARNING,
        _absent_files,
    ),
)
