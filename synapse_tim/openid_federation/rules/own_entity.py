"""What this service says about itself in the federation: its entity configuration (OpenID Federation §9).

Three kinds of keys: those that sign the statement, the first of them does and a further one is announced
with it before it takes over; the one that tokens are encrypted for; the certificates with which it identifies
itself at the providers (RFC 8705 §2.2).
"""

import base64
import datetime as dt
from collections.abc import Mapping, Sequence
from typing import Any, Final

import attrs
import jwt
from cryptography import x509
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import ec

from synapse_tim.jose import jwk
from synapse_tim.jose.jwe import CONTENT_ENCRYPTION, DecryptionKey
from synapse_tim.openid_federation.rules.statements import ALGORITHM, CLOCK_SKEW, STATEMENT_TYPE

#: How long a statement holds; superiors and providers fetch it again before.
LIFETIME: Final = dt.timedelta(hours=24)
#: ``Content-Type`` of a statement.
CONTENT_TYPE: Final = f"application/{STATEMENT_TYPE}"


@attrs.frozen(eq=False)
class EntityKey:
    """A key that signs statements about ourselves, on P-256."""

    key: ec.EllipticCurvePrivateKey = attrs.field(repr=False)

    @property
    def kid(self) -> str:
        """Its name: the thumbprint (RFC 7638)."""
        return jwk.thumbprint(self.key.public_key())

    @property
    def public_jwk(self) -> dict[str, Any]:
        """The public half."""
        return {**jwk.to_jwk(self.key.public_key()), "kid": self.kid, "use": "sig", "alg": ALGORITHM}


@attrs.frozen(eq=False)
class OwnEntity:
    """This service as an entity of the federation."""

    entity_id: str
    organization_name: str
    redirect_uris: tuple[str, ...]
    scope: str  #: separated by spaces: everything that is asked for
    authority_hints: tuple[str, ...]  #: the trust anchors
    signature_keys: Sequence[EntityKey]  #: at least one; the first signs
    encryption_key: DecryptionKey  #: that tokens are encrypted for, on P-256
    certificates: Sequence[x509.Certificate]  #: with which it identifies itself, keys on P-256
    #: Laid over the metadata as ``federation_entity``, such as ``contacts``.
    about: Mapping[str, Any] = attrs.field(factory=dict)
    #: Laid over the metadata as ``openid_relying_party``, such as ``logo_uri``.
    further: Mapping[str, Any] = attrs.field(factory=dict)

    def statement(self, now: dt.datetime) -> bytes:
        """The entity configuration as of now, signed.

        Args:
            now: with a time zone. Issued a little before, for those whose clock is behind.
        """
        signer, issued = self.signature_keys[0], int((now - CLOCK_SKEW).timestamp())
        claims = {
            "iss": self.entity_id,
            "sub": self.entity_id,
            "iat": issued,
            "exp": issued + int(LIFETIME.total_seconds()),
            "jwks": {"keys": [key.public_jwk for key in self.signature_keys]},
            "authority_hints": list(self.authority_hints),
            "metadata": {
                "openid_relying_party": self._relying_party(),
                "federation_entity": {"organization_name": self.organization_name, **self.about},
            },
        }
        headers = {"typ": STATEMENT_TYPE, "kid": signer.kid}
        return jwt.encode(claims, signer.key, algorithm=ALGORITHM, headers=headers).encode()

    def _relying_party(self) -> dict[str, Any]:
        return {
            "organization_name": self.organization_name,
            "client_name": self.organization_name,
            "redirect_uris": list(self.redirect_uris),
            "response_types": ["code"],
            "grant_types": ["authorization_code"],
            "client_registration_types": ["automatic"],
            "require_pushed_authorization_requests": True,
            "token_endpoint_auth_method": "self_signed_tls_client_auth",
            "tls_client_certificate_bound_access_tokens": True,
            "default_acr_values": ["gematik-ehealth-loa-high"],
            "id_token_signed_response_alg": ALGORITHM,
            "id_token_encrypted_response_alg": "ECDH-ES",
            "id_token_encrypted_response_enc": CONTENT_ENCRYPTION,
            "scope": self.scope,
            "jwks": {
                "keys": [dict(self.encryption_key.public_jwk), *map(_certificate_jwk, self.certificates)]
            },
            **self.further,
        }


def _certificate_jwk(certificate: x509.Certificate) -> dict[str, Any]:
    key = certificate.public_key()
    if not isinstance(key, ec.EllipticCurvePublicKey):
        raise TypeError("no EC key")
    der = certificate.public_bytes(serialization.Encoding.DER)
    members = {"kid": jwk.thumbprint(key), "use": "sig", "alg": ALGORITHM}
    return {**jwk.to_jwk(key), **members, "x5c": [base64.b64encode(der).decode("ascii")]}
