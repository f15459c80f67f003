"""Login with ID tokens of cards (AF_10057): each check, its hostile variants, the nearest token allowed."""

import concurrent.futures
import json
import ssl

import httpx
import pytest
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import ec

from synapse_tim.jose.compact import base64url_encode
from synapse_tim.testing import loopback, wait_for
from synapse_tim.testing.merge import REMOVED
from synapse_tim.testing.simulator.idp.jws import sign_token
from tests.login.e2e.world import (
    AUDIENCE,
    CLIENT,
    FORBIDDEN,
    HOSPITAL,
    ID_TOKEN,
    OURS,
    PHARMACIST,
    code,
    log_in,
    log_in_body,
    logged_in,
    post_login,
    processes,
    profile,
    reasons,
    refused,
    seconds,
    where_clients_are,
    whoami,
)

pytestmark = pytest.mark.servers

HOUR = 3600


@pytest.mark.requirement("A_22936")
def test_af_10057_a_doctor_logs_in_with_a_card(world):
    card = world.doctor()
    session = logged_in(world.clinic, world.card_token(card), refresh_token=True)
    assert session["user_id"] == f"@{card.id_nummer.lower()}:{world.clinic.server_name}"
    assert session["refresh_token"]
    assert session["expires_in_ms"] <= 300_000
    assert whoami(world.clinic, session) == (200, None)
    assert profile(world.clinic, session) == f"{card.family_name}, Dora"


def test_af_10057_an_organisation_logs_in_with_a_card(world):
    card = world.doctor(
        profession_oid=HOSPITAL, organization_name="Klinik am Rand", given_name=None, family_name=None
    )
    session = logged_in(world.clinic, world.card_token(card))
    assert profile(world.clinic, session) == "Klinik am Rand"


def test_the_same_person_gets_the_same_account(world):
    card = world.doctor()
    first = logged_in(world.clinic, world.card_token(card))
    second = logged_in(world.clinic, world.card_token(card))
    assert first["user_id"] == second["user_id"]
    assert first["device_id"] != second["device_id"]


def test_the_client_does_not_choose_who_it_is(world):
    victim = world.clinic.register("victim")
    card = world.doctor()
    body = log_in_body(world.card_token(card))
    body["identifier"] = {"type": "m.id.user", "user": victim.user_id}
    assert (
        post_login(world.clinic, body).json()["user_id"] == f"@{card.id_nummer.lower()}:{victim.server_name}"
    )


def test_the_client_need_not_say_who_it_is(world):
    for identifier in ({}, None, {"type": "m.id.thirdparty", "medium": "email", "address": "a@b.c"}):
        body = {"type": ID_TOKEN, "token": world.card_token(world.doctor())}
        if identifier is not None:
            body["identifier"] = identifier
        assert code(post_login(world.clinic, body)) == (200, None)


def test_clients_of_other_products_may_call_the_login_type_as_they_are_used_to(world):
    logged_in(world.clinic, world.card_token(world.doctor()), login_type="com.example.login.jwt")


@pytest.mark.one_process
@pytest.mark.parametrize(
    ("claims", "reason"),
    [
        ({"exp": -61, "iat": -100}, "expired"),
        ({"exp": str, "iat": -301}, "too_old"),
        ({"iat": 120}, "not_yet_valid"),
        ({"nbf": 120}, "not_yet_valid"),
        ({"exp": REMOVED}, "claim_missing"),
        ({"iat": REMOVED}, "claim_missing"),
        ({"exp": True}, "claims_malformed"),
        ({"exp": "soon"}, "claims_malformed"),
        ({"exp": {}}, "claims_malformed"),
        ({"iss": "https://idp.example"}, "issuer_unknown"),
        ({"iss": ["https://idp.example"]}, "issuer_unknown"),
        ({"iss": REMOVED}, "issuer_unknown"),
        ({"aud": "another-app"}, "audience"),
        ({"aud": ["another-app"]}, "audience"),
        ({"aud": [AUDIENCE, "another-app"], "azp": REMOVED}, "audience"),
        ({"aud": [AUDIENCE, "another-app"], "azp": "another-app"}, "audience"),
        ({"azp": "another-app"}, "audience"),
        ({"aud": {AUDIENCE: 1}}, "audience"),
        ({"aud": REMOVED}, "audience"),
        ({"acr": "gematik-ehealth-loa-substantial"}, "acr_too_low"),
        ({"acr": "GEMATIK-EHEALTH-LOA-HIGH"}, "acr_too_low"),
        ({"acr": REMOVED}, "claim_missing"),
        ({"amr": ["mfa", "pwd"]}, "amr_not_allowed"),
        ({"amr": []}, "claim_missing"),
        ({"professionOID": PHARMACIST}, "profession_not_permitted"),
        ({"professionOID": [PHARMACIST]}, "claims_malformed"),
        ({"professionOID": REMOVED}, "claim_missing"),
        ({"sub": REMOVED}, "claim_missing"),
        ({"sub": 5}, "claims_malformed"),
        ({"sub": "a\0b"}, "claims_malformed"),
        ({"jti": 5}, "claims_malformed"),
        ({"idNummer": "@eve:evil.test"}, "localpart"),
        ({"idNummer": "eve:evil.test"}, "localpart"),
        ({"idNummer": "1-HBA/../../x y"}, "localpart"),
        ({"idNummer": "_bridge"}, "localpart"),
        ({"idNummer": "0815"}, "localpart"),
        ({"idNummer": "ÄRZTIN"}, "localpart"),
        ({"idNummer": "a" * 250}, "localpart"),
        ({"idNummer": REMOVED}, "claim_missing"),
        ({"idNummer": None}, "claim_missing"),
        ({"events": {"http://schemas.openid.net/event/backchannel-logout": {}}}, "type_not_allowed"),
    ],
    ids=str,
)
@pytest.mark.requirement("A_22936")
def test_af_10057_claims_that_are_refused(world, claims, reason):
    """Numbers count from now; ``str`` stands for a time that is all right, as a text."""
    card, now = world.doctor(), seconds()
    for name in ("exp", "iat", "nbf"):
        if type(claims.get(name)) is int:
            claims = {**claims, name: now + claims[name]}
        elif claims.get(name) is str:
            claims = {**claims, name: str(now + HOUR)}
    refused(world.clinic, world.card_token(card, claims=claims), reason)
    logged_in(world.clinic, world.card_token(card))


def test_numbers_as_texts_and_several_audiences_are_all_right(world):
    now = seconds()
    claims = {"iat": str(now - 240), "exp": str(now - 10), "aud": ["another-app", AUDIENCE], "azp": AUDIENCE}
    logged_in(world.clinic, world.card_token(world.doctor(), claims=claims))


@pytest.mark.one_process
@pytest.mark.parametrize("claim", ["admin", "is_admin", "roles", "groups", "synapse_admin"])
def test_claims_make_nobody_an_administrator(world, claim):
    session = logged_in(world.clinic, world.card_token(world.doctor(), claims={claim: True, "role": "admin"}))
    answer = loopback.get(
        f"{world.clinic.client_url}/_synapse/admin/v1/users/{session['user_id']}/admin",
        headers={"Authorization": f"Bearer {session['access_token']}"},
    )
    assert code(answer) == FORBIDDEN


# Signatures


def public_pem(key):
    return key.public_key().public_bytes(
        serialization.Encoding.PEM, serialization.PublicFormat.SubjectPublicKeyInfo
    )


def forged(world, claims, key, algorithm, **header):
    return sign_token(claims, key, algorithm=algorithm, header={"kid": "puk_idp_sig", **header})


def genuine_claims(world, card):
    payload = world.card_token(card).split(".")[1]
    import base64

    return json.loads(base64.urlsafe_b64decode(payload + "=" * (-len(payload) % 4)))


def test_signatures_that_are_refused(world):
    card = world.doctor()
    claims = genuine_claims(world, card)
    genuine = httpx.get(
        f"{world.ti.idp.issuer}/certs/puk_idp_sig", verify=ssl.create_default_context(cafile=world.ti.ca_file)
    ).json()
    from synapse_tim.jose import jwk

    public = jwk.public_key(genuine)
    pem = public.public_bytes(serialization.Encoding.PEM, serialization.PublicFormat.SubjectPublicKeyInfo)
    foreign = ec.generate_private_key(ec.BrainpoolP256R1())
    nist = ec.generate_private_key(ec.SECP256R1())
    own = {
        "jwk": jwk.to_jwk(foreign.public_key()),
        "jku": "https://evil.test/jwks",
        "x5u": "https://evil.test",
    }
    attempts = {
        "none": (forged(world, claims, None, "none"), "algorithm_not_allowed"),
        "None": (forged(world, claims, foreign, "BP256R1", alg="None"), "algorithm_not_allowed"),
        "HS256 with the public key": (forged(world, claims, pem, "HS256"), "algorithm_not_allowed"),
        "HS256 with the JWK": (
            forged(world, claims, json.dumps(genuine).encode(), "HS256"),
            "algorithm_not_allowed",
        ),
        "another curve": (forged(world, claims, nist, "ES256"), "algorithm_not_allowed"),
        "another curve under the right name": (forged(world, claims, nist, "BP256R1"), "signature_invalid"),
        "a foreign key with the same kid": (forged(world, claims, foreign, "BP256R1"), "signature_invalid"),
        "a key that comes along": (forged(world, claims, foreign, "BP256R1", **own), "signature_invalid"),
        "no kid": (forged(world, claims, foreign, "BP256R1", kid=REMOVED), "signature_invalid"),
        "a kid that nobody knows": (forged(world, claims, foreign, "BP256R1", kid="k"), "key_unknown"),
        "a kid that is none": (forged(world, claims, foreign, "BP256R1", kid=5), "header_malformed"),
        "another type": (forged(world, claims, foreign, "BP256R1", typ="at+jwt"), "type_not_allowed"),
        "crit": (forged(world, claims, foreign, "BP256R1", crit=["exp"]), "header_unsupported"),
        "b64": (forged(world, claims, foreign, "BP256R1", b64=False), "header_unsupported"),
        "zip": (world.card_token(card, header={"zip": "DEF"}), "header_unsupported"),
        "a content type that is none": (world.card_token(card, header={"cty": 1}), "header_unsupported"),
    }
    for what, (token, reason) in attempts.items():
        refused(world.clinic, token, reason), what
    tampered = world.card_token(card).split(".")
    tampered[1] = base64url_encode(json.dumps({**claims, "idNummer": "somebody-else"}).encode()).decode()
    refused(world.clinic, ".".join(tampered), "signature_invalid")
    logged_in(world.clinic, world.card_token(card))


@pytest.mark.one_process
@pytest.mark.parametrize(
    ("token", "reason"),
    [
        (5, "not_a_token"),
        (None, "not_a_token"),
        ({}, "not_a_token"),
        ("", "not_a_token"),
        ("a.b", "not_a_token"),
        ("a.b.c.d", "not_a_token"),
        ("é.b.c", "not_a_token"),
        ("..", "header_malformed"),
        ("....", "header_malformed"),
        ("e30.e30.", "algorithm_not_allowed"),
        ("W10.e30.e30", "header_malformed"),
        ("e30=.e30.e30", "base64"),
        (" e30.e30.e30", "base64"),
        ("A" * 40_000 + ".e30.e30", "too_large"),
        ("A" * 70_000 + "....", "too_large"),
        ("e30.e30.e30.e30.e30", "encryption_not_allowed"),
    ],
    ids=lambda value: str(value)[:20],
)
def test_what_is_no_token_is_refused_and_nothing_else_happens(world, token, reason):
    refused(world.clinic, token, reason)


def test_a_token_has_to_be_there(world):
    body = log_in_body("x")
    del body["token"]
    assert code(post_login(world.clinic, body))[0] == 400


# Once only


def test_a_token_is_worth_one_log_in_at_all_processes(world):
    token = world.card_token(world.doctor())
    urls = [process.client_url for process in processes(world.clinic)]
    logged_in(world.clinic, token, urls[-1])
    for url in urls:
        refused(world.clinic, token, "replayed", url=url)


def test_a_token_without_a_name_is_worth_one_log_in_too(world):
    token = world.card_token(world.doctor(), claims={"jti": REMOVED})
    logged_in(world.clinic, token)
    refused(world.clinic, token, "replayed")


def test_many_requests_at_once_with_one_token_make_one_session(world):
    token = world.card_token(world.doctor())
    urls = [process.client_url for process in processes(world.clinic)] * 4
    with concurrent.futures.ThreadPoolExecutor(8) as pool:
        answers = list(pool.map(lambda url: log_in(world.clinic, token, url).status_code, urls))
    assert sorted(answers)[:1] == [200]
    assert answers.count(200) == 1


def test_two_first_logins_at_once_make_one_account(world):
    card = world.doctor()
    tokens = [world.card_token(card) for _ in range(4)]
    urls = [process.client_url for process in processes(world.clinic)] * 4
    with concurrent.futures.ThreadPoolExecutor(4) as pool:
        answers = list(pool.map(lambda pair: log_in(world.clinic, *pair), zip(tokens, urls, strict=False)))
    assert [answer.status_code for answer in answers] == [200] * 4, reasons(world.clinic)
    assert len({answer.json()["user_id"] for answer in answers}) == 1


def test_a_nonce_of_this_server_is_worth_one_log_in(world):
    answer = loopback.post(f"{where_clients_are(world.clinic)}{OURS}/nonce")
    assert answer.status_code == 200
    assert answer.headers["Cache-Control"] == "no-store"
    nonce = answer.json()["nonce"]
    card = world.doctor()
    logged_in(world.clinic, world.card_token(card, nonce=nonce))
    refused(world.clinic, world.card_token(card, nonce=nonce), "nonce")
    logged_in(world.clinic, world.card_token(card, nonce="one of the client's own"))


# Keys


def test_keys_are_not_fetched_for_each_log_in(world):
    card = world.doctor()
    logged_in(world.clinic, world.card_token(card))
    before = world.ti.count("/idp")
    for _ in range(5):
        logged_in(world.clinic, world.card_token(card))
    assert world.ti.count("/idp") == before


def test_a_new_key_of_the_provider_is_found_and_the_old_one_is_over(world):
    card = world.doctor()
    logged_in(world.clinic, world.card_token(card))
    old = world.card_token(card)
    world.ti.idp.rotate_keys()

    def accepted():
        return log_in(world.clinic, world.card_token(card)).status_code == 200

    wait_for(accepted, what="the new key")
    refused(world.clinic, old, "key_unknown")


def test_a_new_key_under_the_old_name_is_found(world):
    card = world.doctor()
    logged_in(world.clinic, world.card_token(card))
    old = world.card_token(card)
    world.ti.idp.rotate_keys(world.ti.idp.signature_key.kid)

    def accepted():
        return log_in(world.clinic, world.card_token(card)).status_code == 200

    wait_for(accepted, what="the new key")
    refused(world.clinic, old, "signature_invalid")


def test_while_the_provider_is_down_its_keys_stay(world):
    card = world.doctor()
    logged_in(world.clinic, world.card_token(card))
    world.ti.faults.paths, world.ti.faults.status = ("/idp",), 503
    try:
        logged_in(world.clinic, world.card_token(card))
        token = world.card_token(card, header={"kid": "new"})
        wait_for(lambda: world.ti.count("/idp") and code(log_in(world.clinic, token)) == FORBIDDEN)
        logged_in(world.clinic, world.card_token(card))
    finally:
        world.ti.faults.reset()


def test_the_log_has_the_reason_and_nobody_in_it(world):
    card = world.doctor()
    token = world.card_token(card, claims={"aud": "another-app"})
    refused(world.clinic, token, "audience")
    logged_in(world.clinic, world.card_token(card))
    ours = [
        line
        for path in world.clinic.directory.glob("*.log")
        for line in path.read_text().splitlines()
        if " synapse_tim." in line
    ]
    assert any("ID token refused: audience" in line for line in ours)
    for secret in (card.id_nummer.lower(), card.family_name, token):
        assert not [line for line in ours if secret.lower() in line.lower()]


def test_it_is_offered(world):
    answer = loopback.get(f"{where_clients_are(world.clinic)}{CLIENT}/login")
    types = {flow["type"] for flow in answer.json()["flows"]}
    assert {ID_TOKEN, "com.example.login.jwt", "m.login.sso", "m.login.token"} <= types
