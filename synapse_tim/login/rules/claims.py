"""Claims that every ID token must have (OpenID Connect Core §2, §3.1.3.7; AF_10057, A_22936).

Refused: another issuer or audience, an authorised party that is not us, a token that has expired, is not
valid yet or was issued too long ago, one whose level of assurance is too low or whose means of
authentication is not allowed, a profession that is not permitted, a logout token. Skew of the clocks is
tolerated up to ``CLOCK_SKEW``, but does not add to the age that the operator allows.
"""

import datetime as dt
import hashlib
import re
from collections.abc import Mapping
from typing import Any, Final

import attrs

from synapse_tim.core.text import is_storable
from synapse_tim.login.rules.refusals import TokenRefusal, TokenRefusedError

#: Tolerated difference between our clock and the provider's.
CLOCK_SKEW: Final = dt.timedelta(seconds=60)
#: The longest time that an operator may let a token be used after it was issued.
LONGEST_AGE: Final = dt.timedelta(hours=1)
#: gematik's levels of assurance, the lower one first.
ACR_ORDER: Final = ("gematik-ehealth-loa-substantial", "gematik-ehealth-loa-high")

#: Of gemSpec_OID: what a smart card carries below it and is not in ``PERSONS`` belongs to an institution.
_ARC: Final = "1.2.276.0.76.4."
_OID: Final = re.compile(r"[0-2](?:\.(?:0|[1-9][0-9]{0,19})){1,30}")

#: oid_versicherter: insured persons.
INSURED: Final = f"{_ARC}49"
#: Physicians (30) to rescue assistants (48), insured persons (49), paramedics (178), and the health
#: professions of the electronic register (232 to 241).
PERSONS: Final = frozenset(f"{_ARC}{number}" for number in (*range(30, 50), 178, *range(232, 242)))

_NUMERIC_DATE: Final = re.compile(r"[0-9]{1,12}")
_LATEST: Final = 10**12
_MAX_TEXT: Final = 1000


@attrs.frozen
class ClaimRules:
    """What the tokens of a provider have to say."""

    issuer: str  #: ``iss``, exactly
    audience: str  #: who we are for the provider: its client id for us
    max_age: dt.timedelta  #: how long ago a token may have been issued
    #: The lowest level of assurance, one of ``acr_order``; ``None`` for any or none.
    minimum_acr: str | None = None
    acr_order: tuple[str, ...] = ACR_ORDER  #: the levels there are, the lowest first
    #: The means of authentication that are allowed; ``None`` for any or none.
    amr: frozenset[str] | None = None
    profession_claim: str = "professionOID"
    professions: frozenset[str] | None = None  #: the OIDs that are permitted; ``None`` for any or none
    #: Further claims and the values they may have.
    required: Mapping[str, frozenset[str]] = attrs.field(factory=dict)


def text(claims: Mapping[str, Any], name: str) -> str:
    """A claim that has to be storable text; else ``claim_missing`` or ``claims_malformed``."""
    value = claims.get(name)
    if value is None or value == "":
        raise TokenRefusedError(TokenRefusal.CLAIM_MISSING, name)
    if not isinstance(value, str) or len(value) > _MAX_TEXT or not is_storable(value):
        raise TokenRefusedError(TokenRefusal.CLAIMS_MALFORMED, name)
    return value


def check_claims(claims: Mapping[str, Any], rules: ClaimRules, now: dt.datetime) -> None:
    """Refuse a token that is not meant for us, not for now, or not good enough.

    Args:
        claims: of a token whose signature is verified.
        now: with a time zone.

    Raises:
        TokenRefusedError: with the first thing that is wrong.
    """
    if text(claims, "iss") != rules.issuer:
        raise TokenRefusedError(TokenRefusal.ISSUER_UNKNOWN)
    if "events" in claims:
        raise TokenRefusedError(TokenRefusal.TYPE_NOT_ALLOWED, "a logout token")
    check_audience(claims, rules.audience)
    check_times(claims, rules.max_age, now)
    _check_assurance(claims, rules)
    _check_profession(claims, rules)
    for name, values in rules.required.items():
        if text(claims, name) not in values:
            raise TokenRefusedError(TokenRefusal.CLAIM_NOT_PERMITTED, name)


def check_audience(claims: Mapping[str, Any], audience: str) -> None:
    """Refuse a token that is meant for another client (``audience``)."""
    found = claims.get("aud")
    audiences = [found] if isinstance(found, str) else found
    if not isinstance(audiences, list) or not all(isinstance(entry, str) for entry in audiences):
        raise TokenRefusedError(TokenRefusal.AUDIENCE, "no text or list of texts")
    if audience not in audiences:
        raise TokenRefusedError(TokenRefusal.AUDIENCE, "we are not in it")
    authorised = claims.get("azp")
    if authorised != audience and (authorised is not None or len(set(audiences)) > 1):
        raise TokenRefusedError(TokenRefusal.AUDIENCE, "azp is not us")


def check_times(claims: Mapping[str, Any], max_age: dt.timedelta, now: dt.datetime) -> None:
    """Refuse a token that is not valid now, or too old.

    Args:
        claims: ``iat`` and ``exp`` are demanded, ``nbf`` is heeded; numbers, or texts of digits as gematik's
            samples have them.
        max_age: how long ago it may have been issued.
        now: with a time zone.

    Raises:
        TokenRefusedError: ``expired``, ``not_yet_valid``, ``too_old``, or a claim is missing or malformed.
    """
    issued, expires = numeric_date(claims, "iat"), numeric_date(claims, "exp")
    starts = issued if claims.get("nbf") is None else max(issued, numeric_date(claims, "nbf"))
    if starts > now + CLOCK_SKEW:
        raise TokenRefusedError(TokenRefusal.NOT_YET_VALID)
    if expires <= now - CLOCK_SKEW:
        raise TokenRefusedError(TokenRefusal.EXPIRED)
    if issued < now - max_age:
        raise TokenRefusedError(TokenRefusal.TOO_OLD)


def numeric_date(claims: Mapping[str, Any], name: str) -> dt.datetime:
    """A time (RFC 7519 §2) in a claim; else ``claim_missing`` or ``claims_malformed``."""
    value = claims.get(name)
    if value is None:
        raise TokenRefusedError(TokenRefusal.CLAIM_MISSING, name)
    if isinstance(value, str) and _NUMERIC_DATE.fullmatch(value):
        value = int(value)
    if type(value) not in (int, float) or not 0 <= value < _LATEST:
        raise TokenRefusedError(TokenRefusal.CLAIMS_MALFORMED, name)
    try:
        return dt.datetime.fromtimestamp(value, dt.UTC)
    except (ValueError, OverflowError, OSError):
        raise TokenRefusedError(TokenRefusal.CLAIMS_MALFORMED, name) from None


def replay_key(claims: Mapping[str, Any], digest: str) -> str:
    """Unique key of a token: of its ``jti``, or without one of what is signed.

    Returns:
        SHA-256 in hex, so that nothing about a person is kept.

    Raises:
        TokenRefusedError: ``jti`` is there and no text.
    """
    token = ("digest", digest) if claims.get("jti") is None else ("jti", text(claims, "jti"))
    joined = "\0".join((text(claims, "iss"), *token))
    return hashlib.sha256(joined.encode()).hexdigest()


def is_oid(text: str) -> bool:
    """Whether a text is an object identifier in dotted notation."""
    return _OID.fullmatch(text) is not None


def _check_assurance(claims: Mapping[str, Any], rules: ClaimRules) -> None:
    if rules.minimum_acr is not None:
        order = rules.acr_order
        acr = text(claims, "acr")
        if acr not in order or order.index(acr) < order.index(rules.minimum_acr):
            raise TokenRefusedError(TokenRefusal.ACR_TOO_LOW)
    if rules.amr is not None:
        found = claims.get("amr")
        methods = [found] if isinstance(found, str) else found
        if not isinstance(methods, list) or not methods:
            raise TokenRefusedError(TokenRefusal.CLAIM_MISSING, "amr")
        if not all(isinstance(method, str) and method in rules.amr for method in methods):
            raise TokenRefusedError(TokenRefusal.AMR_NOT_ALLOWED)


def _check_profession(claims: Mapping[str, Any], rules: ClaimRules) -> None:
    if rules.professions is not None and text(claims, rules.profession_claim) not in rules.professions:
        raise TokenRefusedError(TokenRefusal.PROFESSION_NOT_PERMITTED)
