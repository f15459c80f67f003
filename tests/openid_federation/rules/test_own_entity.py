"""What we say about ourselves."""

import datetime as dt
import json

import attrs
import pytest

from synapse_tim.jose import jwk
from synapse_tim.jose.jwe import DecryptionKey
from synapse_tim.jose.signed_token import SignedToken
from synapse_tim.openid_federation.rules.own_entity import EntityKey, OwnEntity
from synapse_tim.openid_federation.rules.statements import read_statement
from synapse_tim.testing.simulator.pki.authority import TestPki
from tests.openid_federation.statements import NOW, key

WE = "https://gateway.example/idp"
CLIENT = TestPki(NOW).tls(TestPki(NOW).tls_ca())


@pytest.fixture
def entity():
    return OwnEntity(
        entity_id=WE,
        organization_name="Kasse",
        redirect_uris=(f"{WE}/callback",),
        scope="openid",
        authority_hints=("https://master.example",),
        signature_keys=[EntityKey(key("one")), EntityKey(key("two"))],
        encryption_key=DecryptionKey.of(key("enc")),
        certificates=[CLIENT.certificate],
        about={"contacts": ["a@example.org"]},
        further={"logo_uri": "https://example.org/logo"},
    )


def read(entity, now=NOW):
    keys = jwk.key_set({"keys": [each.public_jwk for each in entity.signature_keys]})
    return read_statement(entity.statement(NOW), keys, issuer=WE, subject=WE, now=now)


def test_it_is_a_statement_about_ourselves_for_a_day(entity):
    statement = read(entity)
    assert statement.expires_at - statement.issued_at == dt.timedelta(hours=24)
    assert statement.claims["authority_hints"] == ["https://master.example"]
    assert statement.metadata("federation_entity") == {
        "organization_name": "Kasse",
        "contacts": ["a@example.org"],
    }
    party = dict(statement.metadata("openid_relying_party"))
    keys = party.pop("jwks")["keys"]
    assert party == {
        "organization_name": "Kasse",
        "client_name": "Kasse",
        "logo_uri": "https://example.org/logo",
        "redirect_uris": [f"{WE}/callback"],
        "response_types": ["code"],
        "grant_types": ["authorization_code"],
        "client_registration_types": ["automatic"],
        "require_pushed_authorization_requests": True,
        "token_endpoint_auth_method": "self_signed_tls_client_auth",
        "tls_client_certificate_bound_access_tokens": True,
        "default_acr_values": ["gematik-ehealth-loa-high"],
        "id_token_signed_response_alg": "ES256",
        "id_token_encrypted_response_alg": "ECDH-ES",
        "id_token_encrypted_response_enc": "A256GCM",
        "scope": "openid",
    }
    assert [(each["use"], each["kid"]) for each in keys] == [
        ("enc", jwk.thumbprint(key("enc").public_key())),
        ("sig", jwk.thumbprint(CLIENT.key.public_key())),
    ]
    assert keys[1]["x5c"] == [CLIENT.b64]


def test_no_private_key_gets_out(entity):
    token = SignedToken.parse(entity.statement(NOW))
    text = json.dumps(dict(token.unverified_claims))
    assert '"d"' not in text
    for name in ("one", "two", "enc"):
        assert str(key(name).private_numbers().private_value) not in text
    assert "private" not in repr(entity).lower()


def test_the_first_key_signs_and_all_are_named(entity):
    for keys in (entity.signature_keys, entity.signature_keys[::-1]):
        turned = attrs.evolve(entity, signature_keys=keys)
        assert SignedToken.parse(turned.statement(NOW)).kid == keys[0].kid
        assert {each.kid for each in read(turned).keys.keys} == {each.kid for each in keys}
