"""Checks of what users may do and what they are shown.

First of all the options that are checked at start-up as well (``homeserver_options``); besides, what need not
stop a homeserver, or cannot be known while it starts.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator
from typing import Final

from synapse_tim.check.checks import (
    GOOD_PRACTICE,
    PRO,
    V1_2,
    Check,
    Found,
    Judge,
    is_false,
    is_true,
    show_duration,
    show_value,
    value_check,
)
from synapse_tim.check.facts import Facts, Verdict
from synapse_tim.core.homeserver_options import OPTIONS, Option, Severity, is_wrong

_VERDICTS: Final = {Severity.ERROR: Verdict.VIOLATION, Severity.WARNING: Verdict.WARNING}


def _judge_option(option: Option) -> Judge:
    def judge(facts: Facts) -> Iterable[Found]:
        value = facts.value(option.section, option.attribute)
        if value is None and option.section == "media":
            return
        show = show_duration if option.longest is not None else _show_switch
        yield Found(show(value), not is_wrong(option, facts.value))

    return judge


def _show_switch(value: object) -> str:
    """Of a function, or of what Synapse made of a block, only whether there is something."""
    return show_value(bool(value))


def _name(option: Option) -> str:
    twice = sum(other.key == option.key for other in OPTIONS) > 1
    return f"{option.key}.{'.'.join(sorted(option.products))}" if twice else option.key


def _from_options() -> Iterator[Check]:
    for option in OPTIONS:
        yield Check(
            name=_name(option),
            key=option.key,
            requirement=option.requirement,
            wanted=_wanted(option),
            reason=option.reason,
            otherwise=_VERDICTS[option.severity],
            judge=_judge_option(option),
            products=option.products,
        )


def _whitelist_is_empty(value: object) -> bool:
    return isinstance(value, dict) and not value


def _show_whitelist(value: object) -> str:
    return show_value(sorted(map(str, value))) if isinstance(value, dict) else "not set"


def _default_room_version(facts: Facts) -> Iterable[Found]:
    version = getattr(facts.value("server", "default_room_version"), "identifier", None)
    yield Found(show_value(version), version == "10")


def _key_servers(facts: Facts) -> Iterable[Found]:
    found = facts.value("key", "key_servers")
    servers = found if isinstance(found, list) else []
    names = [str(getattr(each, "server_name", "?")) for each in servers]
    yield Found(show_value(names), not names)


def _wanted(option: Option) -> str:
    value = json.dumps(option.value)
    return value if option.longest is None else f"{value}, {show_duration(option.longest)} at most"


def _delegated_authentication(facts: Facts) -> Iterable[Found]:
    enabled = bool(facts.value("mas", "enabled"))
    yield Found(show_value(enabled), not enabled)


CHECKS: Final = (
    value_check(
        "federation_domain_whitelist",
        "federation",
        "federation_domain_whitelist",
        _whitelist_is_empty,
        requirement="AF_10064-02",
        wanted="[]",
        reason="Synapse has to deny all federation until the verified list is applied",
        otherwise=Verdict.VIOLATION,
        show=_show_whitelist,
    ),
    *_from_options(),
    Check(
        "default_room_version",
        "default_room_version",
        "A_26202, A_26248",
        '"10"',
        "the default of Synapse is a version that is not created in TI-M",
        Verdict.WARNING,
        _default_room_version,
    ),
    Check(
        "trusted_key_servers",
        "trusted_key_servers",
        "R1.15",
        "[]",
        "a notary is believed about the keys of members, and told whom this server talks to; the default is "
        "matrix.org",
        Verdict.WARNING,
        _key_servers,
    ),
    value_check(
        "enable_search",
        "server",
        "enable_search",
        is_true,
        requirement="A_26210",
        wanted="true",
        reason="searching messages on the server is required of every homeserver in TI-M",
        otherwise=Verdict.VIOLATION,
    ),
    value_check(
        "user_directory.enabled",
        "userdirectory",
        "user_directory_search_enabled",
        is_true,
        requirement="AF_10104-03",
        wanted="true",
        reason="colleagues have to find each other in the user directory",
        otherwise=Verdict.WARNING,
        products=PRO,
    ),
    value_check(
        "enable_room_list_search",
        "roomdirectory",
        "enable_room_list_search",
        is_true,
        requirement="A_26518",
        wanted="true",
        reason="users have to find the public rooms of their own server",
        otherwise=Verdict.WARNING,
        products=PRO,
    ),
    value_check(
        "experimental_features.msc3814_enabled",
        "experimental",
        "msc3814_enabled",
        is_true,
        requirement="A_26574, A_26575",
        wanted="true",
        reason="clients need dehydrated devices",
        otherwise=Verdict.VIOLATION,
        spec_versions=V1_2,
    ),
    value_check(
        "experimental_features.msc2815_enabled",
        "experimental",
        "msc2815_enabled",
        is_false,
        requirement="R3.19",
        wanted="false",
        reason="redacted content must not be shown to anybody",
        otherwise=Verdict.VIOLATION,
    ),
    Check(
        "matrix_authentication_service.enabled",
        "matrix_authentication_service.enabled",
        "AF_10057, AF_10234",
        "false",
        "Matrix Authentication Service logs users in then: ways to log in, claims and sessions "
        "are configured there, and not checked here",
        Verdict.WARNING,
        _delegated_authentication,
    ),
    value_check(
        "allow_device_name_lookup_over_federation",
        "federation",
        "allow_device_name_lookup_over_federation",
        is_false,
        requirement="R4.18",
        wanted="false",
        reason="other servers have no need to know the names of devices",
        otherwise=Verdict.WARNING,
    ),
    value_check(
        "default_identity_server",
        "registration",
        "default_identity_server",
        is_false,
        requirement="R4.10",
        wanted="not set",
        reason="identity servers are not used in TI-M",
        otherwise=Verdict.WARNING,
    ),
    value_check(
        "account_threepid_delegates.msisdn",
        "registration",
        "account_threepid_delegate_msisdn",
        is_false,
        requirement="R4.10",
        wanted="not set",
        reason="telephone numbers are not used in TI-M",
        otherwise=Verdict.WARNING,
    ),
    value_check(
        "federation_whitelist_endpoint_enabled",
        "federation",
        "federation_whitelist_endpoint_enabled",
        is_false,
        requirement=GOOD_PRACTICE,
        wanted="false",
        reason="otherwise every user can list the members of the federation",
        otherwise=Verdict.WARNING,
    ),
)
