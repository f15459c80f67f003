"""Answers to what is refused in the client API."""

from __future__ import annotations

from synapse_tim.core.denial import RETRY_SECONDS, Denial

#: The profile of an insured person, without a room in common.
PROFILE_HIDDEN = Denial(
    name="profile_hidden",
    policy="client_api",
    requirements=("A_26290",),
    status=403,
    errcode="M_FORBIDDEN",
    text="Profile isn't available without a room in common. (A_26290)",
)

#: Changing one's display name.
DISPLAY_NAME = Denial(
    name="display_name",
    policy="client_api",
    requirements=("R4.15",),
    status=403,
    errcode="M_FORBIDDEN",
    text="Display names are set by the organisation; ask your administrator. (R4.15)",
)

#: E-mail addresses, telephone numbers, identity servers.
THIRD_PARTY_ID = Denial(
    name="third_party_id",
    policy="client_api",
    requirements=("R4.10",),
    status=403,
    errcode="M_FORBIDDEN",
    text="E-mail addresses and telephone numbers are not used here. (R4.10)",
)

#: Registering an account by oneself.
REGISTRATION = Denial(
    name="registration",
    policy="client_api",
    requirements=("R4.3",),
    status=403,
    errcode="M_FORBIDDEN",
    text="Accounts are made by the organisation; ask your administrator. (R4.3)",
)

#: A search in the user directory that cannot be read.
SEARCH_MALFORMED = Denial(
    name="search_malformed",
    policy="client_api",
    requirements=("A_26375", "AF_10104-03"),
    status=400,
    errcode="M_BAD_JSON",
    text="'search_term' has to be a string, 'limit' an integer.",
)

#: Who shares a room with whom could not be looked up.
LOOKUP_UNAVAILABLE = Denial(
    name="lookup_unavailable",
    policy="client_api",
    requirements=("A_26290", "A_26375"),
    status=503,
    errcode="M_UNKNOWN",
    text="This could not be looked up. Try again later. (A_26290, A_26375)",
    retry_after=RETRY_SECONDS,
)
