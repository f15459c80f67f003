"""Denials of contact management."""

from __future__ import annotations

from synapse_tim.core.denial import Denial

#: Contact management that does not know who asks.
CONTACTS_TOKEN = Denial(
    policy="contacts",
    requirements=("AF_10061-01",),
    status=401,
    text="A valid OpenID token of this server has to be in the Authorization header, as Bearer.",
)

#: No ``Mxid``, or several.
CONTACTS_HEADER = Denial(
    policy="contacts",
    requirements=("AF_10061-01",),
    status=400,
    errcode="M_INVALID_PARAM",
    text="The header 'Mxid' has to be there exactly once, with the user id of the owner of the contacts.",
)

#: Contacts of somebody else than the token was given to.
CONTACTS_OF_ANOTHER = Denial(
    policy="contacts",
    requirements=("AF_10061-01",),
    text="The header 'Mxid' does not name the user that the token was given to. (AF_10061-01)",
)

#: A contact that does not follow gematik's schema; the fault is added to the text.
CONTACT_MALFORMED = Denial(
    policy="contacts",
    requirements=("AF_10061-01",),
    status=400,
    text="Not a contact, nothing was stored",
)

#: A path that ends with something else than a user id.
CONTACT_ID = Denial(
    policy="contacts",
    requirements=("AF_10061-01",),
    status=400,
    errcode="M_INVALID_PARAM",
    text="The path has to end with the user id of a contact, percent-encoded.",
)

#: A contact that is not on the list, or no longer.
CONTACT_UNKNOWN = Denial(
    policy="contacts",
    requirements=("AF_10061-01",),
    status=404,
    text="There is no such contact.",
)

#: One contact more than a user may have.
TOO_MANY_CONTACTS = Denial(
    policy="contacts",
    requirements=("AF_10061-01",),
    status=400,
    errcode="M_FORBIDDEN",
    text="You have reached the maximum number of contacts; delete some before you add others. (AF_10061-01)",
)

#: The contacts could not be looked up or stored.
CONTACTS_UNAVAILABLE = Denial(
    policy="contacts",
    requirements=("AF_10061-01",),
    status=503,
    text="The contacts are not available at the moment. Try again later.",
)
