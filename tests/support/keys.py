"""Private keys that many tests use: made when one is first asked for, and once in a test process."""

import functools

from cryptography.hazmat.primitives.asymmetric import ec, rsa
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

CURVES = {
    "BP-256": ec.BrainpoolP256R1(),
    "P-256": ec.SECP256R1(),
    "P-384": ec.SECP384R1(),
    "P-521": ec.SECP521R1(),
}


@functools.cache
def private(name):
    """A key by the name of its curve in JOSE, "RSA" or "Ed25519"."""
    if name == "RSA":
        return rsa.generate_private_key(65537, 2048)
    return Ed25519PrivateKey.generate() if name == "Ed25519" else ec.generate_private_key(CURVES[name])


def public(name):
    """The public key to it."""
    return private(name).public_key()
