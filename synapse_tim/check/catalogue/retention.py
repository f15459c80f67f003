"""Checks of retention: how long media, messages, rooms and addresses are kept."""

from operator import not_
from typing import Final

from synapse_tim.core.checks import EPA, V1_2, VIOLATION, WARNING, at_most, option, show_duration
from synapse_tim.core.durations import DAY


def _is_set(value: object) -> bool:
    return value is not None


# fmt: off
CHECKS: Final = (
    option("media_retention.local_media_lifetime", "media.media_retention_local_media_lifetime_ms", _is_set,
           "R3.30", VIOLATION, "a duration, such as 90d",
           "media have to be deleted some time after they were received or last looked at",
           show_duration, spec_versions=V1_2),
    option("media_retention.remote_media_lifetime", "media.media_retention_remote_media_lifetime_ms", _is_set,
           "R3.30", VIOLATION, "a duration, such as 14d",
           "copies of other servers' media have to be deleted some time after they were last looked at",
           show_duration, spec_versions=V1_2),
    option("retention.enabled", "retention.retention_enabled", not_, "R3.29", VIOLATION, "false",
           "messages of insured persons must not be deleted without the consent of all participants",
           products=EPA, spec_versions=V1_2),
    option("forgotten_room_retention_period", "server", at_most(7 * DAY), "R3.33", VIOLATION,
           "7d at most", "rooms that all users of this server have forgotten have to be deleted",
           show_duration, spec_versions=V1_2),
    # The limits of these two are Synapse's defaults.
    option("redaction_retention_period", "server", at_most(7 * DAY), "R3.19", WARNING, "7d at most",
           "redacted content has to be deleted from the database, and soon", show_duration),
    option("user_ips_max_age", "server", at_most(28 * DAY), "R7.10", WARNING, "28d at most",
           "users' IP addresses, and the times at which they were seen, are personal data", show_duration),
)
