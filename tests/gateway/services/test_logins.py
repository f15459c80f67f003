"""A log-in through the gateway, step by step, and the attacks on it, each beside what is allowed."""

import json
import time

import attrs
import jwt
import pytest

from synapse_tim.gateway.logins import COOKIE
from synapse_tim.gateway.upstream import UpstreamError, UpstreamRefusal
from tests.gateway.services.conftest import (
    ISSUER,
    MAS_REDIRECT,
    REDIRECT,
    SECRET,
    Gateway,
    Idp,
    basic,
    now,
    query,
)

USER = "@1-hba-1:hospital.example"


def body(answer):
    return json.loads(answer.body)


def test_a_log_in_from_its_beginning_to_the_claims(gateway, idp):
    begun = gateway.authorize(nonce="rp-nonce", max_age="600", prompt="login")
    assert begun.headers["Location"].startswith("https://idp.example/auth?")
    assert (idp.asked.redirect_uri, idp.asked.prompt, idp.asked.max_age) == (
        f"{ISSUER}/callback",
        "login",
        600,
    )
    cookie = begun.headers["Set-Cookie"]
    assert cookie.startswith(f"{COOKIE}={gateway.cookie}; Path=/; ")
    assert cookie.endswith("; Secure; HttpOnly; SameSite=Lax")
    back = gateway.callback(query(begun)["state"])
    assert back.headers["Location"].startswith(REDIRECT + "?")
    found = query(back)
    assert (found["state"], found["iss"]) == ("rp-state", ISSUER)
    answer = gateway.token(found["code"])
    assert answer.status == 200
    tokens = body(answer)
    assert (tokens["token_type"], tokens["expires_in"], tokens["scope"]) == ("Bearer", 300, "openid profile")
    assert "refresh_token" not in tokens
    claims = gateway.claims_of(tokens["id_token"])
    assert claims["nonce"] == "rp-nonce"
    told = {name: claims[name] for name in ("localpart", "name", "acr", "amr", "profession", "upstream_iss")}
    assert told == {
        "localpart": "1-hba-1",
        "name": "Doktor, Dora",
        "acr": "gematik-ehealth-loa-high",
        "amr": ["mfa", "sc", "pin"],
        "profession": "1.2.276.0.76.4.30",
        "upstream_iss": "https://idp.example",
    }
    info = body(gateway.user_info(tokens["access_token"]))
    of_the_token = ("iss", "aud", "iat", "exp", "nonce", "at_hash")
    assert info == {k: v for k, v in claims.items() if k not in of_the_token}
    assert gateway.users.names == [USER]
    assert gateway.users.links == [("idp", USER), ("oidc-gateway", USER)]
    again = gateway.claims_of(body(gateway.token(gateway.log_in()["code"]))["id_token"])
    assert (again["sub"], again["localpart"]) == (claims["sub"], claims["localpart"])
    assert again["sid"] != claims["sid"]
    assert gateway.users.names == [USER]


def test_without_the_scope_profile_there_is_no_name(gateway):
    tokens = body(gateway.token(gateway.log_in(scope="openid")["code"]))
    assert "name" not in gateway.claims_of(tokens["id_token"])
    assert "name" not in body(gateway.user_info(tokens["access_token"]))


# Authorization requests

_BAD = [
    ({"redirect_uri": None}, None),
    ({"redirect_uri": "https://evil.example/"}, None),
    ({"redirect_uri": REDIRECT + "/"}, None),
    ({"redirect_uri": REDIRECT + "?x=1"}, None),
    ({"redirect_uri": REDIRECT + "#x"}, None),
    ({"redirect_uri": REDIRECT.replace("https", "http")}, None),
    ({"redirect_uri": REDIRECT.replace("tim.example", "tim.example.evil.example")}, None),
    ({"redirect_uri": REDIRECT.replace("tim.example", "tim.example@evil.example")}, None),
    ({"redirect_uri": REDIRECT.upper()}, None),
    ({"redirect_uri": MAS_REDIRECT}, None),
    ({"redirect_uri": 'https://evil.example/"\\ü'}, None),
    ({"client_id": None}, None),
    ({"client_id": "nobody"}, None),
    ({"client_id": "nobody ü"}, None),
    ({"response_type": None}, "unsupported_response_type"),
    ({"response_type": "token"}, "unsupported_response_type"),
    ({"response_type": "code id_token"}, "unsupported_response_type"),
    ({"scope": None}, "invalid_scope"),
    ({"scope": "profile"}, "invalid_scope"),
    ({"nonce": None}, "invalid_request"),
    ({"nonce": "x" * 3000}, "invalid_request"),
    ({"state": "x" * 3000}, "invalid_request"),
    ({"state": "\0"}, "invalid_request"),
    ({"code_challenge": None}, "invalid_request"),
    ({"code_challenge_method": None}, "invalid_request"),
    ({"code_challenge_method": "plain"}, "invalid_request"),
    ({"code_challenge": "short"}, "invalid_request"),
    ({"code_challenge": "x" * 100}, "invalid_request"),
    ({"prompt": "none"}, "login_required"),
    ({"prompt": "none login"}, "invalid_request"),
    ({"prompt": "create"}, "invalid_request"),
    ({"max_age": "soon"}, "invalid_request"),
    ({"max_age": "-1"}, "invalid_request"),
    ({"response_mode": "fragment"}, "invalid_request"),
    ({"response_mode": "form_post"}, "invalid_request"),
    ({"request": "eyJ"}, "request_not_supported"),
    ({"request_uri": "https://evil.example/"}, "request_uri_not_supported"),
]


@pytest.mark.parametrize(("change", "error"), _BAD, ids=str)
def test_requests_that_are_not_in_order_do_not_get_to_a_provider(gateway, idp, change, error):
    answer = gateway.authorize(**change)
    assert idp.asked is None
    if error is None:
        assert answer.status == 400 and "Location" not in answer.headers
        assert b"evil" not in answer.body
        return
    found = query(answer)
    assert found["error"] in (error, "invalid_request"), found
    assert found["error"] == error or change == {"prompt": "none login"}
    assert answer.headers["Location"].startswith(REDIRECT + "?")
    assert found["iss"] == ISSUER
    assert found.get("state") == change.get("state", "rp-state")
    assert "code" not in found


@pytest.mark.parametrize(
    "change",
    [
        {"state": None},
        {"prompt": "login"},
        {"max_age": "0"},
        {"response_mode": "query"},
        {"scope": "openid x"},
    ],
    ids=str,
)
def test_the_most_similar_requests_that_are_in_order_do(gateway, idp, change):
    assert "code" in query(gateway.callback(gateway.begin(**change)))


def test_parameters_that_cannot_be_read(gateway):
    assert gateway.request(gateway.logins.authorize, None).status == 400
    assert gateway.request(gateway.logins.callback, None).status == 400
    assert gateway.request(gateway.logins.choose, None).status == 400
    assert gateway.request(gateway.tokens.token, None, "POST").status == 400


# Several providers


def test_somebody_chooses_among_several_providers(api, database):
    other = Idp("other")
    other.name = "other <one>"
    gateway = Gateway(api, database, Idp("idp"), other)
    page = gateway.authorize()
    assert page.status == 200 and "Location" not in page.headers
    text = page.body.decode()
    assert "other &lt;one&gt;</a>" in text and "<script" not in text
    attempt = text.partition("attempt=")[2].partition("&amp;")[0]
    for name in ("idp", "other", "idp"):  # they may come back and choose again
        answer = gateway.request(gateway.logins.choose, {"attempt": attempt, "provider": name})
        assert answer.headers["Location"].startswith(f"https://{name}.example/auth")
        state = query(answer)["state"]
    for bad in (
        {"attempt": attempt, "provider": "nobody"},
        {"attempt": attempt},
        {"attempt": "x" * 43, "provider": "idp"},
        {"provider": "idp"},
    ):
        assert gateway.request(gateway.logins.choose, bad).status == 400
    stranger = gateway.request(
        gateway.logins.choose, {"attempt": attempt, "provider": "idp"}, cookie="x" * 43
    )
    assert stranger.status == 400
    assert "code" in query(gateway.callback(state))


def test_a_page_to_choose_on_is_shown_on_request_and_in_german(gateway):
    request = gateway.parameters(prompt="select_account")
    for languages, title, text in (
        ("de-DE,de;q=0.9,en;q=0.5", '<html lang="de">', "Womit möchten Sie sich anmelden?"),
        ("en", '<html lang="en">', "How would you like to log in?"),
        ("fr", '<html lang="en">', "How would you like to log in?"),
    ):
        page = gateway.request(gateway.logins.authorize, request, languages=languages)
        assert title in page.body.decode() and text in page.body.decode()
        policy = page.headers["Content-Security-Policy"]
        assert "default-src 'none'" in policy and "frame-ancestors 'none'" in policy
        assert "unsafe" not in policy


def test_a_token_of_another_provider_than_the_one_that_was_asked_is_refused(api, database):
    """A mix-up: the answer of one provider is taken for that of another."""
    asked, other = Idp("idp"), Idp("other")
    gateway = Gateway(api, database, asked, other)
    page = gateway.authorize().body.decode()
    attempt = page.partition("attempt=")[2].partition("&amp;")[0]
    asked.token, own = other.token, asked.token
    for token, good in ((other.token, False), (own, True)):
        asked.token = token
        answer = gateway.request(gateway.logins.choose, {"attempt": attempt, "provider": "idp"})
        found = query(gateway.callback(query(answer)["state"]))
        assert ("code" in found) is good
        assert good or found["error"] == "access_denied"


# The way back


def test_another_browser_cannot_finish_a_log_in(gateway):
    """Login CSRF: a link logs nobody in as somebody else; and what was begun can still be finished."""
    state = gateway.begin()
    for cookie in ("", "x" * 43, gateway.cookie[:-1]):
        answer = gateway.callback(state, cookie=cookie)
        assert answer.status == 400 and "Location" not in answer.headers
    assert gateway.users.names == []
    assert "code" in query(gateway.callback(state))


def test_a_state_is_worth_one_answer(gateway):
    state = gateway.begin()
    assert "code" in query(gateway.callback(state))
    for again in (state, "", "unknown", "ü\0"):
        assert gateway.callback(again).status == 400


def test_two_tabs_do_not_disturb_each_other(gateway):
    first, second = gateway.begin(), gateway.begin()
    assert "code" in query(gateway.callback(first))
    assert "code" in query(gateway.callback(second))


def test_a_token_of_another_log_in_is_refused(gateway, idp):
    """Code injection at the provider: the token has the nonce of another log-in."""
    before = gateway.begin()
    idp.person = {"nonce": gateway.mint.make(now())}
    assert query(gateway.callback(before))["error"] == "access_denied"
    idp.person = {"nonce": None}
    assert query(gateway.callback(gateway.begin()))["error"] == "access_denied"
    idp.person = {}
    assert "code" in gateway.log_in()


def test_an_id_token_is_used_once(gateway, idp):
    idp.person = {"jti": "the same"}
    assert "code" in gateway.log_in()
    assert gateway.log_in()["error"] == "access_denied"
    idp.person = {"jti": "another"}
    assert "code" in gateway.log_in()


@pytest.mark.parametrize(
    ("reason", "error"),
    [
        (UpstreamRefusal.UNAVAILABLE, "temporarily_unavailable"),
        (UpstreamRefusal.PROTOCOL, "server_error"),
        (UpstreamRefusal.DENIED, "access_denied"),
        (UpstreamRefusal.LOGIN_REQUIRED, "login_required"),
        (UpstreamRefusal.MIX_UP, "access_denied"),
        (None, "server_error"),
    ],
)
def test_a_provider_that_cannot_be_used(gateway, idp, reason, error):
    state = gateway.begin()
    idp.refusal = OSError("Dora") if reason is None else UpstreamError(reason)
    found = query(gateway.callback(state))
    assert found["error"] == error and "Reference: " in found["error_description"]
    assert "Dora" not in found["error_description"]
    if reason is not None:
        assert query(gateway.authorize())["error"] == error
    idp.refusal = None
    assert "code" in gateway.log_in()


def test_a_nonce_of_a_relying_party_is_worth_one_code(gateway):
    assert "code" in gateway.log_in(nonce="same")
    assert gateway.log_in(nonce="same")["error"] == "invalid_request"
    assert "code" in gateway.log_in(nonce="other")


def test_how_long_ago_somebody_may_have_identified_themselves(gateway, idp):
    idp.person = {"auth_time": int(time.time()) - 1000}
    assert "code" in gateway.log_in()
    assert "code" in gateway.log_in(max_age="2000")
    assert gateway.log_in(max_age="500")["error"] == "access_denied"
    assert gateway.log_in(prompt="login")["error"] == "access_denied"
    idp.person = {"auth_time": None}
    assert gateway.log_in(max_age="500")["error"] == "access_denied"
    assert "code" in gateway.log_in()
    idp.person = {"auth_time": "now"}
    assert gateway.log_in()["error"] == "access_denied"
    idp.person = {}
    assert "code" in gateway.log_in(max_age="0", prompt="login")


def test_too_many_log_ins_from_one_address(gateway):
    from synapse_tim.core.rate_limit import RequestRate

    gateway.logins = attrs.evolve(gateway.logins, rate=RequestRate(3600, 2))
    assert [gateway.authorize().status for _ in range(3)] == [303, 303, 429]


# Codes


def test_a_code_that_is_shown_twice_ends_what_came_of_it(gateway):
    code = gateway.log_in()["code"]
    tokens = body(gateway.token(code))
    assert gateway.user_info(tokens["access_token"]).status == 200
    again = gateway.token(code)
    assert (again.status, body(again)["error"]) == (400, "invalid_grant")
    assert gateway.user_info(tokens["access_token"]).status == 401
    ((url, logout_token),) = gateway.told
    assert url == "https://synapse.example/logout"
    assert gateway.claims_of(logout_token)["sid"] == gateway.claims_of(tokens["id_token"])["sid"]


@pytest.mark.parametrize(
    ("change", "error"),
    [
        ({"code_verifier": None}, "invalid_request"),
        ({"code_verifier": "x" * 43}, "invalid_grant"),
        ({"code_verifier": "x"}, "invalid_request"),
        ({"redirect_uri": MAS_REDIRECT}, "invalid_grant"),
        ({"redirect_uri": None}, "invalid_grant"),
        ({"grant_type": "refresh_token"}, "unsupported_grant_type"),
        ({"grant_type": None}, "unsupported_grant_type"),
        ({"code": None}, "invalid_request"),
        ({"code": "x" * 43}, "invalid_grant"),
        ({"code": "ü\ud800"}, "invalid_grant"),
        ({"client_id": "mas"}, "invalid_client"),
    ],
    ids=str,
)
def test_codes_that_are_not_redeemed_in_order(gateway, change, error):
    answer = gateway.token(gateway.log_in()["code"], **change)
    assert (answer.status in (400, 401), body(answer)["error"]) == (True, error)


def test_another_relying_party_cannot_redeem_a_code_nor_spoil_it(gateway):
    code = gateway.log_in()["code"]
    stolen = gateway.token(code, authorization="", **assertion(gateway))
    assert body(stolen)["error"] == "invalid_grant"
    assert gateway.token(code).status == 200


@pytest.mark.parametrize(
    "authorization",
    [
        "",
        basic("synapse", "wrong"),
        basic("synapse", ""),
        basic("nobody", SECRET),
        basic("mas", SECRET),
        basic("mas", ""),
        "Basic !!!",
        "Basic /////w==",
        "Bearer x",
    ],
)
def test_relying_parties_that_do_not_show_who_they_are(gateway, authorization):
    code = gateway.log_in()["code"]
    answer = gateway.token(code, authorization=authorization)
    assert answer.status in (400, 401)
    assert body(answer)["error"] in ("invalid_client", "invalid_request")
    assert gateway.token(code).status == 200


def assertion(gateway, key=None, algorithm="ES256", **claims):
    seconds = int(time.time())
    said = {
        "iss": "mas",
        "sub": "mas",
        "aud": f"{ISSUER}/token",
        "jti": f"{time.monotonic_ns()}",
        "exp": seconds + 60,
        **claims,
    }
    said = {name: value for name, value in said.items() if value is not None}
    return {
        "client_assertion_type": "urn:ietf:params:oauth:client-assertion-type:jwt-bearer",
        "client_assertion": jwt.encode(said, gateway.party_key if key is None else key, algorithm),
    }


def test_private_key_jwt(gateway):
    def attempt(assertion):
        found = gateway.log_in(client_id="mas", redirect_uri=MAS_REDIRECT)
        answer = gateway.token(found["code"], "", redirect_uri=MAS_REDIRECT, **assertion)
        return answer.status if answer.status == 200 else body(answer)["error"]

    good = assertion(gateway)
    assert attempt(good) == 200
    assert attempt(good) == "invalid_client"  # used before
    assert attempt(assertion(gateway, aud=ISSUER, client_id="mas")) == 200
    assert attempt({**assertion(gateway), "client_id": "mas"}) == 200
    inside = "http://localhost:8008/token"
    assert attempt(assertion(gateway, aud=inside)) == "invalid_client"
    gateway.clients["mas"] = attrs.evolve(gateway.clients["mas"], token_endpoint=inside)
    assert attempt(assertion(gateway, aud=inside)) == 200
    other = Idp("x").key
    for bad in (
        assertion(gateway, key=other),
        assertion(gateway, key=b"s" * 40, algorithm="HS256"),
        assertion(gateway, key="", algorithm="none"),
        assertion(gateway, aud="https://evil.example/token"),
        assertion(gateway, aud=None),
        assertion(gateway, iss="synapse"),
        assertion(gateway, sub="synapse", iss="synapse"),
        assertion(gateway, sub="nobody", iss="nobody"),
        assertion(gateway, sub=None),
        assertion(gateway, jti=None),
        assertion(gateway, exp=None),
        assertion(gateway, exp=int(time.time()) - 3600),
        assertion(gateway, exp=int(time.time()) + 10**6),
        {**assertion(gateway), "client_id": "synapse"},
        {**assertion(gateway), "client_assertion_type": "x"},
        {**assertion(gateway), "client_assertion": "x"},
        {**assertion(gateway), "client_assertion": "ü.ü.ü"},
    ):
        assert attempt(bad) in ("invalid_client", "invalid_request"), bad


def test_one_way_to_authenticate_only(gateway):
    code = gateway.log_in()["code"]
    both = gateway.token(code, **assertion(gateway))
    assert body(both)["error"] == "invalid_request"


def test_public_keys_do_not_become_secrets(gateway):
    """Algorithm confusion: an HS256 token whose secret is a published key is nobody's."""
    numbers = gateway.party_key.public_key().public_numbers()
    public = numbers.x.to_bytes(32, "big") + numbers.y.to_bytes(32, "big")
    code = gateway.log_in(client_id="mas", redirect_uri=MAS_REDIRECT)["code"]
    forged = assertion(gateway, key=public, algorithm="HS256")
    assert body(gateway.token(code, "", redirect_uri=MAS_REDIRECT, **forged))["error"] == "invalid_client"
    assert gateway.token(code, "", redirect_uri=MAS_REDIRECT, **assertion(gateway)).status == 200


def test_access_tokens(gateway):
    tokens = body(gateway.token(gateway.log_in()["code"]))
    assert gateway.user_info(tokens["access_token"]).status == 200
    for wrong in ("", "x", tokens["access_token"][:-1], tokens["id_token"]):
        answer = gateway.user_info(wrong)
        assert (answer.status, answer.headers["WWW-Authenticate"]) == (401, 'Bearer error="invalid_token"')


def test_what_is_stored_names_no_secret(gateway, database):
    state = gateway.begin(nonce="rp-nonce")
    found = query(gateway.callback(state))
    pending = gateway.begin()
    dump = "\n".join(database.iterdump())
    for secret in (state, pending, found["code"], gateway.cookie):
        assert secret not in dump
    tokens = body(gateway.token(found["code"]))
    dump = "\n".join(database.iterdump())
    assert tokens["access_token"] not in dump and tokens["id_token"] not in dump
