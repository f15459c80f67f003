"""Denials about rooms."""

from synapse_tim.core.denial import Denial

#: A room version that may be neither created nor upgraded to.
ROOM_VERSION = Denial(
    "room_version",
    "room",
    ("A_26202", "A_26203", "A_26248"),
    "Rooms of this version are not created here; leave 'room_version' out for the default. (A_26203)",
    status=400,
    errcode="M_UNSUPPORTED_ROOM_VERSION",
)

#: A createRoom body that cannot be read; the fault is added to the text.
ROOM_MALFORMED = Denial("room_malformed", "room", ("A_25323-01",), "The room was not created", status=400)

#: A world-readable history, in a room that may federate or of an insurer.
WORLD_READABLE = Denial(
    "world_readable",
    "room",
    ("A_25481", "A_26515-01", "A_25996"),
    "History visibility 'world_readable' is not allowed in this room. (A_26515-01)",
    status=400,
    errcode="M_INVALID_ROOM_STATE",
)

#: A public room, or one that can be entered without an invitation, on an insurer's server.
PUBLIC_ROOM_OF_INSURED = Denial(
    "public_room_of_insured",
    "room",
    ("A_25996", "A_26015-02"),
    "Rooms of insured persons are private: they are entered by invitation only. (A_25996)",
)

#: A public room, where the operator lets only administrators make them, or nobody.
PUBLIC_SWITCHED_OFF = Denial(
    "public_switched_off",
    "room",
    ("A_25325-01", "A_26515-01"),
    "You cannot create public rooms on this server; ask its administrators. (A_25325-01)",
)

#: The join rule ``public`` after creation; for insured persons, any but ``invite``.
JOIN_RULE = Denial(
    "join_rule",
    "room",
    ("A_28271", "A_26015-02"),
    "This join rule cannot be set. Create a new room if it is to be public. (A_28271)",
    status=400,
    errcode="M_INVALID_ROOM_STATE",
)

#: Upgrading a room that could not be created like this.
PUBLIC_ROOM_UPGRADE = Denial(
    "public_room_upgrade",
    "room",
    ("A_26515-01", "A_28271"),
    "A public room that other servers take part in, or a room that they have opened, cannot be upgraded; "
    "set the join rule to 'invite' or create a new room. (A_26515-01)",
    status=400,
    errcode="M_INVALID_ROOM_STATE",
)

#: State whose content cannot be read; the fault is added to the text.
STATE_MALFORMED = Denial("state_malformed", "room", ("A_28271", "A_25481"), "Malformed state", status=400)

#: Listing a room in the directory that may federate.
PUBLISHED_FEDERATING = Denial(
    "published_federating",
    "room",
    ("A_26515-01", "A_26515"),
    "Not allowed to publish room",
    status=403,
    errcode="M_UNKNOWN",
)

#: A user of another server in a public room.
REMOTE_USER_IN_PUBLIC_ROOM = Denial(
    "remote_user_in_public_room",
    "room",
    ("A_26515-01", "A_26515", "A_25324-01", "A_25325-01"),
    "Public rooms are for users of their own server only. (A_26515-01)",
)

#: Joining a room of another server, or one that another server has opened, without being invited; a public
#: one at all; knocking at one that another server has opened.
JOIN_WITHOUT_INVITE = Denial(
    "join_without_invite",
    "room",
    ("A_26515-01", "A_26515", "R3.11"),
    "Public rooms of other servers cannot be joined; other rooms need an invitation. (A_26515-01)",
)

#: What other servers ask about a room that does not federate, in Synapse's words for what is not there.
ROOM_NOT_FOUND = Denial(
    "room_not_found",
    "room",
    ("A_26520", "A_28590"),
    "Unknown room or alias, in Synapse's own words.",
    status=404,
    has_reference=False,
)

#: The room directory of an insurer's server.
NO_ROOM_DIRECTORY = Denial(
    "no_room_directory", "client_api", ("A_28587",), "There are no public rooms here. (A_28587)"
)

#: A room that is to be encrypted in another way, or not at all.
ENCRYPTION_ALGORITHM = Denial(
    "encryption_algorithm",
    "room",
    ("A_25323-01", "A_25324-01", "A_25996", "A_26015-02"),
    "Rooms are encrypted with the 'algorithm' m.megolm.v1.aes-sha2 and no other. (A_25323-01)",
    status=400,
    errcode="M_INVALID_ROOM_STATE",
)

#: Changing the encryption of a room, or redacting the event that says that it is encrypted.
ENCRYPTION_CHANGE = Denial(
    "encryption_change",
    "room",
    ("A_25324-01", "A_25323-01", "A_25996", "A_26015-02"),
    "This room is encrypted and stays as it is; create a new room if it is to be another. (A_25324-01)",
    status=400,
    errcode="M_INVALID_ROOM_STATE",
)

#: Upgrading a room that is not encrypted, and could not be created like this.
UNENCRYPTED_UPGRADE = Denial(
    "unencrypted_upgrade",
    "room",
    ("A_25323-01", "A_25324-01", "A_25996"),
    "This room is not encrypted; turn encryption on before you upgrade it. (A_25323-01)",
    status=400,
    errcode="M_INVALID_ROOM_STATE",
)

#: A user of another server in a room that is not encrypted.
REMOTE_USER_IN_UNENCRYPTED_ROOM = Denial(
    "remote_user_in_unencrypted_room",
    "room",
    ("A_25324-01", "A_25996"),
    "This room is not encrypted, so it is for users of its own server only. Turn encryption on, "
    "then invite others. (A_25324-01)",
)

#: An invitation to a room of another server that is not encrypted, or joining it.
UNENCRYPTED_REMOTE_ROOM = Denial(
    "unencrypted_remote_room",
    "room",
    ("A_25996", "A_26015-02", "A_25324-01"),
    "This room of another server is not encrypted. Turn encryption on there, then invite again. (A_25996)",
)

#: The room type that clients of the next generation may join, and no user may create.
ROOM_TYPE_V2 = Denial(
    "room_type_v2",
    "room",
    ("A_28596",),
    "Rooms of the type de.gematik.tim.roomtype.default.v2 are not created here. (A_28596)",
    status=400,
    errcode="M_FORBIDDEN",
)
