"""R4.2: logout tokens (OpenID Connect Back-Channel Logout §2.4 and §2.6)."""

import datetime as dt

import pytest

from synapse_tim.login.rules.claims import ACR_ORDER, ClaimRules, check_claims
from synapse_tim.login.rules.logout_token import TYPES, Logout, read_logout
from synapse_tim.login.rules.refusals import TokenRefusal, TokenRefusedError
from tests.support.helpers import NOW

ISSUER, US = "https://idp.example", "messenger"
T = int(NOW.timestamp())
EVENT = "http://schemas.openid.net/event/backchannel-logout"
# What an ID token has to say about a person, a logout token does not.
RULES = ClaimRules(
    ISSUER,
    US,
    dt.timedelta(minutes=5),
    ACR_ORDER[-1],
    amr=frozenset({"mfa"}),
    professions=frozenset({"1"}),
    required={"idNummer": frozenset({"1"})},
)


def refused(reason):
    return pytest.raises(TokenRefusedError, match=rf"^{reason.value}(:|$)")


def claims(**members):
    usual = {
        "iss": ISSUER,
        "aud": US,
        "iat": T - 1,
        "exp": T + 100,
        "jti": "1",
        "events": {EVENT: {}},
        "sid": "session",
        "sub": "person",
    }
    return {name: value for name, value in (usual | members).items() if value is not ...}


def read(**members):
    return read_logout(claims(**members), RULES, NOW)


def test_a_logout_names_a_session_or_a_person_or_both():
    issued_at = read().issued_at
    assert read() == Logout("session", "person", issued_at)
    assert read(sub=...) == read(sub=None) == Logout("session", None, issued_at)
    assert read(sid=...) == read(sid=None) == Logout(None, "person", issued_at)
    for nothing in (..., None):
        with refused(TokenRefusal.CLAIM_MISSING):
            read(sid=nothing, sub=nothing)


@pytest.mark.parametrize("member", ["sid", "sub"])
def test_names_are_texts(member):
    for value in (1, [], {}, True, "a\0"):
        with refused(TokenRefusal.CLAIMS_MALFORMED):
            read(**{member: value})
    with refused(TokenRefusal.CLAIM_MISSING):
        read(**{member: ""})


def test_names_are_not_shown():
    assert repr(read()) == f"Logout(issued_at={read().issued_at!r})"


@pytest.mark.parametrize(
    "events",
    [
        ...,
        None,
        {},
        [],
        [EVENT],
        EVENT,
        {EVENT: None},
        {EVENT: []},
        {EVENT: "{}"},
        {EVENT + "/": {}},
        {"x": {}},
    ],
    ids=str,
)
def test_without_the_event_it_is_no_logout_token(events):
    with refused(TokenRefusal.TYPE_NOT_ALLOWED):
        read(events=events)


def test_other_events_beside_it_do_no_harm():
    assert read(events={"x": {}, EVENT: {"future": 1}})


@pytest.mark.parametrize("nonce", ["n", "", None])
def test_a_logout_token_has_no_nonce(nonce):
    with refused(TokenRefusal.NONCE):
        read(nonce=nonce)


def test_it_has_to_be_from_the_provider_and_for_us():
    with refused(TokenRefusal.ISSUER_UNKNOWN):
        read(iss="https://evil.example")
    with refused(TokenRefusal.CLAIM_MISSING):
        read(iss=...)
    for audience in (..., "other", ["other"], [US, "other"]):
        with refused(TokenRefusal.AUDIENCE):
            read(aud=audience)
    assert read(aud=[US, "other"], azp=US)


@pytest.mark.parametrize(
    ("members", "reason"),
    [
        ({"exp": T - 60}, TokenRefusal.EXPIRED),
        ({"exp": 0}, TokenRefusal.EXPIRED),
        ({"iat": T - 301}, TokenRefusal.TOO_OLD),
        ({"iat": T - 301, "exp": ...}, TokenRefusal.TOO_OLD),
        ({"iat": T + 61}, TokenRefusal.NOT_YET_VALID),
        ({"iat": T + 61, "exp": ...}, TokenRefusal.NOT_YET_VALID),
        ({"nbf": T + 61}, TokenRefusal.NOT_YET_VALID),
        ({"iat": ...}, TokenRefusal.CLAIM_MISSING),
        ({"iat": ..., "exp": ...}, TokenRefusal.CLAIM_MISSING),
        ({"exp": None}, TokenRefusal.CLAIM_MISSING),
        ({"exp": True}, TokenRefusal.CLAIMS_MALFORMED),
        ({"iat": 253402300799, "exp": ...}, TokenRefusal.CLAIMS_MALFORMED),
        ({"iat": "x"}, TokenRefusal.CLAIMS_MALFORMED),
    ],
    ids=str,
)
def test_it_has_to_be_fresh(members, reason):
    with refused(reason):
        read(**members)


def test_a_provider_may_leave_out_when_it_expires():
    assert read(exp=...)
    assert read(exp=..., iat=T - 300)
    assert read(exp=..., iat=str(T))


def test_an_id_token_and_a_logout_token_do_not_pass_for_each_other():
    person = {"acr": ACR_ORDER[-1], "amr": "mfa", "professionOID": "1", "idNummer": "1"}
    check_claims(claims(events=..., **person), RULES, NOW)
    with refused(TokenRefusal.TYPE_NOT_ALLOWED):
        read(events=..., **person)
    with refused(TokenRefusal.TYPE_NOT_ALLOWED):
        check_claims(claims(**person), RULES, NOW)


def test_the_types_of_logout_tokens():
    assert {"logout+jwt", "jwt", ""} == TYPES
