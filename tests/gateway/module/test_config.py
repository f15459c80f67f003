"""The block ``identity_gateway``, and files that do not hold what they should."""

import pytest
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import ec
from synapse.module_api.errors import ConfigError

from synapse_tim.gateway.clients import read_client_files
from synapse_tim.gateway.module import IdentityGateway
from synapse_tim.gateway.signing import SigningKeys

PRODUCT = {"product": "pro", "spec_version": "1.2"}


def pem(path, curve=ec.SECP256R1):
    key = ec.generate_private_key(curve())
    path.write_bytes(
        key.private_bytes(
            serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
        )
    )
    return str(path)


@pytest.fixture
def block(tmp_path):
    (tmp_path / "secret").write_text("s" * 32)
    client = {
        "client_id": "synapse",
        "client_secret_path": str(tmp_path / "secret"),
        "redirect_uris": ["https://tim.example/callback"],
    }
    oidc = {"discovery_url": "https://idp.example/d", "client_secret_path": str(tmp_path / "secret")}
    return {
        "signing_keys": [pem(tmp_path / "key")],
        "clients": [client],
        "upstreams": [{"provider": "idp", "name": "IDP", "oidc": oidc}],
    }


def parse(block):
    return IdentityGateway.parse_config({**PRODUCT, "identity_gateway": block}).identity_gateway


def test_it_is_off_unless_it_is_configured(block):
    assert IdentityGateway.parse_config(PRODUCT).identity_gateway is None
    assert parse(block).rate_limit.burst_count == 100


@pytest.mark.parametrize(
    ("change", "said"),
    [
        (lambda block: block.update(clients=[]), "clients: expected at least one entry"),
        (lambda block: block.update(upstreams=[]), "upstreams: expected at least one entry"),
        (lambda block: block.update(signing_keys=[]), "signing_keys: expected at least one entry"),
        (lambda block: block.update(signing_keys=["/nowhere"]), "cannot read /nowhere"),
        (lambda block: block.update(clients=block["clients"] * 2), "the same client_id"),
        (lambda block: block.update(upstreams=block["upstreams"] * 2), "the same provider"),
        (lambda block: block["clients"][0].pop("client_secret_path"), "expected one of client_secret_path"),
        (
            lambda block: block["clients"][0].update(jwks_url="https://x"),
            "expected one of client_secret_path",
        ),
        (lambda block: block["clients"][0].update(redirect_uris=["http://tim.example/"]), "https"),
        (lambda block: block["clients"][0].update(redirect_uris=["https://tim.example/ä"]), "ASCII"),
        (lambda block: block["clients"][0].update(redirect_uris=["https://tim.example/#x"]), "fragment"),
        (lambda block: block["upstreams"][0].pop("oidc"), "expected one of"),
        (lambda block: block.update(unknown=1), "unknown"),
    ],
)
def test_a_wrong_block_is_refused_with_its_key(block, change, said):
    change(block)
    with pytest.raises(ConfigError, match=said) as caught:
        parse(block)
    assert "identity_gateway" in str(caught.value)


def test_keys_that_do_not_sign_es256(tmp_path):
    (tmp_path / "none").write_text("no key")
    for path in (pem(tmp_path / "large", ec.SECP384R1), str(tmp_path / "none")):
        with pytest.raises(ConfigError, match=r"signing_keys\[1\]: expected an unencrypted EC private key"):
            SigningKeys.read([pem(tmp_path / "good"), path])


def test_all_keys_are_published_and_the_first_one_signs(tmp_path):
    keys = SigningKeys.read([pem(tmp_path / "one"), pem(tmp_path / "two")])
    published = [key["kid"] for key in keys.public_set["keys"]]
    assert len(set(published)) == 2 and keys.kid == published[0]
    assert all("d" not in key for key in keys.public_set["keys"])


@pytest.mark.parametrize("secret", ["", "s" * 31, "ä" * 40, "s" * 40 + "\n\nx"])
def test_secrets_that_are_none(block, tmp_path, secret):
    (tmp_path / "secret").write_text(secret)
    with pytest.raises(ConfigError, match=r"clients\[0\].client_secret_path: expected a secret"):
        read_client_files(parse(block).clients[0], 0)


def test_key_sets_that_are_none(block, tmp_path):
    (tmp_path / "jwks").write_text("{}")
    block["clients"][0] |= {"jwks_path": str(tmp_path / "jwks"), "client_secret_path": None}
    with pytest.raises(ConfigError, match=r"clients\[0\].jwks_path"):
        read_client_files(parse(block).clients[0], 0)
