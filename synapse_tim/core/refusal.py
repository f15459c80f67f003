"""Refusals in the log, each under the reference that its answer carries.

A helpdesk that is told a reference finds the rule. The line names no user, no room and no text (A_22817).
"""

import base64
import re
import secrets
from typing import Final, Self

import attrs

#: The key of the reference in the JSON of an answer.
REFERENCE: Final = "synapse_tim.reference"
#: 40 bits: easily read out over the telephone, and two of a day are hardly ever the same.
_OCTETS: Final = 5
_REFERENCE: Final = re.compile(r"[a-z2-7]{8}")
_LINE: Final = re.compile(
    r"Refused: reference=(?P<reference>[a-z2-7]{8}) rule=(?P<rule>\S+) denial=(?P<denial>[a-z0-9_]+)"
    r" server=(?P<server>\S+) other=(?P<other>\S+)"
)
_NONE: Final = "-"


def new_reference() -> str:
    """A random reference: eight letters and digits of Base32 (RFC 4648) in lower case."""
    return base64.b32encode(secrets.token_bytes(_OCTETS)).decode().lower()


def is_reference(text: str) -> bool:
    """Whether a text looks like a reference."""
    return _REFERENCE.fullmatch(text) is not None


@attrs.frozen
class Refusal:
    """One line of the log."""

    reference: str  #: what the answer carries
    rule: str  #: the requirement that is counted
    denial: str  #: the name of the denial, see docs/denials.md
    server: str  #: the homeserver that refused
    other: str | None  #: the name of the other server, or ``None`` if there is none

    def __str__(self) -> str:
        return (
            f"Refused: reference={self.reference} rule={self.rule} denial={self.denial}"
            f" server={self.server} other={self.other or _NONE}"
        )

    @classmethod
    def parse(cls, line: str) -> Self | None:
        """Read a line of a log, with any prefix; ``None`` if it is not a refusal."""
        found = _LINE.search(line)
        if found is None:
            return None
        other = found["other"]
        return cls(
            found["reference"],
            found["rule"],
            found["denial"],
            found["server"],
            None if other == _NONE else other,
        )
