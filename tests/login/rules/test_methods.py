"""AF_10057, AF_10234: which ways to log in there are, and who may still use a password."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from synapse_tim.core.products import Product
from synapse_tim.login.denials import LOGIN_METHOD
from synapse_tim.login.rules.methods import DEFAULTS, FOR_INSURED, ID_TOKEN_TYPE, LoginMethod, LoginRules

SERVER = "hospital.example"
ROOT, USER = f"@root:{SERVER}", f"@user:{SERVER}"
PASSWORD = "m.login.password"
TYPES = {
    ID_TOKEN_TYPE: LoginMethod.ID_TOKEN,
    "m.login.sso": LoginMethod.SSO,
    "m.login.cas": LoginMethod.SSO,
    "m.login.token": LoginMethod.SSO,
    PASSWORD: LoginMethod.PASSWORD,
    "org.matrix.login.jwt": LoginMethod.JWT,
    "m.login.application_service": LoginMethod.APPLICATION_SERVICE,
    "uk.half-shot.msc2778.login.application_service": LoginMethod.APPLICATION_SERVICE,
}
UNKNOWN = ["", "m.login", "M.LOGIN.PASSWORD", "m.login.password ", "m.login.dummy", "org.x.y"]


def rules(*permitted, **more):
    return LoginRules(SERVER, frozenset(permitted), **more)


BROKEN_GLASS = rules(LoginMethod.ID_TOKEN, break_glass=frozenset({ROOT}))


def password(user, /, **more):
    return {"type": PASSWORD, "identifier": {"type": "m.id.user", "user": user}, "password": "x", **more}


def denies(found, method, user=USER, administrator=False, provider=None):
    denial = found.check(method, user, administrator=administrator, sso_provider=provider)
    assert denial in (None, LOGIN_METHOD)
    return denial is not None


def test_what_is_permitted_where_the_operator_says_nothing():
    assert DEFAULTS[Product.EPA] == FOR_INSURED == {"id_token", "sso"}
    assert DEFAULTS[Product.PRO] == {"id_token", "sso", "application_service"}


@pytest.mark.parametrize("login_type", TYPES)
@pytest.mark.parametrize("method", LoginMethod)
def test_a_login_type_is_taken_and_offered_if_its_way_is_permitted(login_type, method):
    found = rules(method)
    assert found.method(login_type) == TYPES[login_type]
    fits = TYPES[login_type] is method
    assert (found.check_request({"type": login_type}) is None) is fits
    assert found.shows(login_type) is fits


@pytest.mark.parametrize("login_type", UNKNOWN)
def test_an_unknown_login_type_is_refused_unless_it_is_permitted_by_its_name(login_type):
    found = rules(*LoginMethod)
    assert found.check_request({"type": login_type}) is LOGIN_METHOD
    assert not found.shows(login_type)
    assert rules(login_type).check_request({"type": login_type}) is None
    assert rules(login_type).shows(login_type)
    assert rules(login_type).check_request(password(USER)) is LOGIN_METHOD


def test_further_login_types_take_id_tokens():
    more = rules(LoginMethod.ID_TOKEN, token_types=frozenset({ID_TOKEN_TYPE, "com.example.token"}))
    for login_type in (ID_TOKEN_TYPE, "com.example.token"):
        assert more.method(login_type) == LoginMethod.ID_TOKEN
        assert more.check_request({"type": login_type}) is None
    assert rules(LoginMethod.ID_TOKEN).check_request({"type": "com.example.token"}) is LOGIN_METHOD


@pytest.mark.parametrize("login_type", [None, 1, [], {}, True])
def test_a_type_that_is_no_text_is_synapses_business(login_type):
    assert rules().check_request({"type": login_type}) is None
    assert rules().check_request({}) is None
    assert not rules(*LoginMethod).shows(login_type)


@given(st.text(max_size=30))
def test_nothing_is_permitted_where_nothing_is(login_type):
    assert rules().check_request({"type": login_type}) is LOGIN_METHOD
    assert not rules().shows(login_type)


# Break glass ----------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "body",
    [
        password(ROOT),
        password("root"),
        password("ROOT"),
        password("@Root:Hospital.Example"),
        {"type": PASSWORD, "user": "root"},
        {"type": PASSWORD, "user": ROOT},
    ],
    ids=str,
)
def test_a_named_administrator_may_try_a_password(body):
    assert BROKEN_GLASS.check_request(body) is None
    assert rules(LoginMethod.ID_TOKEN).check_request(body) is LOGIN_METHOD


@pytest.mark.parametrize(
    "body",
    [
        password("user"),
        password(USER),
        password("@root:evil.example"),
        password("root:evil.example"),
        password("root "),
        password("@root"),
        password(""),
        password(None),
        password(["root"]),
        {"type": PASSWORD},
        {"type": PASSWORD, "user": 1},
        {"type": PASSWORD, "identifier": None},
        {"type": PASSWORD, "identifier": "root"},
        {"type": PASSWORD, "identifier": {"user": "root"}},
        {"type": PASSWORD, "identifier": {"type": "m.id.thirdparty", "user": "root"}},
        {"type": PASSWORD, "identifier": {"type": "m.id.phone", "user": "root"}},
        {"type": PASSWORD, "medium": "email", "address": "root@hospital.example"},
    ],
    ids=str,
)
def test_nobody_else_may_even_try_a_password(body):
    assert BROKEN_GLASS.check_request(body) is LOGIN_METHOD


@pytest.mark.parametrize(
    "body",
    [
        password("root", user="user"),
        password("root", medium="email", address="user@hospital.example"),
        {"type": PASSWORD, "user": "root", "medium": "email", "address": "user@hospital.example"},
    ],
    ids=str,
)
def test_whom_synapse_would_log_in_counts_and_no_other_name(body):
    """Synapse puts the old members before ``identifier``: a password of a user could be guessed otherwise."""
    assert BROKEN_GLASS.check_request(body) is LOGIN_METHOD


def test_break_glass_is_for_passwords_alone():
    for login_type in set(TYPES) - {PASSWORD, ID_TOKEN_TYPE}:
        assert BROKEN_GLASS.check_request(password("root") | {"type": login_type}) is LOGIN_METHOD
    assert BROKEN_GLASS.shows(PASSWORD)
    assert not rules(LoginMethod.ID_TOKEN).shows(PASSWORD)


# Who has proved to be who they are ------------------------------------------------------------------------


def test_a_password_is_for_named_users_who_are_administrators():
    assert not denies(BROKEN_GLASS, LoginMethod.PASSWORD, ROOT, administrator=True)
    assert denies(BROKEN_GLASS, LoginMethod.PASSWORD, ROOT, administrator=False)
    assert denies(BROKEN_GLASS, LoginMethod.PASSWORD, USER, administrator=True)
    assert denies(BROKEN_GLASS, LoginMethod.JWT, ROOT, administrator=True)
    assert denies(BROKEN_GLASS, LoginMethod.SSO, ROOT, administrator=True, provider="oidc-a")
    assert denies(rules(), LoginMethod.PASSWORD, ROOT, administrator=True)
    assert not denies(rules(LoginMethod.PASSWORD), LoginMethod.PASSWORD)


@pytest.mark.parametrize("method", [*sorted(set(LoginMethod) - {LoginMethod.SSO}), "org.x.y"])
def test_a_way_that_is_permitted_is_enough(method):
    for provider in (None, "oidc-a"):
        assert not denies(rules(method), method, provider=provider)
        assert denies(rules(), method, provider=provider)


@pytest.mark.parametrize(
    ("permitted", "provider", "denied"),
    [
        (None, "oidc-a", False),
        (None, "saml", False),
        (None, None, True),
        ({"oidc-a"}, "oidc-a", False),
        ({"oidc-a"}, "oidc-b", True),
        ({"oidc-a"}, "cas", True),
        ({"oidc-a"}, None, True),
        (set(), "oidc-a", True),
        (set(), None, True),
    ],
    ids=str,
)
def test_single_sign_on_needs_a_provider_that_is_permitted(permitted, provider, denied):
    providers = None if permitted is None else frozenset(permitted)
    assert (
        denies(rules(LoginMethod.SSO, sso_providers=providers), LoginMethod.SSO, provider=provider) is denied
    )


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(max_size=9),
    lambda inner: st.lists(inner, max_size=2) | st.dictionaries(st.text(max_size=5), inner, max_size=2),
    max_leaves=4,
)


@given(
    st.fixed_dictionaries(
        {"type": st.sampled_from([PASSWORD, *TYPES]) | JSON},
        optional={
            "user": JSON,
            "identifier": JSON | st.fixed_dictionaries({"type": st.just("m.id.user") | JSON, "user": JSON}),
            "medium": JSON,
            "address": JSON,
        },
    )
)
def test_whatever_is_sent_is_taken_or_denied(body):
    assert BROKEN_GLASS.check_request(body) in (None, LOGIN_METHOD)
