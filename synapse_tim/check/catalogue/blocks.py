"""Checks of what the blocks of the modules say.

Each key has a default that is gematik's; what is checked here is that it was not overridden.
"""

import contextlib
from collections.abc import Callable, Iterable
from operator import not_
from typing import Any, Final

from synapse_tim.check.facts import Process
from synapse_tim.core.checks import (
    CURRENT,
    EPA,
    PRO,
    V1_2,
    VIOLATION,
    WARNING,
    Check,
    Found,
    NotRead,
    Verdict,
    at_most,
    show_duration,
    show_value,
)
from synapse_tim.core.durations import DAY, HOUR
from synapse_tim.core.products import SpecVersion
from synapse_tim.pki.config import TrustConfig
from synapse_tim.rooms.rules import VERSIONS, default_version

#: What gematik has for orphaned rooms (R3.34).
_ORPHANED_MS: Final = 14 * DAY


def _setting(
    name: str,
    right: Callable[[Any], bool],
    requirement: str,
    severity: Verdict,
    wanted: str,
    reason: str,
    show: Callable[[Any], str] = show_value,
    tolerable: Callable[[Process, Any], bool] = lambda process, value: False,
    **more: Any,
) -> Check:
    """A check of one setting: its name below ``config``, and whether a value in force is right.

    What is wrong and ``tolerable`` is a warning.
    """

    def judge(process: Process) -> Iterable[Found]:
        key, value = process.setting(name)
        verdict = WARNING if tolerable(process, value) else severity
        yield Found(show(value), right(value), key, verdict=verdict)

    key = f"modules[…].config.{name}"
    return Check(name, key, requirement, severity, judge, wanted, reason, **more)


def _login(process: Process) -> Iterable[Found]:
    yield from process.login_remarks
    yield Found("as it was meant", True)


def _trusts(process: Process) -> Iterable[tuple[str, TrustConfig]]:
    for name in ("federation_list.trust", "login.trust"):
        with contextlib.suppress(NotRead):
            key, trust = process.setting(name)
            if trust is not None:
                yield key, trust


def _test_certificates(process: Process) -> Iterable[Found]:
    for key, trust in _trusts(process):
        allowed = trust.allow_test_certificates
        yield Found(str(allowed).lower(), not allowed, f"{key}.allow_test_certificates")


def _ocsp(process: Process) -> Iterable[Found]:
    for key, trust in _trusts(process):
        verdict = WARNING if trust.ocsp == "soft" else VIOLATION
        yield Found(trust.ocsp.value, trust.ocsp == "hard", f"{key}.ocsp", verdict=verdict)


def _default_version(process: Process) -> Iterable[Found]:
    key, version = process.setting("rooms.default_version")
    generation = process.spec_version
    wanted = [default_version(generation)] if generation is not None else list(VERSIONS)
    yield Found(version, version in wanted, key)


def _stored_permissions(process: Process) -> Iterable[Found]:
    online = process.homeserver.online
    if online is None or online.permissions is None:
        raise NotRead("account_data")
    stored = online.permissions
    found = f"{stored.unreadable} of {stored.total} do not follow it, {stored.empty} are empty"
    yield Found(found, not stored.unreadable)


def _without_two_factors(permitted: list[str] | None) -> list[str]:
    return [name for name in permitted or () if name in ("password", "jwt")]


# fmt: off
CHECKS: Final = (
    Check("login", "modules[…].config.login", "AF_10057", WARNING, _login,
          "ways to log in that are configured, and claims that are checked",
          "otherwise people log in in a way that you did not intend, or not at all"),
    _setting("federation_list.refresh_interval", at_most(HOUR), "R1.11", VIOLATION, "1h at most",
             "the directory has to be asked for changes every hour, and every day at the very least",
             show_duration, tolerable=lambda process, value: value <= DAY),
    _setting("federation_list.max_age", at_most(72 * HOUR), "R1.11", WARNING, "72h at most",
             "an older list must not be relied on", show_duration),
    _setting("federation_list.on_stale", lambda value: value == "deny", "R1.11", VIOLATION, "deny",
             "all other servers have to be blocked while there is no current list", str),
    Check("trust.allow_test_certificates", "modules[…].config.….trust.allow_test_certificates", "R1.4, R1.5",
          VIOLATION, _test_certificates, "false",
          "certificates of test environments prove nothing in production"),
    Check("trust.ocsp", "modules[…].config.….trust.ocsp", "A_25632, A_25635", VIOLATION, _ocsp, "hard",
          "revoked certificates have to be noticed"),
    Check("permissions.stored", "modules[…].config.permissions", "A_26390", WARNING, _stored_permissions,
          "stored permission configurations that follow gematik's schema (looked at with --online)",
          "of what another product has stored, an empty document counts as none, so that the default "
          "applies; any other that does not follow it refuses all invitations until its owner stores a valid "
          "one",
          spec_versions=CURRENT, of_deployment=True),
    _setting("rooms.versions", frozenset(VERSIONS).issuperset, "A_26202, A_26203", VIOLATION,
             ", ".join(VERSIONS), "rooms of other versions must not be created"),
    Check("rooms.default_version", "modules[…].config.rooms.default_version", "A_26202, A_26248", VIOLATION,
          _default_version,
          f"{default_version(SpecVersion.V1_2)}; {default_version(SpecVersion.LEGACY_1_1)} in legacy-1.1",
          "rooms for which clients name no version have to be of this one"),
    _setting("rooms.unencrypted_remote", lambda value: value == "refuse", "A_25996", WARNING, "refuse",
             "below gematik's text: insured persons enter rooms that are not encrypted", str, products=EPA),
    _setting("rooms.public", lambda value: value == "allow", "A_25325-01", WARNING, "allow",
             "beyond gematik's text, which lets professionals make public rooms", str, products=PRO),
    _setting("rooms.world_readable", lambda value: value == "as_specified", "A_26515-01", WARNING,
             "as_specified", "beyond gematik's text: colleagues may read rooms that are made so", str,
             products=PRO),
    _setting("invites.insured", lambda value: value == "allow", "A_25704", WARNING, "allow",
             "beyond gematik's text, by which each professional decides who may invite them", str,
             products=PRO),
    _setting("invites.outgoing", lambda value: value == "allow", "AF_10061-04", WARNING, "allow",
             "beyond gematik's text: users may invite all members of the federation who let them",
             lambda value: value if isinstance(value, str) else f"{len(value.members_of)} servers"),
    _setting("invites.into_direct_chats", lambda value: value == "allow", "A_25368-01", WARNING, "allow",
             "beyond gematik's text, whose test suite invites a third person", str),
    _setting("events.require_encryption", bool, "A_26015-02, A_25996", WARNING, "true",
             "below gematik's text: only their clients keep insured persons from writing in clear text",
             products=EPA),
    # Whether 1.2 still demands it is not known.
    _setting("events.single_emoji_reactions", bool, "A_26228-01", VIOLATION, "true",
             "a reaction has to be exactly one emoji", spec_versions=CURRENT,
             tolerable=lambda process, value: process.spec_version in V1_2),
    _setting("events.threads", not_, "A_25395-02", WARNING, "false",
             "clients of this generation have no threads", spec_versions=frozenset({SpecVersion.V1_1})),
    _setting("events.redaction_window", at_most(DAY), "A_28358",
             VIOLATION, "24h at most", "messages older than 24 hours must not be redacted", show_duration,
             spec_versions=V1_2),
    # gematik's text with the number was not seen; that they are deleted is certain.
    _setting("cleanup.orphaned_rooms", at_most(_ORPHANED_MS), "A_28564-01", VIOLATION, "14d at most",
             "empty rooms without any messages have to be deleted", show_duration,
             tolerable=lambda process, value: value is not None, spec_versions=V1_2),
    _setting("cleanup.insured_only_rooms", lambda value: value is not None,
             "A_26348, A_26463", VIOLATION, "a duration, such as 1w",
             "insured persons must not stay in a room by themselves", show_duration, products=EPA),
    _setting("cleanup.dry_run", not_, "A_25318, A_28564-01, A_26348", WARNING, "false",
             "with it, rooms that are due are only counted, never deleted"),
    _setting("information.support", bool, "A_26265", WARNING,
             "contacts, or a support_page",
             "clients get the support contacts from /.well-known/matrix/support",
             lambda value: "configured" if value else "not set"),
    _setting("login.permitted", lambda value: not _without_two_factors(value), "A_22936", WARNING,
             "neither password nor jwt",
             "logging in takes two factors, which neither a local password nor a JWT proves",
             lambda value: ", ".join(_without_two_factors(value)) or "neither"),
)
