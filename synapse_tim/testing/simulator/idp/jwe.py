"""Encrypting tokens, as identity providers and their clients do (RFC 7516, RFC 7518 §4.6)."""

from collections.abc import Mapping
from typing import Any

from cryptography.hazmat.primitives.asymmetric import ec

from synapse_tim.jose.compact import Base64UrlError, base64url_decode
from synapse_tim.jose.jwe import CONTENT_ENCRYPTION, derive, length_and, seal
from synapse_tim.jose.jwk import to_jwk
from synapse_tim.testing.merge import overlaid


def encrypt(
    plaintext: bytes, key: ec.EllipticCurvePublicKey | bytes, *, header: Mapping[str, Any] | None = None
) -> str:
    """Encrypt with A256GCM.

    Args:
        plaintext: bytes.
        key: the recipient's public key, for ``ECDH-ES`` with a fresh key of ours; or 32 bytes that both
            sides have, for ``dir``.
        header: members that replace those of the protected header; ``REMOVED`` takes one out. ``apu`` and
            ``apv`` go into the key that is derived; the others change what is said, not what is done.

    Returns:
        The compact serialization.
    """
    changes, members = header or {}, {"enc": CONTENT_ENCRYPTION}
    if isinstance(key, bytes):
        protected, content_key = overlaid({"alg": "dir", **members}, changes), key
    else:
        ephemeral = ec.generate_private_key(key.curve)
        own = {"alg": "ECDH-ES", **members, "epk": to_jwk(ephemeral.public_key())}
        protected = overlaid(own, changes)
        parties = _party(protected, "apu") + _party(protected, "apv")
        content_key = derive(ephemeral.exchange(ec.ECDH(), key), parties)
    return seal(protected, content_key, plaintext)


def _party(header: Mapping[str, Any], member: str) -> bytes:
    try:
        return length_and(base64url_decode(header.get(member, "").encode()))
    except (AttributeError, Base64UrlError):
        return length_and(b"")
