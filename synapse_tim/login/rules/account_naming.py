"""Names of accounts: localpart and display name, from the claims of a token (R4.5, R4.15).

The localpart follows from the claims by the operator's rule and by nothing else: the same claims give the
same localpart, in lower case. Refused: a localpart with characters that the Matrix specification does not
allow (also ``@`` and ``:``, with which a claim would name another server), with a leading underscore, which
Synapse keeps for application services, of digits alone, which it keeps for guests, or too long.
"""

import hashlib
import hmac
import re
import unicodedata
from collections.abc import Mapping, Sequence
from typing import Any, Final, Protocol

import attrs

from synapse_tim.login.rules.claims import PERSONS, text
from synapse_tim.login.rules.refusals import TokenRefusal, TokenRefusedError

_FIELD: Final = re.compile(r"\{([^{}]+)\}")
_LOCALPART: Final = re.compile(r"[a-z0-9.=/+-][a-z0-9._=/+-]*")
_LONGEST_USER_ID: Final = 255
_LONGEST_DISPLAY_NAME: Final = 256
_TELEMATIK: Final = "urn:telematik:claims:"


class LocalpartRule(Protocol):
    """Makes a localpart of claims."""

    def __call__(self, claims: Mapping[str, Any]) -> str:
        """The localpart, not yet checked.

        Raises:
            TokenRefusedError: a claim is missing or no text.
        """
        ...


@attrs.frozen
class Template:
    """A text with claims in braces: ``{idNummer}``, ``{urn:telematik:claims:id}``."""

    pattern: str = attrs.field()

    @pattern.validator
    def _check(self, attribute: object, value: str) -> None:
        if not self.fields or any(brace in _FIELD.sub("", value) for brace in "{}"):
            raise ValueError("expected a text with at least one claim in braces, such as {idNummer}")

    @property
    def fields(self) -> tuple[str, ...]:
        """The claims in it."""
        return tuple(_FIELD.findall(self.pattern))

    def __call__(self, claims: Mapping[str, Any]) -> str:
        """Put the claims in.

        Raises:
            TokenRefusedError: a claim is missing or no text.
        """
        return _FIELD.sub(lambda found: text(claims, found[1]), self.pattern)


@attrs.frozen
class KeyedHash:
    """A hash over claims with a key (HMAC-SHA-256): without the key the claims cannot be recovered."""

    claims: tuple[str, ...]  #: what it is over, in this order
    key: bytes = attrs.field(repr=False)  #: at least 32 bytes

    def __call__(self, claims: Mapping[str, Any]) -> str:
        """64 hex digits.

        Raises:
            TokenRefusedError: a claim is missing or no text.
        """
        # NUL stands between the values: claims are texts that can be stored, which have none.
        values = "\0".join(text(claims, name) for name in self.claims)
        return hmac.new(self.key, values.encode(), hashlib.sha256).hexdigest()


def localpart(rule: LocalpartRule, claims: Mapping[str, Any], server_name: str) -> str:
    """The localpart of an account; refused: ``localpart``, or a claim is missing."""
    named = rule(claims)
    made = named.lower()
    if not named.isascii() or not _LOCALPART.fullmatch(made) or made.isdigit():
        raise TokenRefusedError(TokenRefusal.LOCALPART, "characters that are not allowed")
    if len(f"@{made}:{server_name}") > _LONGEST_USER_ID:
        raise TokenRefusedError(TokenRefusal.LOCALPART, "too long")
    return made


def display_name(claims: Mapping[str, Any], templates: Sequence[Template] | None) -> str | None:
    """The display name: ``Nachname, Vorname`` of a person, the name of an organisation.

    Args:
        claims: of a token that is verified.
        templates: the operator's, the first whose claims are all there; ``None`` for the usual names.

    Returns:
        One line without control characters; ``None`` if the claims have no name.
    """
    for template in _usual(claims) if templates is None else templates:
        try:
            name = _one_line(template(claims))
        except TokenRefusedError:
            continue
        if name:
            return name
    return None


_PERSON: Final = (
    Template("{family_name}, {given_name}"),
    Template(f"{{{_TELEMATIK}family_name}}, {{{_TELEMATIK}given_name}}"),
)
_ORGANISATION: Final = (Template("{organizationName}"),)


def _usual(claims: Mapping[str, Any]) -> tuple[Template, ...]:
    """The card of an institution may name a person as well: the profession says whose card it is."""
    profession = claims.get("professionOID")
    if isinstance(profession, str) and profession not in PERSONS:
        return (*_ORGANISATION, *_PERSON)
    return (*_PERSON, *_ORGANISATION)


def _one_line(name: str) -> str:
    """A name that cannot disguise itself: no line breaks, no control and no direction characters."""
    printable = "".join(
        " " if character.isspace() else character
        for character in unicodedata.normalize("NFC", name)
        if character.isspace() or unicodedata.category(character) not in ("Cc", "Cf", "Cs", "Co", "Cn")
    )
    line = " ".join(printable.split())[:_LONGEST_DISPLAY_NAME].rstrip()
    return line if any(character.isalnum() for character in line) else ""
