"""The central IDP-Dienst, for smart cards of professionals and organisations.

As the genuine one it has a signed discovery document, keys on brainpoolP256r1, and a code flow at whose end
the client says, encrypted, with which key the tokens have to be encrypted. Authenticating with the card is
reduced to saying which card it is.
"""

import datetime as dt
import json
from collections.abc import Callable, Sequence
from typing import Any, Final, Unpack

from cryptography.hazmat.primitives.asymmetric import ec

from synapse_tim.jose.compact import Base64UrlError, base64url_decode
from synapse_tim.jose.errors import JoseError
from synapse_tim.jose.jwe import DecryptionKey, decrypt
from synapse_tim.testing import paths
from synapse_tim.testing.http import Answer, Request
from synapse_tim.testing.simulator.faults import Faults
from synapse_tim.testing.simulator.forms import choice_page, form_of, query_of
from synapse_tim.testing.simulator.idp import jwe
from synapse_tim.testing.simulator.idp.cards import CARDS, Card
from synapse_tim.testing.simulator.idp.discovery import DiscoveryOffice
from synapse_tim.testing.simulator.idp.oauth import AuthorizationRequest, Grant, OAuthError, redeem, required
from synapse_tim.testing.simulator.idp.provider import (
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
from synapse_tim.testing.simulator.pki.signing import compact_json
from synapse_tim.testing.simulator.pki.world import Identity, TiWorld

_AUTHORIZATION: Final = "/sign_response"
_SIGNATURE_KEY: Final = f"{CERTS}/puk_idp_sig"
_ENCRYPTION_KEY: Final = f"{CERTS}/puk_idp_enc"
_SCOPE: Final = "openid gem-auth"
_KEY_OCTETS: Final = 32


class CentralIdp(Provider[Identity]):
    """The central IDP.

    Attributes:
        cards: the cards there are, by name; may be changed.
    """

    prefix = paths.CENTRAL_IDP
    algorithm = "BP256R1"

    def __init__(
        self, world: TiWorld, faults: Faults, base_url: Callable[[], str], now: Callable[[], dt.datetime]
    ) -> None:
        keys = SignatureKeys("puk_idp_sig", lambda: world.pki.fd_sig(world.sub_ca, "IDP Sig", role="idpd"))
        super().__init__(base_url, now, keys)
        self.cards: dict[str, Card] = dict(CARDS)
        self._discovery = DiscoveryOffice(world, faults, now)
        self._encryption_key = DecryptionKey("puk_idp_enc", ec.generate_private_key(ec.BrainpoolP256R1()))
        self._codes: OneShot[Grant[Card]] = OneShot()
        self._routes = {
            ("GET", DISCOVERY): self._document,
            ("GET", CERTS): lambda _: Answer.of_json(
                {"keys": [self._signature_jwk(), self._encryption_jwk()]}
            ),
            ("GET", _SIGNATURE_KEY): lambda _: Answer.of_json(self._signature_jwk()),
            ("GET", _ENCRYPTION_KEY): lambda _: Answer.of_json(self._encryption_jwk()),
            ("GET", _AUTHORIZATION): self._authorize,
            ("POST", TOKEN): self._token,
        }

    def signers(self) -> tuple[Identity, ...]:
        """Every certificate of the genuine sub-CA that has signed so far."""
        return (*self._discovery.signers(), *self._keys.made())

    def mint(
        self,
        card: Card | str,
        *,
        audience: str | Sequence[str],
        nonce: str | None = None,
        **changes: Unpack[Changes],
    ) -> str:
        """Issue an ID token without any login.

        Args:
            card: whose, or its name.
            audience: for whom.
            nonce: default none.
            **changes: see ``Changes``.

        Returns:
            The JWS.
        """
        return self._minted(card, audience, nonce, _SCOPE, changes)

    def _minted(
        self,
        card: Card | str,
        audience: str | Sequence[str],
        nonce: str | None,
        scope: str,
        changes: Changes,
        *,
        kind: str = "JWT",
    ) -> str:
        holder = self.cards[card] if isinstance(card, str) else card
        claims = self._usual_claims(holder, audience, nonce, changes)
        signer = self._keys.current
        members = {**claims, "scope": scope, **holder.claims()}
        return self._sign(members, signer.kid, signer.key.key, changes, kind=kind)

    def _document(self, request: Request) -> Answer:
        members = {
            "issuer": self.issuer,
            "jwks_uri": self.jwks_url,
            "uri_disc": self.discovery_url,
            "authorization_endpoint": self.issuer + _AUTHORIZATION,
            "token_endpoint": self.issuer + TOKEN,
            "uri_puk_idp_enc": self.issuer + _ENCRYPTION_KEY,
            "uri_puk_idp_sig": self.issuer + _SIGNATURE_KEY,
        }
        return Answer(200, self._discovery.signed(members), "application/jwt")

    def _signature_jwk(self) -> dict[str, Any]:
        signer = self._keys.current
        return public_jwk(signer.key.key, use="sig", kid=signer.kid, x5c=[signer.key.b64])

    def _encryption_jwk(self) -> dict[str, Any]:
        return public_jwk(self._encryption_key.key, use="enc", kid=self._encryption_key.kid)

    def _authorize(self, request: Request) -> Answer:
        query = query_of(request)
        asked = AuthorizationRequest.of(query, "state", "nonce", "code_challenge")
        if "card" not in query:
            return choice_page(request, "Which card?", "card", labels(self.cards))
        return asked.redirect(self._codes.put(Grant(asked, pick(self.cards, query["card"]))))

    def _token(self, request: Request) -> Answer:
        form = form_of(request)
        grant = redeem(self._codes, form)
        token_key, verifier = self._opened(required(form, "key_verifier"))
        asked = grant.request
        asked.check(form, verifier)
        token = self._minted(grant.person, asked.client_id, asked.nonce, asked.scope, {})
        access = self._minted(grant.person, asked.client_id, None, asked.scope, {}, kind="at+JWT")
        return Answer.of_json(
            {
                "id_token": _for_client(token, token_key),
                "access_token": _for_client(access, token_key),
                "token_type": "Bearer",
                "expires_in": TOKEN_SECONDS,
            }
        )

    def _opened(self, key_verifier: str) -> tuple[bytes, str]:
        """The key that the tokens are to be encrypted with, and the verifier of PKCE."""
        try:
            members = json.loads(decrypt(key_verifier.encode(), [self._encryption_key]))
            token_key, verifier = (
                bytes(base64url_decode(members["token_key"].encode())),
                members["code_verifier"],
            )
        except (JoseError, ValueError, TypeError, KeyError, AttributeError, Base64UrlError):
            raise OAuthError("invalid_request", "key_verifier cannot be read") from None
        if len(token_key) != _KEY_OCTETS or not isinstance(verifier, str):
            raise OAuthError("invalid_request", "key_verifier has another content")
        return token_key, verifier


def _for_client(token: str, token_key: bytes) -> str:
    return jwe.encrypt(compact_json({"njwt": token}), token_key, header={"cty": "NJWT"})
