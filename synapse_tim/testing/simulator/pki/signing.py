"""Signing federation lists as the directory does: JWS in compact serialization (RFC 7515 §7.1)."""

import json
from collections.abc import Mapping, Sequence
from typing import Any

from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.asymmetric.utils import decode_dss_signature

from synapse_tim.jose.compact import base64url_encode as base64url
from synapse_tim.testing.simulator.pki.identity import Identity


def sign_list(
    payload: Mapping[str, Any] | bytes,
    signer: Identity,
    *,
    algorithm: str = "BP256R1",
    x5c: Sequence[Identity] | None = None,
    header: Mapping[str, Any] | None = None,
) -> bytes:
    """Sign a list.

    Args:
        payload: the list, or its bytes as they are to be signed.
        signer: whose key signs. ``BP256R1`` wants a brainpoolP256r1 key and ``ES256`` one on P-256;
            other keys are signed with all the same, to see them refused.
        algorithm: ``alg`` of the header.
        x5c: the certificates of the header; default the signer's only, like the genuine lists.
        header: members that replace those of the header; ``None`` as a value takes a member out.

    Returns:
        The compact serialization; its signature is r and s in 32 bytes each, or wider for a wider curve.
    """
    members: dict[str, Any] = {
        "alg": algorithm,
        "x5c": [identity.b64 for identity in ([signer] if x5c is None else x5c)],
        "typ": "JWT",
        **(header or {}),
    }
    members = {name: value for name, value in members.items() if value is not None}
    octets = payload if isinstance(payload, bytes) else compact_json(payload)
    signed = base64url(compact_json(members)) + b"." + base64url(octets)
    return signed + b"." + base64url(raw_signature(signed, signer.key))


def raw_signature(
    octets: bytes, key: ec.EllipticCurvePrivateKey, digest: hashes.HashAlgorithm | None = None
) -> bytes:
    """ECDSA as r and s side by side (RFC 7518 §3.4); over SHA-256 unless told otherwise."""
    r, s = decode_dss_signature(key.sign(octets, ec.ECDSA(digest or hashes.SHA256())))
    width = (key.curve.key_size + 7) // 8
    return r.to_bytes(width, "big") + s.to_bytes(width, "big")


def with_other_signature(jws: bytes) -> bytes:
    """The same JWS with the first bytes of its signature changed."""
    start = jws.rindex(b".") + 1
    changed = b"AAAA" if jws[start : start + 4] != b"AAAA" else b"BBBB"
    return jws[:start] + changed + jws[start + 4 :]


def compact_json(value: Mapping[str, Any]) -> bytes:
    """JSON without white space, in UTF-8."""
    return json.dumps(value, separators=(",", ":"), ensure_ascii=False).encode()
