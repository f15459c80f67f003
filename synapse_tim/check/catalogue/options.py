"""Checks of what users may do and what they are shown.

First of all the options that are checked at start-up as well; besides, what need not stop a homeserver, or
cannot be known while it starts.
"""

from collections.abc import Iterable
from operator import not_
from typing import Final

from synapse_tim.check.facts import Process
from synapse_tim.core.checks import (
    DRAFT,
    GOOD_PRACTICE,
    PRO,
    V1_2,
    VIOLATION,
    WARNING,
    Check,
    Found,
    option,
    show_value,
)
from synapse_tim.core.homeserver_options import OPTIONS


def _show_whitelist(value: object) -> str:
    return show_value(sorted(map(str, value))) if isinstance(value, dict) else "not set"


def _room_version(value: object) -> str | None:
    return getattr(value, "identifier", None)


def _show_key_servers(value: object) -> str:
    servers = value if isinstance(value, list) else []
    return show_value([str(getattr(each, "server_name", "?")) for each in servers])


def _unchecked_logins(process: Process) -> Iterable[Found]:
    enabled = bool(process.option("mas", "enabled"))
    yield Found(show_value(enabled), not enabled or process.homeserver.mas is not None)


# fmt: off
CHECKS: Final = (
    option("federation_domain_whitelist", "federation", lambda value: isinstance(value, dict) and not value,
           "AF_10064-02", VIOLATION, "[]",
           "Synapse has to deny all federation until the verified list is applied", _show_whitelist),
    *OPTIONS,
    option("default_room_version", "server", lambda value: _room_version(value) == "10", "A_26202, A_26248",
           WARNING, '"10"', "the default of Synapse is a version that is not created in TI-M",
           lambda value: show_value(_room_version(value))),
    option("trusted_key_servers", "key.key_servers", not_, "R1.15", WARNING, "[]",
           "a notary is trusted about the keys of members, and learns which servers this one talks to; the "
           "default is matrix.org", _show_key_servers),
    option("enable_search", "server", bool, "A_26210", VIOLATION, "true",
           "searching messages on the server is required of every homeserver in TI-M"),
    option("user_directory.enabled", "userdirectory.user_directory_search_enabled", bool, "AF_10104-03",
           WARNING, "true", "colleagues have to find each other in the user directory", products=PRO),
    option("enable_room_list_search", "roomdirectory", bool, "A_26518", WARNING, "true",
           "users have to find the public rooms of their own server", products=PRO),
    option("experimental_features.msc3814_enabled", "experimental.msc3814_enabled", bool, "A_26574, A_26575",
           VIOLATION, "true", "clients need dehydrated devices", spec_versions=V1_2),
    option("experimental_features.msc2815_enabled", "experimental.msc2815_enabled", not_, "R3.19", VIOLATION,
           "false", "redacted content must not be shown to any user"),
    Check("matrix_authentication_service.enabled", "matrix_authentication_service.enabled",
          "AF_10057, AF_10234", WARNING, _unchecked_logins, "false, or --mas",
          "Matrix Authentication Service logs users in then: ways to log in, claims and sessions are "
          "configured there, and checked with --mas only"),
    option("matrix_authentication_service.oauth", "mas.enabled", bool, "GSC327-A_3", VIOLATION, "true",
           "users have to be able to log in with the OAuth 2.0 APIs, too",
           lambda value: show_value(bool(value)), key="matrix_authentication_service.enabled",
           spec_versions=DRAFT),
    option("allow_device_name_lookup_over_federation", "federation", not_, "R4.18", WARNING, "false",
           "other servers have no need to know the names of devices"),
    option("default_identity_server", "registration", not_, "R4.10", WARNING, "not set",
           "identity servers are not used in TI-M"),
    option("account_threepid_delegates.msisdn", "registration.account_threepid_delegate_msisdn", not_,
           "R4.10", WARNING, "not set", "telephone numbers are not used in TI-M"),
    option("federation_whitelist_endpoint_enabled", "federation", not_, GOOD_PRACTICE, WARNING, "false",
           "otherwise every user can list the members of the federation"),
)
