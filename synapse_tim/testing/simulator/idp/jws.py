"""Signing tokens: rightly, or in any of the ways that a verifier has to refuse."""

import hmac
from collections.abc import Mapping
from typing import Any, Final

from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec, padding, rsa
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from synapse_tim.jose.compact import base64url_encode as base64url
from synapse_tim.testing.merge import overlaid
from synapse_tim.testing.simulator.pki.signing import compact_json, raw_signature

#: What signs: a private key, or bytes for a symmetric algorithm.
TokenKey = ec.EllipticCurvePrivateKey | rsa.RSAPrivateKey | Ed25519PrivateKey | bytes

_DIGESTS: Final[Mapping[str, type[hashes.SHA256 | hashes.SHA384 | hashes.SHA512]]] = {
    "256": hashes.SHA256,
    "384": hashes.SHA384,
    "512": hashes.SHA512,
}


def sign_token(
    claims: Mapping[str, Any] | bytes,
    key: TokenKey | None,
    *,
    algorithm: str,
    header: Mapping[str, Any] | None = None,
) -> str:
    """Sign a token.

    The kind of the key decides how it signs, so that a key of another kind or curve than the algorithm names
    makes the token that it should not make.

    Args:
        claims: of the token, or its bytes as they are to be signed.
        key: signs; bytes make an HMAC, for instance those of a public key.
        algorithm: ``alg`` of the header. With ``none`` the signature is empty and no key is needed; to say
            ``none`` above a signature, use ``header``.
        header: members that replace those of the header; ``REMOVED`` takes one out.

    Returns:
        The compact serialization.

    Raises:
        ValueError: there is no key.
    """
    members = overlaid({"alg": algorithm, "typ": "JWT"}, header or {})
    octets = claims if isinstance(claims, bytes) else compact_json(claims)
    signed = base64url(compact_json(members)) + b"." + base64url(octets)
    signature = b"" if algorithm == "none" else _signature(signed, key, algorithm)
    return (signed + b"." + base64url(signature)).decode()


def _signature(octets: bytes, key: TokenKey | None, algorithm: str) -> bytes:
    digest = _DIGESTS.get(algorithm[-3:], hashes.SHA256)()
    match key:
        case bytes():
            return hmac.new(key, octets, digest.name).digest()
        case ec.EllipticCurvePrivateKey():
            return raw_signature(octets, key, digest)
        case rsa.RSAPrivateKey() if algorithm.startswith("PS"):
            return key.sign(octets, padding.PSS(padding.MGF1(digest), padding.PSS.DIGEST_LENGTH), digest)
        case rsa.RSAPrivateKey():
            return key.sign(octets, padding.PKCS1v15(), digest)
        case Ed25519PrivateKey():
            return key.sign(octets)
    raise ValueError(f"{algorithm} needs a key")
