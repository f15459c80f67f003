"""Taking a compact JWS apart and putting it together wrongly."""

import base64
import json
from typing import Any

from synapse_tim.jose.large_jws import CompactJws
from synapse_tim.testing.simulator.pki.world import Identity, base64url, raw_signature

BOTH = frozenset({"BP256R1", "ES256"})


def read(octets: bytes, allowed: frozenset[str] = BOTH) -> bytes:
    """The payload, once everything about the serialization has been verified but the path."""
    jws = CompactJws.parse(octets)
    jws.require_algorithm(allowed)
    jws.verify_signature()
    return bytes(jws.payload())


def put_together(header: bytes, payload: bytes, key: Identity) -> bytes:
    """Sign bytes, whatever they are, under a header, whatever it says."""
    return signed(base64url(header), base64url(payload), key)


def signed(header: bytes, payload: bytes, key: Identity) -> bytes:
    """Sign two segments as they are."""
    octets = header + b"." + payload
    return octets + b"." + base64url(raw_signature(octets, key.key))


def header_of(octets: bytes) -> dict[str, Any]:
    """The header of a serialization."""
    segment = octets.split(b".")[0]
    found: dict[str, Any] = json.loads(base64.urlsafe_b64decode(segment + b"=" * (-len(segment) % 4)))
    return found
