"""Denials about events."""

from synapse_tim.core.denial import Denial

#: A reaction that is not exactly one emoji.
REACTION = Denial(
    "reaction",
    "event",
    ("A_26228-01",),
    "A reaction has exactly one emoji as the 'key' of its 'm.relates_to'. (A_26228-01)",
    status=400,
)

#: A thread, in generation 1.1.
THREAD = Denial(
    "thread",
    "event",
    ("A_25395-02",),
    "Threads are not supported; answer in the room itself. (A_25395-02)",
    status=400,
    errcode="M_FORBIDDEN",
)

#: A message in clear text, in an encrypted room or a space.
CLEAR_TEXT = Denial(
    "clear_text",
    "event",
    ("A_26015-02", "A_25996", "A_25323-01"),
    "Messages are encrypted in this room; send it as 'm.room.encrypted', or use a client that encrypts. "
    "(A_26015-02)",
    status=400,
    errcode="M_FORBIDDEN",
)

#: A redaction that comes too late.
REDACTION_TOO_LATE = Denial(
    "redaction_too_late", "event", ("A_28358",), "This event is too old to be redacted. (A_28358)"
)

#: A redaction of an event that the user cannot see, wherever and whether it is.
REDACTION_TARGET = Denial(
    "redaction_target", "event", ("A_28358",), "There is no such event in this room. (A_28358)", status=404
)

#: A redaction that names no event.
REDACTION_MALFORMED = Denial(
    "redaction_malformed", "event", ("A_28358",), "'redacts' has to be an event id. (A_28358)", status=400
)

#: Whether an event may be redacted could not be looked up.
REDACTION_UNAVAILABLE = Denial(
    "redaction_unavailable",
    "event",
    ("A_28358",),
    "The event could not be looked up. Try again later. (A_28358)",
    status=503,
)
