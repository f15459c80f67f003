"""Signed tokens: compact JWS (RFC 7515), as identity providers sign them.

Refused: an algorithm outside those of the provider (``none`` and the symmetric ones are never permitted), a
key of another kind or curve than the algorithm names, a key that is not the provider's, another ``typ`` than
an ID token has, ``crit``, ``b64`` and ``zip``. Keys come from the provider's key set only: ``jwk``, ``jku``,
``x5c`` and ``x5u`` of a header are never looked at.
"""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from types import MappingProxyType
from typing import Any, Final

import attrs
from cryptography.hazmat.primitives.asymmetric import ec
from jwt.algorithms import Algorithm, ECAlgorithm, OKPAlgorithm, RSAAlgorithm, RSAPSSAlgorithm
from jwt.exceptions import PyJWTError

from synapse_tim.jose.compact import decode_segment, parse_object, read_header
from synapse_tim.jose.errors import JoseError, JoseReason
from synapse_tim.jose.jwk import KeySet, VerificationKey

#: Upper bound of a signed token, in bytes.
MAX_BYTES: Final = 32 * 1024

#: Each algorithm is bound to one kind of key, and to one curve if it has one. BP256R1 is gematik's name.
ALGORITHMS: Final[Mapping[str, Algorithm]] = MappingProxyType(
    {
        "BP256R1": ECAlgorithm(ECAlgorithm.SHA256, ec.BrainpoolP256R1),
        "ES256": ECAlgorithm(ECAlgorithm.SHA256, ec.SECP256R1),
        "ES384": ECAlgorithm(ECAlgorithm.SHA384, ec.SECP384R1),
        "ES512": ECAlgorithm(ECAlgorithm.SHA512, ec.SECP521R1),
        "RS256": RSAAlgorithm(RSAAlgorithm.SHA256),
        "RS384": RSAAlgorithm(RSAAlgorithm.SHA384),
        "RS512": RSAAlgorithm(RSAAlgorithm.SHA512),
        "PS256": RSAPSSAlgorithm(RSAPSSAlgorithm.SHA256),
        "PS384": RSAPSSAlgorithm(RSAPSSAlgorithm.SHA384),
        "PS512": RSAPSSAlgorithm(RSAPSSAlgorithm.SHA512),
        "EdDSA": OKPAlgorithm(),
    }
)


@attrs.frozen
class SignatureRules:
    """What a provider signs with."""

    algorithms: frozenset[str]  #: names out of ``ALGORITHMS``
    #: Values of ``typ``, in lower case; an empty one stands for a header without.
    types: frozenset[str] = frozenset({"jwt"})


@attrs.frozen(eq=False)
class SignedToken:
    """A token taken apart, its signature not yet verified."""

    algorithm: str  #: a key of ``ALGORITHMS``
    kid: str | None  #: the name of the key, or ``None``
    type: str  #: ``typ`` in lower case and without ``application/``; empty if there is none
    unverified_claims: Mapping[str, Any]  #: what it says; nothing of it may be believed
    _signed: bytes
    _signature: bytes

    @classmethod
    def parse(cls, token: bytes, *, max_bytes: int = MAX_BYTES) -> SignedToken:
        """Take a token apart.

        Args:
            token: the bytes.
            max_bytes: how many there may be.

        Raises:
            JoseError: it is no compact JWS, or its algorithm is not among ``ALGORITHMS``.
        """
        if len(token) > max_bytes:
            raise JoseError(JoseReason.TOO_LARGE, f"{len(token)} bytes")
        segments = token.split(b".")
        if len(segments) != 3:
            raise JoseError(JoseReason.NOT_A_TOKEN, f"{len(segments)} segments")
        header = read_header(segments[0])
        algorithm, kid, kind = header.get("alg"), header.get("kid"), header.get("typ", "")
        if not isinstance(algorithm, str) or algorithm not in ALGORITHMS:
            raise JoseError(JoseReason.ALGORITHM_NOT_ALLOWED)
        if not isinstance(kid, str | None):
            raise JoseError(JoseReason.HEADER_MALFORMED, "kid")
        claims = parse_object(decode_segment(segments[1], "claims"), JoseReason.CLAIMS_MALFORMED)
        return cls(
            algorithm=algorithm,
            kid=kid,
            type=kind.lower().removeprefix("application/"),
            unverified_claims=MappingProxyType(claims),
            signed=segments[0] + b"." + segments[1],
            signature=bytes(decode_segment(segments[2], "signature")),
        )

    @property
    def digest(self) -> str:
        """SHA-256 of what is signed, in hex: the same however the signature or an encryption is rewritten."""
        return hashlib.sha256(self._signed).hexdigest()

    def require(self, rules: SignatureRules) -> None:
        """Refuse what the provider does not sign with, before any key is looked for.

        Raises:
            JoseError: ``algorithm_not_allowed`` or ``type_not_allowed``.
        """
        if self.algorithm not in rules.algorithms:
            raise JoseError(JoseReason.ALGORITHM_NOT_ALLOWED, self.algorithm)
        if self.type not in rules.types:
            raise JoseError(JoseReason.TYPE_NOT_ALLOWED)

    def verify(self, keys: KeySet) -> Mapping[str, Any]:
        """Verify the signature.

        Returns:
            The claims.

        Raises:
            JoseError: ``key_unknown``, ``key_mismatch`` or ``signature_invalid``.
        """
        named = keys.named(self.kid)
        if not named:
            raise JoseError(JoseReason.KEY_UNKNOWN)
        fitting = [key for key in named if _fits(key, self.algorithm)]
        if not fitting:
            raise JoseError(JoseReason.KEY_MISMATCH, self.algorithm)
        algorithm = ALGORITHMS[self.algorithm]
        if not any(algorithm.verify(self._signed, key.key, self._signature) for key in fitting):
            raise JoseError(JoseReason.SIGNATURE_INVALID)
        return self.unverified_claims


def _fits(key: VerificationKey, algorithm: str) -> bool:
    """Whether a key is of the kind, and on the curve, that an algorithm is bound to."""
    if key.algorithm not in (None, algorithm):
        return False
    try:
        ALGORITHMS[algorithm].prepare_key(key.key)
    except (PyJWTError, TypeError, ValueError):
        return False
    return True
