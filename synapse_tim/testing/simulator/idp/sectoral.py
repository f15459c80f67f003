"""A sectoral identity provider, for insured persons (GesundheitsID).

Code flow with a pushed authorization request (RFC 9126) and PKCE; the ID token is signed and then encrypted
for the client. Authenticating is reduced to saying who it is. It is a member of the federation, and clients
that are, too, identify themselves with mutual TLS; so do those in ``clients.agreed``. Others need not, unless
``clients.required`` is set.
"""

import datetime as dt
import ssl
from collections.abc import Callable, Mapping, Sequence
from typing import Any, Final, Unpack

import httpx
from cryptography.hazmat.primitives.asymmetric import ec

from synapse_tim.jose.jwk import JwkError, public_key
from synapse_tim.openid_federation.client import WELL_KNOWN
from synapse_tim.openid_federation.rules.own_entity import CONTENT_TYPE
from synapse_tim.openid_federation.rules.statements import STATEMENT_TYPE
from synapse_tim.testing import paths
from synapse_tim.testing.http import Answer, Request
from synapse_tim.testing.merge import overlaid
from synapse_tim.testing.simulator.forms import choice_page, form_of, query_of
from synapse_tim.testing.simulator.idp import jwe
from synapse_tim.testing.simulator.idp.cards import INSURED_PERSONS, InsuredPerson
from synapse_tim.testing.simulator.idp.federation_master import FederationMaster, Member, times
from synapse_tim.testing.simulator.idp.jws import sign_token
from synapse_tim.testing.simulator.idp.oauth import AuthorizationRequest, Grant, OAuthError, redeem, required
from synapse_tim.testing.simulator.idp.provider import (
    AUTHORIZATION,
    CERTS,
    DISCOVERY,
    TOKEN,
    TOKEN_SECONDS,
    Changes,
    Provider,
    labels,
    pick,
)
from synapse_tim.testing.simulator.idp.sectoral_clients import Client, Clients
from synapse_tim.testing.simulator.idp.token_keys import SignatureKeys, public_jwk
from synapse_tim.testing.simulator.one_shot import OneShot
from synapse_tim.testing.simulator.pki.world import TiWorld
from synapse_tim.testing.waiting import HANGING_SECONDS

_PUSHED: Final = "/par"
_SIGNED_KEYS: Final = "/jws.json"
_SCOPES: Final = ("openid", "urn:telematik:versicherter", "urn:telematik:display_name")


class SectoralIdp(Provider[ec.EllipticCurvePrivateKey]):
    """A sectoral identity provider.

    Args:
        world: the certificates; its TLS CA is trusted when ``client_jwks_url`` is fetched, or a statement.
        master: vouches for it and its clients.
        base_url: where the simulator is, without a path.
        now: the simulator's clock.

    Attributes:
        persons: the insured persons it knows, by name; may be changed.
        client_jwks_url: where the client publishes the key that its tokens are encrypted for; fetched for
            each token, and its first key taken. Not used once there was ``encrypt_for``.
        clients: those that identify themselves.
        entity: laid over the claims of the statement about itself.
        metadata: laid over what that says about it as a provider.
    """

    prefix = paths.SECTORAL_IDP
    algorithm = "ES256"

    def __init__(
        self,
        world: TiWorld,
        master: FederationMaster,
        base_url: Callable[[], str],
        now: Callable[[], dt.datetime],
    ) -> None:
        keys = SignatureKeys("sectoral_sig", _new_key)
        super().__init__(base_url, now, keys)
        self.entity: dict[str, Any] = {}
        self.metadata: dict[str, Any] = {}
        self.clients = Clients(lambda: self.issuer, master, world.tls_ca.pem, now)
        self._master = master
        self._entity_keys = SignatureKeys("puk_fed_idp_sig", _new_key)
        master.members[self.issuer] = Member(self._entity_jwks, "Krankenkasse TEST-ONLY")
        self.persons: dict[str, InsuredPerson] = dict(INSURED_PERSONS)
        self.client_jwks_url: str | None = None
        self._client_key: Mapping[str, Any] | None = None
        self._tls_ca = world.tls_ca
        self._pushed: OneShot[AuthorizationRequest] = OneShot("urn:ietf:params:oauth:request_uri:")
        self._codes: OneShot[Grant[InsuredPerson]] = OneShot()
        self._routes = {
            ("GET", DISCOVERY): self._document,
            ("GET", CERTS): lambda _: Answer.of_json({"keys": [self._signature_jwk()]}),
            ("GET", WELL_KNOWN): lambda _: self._configuration(),
            ("GET", _SIGNED_KEYS): lambda _: self._signed_keys(),
            ("POST", _PUSHED): self._push,
            ("GET", AUTHORIZATION): self._authorize,
            ("POST", TOKEN): self._token,
        }

    def encrypt_for(self, public_jwk: Mapping[str, Any] | None) -> None:
        """Encrypt tokens for this key of the client; ``None`` to look at ``client_jwks_url`` again."""
        self._client_key = public_jwk

    def mint(
        self,
        person: InsuredPerson | str,
        *,
        audience: str | Sequence[str],
        encrypt_to: Mapping[str, Any] | None = None,
        nonce: str | None = None,
        encryption_header: Mapping[str, Any] | None = None,
        **changes: Unpack[Changes],
    ) -> str:
        """Issue an ID token without any login.

        Args:
            person: whose, or the name.
            audience: for whom.
            encrypt_to: the client's public key as a JWK; without one the token is only signed.
            nonce: default none.
            encryption_header: laid over the members of the JWE header.
            **changes: see ``Changes``; they change the signed token.

        Returns:
            The JWE with the JWS in it, or the JWS.

        Raises:
            JwkError: ``encrypt_to`` is no usable key.
            TypeError: it is no EC key.
        """
        insured = self.persons[person] if isinstance(person, str) else person
        claims = self._usual_claims(insured, audience, nonce, changes)
        signer = self._keys.current
        token = self._sign({**claims, **insured.claims()}, signer.kid, signer.key, changes)
        if encrypt_to is None:
            return token
        recipient = public_key(dict(encrypt_to))
        if not isinstance(recipient, ec.EllipticCurvePublicKey):
            raise TypeError("tokens are encrypted for EC keys")
        members = {"cty": "JWT"} if "kid" not in encrypt_to else {"cty": "JWT", "kid": encrypt_to["kid"]}
        return jwe.encrypt(token.encode(), recipient, header={**members, **(encryption_header or {})})

    def _document(self, request: Request) -> Answer:
        metadata = self._metadata(
            pushed_authorization_request_endpoint=self.issuer + _PUSHED,
            require_pushed_authorization_requests=True,
            id_token_encryption_alg_values_supported=["ECDH-ES"],
            id_token_encryption_enc_values_supported=["A256GCM"],
        )
        return Answer.of_json(metadata)

    def rotate_entity_key(self, kid: str | None = None) -> str:
        """Sign statements with a new key from now on, of which the federation master knows; its name."""
        return self._entity_keys.rotate(kid).kid

    def _entity_jwks(self) -> dict[str, Any]:
        signer = self._entity_keys.current
        return {"keys": [public_jwk(signer.key, kid=signer.kid, use="sig", alg=self.algorithm)]}

    def _configuration(self) -> Answer:
        provider = {
            "issuer": self.issuer,
            "signed_jwks_uri": self.issuer + _SIGNED_KEYS,
            "organization_name": "Krankenkasse TEST-ONLY",
            "authorization_endpoint": self.issuer + AUTHORIZATION,
            "token_endpoint": self.issuer + TOKEN,
            "pushed_authorization_request_endpoint": self.issuer + _PUSHED,
            "client_registration_types_supported": ["automatic"],
            "subject_types_supported": ["pairwise"],
            "response_types_supported": ["code"],
            "scopes_supported": list(_SCOPES),
            "grant_types_supported": ["authorization_code"],
            "require_pushed_authorization_requests": True,
            "token_endpoint_auth_methods_supported": ["self_signed_tls_client_auth"],
            "id_token_signing_alg_values_supported": [self.algorithm],
            "id_token_encryption_alg_values_supported": ["ECDH-ES"],
            "id_token_encryption_enc_values_supported": ["A256GCM"],
            "user_type_supported": ["IP"],
        }
        claims = {
            "sub": self.issuer,
            "jwks": self._entity_jwks(),
            "authority_hints": [self._master.issuer],
            "metadata": {"openid_provider": overlaid(provider, self.metadata)},
        }
        return Answer(200, self._signed(overlaid(claims, self.entity), STATEMENT_TYPE), CONTENT_TYPE)

    def _signed_keys(self) -> Answer:
        document = self._signed({"keys": [self._signature_jwk()]}, "jwk-set+jwt")
        return Answer(200, document, "application/jwk-set+jwt")

    def _signed(self, claims: Mapping[str, Any], kind: str) -> bytes:
        signer = self._entity_keys.current
        members = {"iss": self.issuer, **times(self._now()), **claims}
        header = {"typ": kind, "kid": signer.kid}
        return sign_token(members, signer.key, algorithm=self.algorithm, header=header).encode()

    def _signature_jwk(self) -> dict[str, Any]:
        signer = self._keys.current
        return public_jwk(signer.key, kid=signer.kid, use="sig", alg=self.algorithm)

    def _push(self, request: Request) -> Answer:
        asked = AuthorizationRequest.of(form_of(request), "code_challenge")
        client = self.clients.authenticated(asked.client_id, request.client_certificate)
        if client is not None:
            client.check(asked)
        uri = self._pushed.put(asked)
        return Answer.of_json({"request_uri": uri, "expires_in": int(self._pushed.seconds)}, 201)

    def _authorize(self, request: Request) -> Answer:
        query = query_of(request)
        client_id, uri = required(query, "client_id"), required(query, "request_uri")
        asked = self._pushed.peek(uri)
        if asked is None or asked.client_id != client_id:
            raise OAuthError("invalid_request", "the request_uri is unknown, used up or expired")
        if "person" not in query:
            return choice_page(request, "Who logs in?", "person", labels(self.persons))
        person = pick(self.persons, query["person"])
        if self._pushed.take(uri) is None:
            raise OAuthError("invalid_request", "the request_uri is used up")
        return asked.redirect(self._codes.put(Grant(asked, person)))

    def _token(self, request: Request) -> Answer:
        form = form_of(request)
        client = self.clients.authenticated(required(form, "client_id"), request.client_certificate)
        grant = redeem(self._codes, form)
        asked = grant.request
        asked.check(form, required(form, "code_verifier"))
        recipient = self._recipient(client)
        try:
            token = self.mint(grant.person, audience=asked.client_id, encrypt_to=recipient, nonce=asked.nonce)
        except (JwkError, TypeError):
            raise OAuthError("invalid_client", "the key of the client cannot be used") from None
        members = {"id_token": token, "token_type": "Bearer", "expires_in": TOKEN_SECONDS}
        return Answer.of_json({**members, "access_token": token})

    def _recipient(self, client: Client | None) -> Mapping[str, Any]:
        if client is not None:
            return client.encryption_key
        if self._client_key is not None:
            return self._client_key
        if self.client_jwks_url is None:
            raise OAuthError("invalid_client", "no key of the client is known: see encrypt_for")
        context = ssl.create_default_context(cadata=self._tls_ca.pem.decode())
        try:
            answer = httpx.get(self.client_jwks_url, verify=context, trust_env=False, timeout=HANGING_SECONDS)
            first: dict[str, Any] = answer.raise_for_status().json()["keys"][0]
        except (httpx.HTTPError, ValueError, LookupError, TypeError):
            raise OAuthError("invalid_client", "the keys of the client cannot be had") from None
        return first


def _new_key() -> ec.EllipticCurvePrivateKey:
    return ec.generate_private_key(ec.SECP256R1())
