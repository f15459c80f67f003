"""Denials of contact management."""

from synapse_tim.core.denial import Denial

#: Contact management that does not know who asks.
CONTACTS_TOKEN = Denial(
    "contacts_token",
    "contacts",
    ("AF_10061-01",),
    "A valid OpenID token of this server has to be in the Authorization header, as Bearer.",
    status=401,
)

#: No ``Mxid``, or several.
CONTACTS_HEADER = Denial(
    "contacts_header",
    "contacts",
    ("AF_10061-01",),
    "The header 'Mxid' has to be there exactly once, with the user id of the owner of the contacts.",
    status=400,
    errcode="M_INVALID_PARAM",
)

#: Contacts of another user than the token's.
CONTACTS_OF_ANOTHER = Denial(
    "contacts_of_another",
    "contacts",
    ("AF_10061-01",),
    "The header 'Mxid' does not name the user that the token was given to. (AF_10061-01)",
)

#: A contact that does not follow gematik's schema; the fault is added to the text.
CONTACT_MALFORMED = Denial(
    "contact_malformed", "contacts", ("AF_10061-01",), "Not a contact, nothing was stored", status=400
)

#: A path that ends with something else than a user id.
CONTACT_ID = Denial(
    "contact_id",
    "contacts",
    ("AF_10061-01",),
    "The path has to end with the user id of a contact, percent-encoded.",
    status=400,
    errcode="M_INVALID_PARAM",
)

#: A contact that is not on the list, or no longer.
CONTACT_UNKNOWN = Denial(
    "contact_unknown", "contacts", ("AF_10061-01",), "There is no such contact.", status=404
)

#: One contact more than a user may have.
TOO_MANY_CONTACTS = Denial(
    "too_many_contacts",
    "contacts",
    ("AF_10061-01",),
    "You have reached the maximum number of contacts; delete some before you add others. (AF_10061-01)",
    status=400,
    errcode="M_FORBIDDEN",
)

#: The contacts could not be looked up or stored.
CONTACTS_UNAVAILABLE = Denial(
    "contacts_unavailable",
    "contacts",
    ("AF_10061-01",),
    "The contacts are not available at the moment. Try again later.",
    status=503,
)
