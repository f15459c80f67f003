"""Clients of the sectoral identity provider: who they are, and how they prove it (RFC 8705 §2.2).

A client that the operators agreed upon, or one of the federation, identifies itself with a certificate of its
own over TLS, which is among its keys. Of a client of the federation everything else stands in its statement.
"""

import base64
import datetime as dt
import ssl
from collections.abc import Callable, Mapping
from typing import Any

import attrs
import httpx

from synapse_tim.openid_federation.client import WELL_KNOWN
from synapse_tim.openid_federation.errors import FederationError
from synapse_tim.openid_federation.rules.statements import key_set, read_statement
from synapse_tim.testing.simulator.idp.federation_master import FederationMaster
from synapse_tim.testing.simulator.idp.oauth import AuthorizationRequest, OAuthError
from synapse_tim.testing.waiting import HANGING_SECONDS


@attrs.frozen
class Client:
    """A client that proved who it is."""

    jwks: Mapping[str, Any]  #: its keys, for encryption and TLS
    redirect_uris: tuple[str, ...] | None = None  #: where answers may go; ``None`` for anywhere
    scope: str | None = None  #: what it may ask for; ``None`` for anything

    @property
    def encryption_key(self) -> Mapping[str, Any]:
        """What its tokens are encrypted for; ``OAuthError`` if there is no such key."""
        for key in self.jwks.get("keys", ()):
            if key.get("use") == "enc":
                encryption_key: Mapping[str, Any] = key
                return encryption_key
        raise OAuthError("invalid_client", "no key to encrypt for")

    def check(self, asked: AuthorizationRequest) -> None:
        """Refuse what the client may not ask for."""
        if self.redirect_uris is not None and asked.redirect_uri not in self.redirect_uris:
            raise OAuthError("invalid_request", "redirect_uri is not one of the client's")
        if self.scope is not None and not set(asked.scope.split()) <= set(self.scope.split()):
            raise OAuthError("invalid_scope", "more than the client's statement says")


class Clients:
    """Knows clients.

    Attributes:
        agreed: JWK sets of clients outside the federation, by client id; may be changed.
        required: whether others, which prove nothing, are refused.
    """

    def __init__(
        self,
        entity_id: Callable[[], str],
        master: FederationMaster,
        tls_ca: bytes,
        now: Callable[[], dt.datetime],
    ) -> None:
        self.agreed: dict[str, Mapping[str, Any]] = {}
        self.required = False
        self._entity_id = entity_id
        self._master = master
        self._tls_ca = tls_ca
        self._now = now

    def authenticated(self, client_id: str, certificate: bytes | None) -> Client | None:
        """The client of a request over TLS.

        Args:
            client_id: whom it says it is.
            certificate: DER, or ``None`` if it showed none.

        Returns:
            ``None`` for one that is not known and need not be.

        Raises:
            OAuthError: it is not that client.
        """
        if client_id in self.agreed:
            client = Client(self.agreed[client_id])
        elif client_id in self._master.members and client_id != self._entity_id():
            client = self._of_federation(client_id)
        elif self.required:
            raise OAuthError("invalid_client", "the client is unknown", 401)
        else:
            return None
        shown = None if certificate is None else base64.b64encode(certificate).decode("ascii")
        if shown is None or shown not in [text for key in _keys(client.jwks) for text in key.get("x5c", ())]:
            raise OAuthError("invalid_client", "the certificate is not one of the client's", 401)
        return client

    def _of_federation(self, client_id: str) -> Client:
        context = ssl.create_default_context(cadata=self._tls_ca.decode())
        address = client_id.rstrip("/") + WELL_KNOWN
        try:
            answer = httpx.get(address, verify=context, trust_env=False, timeout=HANGING_SECONDS)
            document = answer.raise_for_status()
            if not document.headers["Content-Type"].startswith("application/entity-statement+jwt"):
                raise OAuthError("invalid_client", "the client has no entity configuration", 401)
            keys = key_set(self._master.members[client_id].keys())
            statement = read_statement(
                document.content, keys, issuer=client_id, subject=client_id, now=self._now()
            )
        except (httpx.HTTPError, FederationError) as error:
            raise OAuthError("invalid_client", f"entity configuration: {error}", 401) from None
        metadata = statement.metadata("openid_relying_party")
        demanded = {
            "response_types": ["code"],
            "client_registration_types": ["automatic"],
            "require_pushed_authorization_requests": True,
            "id_token_signed_response_alg": "ES256",
            "id_token_encrypted_response_alg": "ECDH-ES",
            "id_token_encrypted_response_enc": "A256GCM",
        }
        if self._master.issuer not in statement.claims.get("authority_hints", ()):
            raise OAuthError("invalid_client", "the client is not below our trust anchor", 401)
        for name, value in demanded.items():
            if metadata.get(name) != value:
                raise OAuthError("invalid_client", f"entity configuration: {name}", 401)
        uris, scope = tuple(metadata["redirect_uris"]), metadata["scope"]
        return Client(metadata["jwks"], uris, scope)


def _keys(jwks: Mapping[str, Any]) -> list[Mapping[str, Any]]:
    return list(jwks.get("keys", ()))
