"""What the gateway signs with: ES256 keys, of which the first signs and all are published (RFC 7517)."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, Final

import attrs
import jwt
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import ec

from synapse_tim.adapter.config_block import wrong
from synapse_tim.jose.jwk import thumbprint, to_jwk

ALGORITHM: Final = "ES256"
_EXPECTED: Final = "expected an unencrypted EC private key in PEM, on P-256"


@attrs.frozen(eq=False)
class SigningKeys:
    """The keys, the current one first; at least one."""

    keys: tuple[ec.EllipticCurvePrivateKey, ...] = attrs.field(repr=False)

    @classmethod
    def read(cls, paths: Sequence[str]) -> "SigningKeys":
        """Read them from PEM files; ``ConfigError`` if one holds no such key."""
        return cls(tuple(_read(path, position) for position, path in enumerate(paths)))

    @property
    def kid(self) -> str:
        """The name of the current one: its thumbprint (RFC 7638)."""
        return thumbprint(self.keys[0].public_key())

    @property
    def public_set(self) -> dict[str, Any]:
        """The JWK set that relying parties verify with."""
        public = [key.public_key() for key in self.keys]
        return {
            "keys": [
                {**to_jwk(key), "kid": thumbprint(key), "use": "sig", "alg": ALGORITHM} for key in public
            ]
        }

    def sign(self, claims: Mapping[str, Any], kind: str) -> str:
        """Sign a token; ``kind`` is its ``typ``."""
        headers = {"kid": self.kid, "typ": kind}
        return jwt.encode(dict(claims), self.keys[0], ALGORITHM, headers)


def _read(path: str, position: int) -> ec.EllipticCurvePrivateKey:
    try:
        key = serialization.load_pem_private_key(Path(path).read_bytes(), None)
    except (OSError, ValueError, TypeError):
        key = None
    if not isinstance(key, ec.EllipticCurvePrivateKey) or not isinstance(key.curve, ec.SECP256R1):
        raise wrong(_EXPECTED, "identity_gateway", "signing_keys", position)
    return key
