"""The discovery document of a provider: where its keys are (OpenID Connect Discovery §3, A_20657).

Refused: another issuer than the configured one, a document that has expired, an address that is no URL or
gives up TLS.
"""

import datetime as dt
from typing import Any, Final
from urllib.parse import urlsplit

from synapse_tim.core import strict_json
from synapse_tim.login.rules.claims import CLOCK_SKEW, numeric_date, text
from synapse_tim.login.rules.refusals import TokenRefusedError

#: Upper bound of a document, in bytes.
MAX_OCTETS: Final = 256 * 1024


class DiscoveryError(ValueError):
    """The document cannot be used."""


def keys_url(
    document: bytes | bytearray,
    issuer: str,
    now: dt.datetime,
    *,
    members: tuple[str, ...] = ("jwks_uri",),
    secure: bool = True,
    expires: bool = False,
) -> str:
    """Where the provider's signature keys are.

    Args:
        document: JSON bytes.
        issuer: whose document it has to be.
        now: with a time zone.
        members: where the address stands; the first that is there counts.
        secure: whether the address has to be https.
        expires: whether the document has to say until when it holds.

    Raises:
        DiscoveryError: with what is wrong.
    """
    parsed = read_document(document, issuer, now, expires=expires)
    name = next((name for name in members if parsed.get(name)), members[-1])
    try:
        url = text(parsed, name)
    except TokenRefusedError as error:
        raise DiscoveryError(error.detail) from None
    try:
        parts = urlsplit(url)
        usable = bool(parts.hostname) and parts.scheme in (("https",) if secure else ("http", "https"))
    except ValueError:
        usable = False
    if not usable:
        raise DiscoveryError("the address of the keys is not a URL that may be used")
    return url


def read_document(
    document: bytes | bytearray, issuer: str, now: dt.datetime, *, expires: bool = False
) -> dict[str, Any]:
    """Read a document; arguments and errors as for ``keys_url``."""
    try:
        parsed = strict_json.parse(document)
    except strict_json.StrictJsonError as error:
        raise DiscoveryError(str(error)) from None
    if not isinstance(parsed, dict):
        raise DiscoveryError("not an object")
    try:
        if text(parsed, "issuer") != issuer:
            raise DiscoveryError("the issuer is another one than configured")
        if expires or parsed.get("exp") is not None:
            _check_expiry(parsed, now)
    except TokenRefusedError as error:
        raise DiscoveryError(error.detail) from None
    return parsed


def _check_expiry(parsed: dict[str, Any], now: dt.datetime) -> None:
    if numeric_date(parsed, "exp") <= now - CLOCK_SKEW:
        raise DiscoveryError("expired")
