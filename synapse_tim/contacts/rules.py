"""The approval list of the legacy generation: who may invite a user, and when (AF_10061-01, ML-132864).

A contact is a user id with a name and a window of time, as TiMessengerContactManagement 1.0.3 has it. It may
invite the owner of the list from ``start`` to ``end``, both included; without ``end`` there is no end.

Refused: what does not follow that schema, and besides what it lets pass although it would mean something else
than its author thinks: times in milliseconds, an end before the start, impossible user ids.
"""

import re
from collections.abc import Mapping
from typing import Any, Final, Self

import attrs

from synapse_tim.core import strict_json
from synapse_tim.core.server_name import normalise, of_matrix_id
from synapse_tim.core.text import is_storable

#: Of the interface, not of this software.
VERSION: Final = "1.0.3"
#: Of a request's body.
MAX_OCTETS: Final = 64 * 1024
#: Of a display name.
MAX_NAME: Final = 256
#: The last second of the year 9999. Milliseconds of today are more.
LATEST: Final = 253402300799

_MAX_USER_ID: Final = 255
# Localparts as they have ever been given away (Matrix 1.3, Appendices, historical user ids).
_USER_ID: Final = re.compile(r"@[!-9;-~]+:[!-~]+")
_IPV6: Final = re.compile(r"\[[0-9A-Fa-f:.]{2,45}\](?::[0-9]{1,5})?")


class ContactError(ValueError):
    """This is no contact; says which member is wrong and what is expected, never what was there."""


@attrs.frozen
class Contact:
    """A user who may invite the owner of the list."""

    display_name: str = attrs.field(repr=False)  #: what the owner calls the contact
    #: The user id as it can be compared: the localpart exactly, the server name in lower case.
    mxid: str = attrs.field(repr=False)
    start: int  #: from when on; seconds since 1970
    end: int | None = None  #: until when, this second included; ``None`` for no end

    @classmethod
    def from_json(cls, value: object) -> Self:
        """Read the interface's ``Contact``, unknown members ignored; ``ContactError`` says what is wrong."""
        if not isinstance(value, Mapping):
            raise ContactError("expected an object")
        name = value.get("displayName")
        if not isinstance(name, str) or len(name) > MAX_NAME or not is_storable(name):
            raise ContactError(
                f"displayName: expected a text of {MAX_NAME} characters at most, without NUL and surrogates"
            )
        mxid = value.get("mxid")
        if not isinstance(mxid, str) or not is_user_id(mxid):
            raise ContactError("mxid: expected a user id such as @user:example.de")
        settings = value.get("inviteSettings")
        if not isinstance(settings, Mapping):
            raise ContactError("inviteSettings: expected an object")
        start = _seconds(settings.get("start"), "inviteSettings.start")
        end = _seconds(settings["end"], "inviteSettings.end") if "end" in settings else None
        if end is not None and end < start:
            raise ContactError("inviteSettings.end: expected a time that is not before the start")
        return cls(name, comparable(mxid), start, end)

    def document(self) -> dict[str, Any]:
        """The ``Contact`` of the interface."""
        settings = {"start": self.start, **({} if self.end is None else {"end": self.end})}
        return {"displayName": self.display_name, "mxid": self.mxid, "inviteSettings": settings}

    def permits(self, now: int) -> bool:
        """Whether the contact may invite the owner of the list at ``now``, in seconds since 1970."""
        return self.start <= now and not self.is_expired(now)

    def is_expired(self, now: int) -> bool:
        """Whether the contact may never again invite the owner, from ``now`` (seconds since 1970) on."""
        return self.end is not None and self.end < now


def parse_contact(body: bytes) -> Contact:
    """Read the body of a request; ``ContactError`` says what is wrong."""
    if len(body) > MAX_OCTETS:
        raise ContactError(f"more than {MAX_OCTETS} bytes")
    try:
        value = strict_json.parse(body)
    except strict_json.StrictJsonError as error:
        raise ContactError(f"not JSON: {error}") from None
    return Contact.from_json(value)


def is_user_id(text: str) -> bool:
    """Whether a user id is possible by today's or the historical grammar."""
    if len(text) > _MAX_USER_ID or _USER_ID.fullmatch(text) is None:
        return False
    server = of_matrix_id(text) or ""
    return normalise(server) is not None or _IPV6.fullmatch(server) is not None


def comparable(user_id: str) -> str:
    """A user id with the server name in lower case, as the federation list has it and so every inviter.

    Otherwise a contact with capitals in the server name would have no effect.

    Args:
        user_id: for which ``is_user_id`` is true.
    """
    localpart, colon, server = user_id.partition(":")
    return localpart + colon + server.lower()


def _seconds(value: object, member: str) -> int:
    if type(value) is not int:
        raise ContactError(f"{member}: expected an integer, seconds since 1970")
    if not 0 <= value <= LATEST:
        hint = "; these look like milliseconds" if value > LATEST else ""
        raise ContactError(f"{member}: expected seconds since 1970, from 0 to {LATEST}{hint}")
    return value
