"""MAS's own keys: it publishes them, and shows with them who it is (``private_key_jwt``, RFC 7523)."""

import hashlib
import json
import secrets
import time
from collections.abc import Mapping, Sequence
from typing import Any, Final

import jwt
from cryptography.hazmat.primitives.asymmetric.rsa import RSAPrivateKey
from jwt.algorithms import ECAlgorithm, RSAAlgorithm

from synapse_tim.testing.simulator.mas.config import SigningKey

#: Where they are.
KEYS: Final = "/oauth2/keys.json"
_SECONDS: Final = 5 * 60


def key_set(keys: Sequence[SigningKey]) -> dict[str, Any]:
    """The public keys (RFC 7517)."""
    return {"keys": [{**_public(key), "kid": _kid(key), "use": "sig"} for key in keys]}


def assertion(keys: Sequence[SigningKey], client_id: str, audience: str, algorithm: str) -> dict[str, str]:
    """What goes into the form instead of a secret."""
    wants_rsa = algorithm[:2] in ("RS", "PS")
    key = next((each for each in keys if isinstance(each, RSAPrivateKey) is wants_rsa), None)
    if key is None:
        raise ValueError(f"secrets.keys: no key for {algorithm}")
    now = int(time.time())
    claims = {
        "iss": client_id,
        "sub": client_id,
        "aud": audience,
        "jti": secrets.token_urlsafe(16),
        "iat": now,
        "exp": now + _SECONDS,
    }
    return {
        "client_assertion_type": "urn:ietf:params:oauth:client-assertion-type:jwt-bearer",
        "client_assertion": jwt.encode(claims, key, algorithm, headers={"kid": _kid(key)}),
    }


def _public(key: SigningKey) -> Mapping[str, Any]:
    if isinstance(key, RSAPrivateKey):
        return RSAAlgorithm.to_jwk(key.public_key(), as_dict=True)
    return ECAlgorithm.to_jwk(key.public_key(), as_dict=True)


def _kid(key: SigningKey) -> str:
    members = json.dumps(dict(_public(key)), sort_keys=True)
    return hashlib.sha256(members.encode()).hexdigest()[:10]
