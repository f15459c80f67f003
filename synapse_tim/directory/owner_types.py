"""Owner types of users in the directory, and the spellings of a user id there.

The directory says ``org``, ``pract``, ``orgPract`` or ``none`` (I_VZD_TIM_Provider_Services, ``whereIs``).
Anything else that it says is an error and never ``none``: an answer that is not understood must not pass
for a statement about a user. Addresses are compared by their user ids (``user_id_of``); an address without
one is no user of this directory.
"""

from __future__ import annotations

import enum
import re
from typing import Final
from urllib.parse import quote, unquote

from synapse_tim.core import strict_json
from synapse_tim.core.server_name import normalise

#: An answer has ten bytes; this leaves room for white space.
MAX_BYTES: Final = 1024

_MAX_USER_ID_BYTES: Final = 255
# The historical grammar of Matrix (Appendices §4.2.1), which contains today's.
_LOCALPART = re.compile(r"[\x21-\x39\x3b-\x7e]+")
_BROKEN_ENCODING = re.compile(r"%(?![0-9A-Fa-f]{2})")
_SCHEME: Final = "matrix:u/"
# What may stand in a segment of a path besides letters, digits and "-._~" (RFC 3986 §3.3).
_SEGMENT: Final = "!$&'()*+,;=@"


class OwnerType(enum.StrEnum):
    """Where a user is listed."""

    ORG = "org"
    PRACT = "pract"
    ORG_PRACT = "orgPract"
    NONE = "none"

    @property
    def is_organisation(self) -> bool:
        """Whether an organisation lists the user."""
        return self in (OwnerType.ORG, OwnerType.ORG_PRACT)

    @property
    def is_practitioner(self) -> bool:
        """Whether the user is listed as a practitioner."""
        return self in (OwnerType.PRACT, OwnerType.ORG_PRACT)

    def combined(self, other: OwnerType) -> OwnerType:
        """What a user is who is listed as this in one spelling and as the other in the other spelling."""
        organisation = self.is_organisation or other.is_organisation
        practitioner = self.is_practitioner or other.is_practitioner
        if organisation and practitioner:
            return OwnerType.ORG_PRACT
        if organisation:
            return OwnerType.ORG
        return OwnerType.PRACT if practitioner else OwnerType.NONE


class OwnerTypeError(ValueError):
    """The directory's answer is none of the four; the text says what it is instead."""


def read_owner_type(answer: bytes | bytearray) -> OwnerType:
    """Read the directory's answer: a JSON string, exactly one of the four.

    Args:
        answer: the bytes of the body.

    Raises:
        OwnerTypeError: it is anything else.
    """
    if len(answer) > MAX_BYTES:
        raise OwnerTypeError(f"more than {MAX_BYTES} bytes")
    try:
        found = strict_json.parse(answer)
    except strict_json.StrictJsonError as error:
        raise OwnerTypeError(f"no JSON: {error}") from None
    if not isinstance(found, str):
        raise OwnerTypeError("no JSON string")
    try:
        return OwnerType(found)
    except ValueError:
        raise OwnerTypeError("not org, pract, orgPract or none") from None


def user_id_of(address: str) -> str | None:
    """The user id that an address of the directory stands for, in a form that can be compared.

    The localpart is taken exactly, the server name in lower case with its port.

    Args:
        address: ``matrix:u/…`` (a Matrix URI without query and fragment) or ``@…``.

    Returns:
        ``@localpart:server``, or ``None`` if the address is none of a user.
    """
    if len(address) > 4 * _MAX_USER_ID_BYTES or not address.isascii():
        return None
    if address.startswith("@"):
        localpart, colon, server = address[1:].partition(":")
    elif address[: len(_SCHEME)].lower() == _SCHEME:
        localpart, colon, server = address[len(_SCHEME) :].partition(":")
        if set(localpart) & set("/?#") or _BROKEN_ENCODING.search(localpart):
            return None
        localpart = unquote(localpart, errors="replace")
    else:
        return None
    name = normalise(server) if colon else None
    if name is None or not _LOCALPART.fullmatch(localpart):
        return None
    user_id = f"@{localpart}:{name}"
    return user_id if len(user_id) <= _MAX_USER_ID_BYTES else None


def uri_of(user_id: str) -> str:
    """A user id of ``user_id_of`` as the directory's Matrix URI (Matrix v1.11, Appendices §4.7)."""
    localpart, _, server = user_id[1:].partition(":")
    return f"{_SCHEME}{quote(localpart, safe=_SEGMENT)}:{server}"


def spellings(user_id: str) -> tuple[str, ...]:
    """The addresses under which a user may be listed, the one of the interface first.

    There are two, and a third one for localparts such as ``name=40mail.example``, as Synapse makes them of
    other names: clients also encode what would not have to be.

    Args:
        user_id: as ``user_id_of`` gives it.
    """
    localpart, _, server = user_id[1:].partition(":")
    everything = f"{_SCHEME}{quote(localpart, safe='')}:{server}"
    return tuple(dict.fromkeys((uri_of(user_id), user_id, everything)))
