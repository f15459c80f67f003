"""All denials in one place: the answer that a client or a server gets, and the requirements behind it.

A denial is a value. The modules turn it into Synapse's error and count it; the text tells what to do, names
the requirement, and never repeats a user id (A_22813, A_22817). ``docs/denials.md`` is made of this file.

Whoever may not invite somebody learns just that: an invitee who refuses, one whose permission configuration
cannot be read and one who does not exist are answered alike.
"""

from __future__ import annotations

from typing import Final

import attrs


@attrs.frozen
class Denial:
    """A request that is refused.

    Attributes:
        name: tells it apart from all others.
        policy: the part that decides, a label of ``synapse_tim_decisions_total``.
        requirements: gematik's ids, or the numbers of the requirements (``R4.10``) where gematik has no id;
            the first one is the ``rule`` label of ``synapse_tim_decisions_total``.
        status: HTTP status.
        errcode: Matrix error code.
        text: the human-readable ``error``.
        retry_after: seconds after which the same request may succeed, or ``None``.
    """

    name: str
    policy: str
    requirements: tuple[str, ...]
    status: int
    errcode: str
    text: str
    retry_after: int | None = None

    @property
    def rule(self) -> str:
        """The requirement that is counted."""
        return self.requirements[0]


_FORBIDDEN: Final = "M_FORBIDDEN"
_BAD_JSON: Final = "M_BAD_JSON"
_ROOM_STATE: Final = "M_INVALID_ROOM_STATE"
_RETRY_SECONDS: Final = 30
#: One report of a client is worth this many seconds.
REPORT_SECONDS: Final = 60

# The federation list -----------------------------------------------------------------------------------

#: The other server is not in the federation list in force.
NOT_A_MEMBER = Denial(
    name="not_a_member",
    policy="federation",
    requirements=("AF_10064-02", "A_25534", "A_25537"),
    status=403,
    errcode=_FORBIDDEN,
    text=(
        "The other user's server is not part of the TI-Messenger federation. Check the address; "
        "if the organisation has joined only recently, try again in a few minutes. (AF_10064-02)"
    ),
)

#: There is no list that may be used, so there is nobody to talk to (R1.14).
NO_USABLE_LIST = Denial(
    name="no_usable_list",
    policy="federation",
    requirements=("AF_10064-02", "R1.14"),
    status=503,
    errcode="M_UNKNOWN",
    text=(
        "This server has no current TI-Messenger federation list, so other servers cannot be "
        "reached. Try again later; if it stays like this, tell your administrator. (AF_10064-02)"
    ),
    retry_after=_RETRY_SECONDS,
)

#: An event of a server that left the federation, relayed by a member.
RELAYED_FOR_NON_MEMBER = Denial(
    name="relayed_for_non_member",
    policy="relayed_event",
    requirements=("AF_10064-02",),
    status=403,
    errcode=_FORBIDDEN,
    text="The event was sent by a server that is not part of the federation. (AF_10064-02)",
)

#: A createRoom body that invites by e-mail address or the like: whose server that is shows too late.
INVITES_BY_ADDRESS = Denial(
    name="invites_by_address",
    policy="federation",
    requirements=("AF_10064-02", "A_25368-01"),
    status=403,
    errcode=_FORBIDDEN,
    text="Create the room without 'invite_3pid', then invite by user id. (AF_10064-02, A_25368-01)",
)

#: A createRoom body whose invitations cannot be read: nothing to decide on.
INVITES_MALFORMED = Denial(
    name="invites_malformed",
    policy="federation",
    requirements=("AF_10064-02",),
    status=400,
    errcode=_BAD_JSON,
    text="'invite' has to be a list of user ids, 'initial_state' a list of state events.",
)

# Invitations -------------------------------------------------------------------------------------------

#: Two insured persons, whatever either of them allows.
INSURED_INVITES_INSURED = Denial(
    name="insured_invites_insured",
    policy="invite",
    requirements=("AF_10233", "A_25704", "A_25705"),
    status=403,
    errcode=_FORBIDDEN,
    text="Insured persons cannot invite each other. (AF_10233, A_25705)",
)

_INVITEE_REFUSES: Final = "This user cannot be invited by you. (A_26021-01)"

#: The invitee's permission configuration says no.
INVITEE_REFUSES = Denial(
    name="invitee_refuses",
    policy="invite",
    requirements=("A_26021-01",),
    status=403,
    errcode=_FORBIDDEN,
    text=_INVITEE_REFUSES,
)

#: The invitee's permission configuration is there, and nobody can tell what it says.
INVITEE_UNREADABLE = Denial(
    name="invitee_unreadable",
    policy="invite",
    requirements=("A_26021-01", "R2.10"),
    status=403,
    errcode=_FORBIDDEN,
    text=_INVITEE_REFUSES,
)

#: There is no such user here, or no longer.
INVITEE_UNKNOWN = Denial(
    name="invitee_unknown",
    policy="invite",
    requirements=("R2.14",),
    status=403,
    errcode=_FORBIDDEN,
    text=_INVITEE_REFUSES,
)

_INVITEE_NOT_APPROVED: Final = (
    "This user cannot be invited by you: neither approved nor listed accordingly. (AF_10061-01)"
)

#: Legacy generation: neither the invitee's approval list nor the directory lets the invitation through.
INVITEE_NOT_APPROVED = Denial(
    name="invitee_not_approved",
    policy="invite",
    requirements=("AF_10061-01",),
    status=403,
    errcode=_FORBIDDEN,
    text=_INVITEE_NOT_APPROVED,
)

#: Legacy generation: there is no such user here, or no longer.
INVITEE_NOT_REGISTERED = Denial(
    name="invitee_not_registered",
    policy="invite",
    requirements=("AF_10061-01", "AF_10104-01", "R2.14"),
    status=403,
    errcode=_FORBIDDEN,
    text=_INVITEE_NOT_APPROVED,
)

#: Legacy generation: the approval list or the directory could not be asked.
APPROVAL_UNAVAILABLE = Denial(
    name="approval_unavailable",
    policy="invite",
    requirements=("AF_10061-01",),
    status=503,
    errcode="M_UNKNOWN",
    text="Whether this user may be invited could not be looked up. Try again later. (AF_10061-01)",
    retry_after=_RETRY_SECONDS,
)

#: An invitation of something that is no user id.
INVITEE_MALFORMED = Denial(
    name="invitee_malformed",
    policy="invite",
    requirements=("A_26021-01",),
    status=400,
    errcode=_BAD_JSON,
    text="'user_id' has to be a user id.",
)

#: The permission configuration could not be looked up.
PERMISSION_UNAVAILABLE = Denial(
    name="permission_unavailable",
    policy="invite",
    requirements=("A_26021-01",),
    status=503,
    errcode="M_UNKNOWN",
    text="Whether this user may be invited could not be looked up. Try again later. (A_26021-01)",
    retry_after=_RETRY_SECONDS,
)

#: More than one user in createRoom's ``invite``.
TOO_MANY_INVITES = Denial(
    name="too_many_invites",
    policy="invite",
    requirements=("A_25368-01", "A_25538"),
    status=400,
    errcode=_FORBIDDEN,
    text="A room can be created with one invitation at most; invite the others afterwards. (A_25368-01)",
)

#: A membership in createRoom's ``initial_state``.
MEMBERSHIP_IN_INITIAL_STATE = Denial(
    name="membership_in_initial_state",
    policy="invite",
    requirements=("A_25368-01",),
    status=400,
    errcode=_FORBIDDEN,
    text="Memberships do not belong in 'initial_state'; use 'invite'. (A_25368-01)",
)

#: An invitation by e-mail address or telephone number.
INVITE_BY_ADDRESS = Denial(
    name="invite_by_address",
    policy="invite",
    requirements=("R4.10",),
    status=403,
    errcode=_FORBIDDEN,
    text="Nobody can be invited by e-mail address or telephone number; use the user id. (R4.10)",
)

#: A permission configuration that does not follow gematik's schema; the fault is added to the text.
PERMISSION_MALFORMED = Denial(
    name="permission_malformed",
    policy="permission_config",
    requirements=("A_25043", "A_26389", "A_26390"),
    status=400,
    errcode=_BAD_JSON,
    text="Not a permission configuration (A_26390), nothing was stored",
)

#: Removing the permission configuration (MSC3391).
PERMISSION_REMOVED = Denial(
    name="permission_removed",
    policy="permission_config",
    requirements=("A_25043",),
    status=400,
    errcode=_BAD_JSON,
    text="A permission configuration cannot be removed; store one that says what you want. (A_25043)",
)

# Contact without an invitation ---------------------------------------------------------------------------

#: A message to devices of somebody whom the sender may not invite and shares no room with. Never an answer:
#: the sender is told the same as about a message that is delivered.
MESSAGE_TO_STRANGER = Denial(
    name="message_to_stranger",
    policy="contact",
    requirements=("A_26021-01", "AF_10233"),
    status=403,
    errcode=_FORBIDDEN,
    text="The message is not delivered; its sender is not told. (A_26021-01, AF_10233)",
)

#: A knock with words, at a room with somebody in it who is a stranger to whoever knocks.
KNOCK_WITH_TEXT = Denial(
    name="knock_with_text",
    policy="contact",
    requirements=("A_26021-01", "AF_10233"),
    status=403,
    errcode=_FORBIDDEN,
    text="There is somebody in this room whom you may not invite: knock without 'reason'. (A_26021-01)",
)

#: Whether somebody may be addressed could not be looked up.
CONTACT_UNAVAILABLE = Denial(
    name="contact_unavailable",
    policy="contact",
    requirements=("A_26021-01", "AF_10233"),
    status=503,
    errcode="M_UNKNOWN",
    text="Whether this user may be addressed could not be looked up. Try again later. (A_26021-01)",
    retry_after=_RETRY_SECONDS,
)

# Rooms -------------------------------------------------------------------------------------------------

#: A room version that may be neither created nor upgraded to.
ROOM_VERSION = Denial(
    name="room_version",
    policy="room",
    requirements=("A_26202", "A_26203", "A_26248"),
    status=400,
    errcode="M_UNSUPPORTED_ROOM_VERSION",
    text="Rooms of this version are not created here; leave 'room_version' out for the default. (A_26203)",
)

#: A createRoom body that cannot be read; the fault is added to the text.
ROOM_MALFORMED = Denial(
    name="room_malformed",
    policy="room",
    requirements=("A_25323-01",),
    status=400,
    errcode=_BAD_JSON,
    text="The room was not created",
)

#: The room type that clients of the next generation may join, and nobody may create.
ROOM_TYPE_V2 = Denial(
    name="room_type_v2",
    policy="room",
    requirements=("A_28596",),
    status=400,
    errcode=_FORBIDDEN,
    text="Rooms of the type de.gematik.tim.roomtype.default.v2 are not created here. (A_28596)",
)

#: A history that everybody in the world could read, in a room that may federate or of an insurer.
WORLD_READABLE = Denial(
    name="world_readable",
    policy="room",
    requirements=("A_25481", "A_26515-01", "A_25996"),
    status=400,
    errcode=_ROOM_STATE,
    text="History visibility 'world_readable' is not allowed in this room. (A_26515-01)",
)

#: A public room, or one that can be entered without an invitation, on an insurer's server.
PUBLIC_ROOM_OF_INSURED = Denial(
    name="public_room_of_insured",
    policy="room",
    requirements=("A_25996", "A_26015-02"),
    status=403,
    errcode=_FORBIDDEN,
    text="Rooms of insured persons are private: they are entered by invitation only. (A_25996)",
)

#: The join rule ``public`` after creation; for insured persons, any but ``invite``.
JOIN_RULE = Denial(
    name="join_rule",
    policy="room",
    requirements=("A_28271", "A_26015-02"),
    status=400,
    errcode=_ROOM_STATE,
    text="This join rule cannot be set. Create a new room if it is to be public. (A_28271)",
)

#: Upgrading a room that could not be created like this.
PUBLIC_ROOM_UPGRADE = Denial(
    name="public_room_upgrade",
    policy="room",
    requirements=("A_26515-01", "A_28271"),
    status=400,
    errcode=_ROOM_STATE,
    text=(
        "A public room that other servers take part in, or a room that they have opened, cannot be upgraded; "
        "set the join rule to 'invite' or create a new room. (A_26515-01)"
    ),
)

#: State whose content cannot be read; the fault is added to the text.
STATE_MALFORMED = Denial(
    name="state_malformed",
    policy="room",
    requirements=("A_28271", "A_25481"),
    status=400,
    errcode=_BAD_JSON,
    text="Malformed state",
)

#: Listing a room in the directory that may federate.
PUBLISHED_FEDERATING = Denial(
    name="published_federating",
    policy="room",
    requirements=("A_26515-01",),
    status=403,
    errcode="M_UNKNOWN",
    text="Not allowed to publish room",
)

#: A user of another server in a public room.
REMOTE_USER_IN_PUBLIC_ROOM = Denial(
    name="remote_user_in_public_room",
    policy="room",
    requirements=("A_26515-01", "A_25325-01"),
    status=403,
    errcode=_FORBIDDEN,
    text="Public rooms are for users of their own server only. (A_26515-01)",
)

#: Joining a room of another server, or one that another server has opened, without being invited; a public
#: one at all; knocking at one that another server has opened.
JOIN_WITHOUT_INVITE = Denial(
    name="join_without_invite",
    policy="room",
    requirements=("A_26515-01", "R3.11"),
    status=403,
    errcode=_FORBIDDEN,
    text="This room is entered by invitation only, and not while it is public. (A_26515-01)",
)

#: What other servers ask about a room that does not federate, in Synapse's words for what is not there.
ROOM_NOT_FOUND = Denial(
    name="room_not_found",
    policy="room",
    requirements=("A_26520", "A_28590"),
    status=404,
    errcode="M_NOT_FOUND",
    text="Unknown room or alias, in Synapse's own words.",
)

# Events ------------------------------------------------------------------------------------------------

#: A reaction that is not exactly one emoji.
REACTION = Denial(
    name="reaction",
    policy="event",
    requirements=("A_26228-01",),
    status=400,
    errcode=_BAD_JSON,
    text="A reaction has exactly one emoji as the 'key' of its 'm.relates_to'. (A_26228-01)",
)

#: A thread, in generation 1.1.
THREAD = Denial(
    name="thread",
    policy="event",
    requirements=("A_25395-02",),
    status=400,
    errcode=_FORBIDDEN,
    text="Threads are not supported; answer in the room itself. (A_25395-02)",
)

#: A redaction that comes too late.
REDACTION_TOO_LATE = Denial(
    name="redaction_too_late",
    policy="event",
    requirements=("A_28358",),
    status=403,
    errcode=_FORBIDDEN,
    text="This event is too old to be redacted. (A_28358)",
)

#: A redaction of an event that the user cannot see, wherever and whether it is.
REDACTION_TARGET = Denial(
    name="redaction_target",
    policy="event",
    requirements=("A_28358",),
    status=404,
    errcode="M_NOT_FOUND",
    text="There is no such event in this room. (A_28358)",
)

#: A redaction that names no event.
REDACTION_MALFORMED = Denial(
    name="redaction_malformed",
    policy="event",
    requirements=("A_28358",),
    status=400,
    errcode=_BAD_JSON,
    text="'redacts' has to be an event id. (A_28358)",
)

#: Whether an event may be redacted could not be looked up.
REDACTION_UNAVAILABLE = Denial(
    name="redaction_unavailable",
    policy="event",
    requirements=("A_28358",),
    status=503,
    errcode="M_UNKNOWN",
    text="The event could not be looked up. Try again later. (A_28358)",
    retry_after=_RETRY_SECONDS,
)

# The client API ----------------------------------------------------------------------------------------

#: The room directory of an insurer's server.
NO_ROOM_DIRECTORY = Denial(
    name="no_room_directory",
    policy="client_api",
    requirements=("A_28587",),
    status=403,
    errcode=_FORBIDDEN,
    text="There are no public rooms here. (A_28587)",
)

#: The profile of an insured person, without a room in common.
PROFILE_HIDDEN = Denial(
    name="profile_hidden",
    policy="client_api",
    requirements=("A_26290",),
    status=403,
    errcode=_FORBIDDEN,
    text="Profile isn't available without a room in common. (A_26290)",
)

#: Changing one's display name.
DISPLAY_NAME = Denial(
    name="display_name",
    policy="client_api",
    requirements=("R4.15",),
    status=403,
    errcode=_FORBIDDEN,
    text="Display names are set by the organisation; ask your administrator. (R4.15)",
)

#: E-mail addresses, telephone numbers, identity servers.
THIRD_PARTY_ID = Denial(
    name="third_party_id",
    policy="client_api",
    requirements=("R4.10",),
    status=403,
    errcode=_FORBIDDEN,
    text="E-mail addresses and telephone numbers are not used here. (R4.10)",
)

#: Registering an account by oneself.
REGISTRATION = Denial(
    name="registration",
    policy="client_api",
    requirements=("R4.3",),
    status=403,
    errcode=_FORBIDDEN,
    text="Accounts are made by the organisation; ask your administrator. (R4.3)",
)

#: A search in the user directory that cannot be read.
SEARCH_MALFORMED = Denial(
    name="search_malformed",
    policy="client_api",
    requirements=("A_26375", "AF_10104-03"),
    status=400,
    errcode=_BAD_JSON,
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
    retry_after=_RETRY_SECONDS,
)

# Log-in ------------------------------------------------------------------------------------------------

#: A way to log in that is not used at this server.
LOGIN_METHOD = Denial(
    name="login_method",
    policy="login",
    requirements=("AF_10057", "AF_10234", "R4.1", "R4.4"),
    status=403,
    errcode=_FORBIDDEN,
    text="This way to log in is not used here; use your identity provider. (AF_10057, AF_10234)",
)

#: A token of an identity provider that is refused. Clients get Synapse's own text; browsers get the reason.
ID_TOKEN = Denial(
    name="id_token",
    policy="login",
    requirements=("AF_10057", "AF_10234", "R4.4", "R4.5"),
    status=403,
    errcode=_FORBIDDEN,
    text="Invalid username or password",
)

#: Whether somebody gets in, or is out, could not be written down.
LOGIN_UNAVAILABLE = Denial(
    name="login_unavailable",
    policy="login",
    requirements=("AF_10057", "AF_10234", "R4.2"),
    status=503,
    errcode="M_UNKNOWN",
    text="This could not be done. Try again later. (AF_10057, R4.2)",
    retry_after=_RETRY_SECONDS,
)

#: A logout token that is refused.
LOGOUT_TOKEN = Denial(
    name="logout_token",
    policy="login",
    requirements=("A_22936", "R4.2"),
    status=400,
    errcode="M_INVALID_PARAM",
    text="'logout_token' has to be a logout token of a provider that this server uses. (R4.2)",
)

# Information services ----------------------------------------------------------------------------------

#: An information service that does not know who asks.
INFORMATION_TOKEN = Denial(
    name="information_token",
    policy="information",
    requirements=("R5.6", "R5.1"),
    status=401,
    errcode="M_UNKNOWN_TOKEN",
    text="A valid OpenID token of this server has to be in the Authorization header, as Bearer. (R5.6)",
)

#: A query that cannot be answered; the fault is added to the text.
INFORMATION_QUERY = Denial(
    name="information_query",
    policy="information",
    requirements=("R5.2", "R5.3", "R5.9"),
    status=400,
    errcode="M_INVALID_PARAM",
    text="The query cannot be answered",
)

#: An institution code that the federation list does not have.
IK_UNKNOWN = Denial(
    name="ik_unknown",
    policy="information",
    requirements=("R5.2",),
    status=404,
    errcode="M_NOT_FOUND",
    text="The federation list has no insurer with this institution code (IK). (R5.2)",
)

#: There has never been a verified list, or it could not be looked up who asks.
INFORMATION_UNAVAILABLE = Denial(
    name="information_unavailable",
    policy="information",
    requirements=("R5.7", "R5.6"),
    status=503,
    errcode="M_UNKNOWN",
    text="This cannot be answered at the moment. Try again later. (R5.7)",
    retry_after=_RETRY_SECONDS,
)

#: A path below a service of this project that nothing is at.
ENDPOINT_UNRECOGNIZED = Denial(
    name="endpoint_unrecognized",
    policy="information",
    requirements=("A_25641-01",),
    status=404,
    errcode="M_UNRECOGNIZED",
    text="There is no such endpoint.",
)

#: A method that an endpoint of this project does not have; ``Allow`` says which it has.
METHOD_UNRECOGNIZED = Denial(
    name="method_unrecognized",
    policy="information",
    requirements=("A_25641-01", "A_26265"),
    status=405,
    errcode="M_UNRECOGNIZED",
    text="The endpoint does not have this method.",
)

#: A client's report that does not follow gematik's schema; the fault is added to the text.
REPORT_MALFORMED = Denial(
    name="report_malformed",
    policy="information",
    requirements=("R5.10",),
    status=400,
    errcode=_BAD_JSON,
    text="Not a client report, nothing was counted",
)

#: More reports than a client has to send.
REPORT_TOO_OFTEN = Denial(
    name="report_too_often",
    policy="information",
    requirements=("R5.10", "A_22817"),
    status=429,
    errcode="M_LIMIT_EXCEEDED",
    text="Too many reports. Send the next one later, with all events since the last successful one. (R5.10)",
    retry_after=REPORT_SECONDS,
)

#: A report that could not be counted.
REPORT_UNAVAILABLE = Denial(
    name="report_unavailable",
    policy="information",
    requirements=("R5.10",),
    status=503,
    errcode="M_UNKNOWN",
    text="The report could not be counted. Send it again later. (R5.10)",
    retry_after=_RETRY_SECONDS,
)

# Contact management (legacy-1.1) --------------------------------------------------------------------------

#: Contact management that does not know who asks.
CONTACTS_TOKEN = Denial(
    name="contacts_token",
    policy="contacts",
    requirements=("AF_10061-01",),
    status=401,
    errcode="M_UNKNOWN_TOKEN",
    text="A valid OpenID token of this server has to be in the Authorization header, as Bearer.",
)

#: No ``Mxid``, or several.
CONTACTS_HEADER = Denial(
    name="contacts_header",
    policy="contacts",
    requirements=("AF_10061-01",),
    status=400,
    errcode="M_INVALID_PARAM",
    text="The header 'Mxid' has to be there exactly once, with the user id of the owner of the contacts.",
)

#: Contacts of somebody else than the token was given to.
CONTACTS_OF_ANOTHER = Denial(
    name="contacts_of_another",
    policy="contacts",
    requirements=("AF_10061-01",),
    status=403,
    errcode=_FORBIDDEN,
    text="The header 'Mxid' does not name the user that the token was given to. (AF_10061-01)",
)

#: A contact that does not follow gematik's schema; the fault is added to the text.
CONTACT_MALFORMED = Denial(
    name="contact_malformed",
    policy="contacts",
    requirements=("AF_10061-01",),
    status=400,
    errcode=_BAD_JSON,
    text="Not a contact, nothing was stored",
)

#: A path that ends with something else than a user id.
CONTACT_ID = Denial(
    name="contact_id",
    policy="contacts",
    requirements=("AF_10061-01",),
    status=400,
    errcode="M_INVALID_PARAM",
    text="The path has to end with the user id of a contact, percent-encoded.",
)

#: A contact that is not on the list, or no longer.
CONTACT_UNKNOWN = Denial(
    name="contact_unknown",
    policy="contacts",
    requirements=("AF_10061-01",),
    status=404,
    errcode="M_NOT_FOUND",
    text="There is no such contact.",
)

#: One contact more than a user may have.
TOO_MANY_CONTACTS = Denial(
    name="too_many_contacts",
    policy="contacts",
    requirements=("AF_10061-01",),
    status=400,
    errcode=_FORBIDDEN,
    text="There are as many contacts as a user may have; delete some before you add others. (AF_10061-01)",
)

#: The contacts could not be looked up or stored.
CONTACTS_UNAVAILABLE = Denial(
    name="contacts_unavailable",
    policy="contacts",
    requirements=("AF_10061-01",),
    status=503,
    errcode="M_UNKNOWN",
    text="This cannot be done at the moment. Try again later.",
    retry_after=_RETRY_SECONDS,
)

#: Every denial there is, in the order of this file.
CATALOGUE: Final = tuple(value for value in list(globals().values()) if isinstance(value, Denial))
