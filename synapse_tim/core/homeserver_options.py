"""The options of ``homeserver.yaml`` that a TI-Messenger service needs to be set in a certain way.

Where Synapse has an option for a requirement, that option does the work, and this is the list of them. An
option without which a requirement is violated stops start-up; one that merely makes something unavailable or
less convenient, or that has good reasons against it, is a warning.
"""

from __future__ import annotations

import enum
from collections.abc import Callable, Iterable
from typing import Final

import attrs

from synapse_tim.core.products import Product

#: Looks up a value of Synapse's configuration object: section and attribute in, value out.
Look = Callable[[str, str], object]


class Severity(enum.StrEnum):
    """What becomes of an option that is not as it should be."""

    ERROR = "error"
    WARNING = "warning"


@attrs.frozen
class Option:
    """One option.

    Attributes:
        key: as it stands in ``homeserver.yaml``.
        section: of Synapse's configuration object.
        attribute: of that section.
        wanted: whether the value has to be true; of a function, what it has to answer.
        requirement: why.
        reason: the same in words.
        severity: what becomes of another value.
        part: which module checks it.
        products: for which it counts.
        set_to: what to write into the file; ``None`` for ``wanted``.
        longest: of a lifetime, in milliseconds: it has to be set and not to be longer.
    """

    key: str
    section: str
    attribute: str
    wanted: bool
    requirement: str
    reason: str
    severity: Severity
    part: str
    products: frozenset[Product] = frozenset(Product)
    set_to: object = None
    longest: int | None = None

    @property
    def value(self) -> object:
        """What to write into the file."""
        return self.wanted if self.set_to is None else self.set_to


_EPA: Final = frozenset({Product.EPA})
_PRO: Final = frozenset({Product.PRO})
#: Clients contact the server at least once in six months, or are logged out (R4.12).
_SIX_MONTHS: Final = "26w"
_SIX_MONTHS_MS: Final = 26 * 7 * 24 * 60 * 60 * 1000

OPTIONS: Final = (
    Option(
        "allow_public_rooms_over_federation",
        "server",
        "allow_public_rooms_over_federation",
        False,
        "A_26520, A_28590",
        "public rooms must not be found from other servers",
        Severity.ERROR,
        "rooms",
    ),
    Option(
        "allow_public_rooms_without_auth",
        "server",
        "allow_public_rooms_without_auth",
        False,
        "A_26518",
        "the list of public rooms must be shown to users only",
        Severity.ERROR,
        "rooms",
    ),
    Option(
        "room_list_publication_rules",
        "roomdirectory",
        "is_publishing_room_allowed",
        True,
        "A_26520",
        "otherwise users cannot list their public rooms",
        Severity.WARNING,
        "rooms",
        _PRO,
        ({"action": "allow"},),
    ),
    Option(
        "auto_join_rooms",
        "registration",
        "auto_join_rooms",
        False,
        "AF_10233, A_25996",
        "insured persons enter rooms by invitation only and cannot invite each other, so this option is "
        "ignored for them; server_notices reach new users",
        Severity.WARNING,
        "rooms",
        _EPA,
        [],
    ),
    Option(
        "require_auth_for_profile_requests",
        "server",
        "require_auth_for_profile_requests",
        True,
        "A_26289",
        "profiles must be shown to users only",
        Severity.ERROR,
        "client_api",
    ),
    Option(
        "limit_profile_requests_to_users_who_share_rooms",
        "server",
        "limit_profile_requests_to_users_who_share_rooms",
        True,
        "A_26290",
        "profiles of insured persons must be shown only to users with a room in common",
        Severity.ERROR,
        "client_api",
        _EPA,
    ),
    Option(
        "user_directory.search_all_users",
        "userdirectory",
        "user_directory_search_all_users",
        False,
        "A_26375",
        "insured persons must not find each other in the user directory",
        Severity.ERROR,
        "client_api",
        _EPA,
    ),
    Option(
        "user_directory.search_all_users",
        "userdirectory",
        "user_directory_search_all_users",
        True,
        "AF_10104-03",
        "colleagues have to find each other without a room in common",
        Severity.WARNING,
        "client_api",
        _PRO,
    ),
    Option(
        "experimental_features.msc3720_enabled",
        "experimental",
        "msc3720_enabled",
        False,
        "A_26375",
        "it tells everybody, other servers included, who has an account here",
        Severity.ERROR,
        "client_api",
        _EPA,
    ),
    Option(
        "url_preview_enabled",
        "media",
        "url_preview_enabled",
        False,
        "A_26344",
        "links in messages must not become known to others",
        Severity.ERROR,
        "client_api",
    ),
    Option(
        "enable_registration",
        "registration",
        "enable_registration",
        False,
        "R4.3",
        "accounts are made by the organisation or at login, never by registering",
        Severity.ERROR,
        "client_api",
    ),
    Option(
        "allow_guest_access",
        "registration",
        "allow_guest_access",
        False,
        "R4.3",
        "guest accounts are not allowed in TI-M",
        Severity.ERROR,
        "client_api",
    ),
    Option(
        "enable_set_displayname",
        "registration",
        "enable_set_displayname",
        False,
        "R4.15",
        "users must not change their display names, which the organisation sets",
        Severity.ERROR,
        "client_api",
    ),
    Option(
        "allow_per_room_profiles",
        "server",
        "allow_per_room_profiles",
        False,
        "R4.15",
        "users must not change their display names for a single room either",
        Severity.ERROR,
        "client_api",
    ),
    Option(
        "enable_3pid_changes",
        "registration",
        "enable_3pid_changes",
        False,
        "R4.10",
        "e-mail addresses and telephone numbers are not used in TI-M",
        Severity.ERROR,
        "client_api",
    ),
    Option(
        "login_via_existing_session.enabled",
        "auth",
        "login_via_existing_enabled",
        False,
        "R3.27",
        "a session must not be used to log in further devices",
        Severity.ERROR,
        "client_api",
    ),
    Option(
        "enable_authenticated_media",
        "media",
        "enable_authenticated_media",
        False,
        "A_26262, A_26263",
        "the deprecated media endpoints have to deliver media, too",
        Severity.WARNING,
        "client_api",
    ),
    Option(
        "refreshable_access_token_lifetime",
        "registration",
        "refreshable_access_token_lifetime",
        True,
        "A_22955, R4.12",
        "access tokens have to be short-lived, so that clients refresh them",
        Severity.ERROR,
        "login",
        set_to="5m",
        longest=_SIX_MONTHS_MS,
    ),
    Option(
        "refresh_token_lifetime",
        "registration",
        "refresh_token_lifetime",
        True,
        "A_22955, R4.12",
        "users whose clients were not there for six months have to be logged out",
        Severity.ERROR,
        "login",
        set_to=_SIX_MONTHS,
        longest=_SIX_MONTHS_MS,
    ),
    Option(
        "nonrefreshable_access_token_lifetime",
        "registration",
        "nonrefreshable_access_token_lifetime",
        True,
        "A_22955, R4.12",
        "clients that do not refresh access tokens have to be logged out after six months at the latest",
        Severity.ERROR,
        "login",
        set_to=_SIX_MONTHS,
        longest=_SIX_MONTHS_MS,
    ),
    Option(
        "password_config.enabled",
        "auth",
        "password_enabled_for_reauth",
        False,
        "AF_10234",
        "insured persons must log in with their identity provider only",
        Severity.ERROR,
        "login",
        _EPA,
    ),
    Option(
        "jwt_config",
        "jwt",
        "jwt_enabled",
        False,
        "AF_10234",
        "the claims of such tokens are not checked, as those of insured persons have to be",
        Severity.ERROR,
        "login",
        _EPA,
        {},
    ),
    Option(
        "cas_config",
        "cas",
        "cas_enabled",
        False,
        "R4.5",
        "accounts that exist would be given to whoever CAS gives their names to",
        Severity.ERROR,
        "login",
        set_to={},
    ),
    Option(
        "saml2_config",
        "saml2",
        "saml2_enabled",
        False,
        "AF_10234",
        "what SAML says about a person is not checked, as for insured persons it has to be",
        Severity.ERROR,
        "login",
        _EPA,
        {},
    ),
    Option(
        "forget_rooms_on_leave",
        "room",
        "forget_on_leave",
        False,
        "A_28342, A_28343",
        "a room that a user has left must stay readable until the user forgets it",
        Severity.ERROR,
        "cleanup",
    ),
)


def options_for(part: str, product: Product) -> Iterable[Option]:
    """The options that one part checks for a product."""
    return (option for option in OPTIONS if option.part == part and product in option.products)


def is_wrong(option: Option, look: Look) -> bool:
    """Whether an option is not as it should be.

    Args:
        option: to judge.
        look: for its value, and for those that it depends on.
    """
    value = look(option.section, option.attribute)
    if value is None and option.section == "media":
        return False  # a worker without media does not read it
    if option.longest is not None:
        return _is_too_long(value, option, look)
    return bool(value) is not option.wanted


def _is_too_long(value: object, option: Option, look: Look) -> bool:
    """Whether a lifetime is unlimited or too long; that of a whole session limits all others."""
    if look("mas", "enabled"):
        return False  # sessions are those of Matrix Authentication Service
    if value is None and option.attribute == "refreshable_access_token_lifetime":
        return True  # there are no refresh tokens at all
    session = look("registration", "session_lifetime")
    limits = [each for each in (value, session) if isinstance(each, int)]
    return not limits or option.longest is None or min(limits) > option.longest
