"""Denials in the client API."""

from __future__ import annotations

from synapse_tim.core.denial import Denial

#: The profile of an insured person, without a room in common.
PROFILE_HIDDEN = Denial(
    policy="client_api",
    requirements=("A_26290",),
    text="Profile isn't available without a room in common. (A_26290)",
)

#: Changing one's display name.
DISPLAY_NAME = Denial(
    policy="client_api",
    requirements=("R4.15",),
    text="The organisation sets display names; ask your administrator. (R4.15)",
)

#: E-mail addresses, telephone numbers, identity servers.
THIRD_PARTY_ID = Denial(
    policy="client_api",
    requirements=("R4.10",),
    text="E-mail addresses and telephone numbers are not used here. (R4.10)",
)

#: Registering an account by oneself.
REGISTRATION = Denial(
    policy="client_api",
    requirements=("R4.3",),
    text="The organisation creates accounts; ask your administrator. (R4.3)",
)

#: A search in the user directory that cannot be read.
SEARCH_MALFORMED = Denial(
    policy="client_api",
    requirements=("A_26375", "AF_10104-03"),
    status=400,
    text="'search_term' has to be a string, 'limit' an integer.",
)

#: Common rooms of users could not be looked up.
LOOKUP_UNAVAILABLE = Denial(
    policy="client_api",
    requirements=("A_26290", "A_26375"),
    status=503,
    text="Common rooms could not be looked up. Try again later. (A_26290, A_26375)",
)
