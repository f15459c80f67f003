"""What we are in the OpenID federation: keys and certificates from files, and the resource that says it."""

import datetime as dt
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any, Final

from cryptography import x509
from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import ec
from twisted.web.resource import Resource

from synapse_tim.adapter.config_block import wrong
from synapse_tim.gateway.upstream.config import EntityConfig, SectoralConfig
from synapse_tim.jose.jwe import DecryptionKey
from synapse_tim.openid_federation.rules.own_entity import CONTENT_TYPE, EntityKey, OwnEntity

_KEY_EXPECTED: Final = "expected an unencrypted EC private key in PEM, on P-256"
_CERTIFICATE_EXPECTED: Final = "expected a self-signed certificate with its unencrypted key in PEM, on P-256"


def own_entity(
    block: EntityConfig,
    *,
    entity_id: str,
    redirect_uri: str,
    scopes: Sequence[str],
    anchors: Sequence[str],
    decryption_keys: Sequence[DecryptionKey],
    certificates: Sequence[x509.Certificate],
) -> OwnEntity:
    """What we say about ourselves; ``ConfigError`` if a file holds no key."""
    keys = read_entity_keys(block)
    encryption_key = next((key for key in decryption_keys if isinstance(key.key.curve, ec.SECP256R1)), None)
    if encryption_key is None:
        expected = "expected at least one key on P-256: sectoral identity providers encrypt for it"
        raise wrong(expected, "login", "decryption_keys")
    about: dict[str, Any] = {"contacts": block.contacts, "homepage_uri": block.homepage_uri}
    return OwnEntity(
        entity_id=entity_id,
        organization_name=block.organization_name,
        redirect_uris=(redirect_uri,),
        scope=" ".join(dict.fromkeys(scopes)),
        authority_hints=tuple(dict.fromkeys(anchors)),
        signature_keys=keys,
        encryption_key=encryption_key,
        certificates=list(dict.fromkeys(certificates)),
        about={name: value for name, value in about.items() if value},
        further={} if block.logo_uri is None else {"logo_uri": block.logo_uri},
    )


def read_entity_keys(block: EntityConfig) -> list[EntityKey]:
    """Read the keys that sign our statement; ``ConfigError`` if a file holds none."""
    keys = []
    for position, path in enumerate(block.entity_keys):
        key = _private_key(path)
        if key is None:
            raise wrong(_KEY_EXPECTED, "identity_gateway", "entity", "entity_keys", position)
        keys.append(EntityKey(key))
    return keys


def read_certificates(how: SectoralConfig, position: int) -> list[x509.Certificate]:
    """Read the certificates with which we identify ourselves, and see that their keys are there.

    Args:
        position: in ``upstreams``.

    Raises:
        ConfigError: a file holds no such certificate.
    """
    place = ("identity_gateway", "upstreams", position, "sectoral", "tls_certificates")
    return [_certificate(path, *place, n) for n, path in enumerate(how.tls_certificates)]


def _certificate(path: str, *place: str | int) -> x509.Certificate:
    key = _private_key(path)
    try:
        certificate = x509.load_pem_x509_certificate(Path(path).read_bytes())
        certificate.verify_directly_issued_by(certificate)
    except (OSError, ValueError, TypeError, InvalidSignature):
        certificate = None
    if key is None or certificate is None or certificate.public_key() != key.public_key():
        raise wrong(_CERTIFICATE_EXPECTED, *place)
    return certificate


def _private_key(path: str) -> ec.EllipticCurvePrivateKey | None:
    try:
        key = serialization.load_pem_private_key(Path(path).read_bytes(), None)
    except (OSError, ValueError, TypeError):
        return None
    if not isinstance(key, ec.EllipticCurvePrivateKey) or not isinstance(key.curve, ec.SECP256R1):
        return None
    return key


class EntityResource(Resource):
    """Answers with our statement, signed anew for each request: that takes microseconds."""

    isLeaf = True  # noqa: N815  # Twisted's name

    def __init__(self, entity: OwnEntity, clock: Callable[[], dt.datetime]) -> None:
        super().__init__()  # type: ignore[no-untyped-call]
        self._entity = entity
        self._clock = clock

    def render_GET(self, request: Any) -> bytes:  # noqa: N802  # Twisted's name
        """The entity configuration."""
        request.setHeader(b"Content-Type", CONTENT_TYPE.encode())
        return self._entity.statement(self._clock())
