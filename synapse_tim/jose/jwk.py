"""Public keys as JSON Web Keys (RFC 7517), and sets of them.

Refused: keys with a private or a symmetric part, keys for another use than signatures, RSA keys under 2048
bits, curves outside ``CURVES`` and Ed25519, points on no curve. A key of a set that is not usable is left
out; a set without any usable key is refused.

gematik's curve ``BP-256`` (brainpoolP256r1) is not registered with IANA, so libraries do not know it or drop
such keys without a word.
"""

import base64
import hashlib
import json
from collections.abc import Mapping
from types import MappingProxyType
from typing import Any, Final

import attrs
from cryptography.exceptions import UnsupportedAlgorithm
from cryptography.hazmat.primitives.asymmetric import ec, rsa
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey
from jwt.algorithms import ECAlgorithm, OKPAlgorithm, RSAAlgorithm
from jwt.exceptions import PyJWTError

from synapse_tim.core import strict_json
from synapse_tim.jose.compact import base64url_decode, base64url_encode

PublicKey = ec.EllipticCurvePublicKey | rsa.RSAPublicKey | Ed25519PublicKey

#: Curves of EC keys by their JWK names (RFC 7518 §6.2.1.1, and gematik's).
CURVES: Final[Mapping[str, type[ec.EllipticCurve]]] = MappingProxyType(
    {"BP-256": ec.BrainpoolP256R1, "P-256": ec.SECP256R1, "P-384": ec.SECP384R1, "P-521": ec.SECP521R1}
)
#: Upper bound of a document with keys, in bytes.
MAX_BYTES: Final = 256 * 1024
MAX_KEYS: Final = 64

_MIN_RSA_BITS: Final = 2048
_MAX_RSA_BITS: Final = 8192
_PRIVATE_MEMBERS: Final = ("d", "p", "q", "dp", "dq", "qi", "oth", "k")
_BYTES_256: Final = 32


class JwkError(ValueError):
    """No key that can be used; the text says why, and holds no value."""


class NoKeyError(JwkError):
    """A set that is in order and has no usable key: all were withdrawn."""


@attrs.frozen(eq=False)
class VerificationKey:
    """A key that signatures are verified with."""

    kid: str | None  #: as headers name it, or ``None``
    algorithm: str | None  #: the only algorithm it is for, or ``None``
    key: PublicKey
    x5c: tuple[str, ...] = ()  #: its certificates in base64 of DER, if the document has some


@attrs.frozen(eq=False)
class KeySet:
    """The keys of an identity provider, as they were at one moment."""

    keys: tuple[VerificationKey, ...]

    def named(self, kid: str | None) -> tuple[VerificationKey, ...]:
        """The keys of a name; of a token without a name all of them."""
        return tuple(key for key in self.keys if kid is None or key.kid == kid)


def parse_key_set(document: bytes | bytearray) -> KeySet:
    """Read a JWK set, or a single JWK.

    Args:
        document: the bytes.

    Raises:
        JwkError: it is none.
        NoKeyError: it holds no usable key.
    """
    try:
        parsed = strict_json.parse(document)
    except strict_json.StrictJsonError as error:
        raise JwkError(str(error)) from None
    return key_set(parsed)


def key_set(parsed: object) -> KeySet:
    """Read a JWK set, or a single JWK, as JSON gave it; errors as for ``parse_key_set``."""
    if not isinstance(parsed, dict):
        raise JwkError("not an object")
    entries = parsed.get("keys", [parsed])
    if not isinstance(entries, list) or len(entries) > MAX_KEYS:
        raise JwkError(f"'keys' is not a list of at most {MAX_KEYS} keys")
    keys, problem = [], "no keys"
    for entry in entries:
        try:
            keys.append(verification_key(entry))
        except JwkError as error:
            problem = str(error)
    if not keys:
        raise NoKeyError(f"no usable key: {problem}")
    return KeySet(tuple(keys))


def verification_key(jwk: object) -> VerificationKey:
    """Read one key of a set; ``JwkError`` if it cannot verify signatures."""
    key = public_key(jwk)
    members: dict[str, Any] = jwk  # type: ignore[assignment]  # public_key takes nothing else
    operations = members.get("key_ops", ["verify"])
    if members.get("use", "sig") != "sig" or not isinstance(operations, list) or "verify" not in operations:
        raise JwkError("for another use")
    kid, algorithm, x5c = members.get("kid"), members.get("alg"), members.get("x5c", [])
    if not isinstance(kid, str | None) or not isinstance(algorithm, str | None):
        raise JwkError("'kid' or 'alg' is no string")
    if not isinstance(x5c, list) or not all(isinstance(certificate, str) for certificate in x5c):
        raise JwkError("'x5c' is no list of strings")
    return VerificationKey(kid, algorithm, key, tuple(x5c))


def public_key(jwk: object) -> PublicKey:
    """Read a public key.

    Args:
        jwk: the JWK as JSON gave it.

    Raises:
        JwkError: it is none, or not one of those that are used here.
    """
    if not isinstance(jwk, dict):
        raise JwkError("not an object")
    if any(member in jwk for member in _PRIVATE_MEMBERS):
        raise JwkError("a private or symmetric key")
    try:
        match jwk.get("kty"), jwk.get("crv"):
            case "EC", "BP-256":
                return _brainpool_key(jwk)
            case "EC", str() as curve if curve in CURVES:
                key: object = ECAlgorithm.from_jwk(jwk)
            case "OKP", "Ed25519":
                key = OKPAlgorithm.from_jwk(jwk)
            case "RSA", _:
                key = RSAAlgorithm.from_jwk(jwk)
            case _:
                raise JwkError("'kty' or 'crv' is not supported")
    except (PyJWTError, UnsupportedAlgorithm, ValueError, TypeError, AttributeError, KeyError) as error:
        raise error if isinstance(error, JwkError) else JwkError("not a valid key") from None
    if isinstance(key, rsa.RSAPublicKey) and not _MIN_RSA_BITS <= key.key_size <= _MAX_RSA_BITS:
        raise JwkError(f"an RSA key of {key.key_size} bits")
    if not isinstance(key, PublicKey):
        raise JwkError("not a public key")
    return key


def to_jwk(key: ec.EllipticCurvePublicKey) -> dict[str, str]:
    """The required members of the JWK of an EC key; ``JwkError`` for a curve outside ``CURVES``."""
    names = [name for name, curve in CURVES.items() if isinstance(key.curve, curve)]
    if not names:
        raise JwkError("the curve is not supported")
    numbers, data = key.public_numbers(), (key.curve.key_size + 7) // 8
    x, y = (base64url_encode(value.to_bytes(data, "big")).decode() for value in (numbers.x, numbers.y))
    return {"kty": "EC", "crv": names[0], "x": x, "y": y}


def thumbprint(key: ec.EllipticCurvePublicKey) -> str:
    """The thumbprint of an EC key: SHA-256 in base64url (RFC 7638).

    Raises:
        JwkError: it is on a curve outside ``CURVES``.
    """
    canonical = json.dumps(to_jwk(key), sort_keys=True, separators=(",", ":"))
    return base64url_encode(hashlib.sha256(canonical.encode()).digest()).decode()


def x5c_der(text: str) -> bytes:
    """A certificate of ``x5c``: standard base64 of DER (RFC 7517 §4.7), or ``JwkError``."""
    try:
        return base64.b64decode(text, validate=True)
    except ValueError:
        raise JwkError("'x5c' is no base64") from None


def _brainpool_key(jwk: Mapping[str, Any]) -> ec.EllipticCurvePublicKey:
    x, y = (base64url_decode(jwk[member].encode()) for member in ("x", "y"))
    if len(x) != _BYTES_256 or len(y) != _BYTES_256:
        raise JwkError("a coordinate of another size")
    point = ec.EllipticCurvePublicNumbers(
        int.from_bytes(x, "big"), int.from_bytes(y, "big"), ec.BrainpoolP256R1()
    )
    return point.public_key()
