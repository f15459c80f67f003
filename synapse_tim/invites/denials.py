"""Denials of invitations, and of contact without one.

An inviter who is refused learns nothing else: an invitee who refuses, one whose permission configuration
cannot be read and one who does not exist are answered alike.
"""

from typing import Final

from synapse_tim.core.denial import Denial

#: Two insured persons, regardless of their permissions.
INSURED_INVITES_INSURED = Denial(
    "insured_invites_insured",
    "invite",
    ("AF_10233", "A_25704", "A_25705"),
    "Insured persons cannot invite each other. (AF_10233, A_25705)",
)

#: A professional and an insured person, where the operator has switched conversations of these off.
INSURED_SWITCHED_OFF = Denial(
    "insured_switched_off",
    "invite",
    ("A_25704",),
    "Conversations with insured persons are switched off on this server. (A_25704)",
)

#: A user of another server, where the operator allows to invite users of some servers only, or of none.
INVITE_SWITCHED_OFF = Denial(
    "invite_switched_off",
    "invite",
    ("AF_10061-04", "A_25705"),
    "The operator of your server does not allow to invite users of that server. (AF_10061-04)",
)

#: A third person in a conversation of two, where the operator does not allow it.
THIRD_PERSON = Denial(
    "third_person",
    "invite",
    ("A_25368-01",),
    "This is a conversation of two; create a room to talk to more people. (A_25368-01)",
)

_INVITEE_REFUSES: Final = "You cannot invite this user. (A_26021-01)"

#: The invitee's permission configuration says no.
INVITEE_REFUSES = Denial(
    "invitee_refuses", "invite", ("A_26021-01", "AF_10061-04", "AF_10104-03"), _INVITEE_REFUSES
)

#: The invitee's permission configuration cannot be read.
INVITEE_UNREADABLE = Denial("invitee_unreadable", "invite", ("A_26021-01", "R2.10"), _INVITEE_REFUSES)

#: There is no such user here, or no longer.
INVITEE_UNKNOWN = Denial("invitee_unknown", "invite", ("R2.14",), _INVITEE_REFUSES)

_INVITEE_NOT_APPROVED: Final = (
    "You cannot invite this user: no approval, and the directory does not allow it. (AF_10061-01)"
)

#: Legacy generation: neither the invitee's approval list nor the directory lets the invitation through.
INVITEE_NOT_APPROVED = Denial("invitee_not_approved", "invite", ("AF_10061-01",), _INVITEE_NOT_APPROVED)

#: Legacy generation: there is no such user here, or no longer.
INVITEE_NOT_REGISTERED = Denial(
    "invitee_not_registered", "invite", ("AF_10061-01", "AF_10104-01", "R2.14"), _INVITEE_NOT_APPROVED
)

#: Legacy generation: the approval list or the directory could not be asked.
APPROVAL_UNAVAILABLE = Denial(
    "approval_unavailable",
    "invite",
    ("AF_10061-01",),
    "Whether this user may be invited could not be looked up. Try again later. (AF_10061-01)",
    status=503,
)

#: An invitation of something that is not a user id.
INVITEE_MALFORMED = Denial(
    "invitee_malformed", "invite", ("A_26021-01",), "'user_id' has to be a user id.", status=400
)

#: The permission configuration could not be looked up.
PERMISSION_UNAVAILABLE = Denial(
    "permission_unavailable",
    "invite",
    ("A_26021-01",),
    "Whether this user may be invited could not be looked up. Try again later. (A_26021-01)",
    status=503,
)

#: More than one user in createRoom's ``invite``.
TOO_MANY_INVITES = Denial(
    "too_many_invites",
    "invite",
    ("A_25368-01", "A_25538"),
    "A room can be created with one invitation at most; invite the others afterwards. (A_25368-01)",
    status=400,
    errcode="M_FORBIDDEN",
)

#: A membership in createRoom's ``initial_state``.
MEMBERSHIP_IN_INITIAL_STATE = Denial(
    "membership_in_initial_state",
    "invite",
    ("A_25368-01",),
    "Memberships do not belong in 'initial_state'; use 'invite'. (A_25368-01)",
    status=400,
    errcode="M_FORBIDDEN",
)

#: An invitation by e-mail address or telephone number.
INVITE_BY_ADDRESS = Denial(
    "invite_by_address",
    "invite",
    ("R4.10", "AF_10061-04", "AF_10061-01"),
    "You cannot invite users by e-mail address or telephone number; use the user id. (R4.10)",
)

#: A permission configuration that does not follow gematik's schema; the fault is added to the text.
PERMISSION_MALFORMED = Denial(
    "permission_malformed",
    "permission_config",
    ("A_25043", "A_26389", "A_26390"),
    "Not a permission configuration (A_26390), nothing was stored",
    status=400,
)

#: Removing the permission configuration (MSC3391).
PERMISSION_REMOVED = Denial(
    "permission_removed",
    "permission_config",
    ("A_25043",),
    "A permission configuration cannot be removed; store one that says what you want. (A_25043)",
    status=400,
)

#: A message to devices of a user that the sender may not invite and shares no room with. Never an answer:
#: the sender is told the same as about a message that is delivered.
MESSAGE_TO_STRANGER = Denial(
    "message_to_stranger",
    "contact",
    ("A_26021-01", "AF_10233"),
    "The message is not delivered; its sender is not told. (A_26021-01, AF_10233)",
)

#: A knock with a reason, at a room with a member who is a stranger to the sender.
KNOCK_WITH_TEXT = Denial(
    "knock_with_text",
    "contact",
    ("A_26021-01", "AF_10233"),
    "You may not invite a member of this room, so knock without 'reason'. (A_26021-01)",
)

#: Whether a user may be addressed could not be looked up.
CONTACT_UNAVAILABLE = Denial(
    "contact_unavailable",
    "contact",
    ("A_26021-01", "AF_10233"),
    "Whether this user may be addressed could not be looked up. Try again later. (A_26021-01)",
    status=503,
)
