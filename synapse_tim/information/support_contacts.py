"""Support contacts of a server: ``/.well-known/matrix/support`` (A_26265, Matrix 1.10, R5.11, R5.12).

Refused: a document with neither contacts nor a page; a contact without an address; an unknown role;
addresses that lead nowhere because of how they are written.
"""

import re
from collections.abc import Sequence
from typing import Any, Final
from urllib.parse import urlsplit

import attrs

from synapse_tim.core.server_name import normalise

ROLES: Final = ("m.role.admin", "m.role.security")

_LABEL: Final = r"[a-z0-9](?:[a-z0-9-]{0,61}[a-z0-9])?"
_HOST: Final = re.compile(rf"(?:{_LABEL}\.)+{_LABEL}", re.IGNORECASE)
_LOCAL_PART: Final = re.compile(r"[A-Za-z0-9!#$%&'*+/=?^_`{|}~-]+(?:\.[A-Za-z0-9!#$%&'*+/=?^_`{|}~-]+)*")
# The grammar of identifiers with a namespace (Matrix 1.10, Appendices): a domain backwards, then the name.
_NAMESPACED: Final = re.compile(r"[a-z][a-z0-9_-]*(?:\.[a-z0-9_-]+)+")
_USER_ID: Final = re.compile(r"@([a-z0-9._=/+-]+):(.+)")
_MAX_LENGTH: Final = 255


@attrs.frozen
class SupportContact:
    """A support contact."""

    role: str
    email_address: str | None = None  #: of theirs, or ``None``
    matrix_id: str | None = None  #: of theirs, or ``None``

    def document(self) -> dict[str, str]:
        """As clients read it."""
        members = {"role": self.role, "email_address": self.email_address, "matrix_id": self.matrix_id}
        return {name: value for name, value in members.items() if value is not None}


def support_document(contacts: Sequence[SupportContact], page: str | None) -> dict[str, Any]:
    """The document for clients, with the ``https`` address of a page if there is one."""
    document: dict[str, Any] = {}
    if contacts:
        document["contacts"] = [contact.document() for contact in contacts]
    if page is not None:
        document["support_page"] = page
    return document


def is_role(text: str) -> bool:
    """Whether this is a role of the Matrix specification, or a custom one with a namespace."""
    own = len(text) <= _MAX_LENGTH and not text.startswith("m.") and _NAMESPACED.fullmatch(text)
    return text in ROLES or bool(own)


def is_email_address(text: str) -> bool:
    """Whether this is an e-mail address on the internet, without a display name or comments (RFC 5321)."""
    local, at, host = text.rpartition("@")
    return (
        bool(at)
        and len(text) <= 254
        and len(local) <= 64
        and _LOCAL_PART.fullmatch(local) is not None
        and _HOST.fullmatch(host) is not None
        and not host.rpartition(".")[2].isdecimal()
    )


def is_user_id(text: str) -> bool:
    """Whether this is a user id that can be given away today (Matrix 1.10, Appendices)."""
    found = _USER_ID.fullmatch(text)
    return found is not None and len(text) <= _MAX_LENGTH and normalise(found[2]) == found[2]


def is_page(text: str) -> bool:
    """Whether this is the https address of a page, without a user name or password."""
    if not text.isascii() or re.search(r"[\x00-\x20\x7f\"<>\\^`{|}]", text):
        return False
    try:
        parts = urlsplit(text)
        usable = parts.port != 0
    except ValueError:
        return False
    named = _HOST.fullmatch(parts.hostname or "") is not None
    return usable and named and parts.scheme == "https" and "@" not in parts.netloc
