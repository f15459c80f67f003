"""Checks of how long things are kept: media, messages, rooms, addresses."""

from __future__ import annotations

from typing import Final

from synapse_tim.check.checks import EPA, V1_2, at_most, is_false, show_duration, value_check
from synapse_tim.check.facts import Verdict

_DAY_MS: Final = 24 * 60 * 60 * 1000
#: How long a forgotten room may stay (R3.33).
_FORGOTTEN_MS: Final = 7 * _DAY_MS
#: What Synapse itself does if nobody says anything.
_ADDRESSES_MS: Final = 28 * _DAY_MS
_REDACTED_MS: Final = 7 * _DAY_MS


def _is_set(value: object) -> bool:
    return value is not None


CHECKS: Final = (
    value_check(
        "media_retention.local_media_lifetime",
        "media",
        "media_retention_local_media_lifetime_ms",
        _is_set,
        requirement="R3.30",
        wanted="a duration, such as 90d",
        reason="media have to be deleted some time after they were received or last looked at",
        otherwise=Verdict.VIOLATION,
        show=show_duration,
        spec_versions=V1_2,
    ),
    value_check(
        "media_retention.remote_media_lifetime",
        "media",
        "media_retention_remote_media_lifetime_ms",
        _is_set,
        requirement="R3.30",
        wanted="a duration, such as 14d",
        reason="copies of other servers' media have to be deleted some time after they were last looked at",
        otherwise=Verdict.VIOLATION,
        show=show_duration,
        spec_versions=V1_2,
    ),
    value_check(
        "retention.enabled",
        "retention",
        "retention_enabled",
        is_false,
        requirement="R3.29",
        wanted="false",
        reason="messages of insured persons must not be deleted without the consent of all participants",
        otherwise=Verdict.VIOLATION,
        products=EPA,
        spec_versions=V1_2,
    ),
    value_check(
        "forgotten_room_retention_period",
        "server",
        "forgotten_room_retention_period",
        at_most(_FORGOTTEN_MS),
        requirement="R3.33",
        wanted="7d at most",
        reason="rooms that all users of this server have forgotten have to be deleted",
        otherwise=Verdict.VIOLATION,
        show=show_duration,
        spec_versions=V1_2,
    ),
    value_check(
        "redaction_retention_period",
        "server",
        "redaction_retention_period",
        at_most(_REDACTED_MS),
        requirement="R3.19",
        wanted="7d at most",
        reason="redacted content has to be deleted from the database, and soon",
        otherwise=Verdict.WARNING,
        show=show_duration,
    ),
    value_check(
        "user_ips_max_age",
        "server",
        "user_ips_max_age",
        at_most(_ADDRESSES_MS),
        requirement="R7.10",
        wanted="28d at most",
        reason="users' IP addresses, and the times at which they were seen, are personal data",
        otherwise=Verdict.WARNING,
        show=show_duration,
    ),
)
