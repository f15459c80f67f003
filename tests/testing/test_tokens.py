"""Tokens as the simulator makes them: right ones interoperate, wrong ones are wrong as wanted."""

from __future__ import annotations

import hashlib
import hmac
import json

import pytest
from cryptography.hazmat.primitives.asymmetric import ec

from synapse_tim.jose import jwk
from synapse_tim.jose.compact import base64url_decode, base64url_encode
from synapse_tim.jose.errors import JoseError, JoseReason
from synapse_tim.jose.jwe import DecryptionKey, decrypt, decrypt_with
from synapse_tim.jose.signed_token import ALGORITHMS, SignedToken
from synapse_tim.testing.merge import REMOVED
from synapse_tim.testing.simulator.idp.jwe import encrypt
from synapse_tim.testing.simulator.idp.jws import sign_token
from tests.support.keys import private

P256, BP256 = ec.SECP256R1(), ec.BrainpoolP256R1()


def segments(token: str) -> tuple[dict, bytes, bytes]:
    header, payload, signature = (bytes(base64url_decode(part.encode())) for part in token.split("."))
    return json.loads(header), payload, signature


@pytest.mark.parametrize(
    ("name", "algorithm"),
    [
        ("BP-256", "BP256R1"),
        ("P-256", "ES256"),
        ("P-384", "ES384"),
        ("P-521", "ES512"),
        ("RSA", "RS256"),
        ("RSA", "RS512"),
        ("RSA", "PS384"),
        ("Ed25519", "EdDSA"),
    ],
)
def test_tokens_verify(name: str, algorithm: str) -> None:
    key = private(name)
    token = sign_token({"sub": "ä"}, key, algorithm=algorithm)
    keys = jwk.KeySet((jwk.VerificationKey(None, None, key.public_key()),))
    assert SignedToken.parse(token.encode()).verify(keys) == {"sub": "ä"}
    assert algorithm in ALGORITHMS


def test_wrong_tokens() -> None:
    header, payload, signature = segments(sign_token(b'{"a":1,"a":2}', None, algorithm="none"))
    assert (header, payload, signature) == ({"alg": "none", "typ": "JWT"}, b'{"a":1,"a":2}', b"")
    key = ec.generate_private_key(P256)
    above = sign_token({}, key, algorithm="ES256", header={"alg": "none", "typ": REMOVED, "jku": None})
    assert segments(above)[0] == {"alg": "none", "jku": None}
    assert len(segments(above)[2]) == 64
    confused = sign_token({}, b"a public key in PEM", algorithm="HS256")
    signed = confused.rpartition(".")[0].encode()
    assert segments(confused)[2] == hmac.new(b"a public key in PEM", signed, hashlib.sha256).digest()
    wide = sign_token({}, ec.generate_private_key(ec.SECP521R1()), algorithm="ES256")
    assert len(segments(wide)[2]) == 132
    assert sign_token({}, private("RSA"), algorithm="ES256")
    with pytest.raises(ValueError, match="needs a key"):
        sign_token({}, None, algorithm="ES256")


@pytest.mark.parametrize("curve", [P256, BP256], ids=lambda curve: curve.name)
def test_encrypted_tokens_are_decrypted(curve: ec.EllipticCurve) -> None:
    key = DecryptionKey.of(ec.generate_private_key(curve))
    parties = {"apu": "QWxpY2U", "apv": "Qm9i"}
    for header in ({}, {"kid": key.kid, "cty": "JWT"}, parties):
        token = encrypt(b"inner", key.key.public_key(), header=header)
        assert decrypt(token.encode(), [key]) == b"inner"
    secret = bytes(range(32))
    assert decrypt_with(encrypt(b"inner", secret).encode(), secret) == b"inner"


@pytest.mark.parametrize(
    ("header", "reason"),
    [
        ({"alg": "RSA1_5"}, JoseReason.ENCRYPTION_NOT_ALLOWED),
        ({"enc": "A128CBC-HS256"}, JoseReason.ENCRYPTION_NOT_ALLOWED),
        ({"zip": "DEF"}, JoseReason.HEADER_UNSUPPORTED),
        ({"crit": ["exp"]}, JoseReason.HEADER_UNSUPPORTED),
        ({"epk": REMOVED}, JoseReason.ENCRYPTION_NOT_ALLOWED),
        ({"epk": {"kty": "EC", "crv": "P-256", "x": "AA", "y": "AA"}}, JoseReason.ENCRYPTION_NOT_ALLOWED),
        ({"kid": "another"}, JoseReason.NO_DECRYPTION_KEY),
        ({"apu": 5}, JoseReason.HEADER_MALFORMED),
        ({"apu": "="}, JoseReason.BASE64),
    ],
    ids=str,
)
def test_encrypted_tokens_that_are_wrong(header: dict, reason: JoseReason) -> None:
    key = DecryptionKey.of(ec.generate_private_key(P256))
    with pytest.raises(JoseError) as error:
        decrypt(encrypt(b"inner", key.key.public_key(), header=header).encode(), [key])
    assert error.value.reason is reason


@pytest.mark.parametrize("curve", [P256, BP256], ids=lambda curve: curve.name)
def test_another_implementation_decrypts_them_and_the_other_way_round(curve: ec.EllipticCurve) -> None:
    jwcrypto_jwk, jwcrypto_jwe = pytest.importorskip("jwcrypto.jwk"), pytest.importorskip("jwcrypto.jwe")
    key = DecryptionKey.of(ec.generate_private_key(curve))
    theirs = jwcrypto_jwk.JWK.from_pyca(key.key)
    for header in ({}, {"apu": "QWxpY2U", "apv": "Qm9i"}):
        token = jwcrypto_jwe.JWE()
        token.deserialize(encrypt(b"ours", key.key.public_key(), header=header), theirs)
        assert token.payload == b"ours"
        protected = json.dumps({"alg": "ECDH-ES", "enc": "A256GCM", **header})
        back = jwcrypto_jwe.JWE(b"theirs", protected, recipient=theirs)
        assert decrypt(back.serialize(compact=True).encode(), [key]) == b"theirs"


def test_another_implementation_and_shared_keys() -> None:
    jwcrypto_jwk, jwcrypto_jwe = pytest.importorskip("jwcrypto.jwk"), pytest.importorskip("jwcrypto.jwe")
    secret = bytes(range(32))
    theirs = jwcrypto_jwk.JWK(kty="oct", k=base64url_encode(secret).decode())
    token = jwcrypto_jwe.JWE()
    token.deserialize(encrypt(b"ours", secret, header={"cty": "NJWT"}), theirs)
    assert token.payload == b"ours"
