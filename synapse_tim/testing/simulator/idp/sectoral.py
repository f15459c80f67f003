"""A sectoral identity provider, for insured persons (GesundheitsID).

Code flow with a pushed authorization request (RFC 9126) and PKCE; the ID token is signed and then encrypted
for the client. Authenticating is reduced to saying who it is; clients are neither registered with a
federation nor authenticated.
"""

import datetime as dt
import ssl
from collections.abc import Callable, Mapping, Sequence
from typing import Any, Final, Unpack

import httpx
from cryptography.hazmat.primitives.asymmetric import ec

from synapse_tim.jose.jwk import JwkError, public_key
from synapse_tim.testing import paths
from synapse_tim.testing.http import Answer, Request
from synapse_tim.testing.simulator.forms import choice_page, form_of, query_of
from synapse_tim.testing.simulator.idp import jwe
from synapse_tim.testing.simulator.idp.cards import INSURED_PERSONS, InsuredPerson
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
from synapse_tim.testing.simulator.idp.token_keys import SignatureKeys, public_jwk
from synapse_tim.testing.simulator.one_shot import OneShot
from synapse_tim.testing.simulator.pki.world import TiWorld
from synapse_tim.testing.waiting import HANGING_SECONDS

_PUSHED: Final = "/par"


class SectoralIdp(Provider[ec.EllipticCurvePrivateKey]):
    """A sectoral identity provider.

    Args:
        world: the certificates; its TLS CA is trusted when ``client_jwks_url`` is fetched.
        base_url: where the simulator is, without a path.
        now: the simulator's clock.

    Attributes:
        persons: the insured persons it knows, by name; may be changed.
        client_jwks_url: where the client publishes the key that its tokens are encrypted for; fetched for
            each token, and its first key taken. Not used once there was ``encrypt_for``.
    """

    prefix = paths.SECTORAL_IDP
    algorithm = "ES256"

    def __init__(self, world: TiWorld, base_url: Callable[[], str], now: Callable[[], dt.datetime]) -> None:
        keys = SignatureKeys("sectoral_sig", lambda: ec.generate_private_key(ec.SECP256R1()))
        super().__init__(base_url, now, keys)
        self.persons: dict[str, InsuredPerson] = dict(INSURED_PERSONS)
        self.client_jwks_url: str | None = None
        self._client_key: Mapping[str, Any] | None = None
        self._tls_ca = world.tls_ca
        self._pushed: OneShot[AuthorizationRequest] = OneShot("urn:ietf:params:oauth:request_uri:")
        self._codes: OneShot[Grant[InsuredPerson]] = OneShot()
        self._routes = {
            ("GET", DISCOVERY): self._document,
            ("GET", CERTS): lambda _: Answer.of_json({"keys": [self._signature_jwk()]}),
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

    def _signature_jwk(self) -> dict[str, Any]:
        signer = self._keys.current
        return public_jwk(signer.key, kid=signer.kid, use="sig", alg=self.algorithm)

    def _push(self, request: Request) -> Answer:
        asked = AuthorizationRequest.of(form_of(request), "code_challenge")
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
        grant = redeem(self._codes, form)
        asked = grant.request
        asked.check(form, required(form, "code_verifier"))
        recipient = self._recipient()
        try:
            token = self.mint(grant.person, audience=asked.client_id, encrypt_to=recipient, nonce=asked.nonce)
        except (JwkError, TypeError):
            raise OAuthError("invalid_client", "the key of the client cannot be used") from None
        members = {"id_token": token, "token_type": "Bearer", "expires_in": TOKEN_SECONDS}
        return Answer.of_json({**members, "access_token": token})

    def _recipient(self) -> Mapping[str, Any]:
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
