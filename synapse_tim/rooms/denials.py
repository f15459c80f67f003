"""Denials about rooms."""

from __future__ import annotations

from synapse_tim.core.denial import Denial

#: A room version that may be neither created nor upgraded to.
ROOM_VERSION = Denial(
    policy="room",
    requirements=("A_26202", "A_26203", "A_26248"),
    status=400,
    errcode="M_UNSUPPORTED_ROOM_VERSION",
    text="Rooms of this version are not created here; leave 'room_version' out for the default. (A_26203)",
)

#: A createRoom body that cannot be read; the fault is added to the text.
ROOM_MALFORMED = Denial(
    policy="room",
    requirements=("A_25323-01",),
    status=400,
    text="The room was not created",
)

#: A history that everybody in the world could read, in a room that may federate or of an insurer.
WORLD_READABLE = Denial(
    policy="room",
    requirements=("A_25481", "A_26515-01", "A_25996"),
    status=400,
    errcode="M_INVALID_ROOM_STATE",
    text="History visibility 'world_readable' is not allowed in this room. (A_26515-01)",
)

#: A public room, or one that can be entered without an invitation, on an insurer's server.
PUBLIC_ROOM_OF_INSURED = Denial(
    policy="room",
    requirements=("A_25996", "A_26015-02"),
    text="Rooms of insured persons are private: they are entered by invitation only. (A_25996)",
)

#: The join rule ``public`` after creation; for insured persons, any but ``invite``.
JOIN_RULE = Denial(
    policy="room",
    requirements=("A_28271", "A_26015-02"),
    status=400,
    errcode="M_INVALID_ROOM_STATE",
    text="This join rule cannot be set. Create a new room if it is to be public. (A_28271)",
)

#: Upgrading a room that could not be created like this.
PUBLIC_ROOM_UPGRADE = Denial(
    policy="room",
    requirements=("A_26515-01", "A_28271"),
    status=400,
    errcode="M_INVALID_ROOM_STATE",
    text=(
        "A public room that other servers take part in, or a room that they have opened, cannot be upgraded; "
        "set the join rule to 'invite' or create a new room. (A_26515-01)"
    ),
)

#: State whose content cannot be read; the fault is added to the text.
STATE_MALFORMED = Denial(
    policy="room",
    requirements=("A_28271", "A_25481"),
    status=400,
    text="Malformed state",
)

#: Listing a room in the directory that may federate.
PUBLISHED_FEDERATING = Denial(
    policy="room",
    requirements=("A_26515-01", "A_26515"),
    status=403,
    errcode="M_UNKNOWN",
    text="Not allowed to publish room",
)

#: A user of another server in a public room.
REMOTE_USER_IN_PUBLIC_ROOM = Denial(
    policy="room",
    requirements=("A_26515-01", "A_26515", "A_25324-01", "A_25325-01"),
    text="Public rooms are for users of their own server only. (A_26515-01)",
)

#: Joining a room of another server, or one that another server has opened, without being invited; a public
#: one at all; knocking at one that another server has opened.
JOIN_WITHOUT_INVITE = Denial(
    policy="room",
    requirements=("A_26515-01", "A_26515", "R3.11"),
    text=("Public rooms of other servers cannot be joined; other rooms need an invitation. (A_26515-01)"),
)

#: What other servers ask about a room that does not federate, in Synapse's words for what is not there.
ROOM_NOT_FOUND = Denial(
    policy="room",
    requirements=("A_26520", "A_28590"),
    status=404,
    text="Unknown room or alias, in Synapse's own words.",
)

#: The room directory of an insurer's server.
NO_ROOM_DIRECTORY = Denial(
    policy="client_api",
    requirements=("A_28587",),
    text="There are no public rooms here. (A_28587)",
)

#: The room type that clients of the next generation may join, and no user may create.
ROOM_TYPE_V2 = Denial(
    policy="room",
    requirements=("A_28596",),
    status=400,
    errcode="M_FORBIDDEN",
    text="Rooms of the type de.gematik.tim.roomtype.default.v2 are not created here. (A_28596)",
)
