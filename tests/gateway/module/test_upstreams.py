"""Upstreams from the configuration: what belongs together, and that every mistake names its key."""

import json

import pytest
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import ec
from synapse.module_api.errors import ConfigError

from synapse_tim import LoginPolicy
from synapse_tim.adapter.config_block import parse_block
from synapse_tim.gateway.upstream import assembly
from synapse_tim.gateway.upstream.config import EntityConfig, UpstreamConfig
from synapse_tim.gateway.upstream.surroundings import Surroundings
from synapse_tim.jose import jwk
from synapse_tim.jose.signed_token import SignedToken
from tests.gateway.services.upstream.providers import certificate

ISSUER = "https://matrix.example/_synapse/client/synapse_tim/oidc"
IDP = "https://idp.example"
ENDPOINTS = {
    "authorization": f"{IDP}/auth",
    "token": f"{IDP}/token",
    "pushed_authorization": f"{IDP}/par",
}


@pytest.fixture(autouse=True)
def no_threads(monkeypatch):
    monkeypatch.setattr(assembly, "Threads", lambda api, close: None)


@pytest.fixture
def files(tmp_path):
    """Paths of keys and certificates, by name."""

    def private(name, curve=None):
        key = ec.generate_private_key(curve or ec.SECP256R1())
        encoding, no_password = serialization.Encoding.PEM, serialization.NoEncryption()
        path = tmp_path / f"{name}.pem"
        path.write_bytes(key.private_bytes(encoding, serialization.PrivateFormat.PKCS8, no_password))
        return str(path)

    master = ec.generate_private_key(ec.SECP256R1()).public_key()
    (tmp_path / "master.json").write_text(json.dumps({"keys": [{**jwk.to_jwk(master), "kid": "m"}]}))
    (tmp_path / "empty.json").write_text("{}")
    return {
        **{name: private(name) for name in ("entity", "entity-next", "token")},
        "brainpool": private("brainpool", ec.BrainpoolP256R1()),
        **{name: str(certificate(tmp_path, name)[0]) for name in ("tls", "tls-next")},
        "tls-384": str(certificate(tmp_path, "tls-384", curve=ec.SECP384R1())[0]),
        "master": str(tmp_path / "master.json"),
        "empty": str(tmp_path / "empty.json"),
    }


@pytest.fixture
def make(files):
    """Makes the upstreams of an insurer; arguments lay over what is right, ``None`` takes a key out."""

    def make(keys=None, sectoral=None, entity=None, provider=None, decryption_keys=("token",)):
        trust_anchor = {"entity_id": "https://master.example", "jwks_path": files["master"]}
        block = {
            "id": "gid",
            "profile": "gesundheitsid",
            "issuer": IDP,
            "audience": ISSUER,
            "keys": keys or {"trust_anchor": trust_anchor},
            **(provider or {}),
        }
        login = {"providers": [block], "decryption_keys": [files[name] for name in decryption_keys]}
        config = LoginPolicy.parse_config({"product": "epa", "spec_version": "1.2", "login": login})
        usual = {"organization_name": "Kasse", "entity_keys": [files["entity"]]}
        about = None if entity is False else parse_block(EntityConfig, {**usual, **(entity or {})})
        how = {"tls_certificates": [files["tls"]], **(sectoral or {})}
        upstream = parse_block(UpstreamConfig, {"provider": "gid", "name": "Kasse", "sectoral": how})
        surroundings = Surroundings(None, config, ISSUER, "https://matrix.example/", about)
        return assembly.upstreams_from([upstream], surroundings)

    return make


def refused(path, says, call):
    with pytest.raises(ConfigError) as caught:
        call()
    assert f"modules[…].config.{path}: " in caught.value.msg
    assert says in caught.value.msg


class Request:
    def __init__(self):
        self.headers = {}

    def setHeader(self, name, value):  # noqa: N802
        self.headers[name] = value


def test_our_statement_is_served_below_the_issuer(make, files):
    upstreams = make(
        sectoral={"tls_certificates": [files["tls"], files["tls-next"]], "scopes": ["openid", "x"]},
        entity={
            "entity_keys": [files["entity"], files["entity-next"]],
            "logo_uri": "https://example.org/logo",
            "homepage_uri": "https://example.org/",
        },
    )
    ((path, resource),) = upstreams.resources.items()
    assert path == "/_synapse/client/synapse_tim/oidc/.well-known/openid-federation"
    request = Request()
    claims = SignedToken.parse(resource.render_GET(request)).unverified_claims
    assert request.headers == {b"Content-Type": b"application/entity-statement+jwt"}
    assert claims["sub"] == claims["iss"] == ISSUER
    assert claims["authority_hints"] == ["https://master.example"]
    assert len(claims["jwks"]["keys"]) == 2
    party = claims["metadata"]["openid_relying_party"]
    assert party["redirect_uris"] == [f"{ISSUER}/callback"]
    assert party["scope"] == "openid x"
    assert [key["use"] for key in party["jwks"]["keys"]] == ["enc", "sig", "sig"]
    assert party["logo_uri"] == "https://example.org/logo"
    assert claims["metadata"]["federation_entity"]["homepage_uri"] == "https://example.org/"


def test_our_identifier_may_be_another_one(make):
    other = {"entity_id": "https://kasse.example"}
    make(entity=other, provider={"audience": "https://kasse.example"})
    refused("login.providers[0].audience", "https://kasse.example", lambda: make(entity=other))
    refused("login.providers[0].audience", ISSUER, lambda: make(provider={"audience": "client"}))


def test_a_fixed_provider_needs_no_federation(make):
    keys = {"jwks_url": f"{IDP}/jwks"}
    fixed = {"endpoints": ENDPOINTS}
    assert not make(keys, fixed, entity=False, provider={"audience": "client"}).resources
    place = "identity_gateway.upstreams[0].sectoral.endpoints"
    refused(place, "expected either", lambda: make(keys, entity=False))
    refused(place, "expected either", lambda: make(sectoral=fixed))
    refused("identity_gateway.entity", "none of upstreams", lambda: make(keys, fixed))


def test_the_federation_needs_to_know_who_we_are(make):
    refused(
        "identity_gateway.upstreams[0].sectoral", "add identity_gateway.entity", lambda: make(entity=False)
    )


@pytest.mark.parametrize(
    ("path", "change"),
    [
        ("identity_gateway.entity.entity_keys[0]", lambda f: {"entity": {"entity_keys": [f["brainpool"]]}}),
        (
            "identity_gateway.entity.entity_keys[1]",
            lambda f: {"entity": {"entity_keys": [f["entity"], f["empty"]]}},
        ),
        ("login.decryption_keys", lambda f: {"decryption_keys": ["brainpool"]}),
        (
            "login.providers[0].keys.trust_anchor.jwks_path",
            lambda f: {"keys": {"trust_anchor": {"entity_id": IDP, "jwks_path": f["empty"]}}},
        ),
        *(
            (
                "identity_gateway.upstreams[0].sectoral.tls_certificates[1]",
                lambda f, name=name: {"sectoral": {"tls_certificates": [f["tls"], f[name]]}},
            )
            for name in ("entity", "tls-384", "empty")
        ),
    ],
)
def test_a_file_that_holds_something_else_is_refused(make, files, path, change):
    refused(path, "", lambda: make(**change(files)))


def test_cards_need_a_provider_with_a_signed_document():
    login = {
        "providers": [
            {
                "id": "idp",
                "profile": "oidc",
                "issuer": IDP,
                "audience": "client",
                "keys": {"jwks_url": f"{IDP}/jwks"},
                "localpart": {"template": "{sub}"},
            }
        ]
    }
    config = LoginPolicy.parse_config({"product": "pro", "spec_version": "1.2", "login": login})
    surroundings = Surroundings(None, config, ISSUER, "https://matrix.example/")
    for kind in ("central", "sectoral"):
        how = {} if kind == "central" else {"tls_certificates": [__file__]}
        block = parse_block(UpstreamConfig, {"provider": "idp", "name": "Card", kind: how})
        refused(
            f"identity_gateway.upstreams[0].{kind}",
            "expected a provider with profile",
            lambda b=block: assembly.upstreams_from([b], surroundings),
        )


@pytest.mark.parametrize(
    "kinds", [{}, {"central": {}, "sectoral": {"tls_certificates": [__file__]}}, {"central": {"card": "eGK"}}]
)
def test_an_upstream_has_one_kind(kinds):
    with pytest.raises(ConfigError):
        parse_block(UpstreamConfig, {"provider": "idp", "name": "Card", **kinds})
