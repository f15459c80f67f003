"""Entity statements: what an entity says about another one, or itself (OpenID Federation §3).

Refused: another algorithm than ES256, another ``typ``, a signature of another key than those that are
expected, another issuer or subject, a statement that has expired, is from the future, or is longer than
``MAX_BYTES``; critical claims, none of which is understood here.
"""

from __future__ import annotations

import datetime as dt
from collections.abc import Mapping
from typing import Any, Final
from urllib.parse import urlsplit

import attrs

from synapse_tim.jose import jwk
from synapse_tim.jose.errors import JoseError
from synapse_tim.jose.signed_token import SignatureRules, SignedToken
from synapse_tim.openid_federation.errors import FederationError, FederationReason

#: Upper bound of a statement, in bytes.
MAX_BYTES: Final = 64 * 1024
#: Tolerated difference between our clock and that of others.
CLOCK_SKEW: Final = dt.timedelta(seconds=60)
#: The only signature algorithm of gematik's federation.
ALGORITHM: Final = "ES256"
#: ``typ`` of a statement.
STATEMENT_TYPE: Final = "entity-statement+jwt"

_LATEST: Final = 10**11
_MAX_URL: Final = 2000


@attrs.frozen(eq=False)
class Signed:
    """A document whose signature, issuer and times are in order."""

    claims: Mapping[str, Any]
    issued_at: dt.datetime
    expires_at: dt.datetime | None  #: ``None`` if it does not say, which a statement has to


@attrs.frozen(eq=False)
class Statement(Signed):
    """A statement that is in order by itself."""

    expires_at: dt.datetime
    keys: jwk.KeySet  #: the keys of the subject, with which it signs statements

    def metadata(self, kind: str) -> Mapping[str, Any]:
        """What it says about the subject as an entity of a kind; empty if nothing."""
        return _object(_object(self.claims, "metadata"), kind)


def read_statement(
    document: bytes, keys: jwk.KeySet, *, issuer: str, subject: str, now: dt.datetime
) -> Statement:
    """Verify an entity statement.

    Args:
        document: the compact JWS.
        keys: those of the issuer, from elsewhere. A statement about itself has to be signed with one of the
            keys that it names, too (§9).
        issuer: whose statement it has to be.
        subject: about whom.
        now: with a time zone.

    Raises:
        FederationError: it is none, or not that one, or not to be believed now.
    """
    signed = read_signed(document, keys, frozenset({STATEMENT_TYPE}), issuer=issuer, now=now)
    claims, expires_at = signed.claims, signed.expires_at
    if text(claims, "sub") != subject:
        raise FederationError(FederationReason.SUBJECT)
    if expires_at is None:
        raise FederationError(FederationReason.MALFORMED, "exp")
    own_keys = key_set(claims.get("jwks"))
    if issuer == subject:
        _verify(_parse(document, MAX_BYTES), own_keys)
    return Statement(claims, signed.issued_at, expires_at, own_keys)


def read_signed(
    document: bytes,
    keys: jwk.KeySet,
    types: frozenset[str],
    *,
    issuer: str,
    now: dt.datetime,
    max_bytes: int = MAX_BYTES,
) -> Signed:
    """Verify a signed document of the federation: signature, issuer and times.

    Args:
        document: the compact JWS.
        keys: those of the issuer.
        types: what ``typ`` may be, in lower case.
        issuer: whose document it has to be.
        now: with a time zone.
        max_bytes: upper bound of its length.

    Raises:
        FederationError: it is none, or not to be believed now.
    """
    token = _parse(document, max_bytes)
    try:
        token.require(SignatureRules(frozenset({ALGORITHM}), types))
    except JoseError as error:
        raise FederationError(FederationReason.NOT_A_STATEMENT, str(error)) from None
    claims = _verify(token, keys)
    if text(claims, "iss") != issuer:
        raise FederationError(FederationReason.ISSUER)
    if "crit" in claims:
        raise FederationError(FederationReason.CRITICAL)
    issued_at = _instant(claims, "iat")
    if issued_at > now + CLOCK_SKEW:
        raise FederationError(FederationReason.NOT_YET_VALID)
    expires_at = None if claims.get("exp") is None else _instant(claims, "exp")
    if expires_at is not None and expires_at <= now - CLOCK_SKEW:
        raise FederationError(FederationReason.EXPIRED)
    return Signed(claims, issued_at, expires_at)


def _parse(document: bytes, max_bytes: int) -> SignedToken:
    try:
        return SignedToken.parse(bytes(document).strip(), max_bytes=max_bytes)
    except JoseError as error:
        raise FederationError(FederationReason.NOT_A_STATEMENT, str(error)) from None


def _verify(token: SignedToken, keys: jwk.KeySet) -> Mapping[str, Any]:
    if not token.kid:
        raise FederationError(FederationReason.SIGNATURE, "kid is missing")
    try:
        return token.verify(keys)
    except JoseError as error:
        raise FederationError(FederationReason.SIGNATURE, str(error)) from None


def key_set(value: object) -> jwk.KeySet:
    """Read the keys that a document names (RFC 7517); ``FederationError`` if none can be used."""
    try:
        return jwk.key_set(value)
    except jwk.NoKeyError as error:
        raise FederationError(FederationReason.NO_KEY, str(error)) from None
    except jwk.JwkError as error:
        raise FederationError(FederationReason.MALFORMED, f"jwks: {error}") from None


def text(claims: Mapping[str, Any], name: str) -> str:
    """A member that has to be a text; ``FederationError`` if it is none."""
    value = claims.get(name)
    if not isinstance(value, str) or not value:
        raise FederationError(FederationReason.MALFORMED, name)
    return value


def texts(claims: Mapping[str, Any], name: str) -> list[str]:
    """A member that has to be a list of texts, if it is there; ``FederationError`` if it is none."""
    value = claims.get(name, [])
    if not isinstance(value, list) or not all(isinstance(entry, str) for entry in value):
        raise FederationError(FederationReason.MALFORMED, name)
    return value


def secure_url(claims: Mapping[str, Any], name: str) -> str:
    """A member that has to be an https URL without user name and fragment; ``FederationError`` if not."""
    url = text(claims, name)
    try:
        parts = urlsplit(url)
        usable = parts.scheme == "https" and bool(parts.hostname) and parts.port != 0
    except ValueError:
        usable = False
    plain = url.isascii() and url.isprintable() and not any(sign in url for sign in ' "<>\\^`{|}#')
    if not usable or not plain or "@" in parts.netloc or len(url) > _MAX_URL:
        raise FederationError(FederationReason.METADATA, f"{name} is no https URL")
    return url


def _object(claims: Mapping[str, Any], name: str) -> Mapping[str, Any]:
    value = claims.get(name, {})
    if not isinstance(value, dict):
        raise FederationError(FederationReason.MALFORMED, name)
    return value


def _instant(claims: Mapping[str, Any], name: str) -> dt.datetime:
    value = claims.get(name)
    if type(value) not in (int, float) or not 0 <= value < _LATEST:  # type: ignore[operator]
        raise FederationError(FederationReason.MALFORMED, name)
    return dt.datetime.fromtimestamp(value, dt.UTC)  # type: ignore[arg-type]
