"""Options of ``homeserver.yaml`` that a TI-Messenger service needs to be set in a certain way.

Where Synapse has an option for a requirement, that option does the work, and this is the list of them. An
option without which a requirement is violated stops start-up; one that merely makes something unavailable or
less convenient, or that has good reasons against it, is a warning.
"""

import json
from collections.abc import Iterable
from operator import not_
from typing import Any, Final

import attrs

from synapse_tim.core.checks import (
    EPA,
    PRO,
    VIOLATION,
    WARNING,
    Check,
    Facts,
    Found,
    OptionJudge,
    Verdict,
    at_most,
    option,
    show_duration,
    show_value,
)
from synapse_tim.core.products import Product

#: Clients contact the server at least once in six months, or are logged out (R4.12).
_SIX_MONTHS: Final = "26w"
_SIX_MONTHS_MS: Final = 26 * 7 * 24 * 60 * 60 * 1000


def _show_switch(value: object) -> str:
    """Of a function, or of what Synapse made of a block, only whether there is something."""
    return show_value(bool(value))


@attrs.frozen
class _LifetimeJudge(OptionJudge):
    """Judges a lifetime: that of a whole session limits all others."""

    def __call__(self, facts: Facts) -> Iterable[Found]:
        value = facts.option(self.section, self.attribute)
        yield Found(self.show(value), self._is_limited(value, facts))

    def _is_limited(self, value: object, facts: Facts) -> bool:
        if facts.option("mas", "enabled"):
            return True  # sessions are those of Matrix Authentication Service
        if value is None and self.attribute == "refreshable_access_token_lifetime":
            return False  # there are no refresh tokens at all
        session = facts.option("registration", "session_lifetime")
        return any(self.right(each) for each in (value, session))


def _switch(
    key: str,
    where: str,
    wanted: bool,
    requirement: str,
    reason: str,
    severity: Verdict = VIOLATION,
    *,
    value: object = None,
    **more: Any,
) -> Check:
    """An option that has to be on or off, and what to write into the file if that is no truth value."""
    value = wanted if value is None else value
    right = bool if wanted else not_
    more = {"key": key, "value": value, **more}
    name = more.pop("name", key)
    return option(name, where, right, requirement, severity, json.dumps(value), reason, _show_switch, **more)


def _lifetime(key: str, value: str, reason: str) -> Check:
    judge = _LifetimeJudge("registration", key, at_most(_SIX_MONTHS_MS), show_duration)
    wanted = f'"{value}", {show_duration(_SIX_MONTHS_MS)} at most'
    return Check(key, key, "A_22955, R4.12", VIOLATION, judge, wanted, reason, value=value)


# fmt: off
_ROOMS: Final = (
    _switch("allow_public_rooms_over_federation", "server", False, "A_26520, A_28590",
            "public rooms must not be found from other servers"),
    _switch("allow_public_rooms_without_auth", "server", False, "A_26518",
            "the list of public rooms must be shown to users only"),
    _switch("room_list_publication_rules", "roomdirectory.is_publishing_room_allowed", True, "A_26520",
            "otherwise users cannot list their public rooms", WARNING, products=PRO,
            value=({"action": "allow"},)),
    _switch("auto_join_rooms", "registration", False, "AF_10233, A_25996",
            "insured persons enter rooms by invitation only and cannot invite each other, so this option is "
            "ignored for them; server_notices reach new users", WARNING, products=EPA, value=[]),
)
_CLIENT_API: Final = (
    _switch("require_auth_for_profile_requests", "server", True, "A_26289",
            "profiles must be shown to users only"),
    _switch("limit_profile_requests_to_users_who_share_rooms", "server", True, "A_26290",
            "profiles of insured persons must be shown only to users with a room in common", products=EPA),
    _switch("user_directory.search_all_users", "userdirectory.user_directory_search_all_users", False,
            "A_26375", "insured persons must not find each other in the user directory", products=EPA,
            name="user_directory.search_all_users.epa"),
    _switch("user_directory.search_all_users", "userdirectory.user_directory_search_all_users", True,
            "AF_10104-03", "colleagues have to find each other without a room in common", WARNING,
            products=PRO, name="user_directory.search_all_users.pro"),
    _switch("experimental_features.msc3720_enabled", "experimental.msc3720_enabled", False, "A_26375",
            "it shows everybody, other servers included, who has an account here", products=EPA),
    _switch("url_preview_enabled", "media", False, "A_26344",
            "links in messages must not become known to others"),
    _switch("enable_registration", "registration", False, "R4.3",
            "accounts are created by the organisation or at login, never by registration"),
    _switch("allow_guest_access", "registration", False, "R4.3", "guest accounts are not allowed in TI-M"),
    _switch("enable_set_displayname", "registration", False, "R4.15",
            "users must not change their display names, which the organisation sets"),
    _switch("allow_per_room_profiles", "server", False, "R4.15",
            "users must not change their display names for a single room either"),
    _switch("enable_3pid_changes", "registration", False, "R4.10",
            "e-mail addresses and telephone numbers are not used in TI-M"),
    _switch("login_via_existing_session.enabled", "auth.login_via_existing_enabled", False, "R3.27",
            "a session must not be used to log in further devices"),
    _switch("enable_authenticated_media", "media", False, "A_26262, A_26263",
            "the deprecated media endpoints have to deliver media, too", WARNING),
)
_LOGIN: Final = (
    _lifetime("refreshable_access_token_lifetime", "5m",
              "access tokens have to be short-lived, so that clients refresh them"),
    _lifetime("refresh_token_lifetime", _SIX_MONTHS,
              "users whose clients were inactive for six months have to be logged out"),
    _lifetime("nonrefreshable_access_token_lifetime", _SIX_MONTHS,
              "clients that do not refresh access tokens have to be logged out after six months at the "
              "latest"),
    _switch("password_config.enabled", "auth.password_enabled_for_reauth", False, "AF_10234",
            "insured persons must log in with their identity provider only", products=EPA),
    _switch("jwt_config", "jwt.jwt_enabled", False, "AF_10234",
            "the claims of such tokens are not checked, as those of insured persons have to be",
            products=EPA, value={}),
    _switch("cas_config", "cas.cas_enabled", False, "R4.5",
            "existing accounts could be given by CAS to other persons by their names", value={}),
    _switch("saml2_config", "saml2.saml2_enabled", False, "AF_10234",
            "what SAML says about a person is not checked, as for insured persons it has to be",
            products=EPA, value={}),
)
_CLEANUP: Final = (
    _switch("forget_rooms_on_leave", "room.forget_on_leave", False, "A_28342, A_28343",
            "a room that a user has left must stay readable until the user forgets it"),
)
# fmt: on
#: What the parts check at start-up.
OPTIONS: Final = tuple(
    attrs.evolve(check, part=part)
    for part, checks in (
        ("rooms", _ROOMS),
        ("client_api", _CLIENT_API),
        ("login", _LOGIN),
        ("cleanup", _CLEANUP),
    )
    for check in checks
)


def options_for(part: str, product: Product) -> Iterable[Check]:
    """The options that one part checks for a product."""
    return (check for check in OPTIONS if check.part == part and product in check.products)
