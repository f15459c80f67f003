"""Encrypted tokens: the slice of RFC 7516 and RFC 7518 that gematik's identity providers use.

Compact serialization, content encryption ``A256GCM``, and for the key either ``ECDH-ES`` (direct key
agreement on P-256 or brainpoolP256r1) or ``dir``. Refused: every other algorithm, ``zip`` (a bomb),
``crit``, a header member that occurs twice, an encrypted key where there is none, an ephemeral key
that is on another curve than ours or on none, a tag or an initialisation vector of another size.

The libraries that have JWE know no brainpool curve, or are a second JOSE library beside the one in use; the
arithmetic is that of ``cryptography``.
"""

from __future__ import annotations

import json
import os
import struct
from collections.abc import Iterable, Mapping
from types import MappingProxyType
from typing import Any, Final

import attrs
from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from cryptography.hazmat.primitives.kdf.concatkdf import ConcatKDFHash

from synapse_tim.jose import jwk
from synapse_tim.jose.compact import base64url_encode, decode_segment, read_header
from synapse_tim.jose.errors import JoseError, JoseReason

#: The only content encryption.
CONTENT_ENCRYPTION: Final = "A256GCM"
#: Upper bound of an encrypted token, in bytes.
MAX_BYTES: Final = 64 * 1024

_KEY_BYTES: Final = 32
_IV_BYTES: Final = 12
_TAG_BYTES: Final = 16
_MAX_PARTY_BYTES: Final = 512


@attrs.frozen(eq=False)
class DecryptionKey:
    """A private key of ours."""

    kid: str  #: names it in headers: the thumbprint of its public half (RFC 7638)
    key: ec.EllipticCurvePrivateKey = attrs.field(repr=False)  #: on one of the curves of ``jwk.CURVES``

    @classmethod
    def of(cls, key: ec.EllipticCurvePrivateKey) -> DecryptionKey:
        """Wrap a private key; ``JwkError`` if it is on another curve."""
        return cls(jwk.thumbprint(key.public_key()), key)

    @property
    def public_jwk(self) -> Mapping[str, str]:
        """The public half, as it is served to those who encrypt for us (RFC 7517)."""
        members = jwk.to_jwk(self.key.public_key())
        return MappingProxyType({**members, "kid": self.kid, "use": "enc", "alg": "ECDH-ES"})


def is_encrypted(token: bytes) -> bool:
    """Whether a token has the five segments of a JWE."""
    return token.count(b".") == 4


def decrypt(token: bytes, keys: Iterable[DecryptionKey]) -> bytes:
    """Decrypt a token that was encrypted for one of our keys (``ECDH-ES``).

    Args:
        keys: ours; the one that ``kid`` names is used, without ``kid`` those on the curve of ``epk``.

    Returns:
        The plaintext.

    Raises:
        JoseError: it cannot be decrypted, or is not of the profile.
    """
    parts = _Parts.of(token, "ECDH-ES")
    try:
        ephemeral = jwk.public_key(parts.header.get("epk"))
    except jwk.JwkError as error:
        raise JoseError(JoseReason.ENCRYPTION_NOT_ALLOWED, f"epk: {error}") from None
    if not isinstance(ephemeral, ec.EllipticCurvePublicKey):
        raise JoseError(JoseReason.ENCRYPTION_NOT_ALLOWED, "epk: no EC key")
    kid = parts.header.get("kid")
    # RFC 7518 §4.6.2: the header names the producer and the recipient, and both go into the key.
    parties = parts.party("apu") + parts.party("apv")
    tried = False
    for candidate in keys:
        if kid not in (None, candidate.kid) or type(candidate.key.curve) is not type(ephemeral.curve):
            continue
        tried = True
        shared = candidate.key.exchange(ec.ECDH(), ephemeral)
        try:
            return parts.open(derive(shared, parties))
        except InvalidTag:
            continue
    reason = JoseReason.NOT_DECRYPTED if tried else JoseReason.NO_DECRYPTION_KEY
    raise JoseError(reason)


def decrypt_with(token: bytes, key: bytes) -> bytes:
    """Decrypt a token with a key that both sides have (``dir``).

    Args:
        key: 32 bytes.

    Returns:
        The plaintext.

    Raises:
        JoseError: it cannot be decrypted, or is not of the profile.
        ValueError: the key has another length.
    """
    if len(key) != _KEY_BYTES:
        raise ValueError("A256GCM needs a key of 32 bytes")
    try:
        return _Parts.of(token, "dir").open(key)
    except InvalidTag:
        raise JoseError(JoseReason.NOT_DECRYPTED) from None


def encrypt(plaintext: bytes, key: ec.EllipticCurvePublicKey, header: Mapping[str, str]) -> str:
    """Encrypt for somebody's key (``ECDH-ES``).

    Args:
        header: further members of the protected header, such as ``cty``.

    Returns:
        The compact serialization.

    Raises:
        JwkError: the key is on a curve outside ``jwk.CURVES``.
    """
    ephemeral = ec.generate_private_key(key.curve)
    own = {"alg": "ECDH-ES", "enc": CONTENT_ENCRYPTION, "epk": jwk.to_jwk(ephemeral.public_key())}
    nobody = length_and(b"") * 2
    return seal({**header, **own}, derive(ephemeral.exchange(ec.ECDH(), key), nobody), plaintext)


def seal(header: Mapping[str, Any], key: bytes, plaintext: bytes) -> str:
    """Encrypt with a content encryption key under a protected header; the compact serialization."""
    protected = base64url_encode(json.dumps(dict(header), separators=(",", ":")).encode())
    iv = os.urandom(_IV_BYTES)
    sealed = AESGCM(key).encrypt(iv, plaintext, protected)
    parts = protected, b"", *map(base64url_encode, (iv, sealed[:-_TAG_BYTES], sealed[-_TAG_BYTES:]))
    return b".".join(parts).decode()


def derive(shared: bytes, parties: bytes) -> bytes:
    """Derive the content encryption key (RFC 7518 §4.6.2); ``parties``: ``apu``, ``apv`` with lengths."""
    fixed = length_and(CONTENT_ENCRYPTION.encode()) + parties + struct.pack(">I", _KEY_BYTES * 8)
    return ConcatKDFHash(hashes.SHA256(), _KEY_BYTES, fixed).derive(shared)


def length_and(data: bytes | bytearray) -> bytes:
    """Bytes with their number in front, in 32 bits."""
    return struct.pack(">I", len(data)) + bytes(data)


@attrs.frozen(eq=False)
class _Parts:
    """An encrypted token taken apart."""

    header: Mapping[str, Any]
    _protected: bytes
    _iv: bytes
    _sealed: bytes

    @classmethod
    def of(cls, token: bytes, algorithm: str) -> _Parts:
        if len(token) > MAX_BYTES:
            raise JoseError(JoseReason.TOO_LARGE, f"{len(token)} bytes")
        segments = token.split(b".")
        if len(segments) != 5:
            raise JoseError(JoseReason.NOT_A_TOKEN, f"{len(segments)} segments")
        protected, encrypted_key, *rest = segments
        header = read_header(protected)
        if header.get("alg") != algorithm or header.get("enc") != CONTENT_ENCRYPTION:
            raise JoseError(JoseReason.ENCRYPTION_NOT_ALLOWED, "alg or enc")
        iv, ciphertext, tag = (bytes(decode_segment(segment, "JWE")) for segment in rest)
        if encrypted_key or len(iv) != _IV_BYTES or len(tag) != _TAG_BYTES:
            raise JoseError(JoseReason.NOT_A_TOKEN, "a segment has another size")
        return cls(header, protected, iv, ciphertext + tag)

    def party(self, member: str) -> bytes:
        """``apu`` or ``apv`` of the header, with its length in front."""
        text = self.header.get(member, "")
        if not isinstance(text, str) or len(text) > _MAX_PARTY_BYTES or not text.isascii():
            raise JoseError(JoseReason.HEADER_MALFORMED, member)
        return length_and(decode_segment(text.encode(), member))

    def open(self, key: bytes) -> bytes:
        """Decrypt with a content encryption key."""
        return AESGCM(key).decrypt(self._iv, self._sealed, self._protected)
