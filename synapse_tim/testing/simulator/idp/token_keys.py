"""Keys of identity providers: with a name, made when they are first needed, and replaced now and then."""

import threading
from collections.abc import Callable
from typing import Any, Generic, TypeVar

import attrs
from cryptography.hazmat.primitives.asymmetric import ec, rsa
from jwt.algorithms import RSAAlgorithm

from synapse_tim.jose.jwk import to_jwk

K = TypeVar("K")


@attrs.frozen(eq=False)
class NamedKey(Generic[K]):
    """A key and what headers call it."""

    kid: str
    key: K = attrs.field(repr=False)


class SignatureKeys(Generic[K]):
    """The signature key of a provider; thread-safe.

    Args:
        kid: the name of the first one; those that follow have a number behind it.
        make: makes a key.
    """

    def __init__(self, kid: str, make: Callable[[], K]) -> None:
        self._lock = threading.Lock()
        self._kid = kid
        self._make = make
        self._made: list[NamedKey[K]] = []

    @property
    def current(self) -> NamedKey[K]:
        """The one that signs now."""
        with self._lock:
            return self._last()

    def rotate(self, kid: str | None = None) -> NamedKey[K]:
        """Replace the key; the new name is by default the first one with a number."""
        with self._lock:
            self._last()  # so that there is one to replace
            name = kid or f"{self._kid}_{len(self._made) + 1}"
            self._made.append(NamedKey(name, self._make()))
            return self._made[-1]

    def made(self) -> tuple[K, ...]:
        """Every one so far."""
        with self._lock:
            return tuple(named.key for named in self._made)

    def _last(self) -> NamedKey[K]:
        if not self._made:
            self._made.append(NamedKey(self._kid, self._make()))
        return self._made[-1]


def public_jwk(key: ec.EllipticCurvePrivateKey | rsa.RSAPrivateKey, **members: Any) -> dict[str, Any]:
    """The public half of a key as a JWK (RFC 7517).

    Args:
        key: the private key.
        **members: further ones, such as ``kid`` and ``use``.
    """
    if isinstance(key, ec.EllipticCurvePrivateKey):
        return {**to_jwk(key.public_key()), **members}
    required = RSAAlgorithm.to_jwk(key.public_key(), as_dict=True)
    return {**{name: required[name] for name in ("kty", "n", "e")}, **members}
