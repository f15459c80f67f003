"""Logout tokens: the provider says that a session is over (A_22936; OpenID Connect Back-Channel Logout §2.4).

Refused: another issuer or audience, a token that is too old, one without the event, one with a nonce, which
would be an ID token, one that names neither a session nor a person.
"""

import datetime as dt
from collections.abc import Mapping
from typing import Any, Final

import attrs

from synapse_tim.login.rules.claims import ClaimRules, check_audience, check_times, numeric_date, text
from synapse_tim.login.rules.refusals import TokenRefusal, TokenRefusedError

#: Values of ``typ``; providers differ.
TYPES: Final = frozenset({"logout+jwt", "jwt", ""})

#: What says that it is one.
EVENT: Final = "http://schemas.openid.net/event/backchannel-logout"


@attrs.frozen
class Logout:
    """What is over."""

    #: Of the session at the provider; ``None`` for all sessions of the subject.
    session_id: str | None = attrs.field(repr=False)
    subject: str | None = attrs.field(repr=False)  #: whose, or ``None``
    issued_at: dt.datetime


def read_logout(claims: Mapping[str, Any], rules: ClaimRules, now: dt.datetime) -> Logout:
    """Judge a logout token whose signature is verified, at ``now`` with a time zone."""
    if text(claims, "iss") != rules.issuer:
        raise TokenRefusedError(TokenRefusal.ISSUER_UNKNOWN)
    check_audience(claims, rules.audience)
    # ``exp`` became mandatory late; providers that leave it out are bound by the age alone.
    issued_at = numeric_date(claims, "iat")
    expires = claims.get("exp", issued_at.timestamp() + rules.max_age.total_seconds())
    check_times({**claims, "exp": expires}, rules.max_age, now)
    events = claims.get("events")
    if not isinstance(events, Mapping) or not isinstance(events.get(EVENT), Mapping):
        raise TokenRefusedError(TokenRefusal.TYPE_NOT_ALLOWED, "no logout token")
    if "nonce" in claims:
        raise TokenRefusedError(TokenRefusal.NONCE, "a logout token has none")
    session_id = None if claims.get("sid") is None else text(claims, "sid")
    subject = None if claims.get("sub") is None else text(claims, "sub")
    if session_id is None and subject is None:
        raise TokenRefusedError(TokenRefusal.CLAIM_MISSING, "sid or sub")
    return Logout(session_id, subject, issued_at)
