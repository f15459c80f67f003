"""Checks of what the blocks of the modules say.

Each key has a default that is gematik's; what is checked here is that nobody said something else.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Final

from synapse_tim.check.checks import (
    CURRENT,
    EPA,
    V1_2,
    Check,
    Found,
    at_most,
    is_false,
    is_true,
    setting_check,
    show_duration,
)
from synapse_tim.check.facts import Facts, NotRead, Verdict
from synapse_tim.core.products import SpecVersion
from synapse_tim.rooms.rules import VERSIONS, default_version

_HOUR_MS: Final = 60 * 60 * 1000
#: What gematik has for orphaned rooms (R3.34).
_ORPHANED_MS: Final = 14 * 24 * _HOUR_MS
_TRUST: Final = ("federation_list.trust", "login.trust")


def _login(facts: Facts) -> Iterable[Found]:
    for remark in facts.process.login_remarks:
        yield Found(remark.text, False, remark.key, remark.reason)
    yield Found("as it was meant", True)


def _refresh_interval(facts: Facts) -> Iterable[Found]:
    setting = facts.process.setting("federation_list.refresh_interval")
    right, tolerable = setting.value <= _HOUR_MS, setting.value <= 24 * _HOUR_MS
    verdict = Verdict.WARNING if tolerable else Verdict.VIOLATION
    yield Found(show_duration(setting.value), right, setting.key, verdict=verdict)


def _test_certificates(facts: Facts) -> Iterable[Found]:
    for block in _TRUST:
        setting = facts.process.settings.get(f"{block}.allow_test_certificates")
        if setting is not None:
            yield Found(str(setting.value).lower(), not setting.value, setting.key)


def _ocsp(facts: Facts) -> Iterable[Found]:
    for block in _TRUST:
        setting = facts.process.settings.get(f"{block}.ocsp")
        if setting is not None:
            verdict = Verdict.WARNING if setting.value == "soft" else Verdict.VIOLATION
            yield Found(setting.value, setting.value == "hard", setting.key, verdict=verdict)


def _reactions(facts: Facts) -> Iterable[Found]:
    setting = facts.process.setting("events.single_emoji_reactions")
    # Whether 1.2 still demands it is not known.
    verdict = Verdict.WARNING if facts.spec_version is SpecVersion.V1_2 else Verdict.VIOLATION
    yield Found(str(setting.value).lower(), setting.value, setting.key, verdict=verdict)


def _default_version(facts: Facts) -> Iterable[Found]:
    setting = facts.process.setting("rooms.default_version")
    wanted = [default_version(facts.spec_version)] if facts.spec_version is not None else list(VERSIONS)
    yield Found(str(setting.value), setting.value in wanted, setting.key)


def _orphaned_rooms(facts: Facts) -> Iterable[Found]:
    setting = facts.process.setting("cleanup.orphaned_rooms")
    # gematik's text with the number was not seen; that they are deleted is certain.
    verdict = Verdict.VIOLATION if setting.value is None else Verdict.WARNING
    right = setting.value is not None and setting.value <= _ORPHANED_MS
    yield Found(show_duration(setting.value), right, setting.key, verdict=verdict)


def _permitted(facts: Facts) -> Iterable[Found]:
    setting = facts.process.setting("login.permitted")
    doubtful = [name for name in setting.value or () if name in ("password", "jwt")]
    yield Found(", ".join(doubtful) or "neither", not doubtful, setting.key)


def _stored_permissions(facts: Facts) -> Iterable[Found]:
    if facts.online is None or facts.online.permissions is None:
        raise NotRead("account_data")
    stored = facts.online.permissions
    found = f"{stored.unreadable} of {stored.total} do not follow it, {stored.empty} are empty"
    yield Found(found, not stored.unreadable)


def _are_room_versions(value: object) -> bool:
    return isinstance(value, list) and set(VERSIONS).issuperset(value)


CHECKS: Final = (
    Check(
        "login",
        "modules[…].config.login",
        "AF_10057",
        "ways to log in that are configured, and claims that are checked",
        "otherwise people log in in another way than was meant, or not at all",
        Verdict.WARNING,
        _login,
    ),
    Check(
        "federation_list.refresh_interval",
        "modules[…].config.federation_list.refresh_interval",
        "R1.11",
        "1h at most",
        "the directory has to be asked for changes every hour, and every day at the very least",
        Verdict.VIOLATION,
        _refresh_interval,
    ),
    setting_check(
        "federation_list.max_age",
        at_most(72 * _HOUR_MS),
        requirement="R1.11",
        wanted="72h at most",
        reason="an older list must not be relied on",
        otherwise=Verdict.WARNING,
        show=show_duration,
    ),
    setting_check(
        "federation_list.on_stale",
        lambda value: value == "deny",
        requirement="R1.11",
        wanted="deny",
        reason="all other servers have to be blocked while there is no current list",
        otherwise=Verdict.VIOLATION,
        show=str,
    ),
    Check(
        "trust.allow_test_certificates",
        "modules[…].config.….trust.allow_test_certificates",
        "R1.4, R1.5",
        "false",
        "certificates of test environments prove nothing in production",
        Verdict.VIOLATION,
        _test_certificates,
    ),
    Check(
        "trust.ocsp",
        "modules[…].config.….trust.ocsp",
        "A_25632, A_25635",
        "hard",
        "revoked certificates have to be noticed",
        Verdict.VIOLATION,
        _ocsp,
    ),
    Check(
        "permissions.stored",
        "modules[…].config.permissions",
        "A_26390",
        "stored permission configurations that follow gematik's schema (looked at with --online)",
        "of what another product has stored, an empty document counts as none, so that the default applies; "
        "any other that does not follow it refuses all invitations until its owner stores a valid one",
        Verdict.WARNING,
        _stored_permissions,
        spec_versions=CURRENT,
        of_deployment=True,
    ),
    setting_check(
        "rooms.versions",
        _are_room_versions,
        requirement="A_26202, A_26203",
        wanted=", ".join(VERSIONS),
        reason="rooms of other versions must not be created",
        otherwise=Verdict.VIOLATION,
    ),
    Check(
        "rooms.default_version",
        "modules[…].config.rooms.default_version",
        "A_26202, A_26248",
        f"{default_version(SpecVersion.V1_2)}; {default_version(SpecVersion.LEGACY_1_1)} in legacy-1.1",
        "rooms for which clients name no version have to be of this one",
        Verdict.VIOLATION,
        _default_version,
    ),
    Check(
        "events.single_emoji_reactions",
        "modules[…].config.events.single_emoji_reactions",
        "A_26228-01",
        "true",
        "a reaction has to be exactly one emoji",
        Verdict.VIOLATION,
        _reactions,
        spec_versions=CURRENT,
    ),
    setting_check(
        "events.threads",
        is_false,
        requirement="A_25395-02",
        wanted="false",
        reason="clients of this generation have no threads",
        otherwise=Verdict.WARNING,
        spec_versions=frozenset({SpecVersion.V1_1}),
    ),
    setting_check(
        "events.redaction_window",
        at_most(24 * _HOUR_MS),
        requirement="A_28358",
        wanted="24h at most",
        reason="messages older than 24 hours must not be redacted",
        otherwise=Verdict.VIOLATION,
        show=show_duration,
        spec_versions=V1_2,
    ),
    Check(
        "cleanup.orphaned_rooms",
        "modules[…].config.cleanup.orphaned_rooms",
        "A_28564-01",
        "14d at most",
        "rooms that nobody is in, and in which nothing was ever said, have to be deleted",
        Verdict.VIOLATION,
        _orphaned_rooms,
        spec_versions=V1_2,
    ),
    setting_check(
        "cleanup.insured_only_rooms",
        lambda value: value is not None,
        requirement="A_26348, A_26463",
        wanted="a duration, such as 1w",
        reason="insured persons must not stay in a room by themselves",
        otherwise=Verdict.VIOLATION,
        show=show_duration,
        products=EPA,
    ),
    setting_check(
        "cleanup.dry_run",
        is_false,
        requirement="A_25318, A_28564-01, A_26348",
        wanted="false",
        reason="rooms that are due are only counted, and never deleted, with it",
        otherwise=Verdict.WARNING,
    ),
    setting_check(
        "information.support",
        is_true,
        requirement="A_26265",
        wanted="contacts, or a support_page",
        reason="clients learn from /.well-known/matrix/support whom to turn to",
        otherwise=Verdict.WARNING,
        show=lambda value: "configured" if value else "not set",
    ),
    Check(
        "login.permitted",
        "modules[…].config.login.permitted",
        "A_22936",
        "neither password nor jwt",
        "logging in takes two factors, which neither a local password nor a JWT proves",
        Verdict.WARNING,
        _permitted,
    ),
)
