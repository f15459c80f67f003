"""Matrix server names as the federation list uses them.

A server name is compared as a whole, port included, in lower case and exactly (requirement R1.2). DNS
names and IPv4 literals are understood; an IPv6 literal never occurs in the list and is not a member.
"""

import re
from collections.abc import Collection

#: With the sigil, a localpart of one character and the colon, a user id has at most 255 bytes.
MAX_LENGTH = 230

_LABEL = r"[a-z0-9][a-z0-9-]{0,62}+(?<!-)"
_NAME = rf"{_LABEL}(?:\.{_LABEL})*+(?::[0-9]{{1,5}})?"
_SERVER_NAME = re.compile(_NAME)
_LINES = re.compile(rf"(?:{_NAME}\n)*+")


def normalise(name: str) -> str | None:
    """The name in lower case, or ``None`` if it is not a server name.

    Characters outside ASCII are refused before lowering: some of them (the Kelvin sign) have an ASCII
    letter as their lower case and would turn into another server's name.
    """
    if len(name) > MAX_LENGTH or not name.isascii():
        return None
    lowered = name.lower()
    return lowered if _SERVER_NAME.fullmatch(lowered) else None


def are_normal(names: Collection[str]) -> bool:
    """Whether ``normalise`` would leave all the names as they are."""
    text = "\n".join((*names, ""))
    # A name with a line break in it must not pass for two names.
    return (
        text.count("\n") == len(names)
        and max(map(len, names), default=0) <= MAX_LENGTH
        and _LINES.fullmatch(text) is not None
    )


def of_matrix_id(matrix_id: str) -> str | None:
    """The server name of a user id, alias or old room id (Matrix v1.11, Appendices §4), as written."""
    _, colon, name = matrix_id.partition(":")
    return name if colon else None
