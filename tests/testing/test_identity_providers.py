"""The identity providers of the simulator, over real HTTP, judged by the product's own strict rules."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Mapping
from html import unescape
from typing import Any
from urllib.parse import parse_qs, urlsplit

import httpx
import pytest
from cryptography.hazmat.primitives.asymmetric import ec

from synapse_tim.jose.errors import JoseError, JoseReason
from synapse_tim.jose.jwe import DecryptionKey, decrypt
from synapse_tim.jose.jwk import KeySet, parse_key_set, public_key
from synapse_tim.jose.large_jws import CompactJws
from synapse_tim.jose.signed_token import SignedToken
from synapse_tim.login.provider_keys import KeysUnavailableError, SignedDiscovery
from synapse_tim.login.rules.insured import ID, ORGANIZATION, PROFESSION
from synapse_tim.pki.certificate_source import DownloadServer
from synapse_tim.pki.ocsp_client import OcspClient
from synapse_tim.pki.revocation import OcspMode
from synapse_tim.pki.signer_path import ROLE_IDPD
from synapse_tim.pki.trust_store import TrustStore
from synapse_tim.testing import RelyingParty
from synapse_tim.testing.http import Answer, LoopbackServer, Request
from synapse_tim.testing.merge import REMOVED
from synapse_tim.testing.simulator.faults import Faults
from synapse_tim.testing.simulator.idp import jwe
from synapse_tim.testing.simulator.idp.cards import Card
from synapse_tim.testing.simulator.idp.oauth import challenge_of
from synapse_tim.testing.simulator.pki.signing import compact_json
from synapse_tim.testing.simulator.simulator import TiSimulator
from synapse_tim.transport.fetcher import Fetcher
from synapse_tim.transport.tls import client_context

CLIENT = "messenger"
REDIRECT = "https://client.example/callback?from=idp"
VERIFIER = "v" * 43
USUAL = {
    "response_type": "code",
    "client_id": CLIENT,
    "redirect_uri": REDIRECT,
    "scope": "openid",
    "state": "the state",
    "nonce": "the nonce",
    "code_challenge": challenge_of(VERIFIER),
    "code_challenge_method": "S256",
}


@pytest.fixture
def party(ti: TiSimulator) -> RelyingParty:
    return RelyingParty(ti, CLIENT, REDIRECT)


@pytest.fixture
def client_key(ti: TiSimulator) -> DecryptionKey:
    key = DecryptionKey.of(ec.generate_private_key(ec.SECP256R1()))
    ti.sectoral.encrypt_for(key.public_jwk)
    return key


@pytest.fixture
def signed_keys(ti: TiSimulator) -> Iterator[SignedDiscovery]:
    """Where the product has the keys of the central IDP from, OCSP and all."""
    inside, outside = Fetcher(client_context(ti.ca_file)), Fetcher()
    trust = TrustStore(DownloadServer(outside, ti.ca_base_url), ti.pins, allow_test=True, role=ROLE_IDPD)
    ocsp = OcspClient(OcspMode.HARD, outside, ti.ocsp_url)
    yield SignedDiscovery(inside, ti.idp.discovery_url, ti.idp.issuer, ti.now, trust, ocsp)
    inside.close(), outside.close()


def keys_at(http: httpx.Client, url: str) -> KeySet:
    return parse_key_set(http.get(url).raise_for_status().content)


def verified(token: str | bytes, keys: KeySet) -> Mapping[str, Any]:
    return SignedToken.parse(token if isinstance(token, bytes) else token.encode()).verify(keys)


def code_of(answer: httpx.Response) -> str:
    assert answer.status_code == 302
    where = answer.headers["Location"]
    assert where.startswith(REDIRECT)
    query = parse_qs(urlsplit(where).query)
    assert query["state"] == [USUAL["state"]]
    return query["code"][0]


def error_of(answer: httpx.Response, status: int = 400) -> str:
    assert answer.status_code == status
    return str(answer.json()["error"])


def without(members: Mapping[str, str], name: str) -> dict[str, str]:
    return {key: value for key, value in members.items() if key != name}


# The central IDP


def test_a_doctor_logs_in_at_the_central_idp(
    ti: TiSimulator, http: httpx.Client, party: RelyingParty
) -> None:
    token = party.central_id_token("doctor", nonce="n-1")
    assert SignedToken.parse(token.encode()).type == "jwt"
    claims = verified(token, keys_at(http, ti.idp.jwks_url))
    assert claims["iss"] == ti.idp.issuer == ti.https_url + "/idp"
    assert (claims["aud"], claims["azp"], claims["nonce"]) == (CLIENT, CLIENT, "n-1")
    assert (claims["acr"], claims["amr"]) == ("gematik-ehealth-loa-high", ["mfa", "sc", "pin"])
    assert claims["exp"] - claims["iat"] == 300
    assert (claims["idNummer"], claims["professionOID"]) == ("1-HBA-TEST-ONLY-0001", "1.2.276.0.76.4.30")
    assert claims["family_name"].endswith("TEST-ONLY")
    assert claims["organizationName"] is None
    again = verified(party.central_id_token("doctor"), keys_at(http, ti.idp.jwks_url))
    assert again["sub"] == claims["sub"]
    assert again["jti"] != claims["jti"]


def test_an_organisation_has_no_personal_name(
    ti: TiSimulator, http: httpx.Client, party: RelyingParty
) -> None:
    ti.idp.cards["clinic"] = Card("5-SMC-B-TEST-ONLY-9", "1.2.276.0.76.4.53", organization_name="Clinic")
    claims = verified(party.central_id_token("clinic"), keys_at(http, ti.idp.jwks_url))
    assert (claims["organizationName"], claims["given_name"], claims["family_name"]) == ("Clinic", None, None)


def test_the_signed_discovery_document(ti: TiSimulator, http: httpx.Client) -> None:
    answer = http.get(ti.idp.discovery_url)
    assert answer.headers["Content-Type"] == "application/jwt"
    jws = CompactJws.parse(answer.content)
    document = json.loads(jws.verified_payload())
    assert jws.algorithm == "BP256R1"
    assert document["exp"] - document["iat"] == 24 * 3600
    assert document["uri_disc"] == ti.idp.discovery_url
    assert document["authorization_endpoint"].endswith("/idp/sign_response")
    signature, encryption = (http.get(document[f"uri_puk_idp_{use}"]).json() for use in ("sig", "enc"))
    assert [key["crv"] for key in (signature, encryption)] == ["BP-256", "BP-256"]
    assert (signature["use"], signature["kid"]) == ("sig", "puk_idp_sig")
    assert (encryption["use"], encryption["kid"]) == ("enc", "puk_idp_enc")
    assert "alg" not in signature
    assert http.get(document["jwks_uri"]).json() == {"keys": [signature, encryption]}


def test_the_product_accepts_the_keys_of_the_central_idp(
    ti: TiSimulator, signed_keys: SignedDiscovery, party: RelyingParty
) -> None:
    verified(party.central_id_token("practice"), signed_keys.fetch())


@pytest.mark.parametrize(
    ("fault", "problem"),
    [
        ("idp_wrong_role", "signer_role"),
        ("idp_foreign_signer", "issuer_mismatch"),
        ("idp_bad_signature", "signature_invalid"),
        ("idp_expired_discovery", "expired"),
    ],
)
def test_faults_of_the_signed_discovery(
    ti: TiSimulator, signed_keys: SignedDiscovery, fault: str, problem: str
) -> None:
    signed_keys.fetch()
    setattr(ti.faults, fault, True)
    with pytest.raises(KeysUnavailableError, match=problem):
        signed_keys.fetch()
    ti.faults.reset()
    signed_keys.fetch()


@pytest.mark.parametrize(
    ("fault", "problem"), [("revoked_signer", "revoked"), ("ocsp_unknown", "ocsp_unknown_certificate")]
)
def test_faults_of_ocsp_hit_the_central_idp(
    ti: TiSimulator, signed_keys: SignedDiscovery, fault: str, problem: str
) -> None:
    setattr(ti.faults, fault, True)
    with pytest.raises(KeysUnavailableError, match=problem):
        signed_keys.fetch()


@pytest.mark.parametrize("name", ["idp", "sectoral", "broker"])
def test_a_provider_alone_can_be_down(ti: TiSimulator, http: httpx.Client, name: str) -> None:
    ti.faults.paths, ti.faults.status = (f"/{name}",), 503
    urls = {each: getattr(ti, each).jwks_url for each in ("idp", "sectoral", "broker")}
    assert {each for each, url in urls.items() if http.get(url).status_code == 503} == {name}
    ti.faults.drop_connection = True
    with pytest.raises(httpx.TransportError):
        http.get(urls[name])
    assert http.get(ti.list_url).status_code == 200


def test_the_page_with_the_cards(ti: TiSimulator, http: httpx.Client) -> None:
    page = http.get(ti.idp.issuer + "/sign_response", params=USUAL)
    assert page.headers["Content-Type"].startswith("text/html")
    links = [unescape(link) for link in re.findall(r'href="([^"]+)"', page.text)]
    assert len(links) == len(ti.idp.cards) == 5
    assert code_of(http.get(page.url.join(links[0])))


@pytest.mark.parametrize("missing", ["client_id", "redirect_uri", "response_type", "nonce", "code_challenge"])
def test_an_authorization_request_that_lacks_something(
    ti: TiSimulator, http: httpx.Client, missing: str
) -> None:
    params = {**without(USUAL, missing), "card": "doctor"}
    assert error_of(http.get(ti.idp.issuer + "/sign_response", params=params)) == "invalid_request"


@pytest.mark.parametrize(
    ("wrong", "error"),
    [
        ({"response_type": "token"}, "unsupported_response_type"),
        ({"code_challenge_method": "plain"}, "invalid_request"),
        ({"scope": "profile"}, "invalid_scope"),
        ({"redirect_uri": "https://client.example/\r\nSet-Cookie: a=b"}, "invalid_request"),
        ({"card": "nobody"}, "access_denied"),
    ],
)
def test_an_authorization_request_that_is_wrong(
    ti: TiSimulator, http: httpx.Client, wrong: dict[str, str], error: str
) -> None:
    params = {**USUAL, "card": "doctor", **wrong}
    assert error_of(http.get(ti.idp.issuer + "/sign_response", params=params)) == error


def test_what_the_central_idp_gives_no_token_for(ti: TiSimulator, http: httpx.Client) -> None:
    recipient = public_key(http.get(ti.idp.issuer + "/certs/puk_idp_enc").json())
    assert isinstance(recipient, ec.EllipticCurvePublicKey)

    def key_verifier(**members: str) -> str:
        usual = {"token_key": "A" * 43, "code_verifier": VERIFIER}
        return jwe.encrypt(compact_json({**usual, **members}), recipient)

    def code() -> str:
        return code_of(http.get(ti.idp.issuer + "/sign_response", params={**USUAL, "card": "doctor"}))

    def answer(**members: str) -> httpx.Response:
        usual = {"grant_type": "authorization_code", "client_id": CLIENT, "redirect_uri": REDIRECT}
        return http.post(ti.idp.issuer + "/token", data={**usual, "key_verifier": key_verifier(), **members})

    used = code()
    assert answer(code=used).status_code == 200
    assert error_of(answer(code=used)) == "invalid_grant"
    assert error_of(answer(code="made-up")) == "invalid_grant"
    assert error_of(answer(code=code(), grant_type="password")) == "unsupported_grant_type"
    assert error_of(answer(code=code(), client_id="another")) == "invalid_grant"
    assert error_of(answer(code=code(), redirect_uri="https://evil.test")) == "invalid_grant"
    assert error_of(answer(code=code(), key_verifier="no.token")) == "invalid_request"
    assert error_of(answer(code=code(), key_verifier=key_verifier(token_key="AAAA"))) == "invalid_request"
    burned = code()
    wrong_verifier = key_verifier(code_verifier="w" * 43)
    assert error_of(answer(code=burned, key_verifier=wrong_verifier)) == "invalid_grant"
    assert error_of(answer(code=burned)) == "invalid_grant"


# The sectoral identity provider


def test_an_insured_person_logs_in(
    ti: TiSimulator, http: httpx.Client, party: RelyingParty, client_key: DecryptionKey
) -> None:
    inner = decrypt(party.sectoral_id_token("erika", nonce="n-2").encode(), [client_key])
    assert SignedToken.parse(inner).algorithm == "ES256"
    claims = verified(inner, keys_at(http, ti.sectoral.jwks_url))
    assert (claims["iss"], claims["aud"], claims["nonce"]) == (ti.sectoral.issuer, CLIENT, "n-2")
    assert claims["amr"] == ["urn:telematik:auth:eGK"]
    person = ti.sectoral.persons["erika"]
    assert (claims[ID], claims[ORGANIZATION]) == (person.kvnr, "109500969")
    assert claims[PROFESSION] == "1.2.276.0.76.4.49"
    again = verified(ti.sectoral.mint("erika", audience=CLIENT), keys_at(http, ti.sectoral.jwks_url))
    elsewhere = verified(ti.sectoral.mint("erika", audience="other"), keys_at(http, ti.sectoral.jwks_url))
    assert claims["sub"] == again["sub"] != elsewhere["sub"]


def test_the_key_of_the_client_can_be_fetched(ti: TiSimulator, party: RelyingParty) -> None:
    with pytest.raises(httpx.HTTPStatusError):
        party.sectoral_id_token("otto")  # no key is known
    key = DecryptionKey.of(ec.generate_private_key(ec.SECP256R1()))
    with_keys = {"keys": [dict(key.public_jwk)]}
    server = LoopbackServer(0, lambda _: Answer.of_json(with_keys), lambda *_: None, Faults())
    ti.sectoral.client_jwks_url = f"http://localhost:{server.port}/jwks"
    try:
        assert decrypt(party.sectoral_id_token("otto").encode(), [key])
    finally:
        server.close()
    with pytest.raises(httpx.HTTPStatusError):
        party.sectoral_id_token("otto")


def test_what_the_sectoral_idp_refuses(
    ti: TiSimulator, http: httpx.Client, client_key: DecryptionKey
) -> None:
    issuer = ti.sectoral.issuer

    def push(**members: str) -> httpx.Response:
        return http.post(issuer + "/par", data={**USUAL, **members})

    def authorize(uri: str, **members: str) -> httpx.Response:
        usual = {"client_id": CLIENT, "request_uri": uri, "person": "erika"}
        return http.get(issuer + "/auth", params={**usual, **members})

    def answer(code: str, verifier: str = VERIFIER) -> httpx.Response:
        members = {"client_id": CLIENT, "redirect_uri": REDIRECT, "code_verifier": verifier}
        return http.post(
            issuer + "/token", data={"grant_type": "authorization_code", "code": code, **members}
        )

    assert error_of(push(response_type="token")) == "unsupported_response_type"
    assert error_of(push(code_challenge="")) == "invalid_request"
    pushed = push()
    assert pushed.status_code == 201
    uri = pushed.json()["request_uri"]
    assert pushed.json()["expires_in"] > 0
    assert error_of(authorize("urn:made-up")) == "invalid_request"
    assert error_of(authorize(uri, client_id="another")) == "invalid_request"
    assert "Erika" in authorize(uri, person="").text
    code = code_of(authorize(uri))
    assert error_of(authorize(uri)) == "invalid_request"  # used up
    assert answer(code).status_code == 200
    assert error_of(answer(code)) == "invalid_grant"
    assert error_of(answer(code_of(authorize(push().json()["request_uri"])), "w" * 43)) == "invalid_grant"


# The broker


def broker_form(ti: TiSimulator, code: str, **members: str) -> dict[str, str]:
    credentials = {"client_id": ti.broker.client_id, "client_secret": ti.broker.client_secret}
    usual = {"grant_type": "authorization_code", "redirect_uri": REDIRECT, "code_verifier": VERIFIER}
    return {**usual, **credentials, "code": code, **members}


def test_the_broker_is_an_openid_provider(ti: TiSimulator, http: httpx.Client) -> None:
    document = http.get(ti.broker.discovery_url).json()
    assert document["issuer"] == ti.broker.issuer == ti.http_url + "/broker"
    assert document["backchannel_logout_supported"] is True
    asked = {**USUAL, "client_id": ti.broker.client_id}
    page = http.get(document["authorization_endpoint"], params=asked)
    links = [unescape(link) for link in re.findall(r'href="([^"]+)"', page.text)]
    assert len(links) == 8
    link = next(link for link in links if "person=erika" in link)
    form = broker_form(ti, code_of(http.get(page.url.join(link))))
    tokens = http.post(document["token_endpoint"], data=form).raise_for_status().json()
    claims = verified(tokens["id_token"], keys_at(http, document["jwks_uri"]))
    assert (claims["aud"], claims["nonce"]) == (ti.broker.client_id, USUAL["nonce"])
    assert claims["sid"] in ti.broker.sessions
    assert claims[ORGANIZATION] == "109500969"
    headers = {"Authorization": f"Bearer {tokens['access_token']}"}
    info = http.get(document["userinfo_endpoint"], headers=headers).json()
    assert info["sub"] == claims["sub"]
    assert info[ID] == claims[ID]
    assert error_of(http.get(document["userinfo_endpoint"]), 401) == "invalid_token"
    assert error_of(http.post(document["token_endpoint"], data=form)) == "invalid_grant"


def test_somebody_can_be_preselected_at_the_broker(ti: TiSimulator, http: httpx.Client) -> None:
    ti.broker.preselected = "hospital"
    asked = {**without(USUAL, "code_challenge"), "client_id": ti.broker.client_id}
    code = code_of(http.get(ti.broker.issuer + "/auth", params=asked))
    basic = (ti.broker.client_id, ti.broker.client_secret)
    form = {"grant_type": "authorization_code", "redirect_uri": REDIRECT, "code": code}
    tokens = http.post(ti.broker.issuer + "/token", data=form, auth=basic).raise_for_status().json()
    claims = verified(tokens["id_token"], keys_at(http, ti.broker.jwks_url))
    assert claims["organizationName"] == "Krankenhaus TEST-ONLY"
    assert "given_name" not in claims


def test_what_the_broker_refuses(ti: TiSimulator, http: httpx.Client) -> None:
    asked = {**USUAL, "client_id": ti.broker.client_id, "person": "doctor"}
    where, tokens = ti.broker.issuer + "/auth", ti.broker.issuer + "/token"
    assert error_of(http.get(where, params={**asked, "client_id": "x"})) == "unauthorized_client"
    code = code_of(http.get(where, params=asked))
    wrong = broker_form(ti, code, client_secret="guessed")
    assert error_of(http.post(tokens, data=wrong), 401) == "invalid_client"
    assert error_of(http.post(tokens, data=broker_form(ti, code), auth=("x", "y")), 401) == "invalid_client"
    garbled = {"Authorization": "Basic %"}
    assert error_of(http.post(tokens, headers=garbled), 401) == "invalid_client"
    form = broker_form(ti, code, code_verifier="w" * 43)
    assert error_of(http.post(tokens, data=form)) == "invalid_grant"


def test_a_logout_token_is_delivered(ti: TiSimulator, http: httpx.Client) -> None:
    received: list[Request] = []

    def receive(request: Request) -> Answer:
        received.append(request)
        return Answer(204)

    server = LoopbackServer(0, receive, lambda *_: None, Faults())
    token = ti.broker.mint("doctor", audience="messenger", sid="the-session")
    try:
        answer = ti.broker.log_out("the-session", f"http://localhost:{server.port}/logout")
    finally:
        server.close()
    assert answer.status_code == 204
    logout = parse_qs(received[0].body.decode())["logout_token"][0]
    assert SignedToken.parse(logout.encode()).type == "logout+jwt"
    keys = keys_at(http, ti.broker.jwks_url)
    claims, about = verified(logout, keys), verified(token, keys)
    assert {name: claims[name] for name in ("iss", "aud", "sid", "sub")} == {
        name: about[name] for name in ("iss", "aud", "sid", "sub")
    }
    assert claims["events"] == {"http://schemas.openid.net/event/backchannel-logout": {}}
    assert "sub" not in verified(ti.broker.logout_token("unheard-of"), keys)


@pytest.mark.servers
def test_synapse_itself_logs_in_and_out_with_the_broker(ti: TiSimulator, synapse_server) -> None:
    ti.broker.preselected = "doctor"
    extra = {
        "oidc_providers": [ti.broker.oidc_provider_config()],
        "sso": {"client_whitelist": ["http://app.example/"]},
    }
    server = synapse_server("ours", extra=extra)
    start = "/_matrix/client/v3/login/sso/redirect/oidc-broker?redirectUrl=http://app.example/"
    with httpx.Client(trust_env=False) as browser:
        to_broker = browser.get(server.client_url + start)
        # Browsers send cookies marked Secure to loopback, httpx does not.
        cookies = "; ".join(each.partition(";")[0] for each in to_broker.headers.get_list("Set-Cookie"))
        to_synapse = browser.get(to_broker.headers["Location"])
        to_app = browser.get(to_synapse.headers["Location"], headers={"Cookie": cookies})
        where = httpx.URL(to_app.headers["Location"])
        body = {"type": "m.login.token", "token": where.params["loginToken"]}
        session = browser.post(server.client_url + "/_matrix/client/v3/login", json=body).json()
        assert session["user_id"] == f"@1-hba-test-only-0001:{server.server_name}"
        me = server.client_url + "/_matrix/client/v3/account/whoami"
        headers = {"Authorization": f"Bearer {session['access_token']}"}
        assert browser.get(me, headers=headers).status_code == 200
        url = server.client_url + "/_synapse/client/oidc/backchannel_logout"
        assert ti.broker.log_out(ti.broker.sessions[-1], url).status_code == 200
        assert browser.get(me, headers=headers).status_code == 401


# All of them


@pytest.mark.parametrize(("name", "person"), [("idp", "doctor"), ("sectoral", "erika"), ("broker", "otto")])
def test_keys_are_rotated(ti: TiSimulator, http: httpx.Client, name: str, person: str) -> None:
    provider = getattr(ti, name)
    before, kid = provider.mint(person, audience=CLIENT), provider.signature_key.kid
    verified(before, keys_at(http, provider.jwks_url))
    assert provider.rotate_keys() == provider.signature_key.kid == f"{kid}_2"
    keys = keys_at(http, provider.jwks_url)
    with pytest.raises(JoseError) as error:
        verified(before, keys)
    assert error.value.reason is JoseReason.KEY_UNKNOWN
    verified(provider.mint(person, audience=CLIENT), keys)
    assert provider.rotate_keys("mine") == "mine"
    verified(provider.mint(person, audience=CLIENT), keys_at(http, provider.jwks_url))


def test_rotated_keys_of_the_central_idp_have_certificates_too(
    ti: TiSimulator, signed_keys: SignedDiscovery
) -> None:
    ti.idp.rotate_keys()
    verified(ti.idp.mint("doctor", audience=CLIENT), signed_keys.fetch())


@pytest.mark.parametrize(("name", "person"), [("idp", "doctor"), ("sectoral", "erika"), ("broker", "otto")])
def test_tokens_can_be_changed(ti: TiSimulator, http: httpx.Client, name: str, person: str) -> None:
    provider = getattr(ti, name)
    keys = keys_at(http, provider.jwks_url)
    provider.claims.update({"acr": None, "jti": REMOVED, "extra": [1]})
    provider.header["typ"] = "other"
    token = provider.mint(person, audience=[CLIENT, "b"], claims={"extra": 2}, header={"kid": REMOVED})
    claims = verified(token, keys)
    assert (claims["acr"], claims["extra"], claims["aud"], claims["azp"]) == (None, 2, [CLIENT, "b"], CLIENT)
    assert "jti" not in claims
    parsed = SignedToken.parse(token.encode())
    assert (parsed.type, parsed.kid) == ("other", None)
    provider.claims.clear()
    early = verified(provider.mint(person, audience=CLIENT, now=ti.now().replace(year=2020)), keys)
    assert early["exp"] - early["iat"] == 300
    assert early["exp"] < ti.now().timestamp() - 10**7


def test_overrides_reach_tokens_of_the_flows(
    ti: TiSimulator, http: httpx.Client, party: RelyingParty
) -> None:
    ti.idp.claims["nonce"] = "another"
    claims = verified(party.central_id_token("doctor", nonce="mine"), keys_at(http, ti.idp.jwks_url))
    assert claims["nonce"] == "another"


@pytest.mark.parametrize("name", ["idp", "sectoral", "broker"])
def test_they_answer_on_both_listeners_and_nowhere_else(
    ti: TiSimulator, http: httpx.Client, name: str
) -> None:
    for base in (ti.http_url, ti.https_url):
        assert http.get(f"{base}/{name}/certs").status_code == 200
        assert http.get(f"{base}/{name}/nothing").status_code == 404
        assert http.get(f"{base}/{name}s").status_code == 404
        assert http.post(f"{base}/{name}/certs").status_code == 404


def test_with_mutual_tls_the_client_has_a_certificate(ti_simulator) -> None:
    assert RelyingParty(ti_simulator(require_client_certificate=True), CLIENT, REDIRECT).central_id_token(
        "doctor"
    )
