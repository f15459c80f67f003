"""Attacks on the gateway's own endpoints, on a real Synapse, each beside its nearest allowed case."""

import jwt
import pytest

from synapse_tim.testing import WorkerDeployment, loopback
from tests.gateway.e2e.world import COOKIE, ELSEWHERE, GATEWAY, Browser, doctor, query_of

pytestmark = pytest.mark.servers


def came_back(ti, party, person=None, **more):
    """A browser that logs in for the relying party; the parameters that it is sent back with."""
    return query_of(Browser(ti, person or doctor()).visit(party.ask(**more), ELSEWHERE))


def test_a_relying_party_gets_what_discovery_promises(clinic, ti, party):
    document = loopback.get(f"{clinic.client_url}{GATEWAY}/.well-known/openid-configuration").json()
    assert document["issuer"] == party.issuer
    assert document["code_challenge_methods_supported"] == ["S256"]
    person = doctor()
    found = came_back(ti, party, person, state="a state", nonce="a nonce")
    assert (found["state"], found["iss"]) == ("a state", party.issuer)
    answer = party.redeem(found["code"])
    assert answer.headers["Cache-Control"] == "no-store"
    tokens = answer.json()
    (jwk,) = loopback.get(f"{clinic.client_url}{GATEWAY}/jwks.json").json()["keys"]
    claims = jwt.decode(
        tokens["id_token"], jwt.PyJWK(jwk), ["ES256"], audience="synapse", issuer=party.issuer
    )
    assert (claims["nonce"], claims["localpart"]) == ("a nonce", person.id_nummer.lower())
    assert party.user_info(tokens["access_token"]).json()["sub"] == claims["sub"]
    assert party.user_info("x" * 43).status_code == 401


def test_codes_are_worth_one_use_with_their_verifier(ti, party):
    code = came_back(ti, party)["code"]
    assert party.redeem(code, code_verifier="x" * 43).json()["error"] == "invalid_grant"
    assert party.redeem(code).json()["error"] == "invalid_grant"  # it was shown
    code = came_back(ti, party)["code"]
    tokens = party.redeem(code).raise_for_status().json()
    assert party.redeem(code).json()["error"] == "invalid_grant"
    assert party.user_info(tokens["access_token"]).status_code == 401


@pytest.mark.parametrize(
    "change",
    [
        {"redirect_uri": f"{ELSEWHERE}/"},
        {"redirect_uri": f"{ELSEWHERE}?x=1"},
        {"redirect_uri": "https://evil.example/"},
        {"redirect_uri": None},
        {"client_id": "nobody"},
    ],
    ids=str,
)
def test_no_open_redirect(ti, party, change):
    answer = Browser(ti).get(party.ask(**change))
    assert answer.status_code == 400 and "Location" not in answer.headers
    assert "Reference: " in answer.text and "evil" not in answer.text


@pytest.mark.parametrize(
    "change",
    [
        {"code_challenge": None, "code_challenge_method": None},
        {"code_challenge_method": "plain"},
        {"nonce": None},
        {"response_type": "code id_token"},
        {"prompt": "none"},
    ],
    ids=str,
)
def test_downgrades(ti, party, change):
    answer = Browser(ti).get(party.ask(**change))
    assert answer.headers["Location"].startswith(ELSEWHERE)
    found = query_of(answer)
    assert found["error"] and found["iss"] == party.issuer and "code" not in found


def test_another_browser_does_not_finish_a_log_in(ti, party):
    victim, attacker = Browser(ti, doctor()), Browser(ti)
    back = victim.visit(party.ask(), f"{party.issuer}/callback").headers["Location"]
    for cookies in ({}, {COOKIE: "x" * 43}):
        attacker.client.cookies.update(cookies)
        answer = attacker.get(back)
        assert answer.status_code == 400 and "code=" not in answer.text
    assert "code" in query_of(victim.get(back))
    assert victim.get(back).status_code == 400


def test_pages_are_not_framed_nor_kept_and_have_no_scripts(ti, party):
    answer = Browser(ti).get(party.ask(prompt="select_account"), headers={"Accept-Language": "de"})
    assert answer.status_code == 200
    assert "Womit möchten Sie sich anmelden?" in answer.text and "<script" not in answer.text
    policy = answer.headers["Content-Security-Policy"]
    assert "default-src 'none'" in policy and "frame-ancestors 'none'" in policy
    assert answer.headers["X-Frame-Options"] == "DENY"
    assert answer.headers["Cache-Control"] == "no-store"
    assert answer.headers["Referrer-Policy"] == "no-referrer"
    cookie = answer.headers["Set-Cookie"]
    assert cookie.startswith(f"{COOKIE}=") and "; Secure; HttpOnly; SameSite=Lax" in cookie
    chosen = Browser(ti, doctor()).visit(party.ask(prompt="select_account"), ELSEWHERE, choose="Broker")
    assert "code" in query_of(chosen)


def test_bad_requests_are_no_failures_of_the_server(clinic, party):
    url = f"{clinic.client_url}{GATEWAY}"
    for method, path, options in (
        ("GET", "/authorize?client_id=a&client_id=b", {}),
        ("GET", "/authorize?x=%ff", {}),
        ("GET", "/authorize?" + "&".join(f"a{n}=1" for n in range(200)), {}),
        ("GET", "/callback?state=%00&code=%ed%a0%80", {}),
        ("GET", "/choose?attempt=%00", {}),
        ("POST", "/authorize", {"content": b"x" * 100_000}),
        ("POST", "/token", {"content": b"{}", "headers": {"Content-Type": "application/json"}}),
        ("POST", "/token", {"data": {"code": "x" * 70_000}}),
        ("POST", "/token", {"data": {"code": "x"}, "headers": {"Authorization": "Basic /////w=="}}),
        ("GET", "/token", {}),
        ("PUT", "/authorize", {}),
        ("DELETE", "/userinfo", {}),
        ("GET", "/userinfo", {"headers": {"Authorization": b"Bearer \xe4"}}),
        ("GET", "/jwks.json/more", {}),
    ):
        answer = loopback.request(method, url + path, **options)
        assert 400 <= answer.status_code < 500, (path, answer.status_code)
    assert loopback.request("HEAD", f"{url}/jwks.json").status_code == 200


def test_no_code_state_or_token_of_the_provider_is_in_the_log(clinic, ti, party):
    browser = Browser(ti, doctor())
    found = query_of(browser.visit(party.ask(), ELSEWHERE))
    tokens = party.redeem(found["code"]).json()
    log = clinic.log_text()
    (back,) = (url for url in browser.trail if "/callback?" in url and url.startswith(party.issuer))
    given = dict(pair.split("=", 1) for pair in back.partition("?")[2].split("&"))
    for secret in (given["code"], given["state"], found["code"], tokens["access_token"], tokens["id_token"]):
        assert secret not in log


def test_each_step_may_be_served_by_another_process(clinic, ti, party):
    if not isinstance(clinic, WorkerDeployment):
        pytest.skip("for --with-workers")
    urls = [process.client_url for process in (clinic, *clinic.workers)]
    for first, second in ((urls[-1], urls[0]), (urls[0], urls[-1])):
        code = came_back(ti, party)["code"]
        tokens = party.redeem(code, first).raise_for_status().json()
        assert party.user_info(tokens["access_token"], second).status_code == 200
        assert party.redeem(code, second).json()["error"] == "invalid_grant"
        assert party.user_info(tokens["access_token"], first).status_code == 401
