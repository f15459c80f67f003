"""R4.1, R4.4: what an ID token has to say: for whom, when, how good, and about whom."""

import contextlib
import datetime as dt
import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from synapse_tim.login.rules.claims import (
    ACR_ORDER,
    CLOCK_SKEW,
    ClaimRules,
    check_audience,
    check_claims,
    check_times,
    numeric_date,
    replay_key,
    text,
)
from synapse_tim.login.rules.refusals import TokenRefusal, TokenRefusedError
from tests.support.helpers import NOW

ISSUER, US = "https://idp.example", "messenger"
T = int(NOW.timestamp())
SUBSTANTIAL, HIGH = ACR_ORDER
MAX_AGE = dt.timedelta(minutes=5)
SKEW = 60


def refused(reason):
    return pytest.raises(TokenRefusedError, match=rf"^{reason.value}(:|$)")


def claims(**members):
    usual = {"iss": ISSUER, "aud": US, "iat": T - 10, "exp": T + 290, "sub": "s"}
    return {name: value for name, value in (usual | members).items() if value is not ...}


def check(rules=None, now=NOW, **members):
    rules = {} if rules is None else rules
    check_claims(claims(**members), ClaimRules(ISSUER, US, MAX_AGE, **rules), now)


def test_a_token_for_us_and_for_now_is_good():
    assert dt.timedelta(seconds=SKEW) == CLOCK_SKEW
    check()


# Whose token ----------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "issuer", [ISSUER + "/", ISSUER.upper(), "https://IDP.example", ISSUER + " ", "http://idp.example", "x"]
)
def test_the_issuer_is_compared_exactly(issuer):
    with refused(TokenRefusal.ISSUER_UNKNOWN):
        check(iss=issuer)


@pytest.mark.parametrize(
    ("value", "reason"),
    [
        (..., TokenRefusal.CLAIM_MISSING),
        (None, TokenRefusal.CLAIM_MISSING),
        ("", TokenRefusal.CLAIM_MISSING),
        (1, TokenRefusal.CLAIMS_MALFORMED),
        (True, TokenRefusal.CLAIMS_MALFORMED),
        ([ISSUER], TokenRefusal.CLAIMS_MALFORMED),
        ({}, TokenRefusal.CLAIMS_MALFORMED),
        ("a\0b", TokenRefusal.CLAIMS_MALFORMED),
        ("a\ud800", TokenRefusal.CLAIMS_MALFORMED),
        ("x" * 1001, TokenRefusal.CLAIMS_MALFORMED),
    ],
    ids=lambda value: str(value)[:20].encode("unicode_escape").decode(),
)
def test_a_text_is_there_and_can_be_stored(value, reason):
    with refused(reason):
        text(claims(given=value), "given")
    with refused(reason):
        check(iss=value)


def test_a_text_comes_back_as_it_is():
    for value in (" ", "ä", "x" * 1000, "\U0001f600", "{given}"):
        assert text({"given": value}, "given") == value


@pytest.mark.parametrize(
    "events", [{"http://schemas.openid.net/event/backchannel-logout": {}}, {}, None, "x"]
)
def test_a_logout_token_is_no_id_token(events):
    with refused(TokenRefusal.TYPE_NOT_ALLOWED):
        check(events=events)


# For whom -------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("audience", "party"),
    [
        (US, ...),
        (US, None),
        (US, US),
        ([US], ...),
        ([US], US),
        ([US, US], ...),
        ([US, "b"], US),
        (["b", US], US),
    ],
    ids=str,
)
def test_a_token_for_us_has_us_in_its_audience(audience, party):
    check(aud=audience, azp=party)


@pytest.mark.parametrize(
    ("audience", "party"),
    [
        ("other", ...),
        ("other", US),
        (US.upper(), ...),
        (US + " ", ...),
        (f"{US} other", ...),
        ([], ...),
        ([], US),
        (["other"], US),
        (US, "other"),
        (US, ""),
        (US, [US]),
        (US, 1),
        ([US, "b"], ...),
        ([US, "b"], None),
        ([US, "b"], "b"),
        (..., ...),
        (None, ...),
        (1, ...),
        ({US: 1}, ...),
        ([[US]], ...),
        ([US, 1], US),
        ([US, None], US),
    ],
    ids=str,
)
def test_a_token_for_somebody_else_is_refused(audience, party):
    with refused(TokenRefusal.AUDIENCE):
        check(aud=audience, azp=party)
    with refused(TokenRefusal.AUDIENCE):
        check_audience(claims(aud=audience, azp=party), US)


# For when -------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("member", "last_good", "first_bad", "reason"),
    [
        ("exp", T - SKEW + 1, T - SKEW, TokenRefusal.EXPIRED),
        ("exp", T - SKEW + 0.001, T - SKEW - 0.001, TokenRefusal.EXPIRED),
        ("iat", T + SKEW, T + SKEW + 1, TokenRefusal.NOT_YET_VALID),
        ("iat", T + SKEW, T + SKEW + 0.001, TokenRefusal.NOT_YET_VALID),
        ("nbf", T + SKEW, T + SKEW + 1, TokenRefusal.NOT_YET_VALID),
        ("iat", T - 300, T - 301, TokenRefusal.TOO_OLD),
        ("iat", T - 300, T - 300.001, TokenRefusal.TOO_OLD),
    ],
)
def test_the_edges_of_time(member, last_good, first_bad, reason):
    for form in (lambda value: value, str) if isinstance(first_bad, int) else (lambda value: value,):
        check(**{member: form(last_good)})
        with refused(reason):
            check(**{member: form(first_bad)})


def test_skew_does_not_add_to_the_age():
    check_times({"iat": T - 300, "exp": T + 10**6}, MAX_AGE, NOW)
    with refused(TokenRefusal.TOO_OLD):
        check_times({"iat": T - 301, "exp": T + 10**6}, MAX_AGE, NOW)
    with refused(TokenRefusal.TOO_OLD):
        check_times({"iat": T - 1, "exp": T + 1}, dt.timedelta(0), NOW)


def test_a_start_in_the_past_changes_nothing():
    for start in (..., None, 0, T - 10**6, T):
        check(nbf=start)
    with refused(TokenRefusal.TOO_OLD):
        check(iat=T - 301, nbf=T)
    with refused(TokenRefusal.NOT_YET_VALID):
        check(iat=T + 61, nbf=0)


def test_a_token_that_ended_before_it_began_is_refused():
    with refused(TokenRefusal.EXPIRED):
        check(iat=T, exp=T - 100)


@pytest.mark.parametrize("member", ["iat", "exp"])
@pytest.mark.parametrize("value", [..., None])
def test_both_times_are_demanded(member, value):
    with refused(TokenRefusal.CLAIM_MISSING):
        check(**{member: value})


@pytest.mark.parametrize("value", [T, float(T), T + 0.5, str(T), 0, "0", "000000000001", 1e9], ids=repr)
def test_a_time_is_a_number_or_a_text_of_digits(value):
    expected = dt.datetime.fromtimestamp(float(value), dt.UTC)
    assert numeric_date({"iat": value}, "iat") == expected


@pytest.mark.parametrize(
    "value",
    [
        True,
        False,
        -1,
        -0.5,
        -math.inf,
        math.inf,
        math.nan,
        10**11 * 9,
        10**12,
        10**400,
        1e300,
        "",
        " 1",
        "1 ",
        "1\n",
        "+1",
        "-1",
        "1.5",
        "1e9",
        "0x1",
        "1_000",
        "١٢٣",
        "1" * 13,
        "9" * 12,
        "now",
        [T],
        {},
    ],
    ids=lambda value: repr(value)[:20],
)
def test_anything_else_is_no_time(value):
    for member in ("iat", "exp", "nbf"):
        with refused(TokenRefusal.CLAIMS_MALFORMED):
            check(**{member: value})


@given(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text() | st.lists(st.integers(), max_size=1)
)
def test_any_time_is_read_or_refused(value):
    with contextlib.suppress(TokenRefusedError):
        assert numeric_date({"exp": value}, "exp").tzinfo is dt.UTC


TIMES = st.integers(T - 1000, T + 1000)


@given(TIMES, TIMES, st.none() | TIMES, st.integers(1, 3600))
def test_a_token_that_is_taken_is_neither_old_nor_early_nor_late(issued, expires, starts, age):
    try:
        check_times({"iat": issued, "exp": expires, "nbf": starts}, dt.timedelta(seconds=age), NOW)
        taken = True
    except TokenRefusedError:
        taken = False
    begins = max(issued, issued if starts is None else starts)
    assert taken is (T - age <= issued and begins <= T + SKEW and expires > T - SKEW)


# How good -------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("minimum", "found", "good"),
    [
        (HIGH, HIGH, True),
        (HIGH, SUBSTANTIAL, False),
        (SUBSTANTIAL, SUBSTANTIAL, True),
        (SUBSTANTIAL, HIGH, True),
        (HIGH, HIGH.upper(), False),
        (HIGH, HIGH + " ", False),
        (SUBSTANTIAL, "gematik-ehealth-loa-low", False),
        (SUBSTANTIAL, "1", False),
    ],
)
def test_levels_of_assurance_have_an_order(minimum, found, good):
    rules = {"minimum_acr": minimum}
    if good:
        check(rules, acr=found)
        return
    with refused(TokenRefusal.ACR_TOO_LOW):
        check(rules, acr=found)


def test_the_operator_may_have_other_levels():
    rules = {"minimum_acr": "b", "acr_order": ("a", "b", "c")}
    for level in "bc":
        check(rules, acr=level)
    for level in ("a", HIGH):
        with refused(TokenRefusal.ACR_TOO_LOW):
            check(rules, acr=level)


def test_a_level_that_is_demanded_has_to_be_there():
    for value in (..., None, ""):
        with refused(TokenRefusal.CLAIM_MISSING):
            check({"minimum_acr": HIGH}, acr=value)
    for value in ([HIGH], 2):
        with refused(TokenRefusal.CLAIMS_MALFORMED):
            check({"minimum_acr": HIGH}, acr=value)
    for value in (..., "anything", 1):
        check(acr=value)


def test_all_means_of_authentication_have_to_be_allowed():
    rules = {"amr": frozenset({"mfa", "sc", "pin"})}
    for good in (["mfa"], ["mfa", "sc", "pin"], ["pin", "pin"], "sc"):
        check(rules, amr=good)
    for bad in (
        ["pwd"],
        ["mfa", "pwd"],
        "pwd",
        "mfa sc",
        ["MFA"],
        ["mfa", 1],
        ["mfa", None],
        [["mfa"]],
        ["mfa", ""],
    ):
        with refused(TokenRefusal.AMR_NOT_ALLOWED):
            check(rules, amr=bad)
    for bad in (..., None, [], {}, {"mfa": 1}, 1):
        with refused(TokenRefusal.CLAIM_MISSING):
            check(rules, amr=bad)
    for value in (..., ["pwd"], 1):
        check(amr=value)


# About whom -----------------------------------------------------------------------------------------------


def test_a_profession_has_to_be_permitted():
    rules = {"professions": frozenset({"1.2.276.0.76.4.30"})}
    check(rules, professionOID="1.2.276.0.76.4.30")
    for bad in ("1.2.276.0.76.4.3", "1.2.276.0.76.4.300", "1.2.276.0.76.4.30 ", "1.2.276.0.76.4.49"):
        with refused(TokenRefusal.PROFESSION_NOT_PERMITTED):
            check(rules, professionOID=bad)
    with refused(TokenRefusal.CLAIM_MISSING):
        check(rules)
    with refused(TokenRefusal.CLAIMS_MALFORMED):
        check(rules, professionOID=["1.2.276.0.76.4.30"])
    check({}, professionOID="anything")


def test_the_profession_may_stand_elsewhere():
    rules = {"professions": frozenset({"1"}), "profession_claim": "urn:telematik:claims:profession"}
    check(rules, **{"urn:telematik:claims:profession": "1"})
    with refused(TokenRefusal.CLAIM_MISSING):
        check(rules, professionOID="1")


def test_required_claims_have_one_of_their_values():
    rules = {"required": {"idNummer": frozenset({"1-a", "1-b"}), "org": frozenset({"x"})}}
    check(rules, idNummer="1-b", org="x")
    for bad in (
        {"idNummer": "1-c", "org": "x"},
        {"idNummer": "1-a", "org": "X"},
        {"idNummer": "1-A", "org": "x"},
    ):
        with refused(TokenRefusal.CLAIM_NOT_PERMITTED):
            check(rules, **bad)
    with refused(TokenRefusal.CLAIM_MISSING):
        check(rules, idNummer="1-a")
    with refused(TokenRefusal.CLAIMS_MALFORMED):
        check(rules, idNummer=["1-a"], org="x")


def test_refusals_name_claims_and_never_their_values():
    bad = [
        ({"required": {"name": frozenset({"x"})}}, {"name": "secret"}),
        ({"professions": frozenset({"1"})}, {"professionOID": "secret"}),
        ({"minimum_acr": HIGH}, {"acr": "secret"}),
        ({"amr": frozenset({"a"})}, {"amr": ["secret"]}),
        ({}, {"aud": "secret"}),
        ({}, {"azp": "secret"}),
        ({}, {"iss": "secret"}),
        ({}, {"iat": "secret"}),
        ({}, {"iss": "secret\0"}),
    ]
    for rules, members in bad:
        with pytest.raises(TokenRefusedError) as caught:
            check(rules, **members)
        assert "secret" not in str(caught.value)


# What tells tokens apart ----------------------------------------------------------------------------------


def test_a_token_is_known_by_its_jti_of_its_issuer():
    key = replay_key(claims(jti="1"), "digest")
    assert key == replay_key(claims(jti="1", sub="other", iat=T), "another")
    others = [
        replay_key(claims(jti="2"), "digest"),
        replay_key(claims(jti="1", iss="https://other.example"), "digest"),
        replay_key(claims(), "digest"),
        replay_key(claims(), "1"),
        replay_key(claims(jti="digest"), "1"),
    ]
    assert len({key, *others}) == 6
    assert {len(each) for each in others} == {64}


def test_a_token_without_jti_is_known_by_what_is_signed():
    assert replay_key(claims(), "a") == replay_key(claims(jti=None), "a")
    assert replay_key(claims(), "a") != replay_key(claims(), "b")
    assert replay_key(claims(), "a") != replay_key(claims(iss="x"), "a")


def test_values_do_not_run_into_each_other():
    assert replay_key(claims(iss="a", jti="bc"), "") != replay_key(claims(iss="ab", jti="c"), "")


@pytest.mark.parametrize("value", [1, True, [], {}, "a\0b", "x" * 1001], ids=lambda value: repr(value)[:9])
def test_a_jti_is_a_text(value):
    with refused(TokenRefusal.CLAIMS_MALFORMED):
        replay_key(claims(jti=value), "digest")


def test_an_empty_jti_tells_nothing_apart():
    with refused(TokenRefusal.CLAIM_MISSING):
        replay_key(claims(jti=""), "digest")


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=9),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=5), inner, max_size=3),
    max_leaves=5,
)


@given(
    st.fixed_dictionaries(
        {},
        optional={
            "iss": st.just(ISSUER) | JSON,
            "aud": st.just(US) | JSON,
            "iat": st.just(T) | JSON,
            "exp": st.just(T + 1) | JSON,
            **dict.fromkeys(("azp", "nbf", "acr", "amr", "professionOID", "jti", "x"), JSON),
        },
    )
)
def test_any_claims_are_good_or_refused(found):
    rules = ClaimRules(
        ISSUER,
        US,
        MAX_AGE,
        HIGH,
        amr=frozenset({"a"}),
        professions=frozenset({"1"}),
        required={"x": frozenset("y")},
    )
    with contextlib.suppress(TokenRefusedError):
        check_claims(found, rules, NOW)
        assert len(replay_key(found, "digest")) == 64
