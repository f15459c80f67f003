"""Denials in the client API."""

from synapse_tim.core.denial import Denial

#: The profile of an insured person, without a room in common.
PROFILE_HIDDEN = Denial(
    "profile_hidden",
    "client_api",
    ("A_26290",),
    "Profile isn't available without a room in common. (A_26290)",
)

#: Changing one's display name.
DISPLAY_NAME = Denial(
    "display_name",
    "client_api",
    ("R4.15",),
    "The organisation sets display names; ask your administrator. (R4.15)",
)

#: E-mail addresses, telephone numbers, identity servers.
THIRD_PARTY_ID = Denial(
    "third_party_id",
    "client_api",
    ("R4.10",),
    "E-mail addresses and telephone numbers are not used here. (R4.10)",
)

#: Registering an account by oneself.
REGISTRATION = Denial(
    "registration",
    "client_api",
    ("R4.3",),
    "The organisation creates accounts; ask your administrator. (R4.3)",
)

#: A search in the user directory that cannot be read.
SEARCH_MALFORMED = Denial(
    "search_malformed",
    "client_api",
    ("A_26375", "AF_10104-03"),
    "'search_term' has to be a string, 'limit' an integer.",
    status=400,
)

#: Common rooms of users could not be looked up.
LOOKUP_UNAVAILABLE = Denial(
    "lookup_unavailable",
    "client_api",
    ("A_26290", "A_26375"),
    "Common rooms could not be looked up. Try again later. (A_26290, A_26375)",
    status=503,
)
