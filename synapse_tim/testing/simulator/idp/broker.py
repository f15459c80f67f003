"""A broker: a plain OpenID provider, as operators put between a homeserver and the providers of the TI.

Synapse's own OIDC client works with it. Its tokens carry on what the central IDP or the sectoral identity
provider says about a person. It can end sessions over the back channel.
"""

import datetime as dt
import secrets
import ssl
import threading
from collections.abc import Callable, Mapping, Sequence
from typing import Any, Final, Unpack

import httpx
from cryptography.hazmat.primitives.asymmetric import rsa

from synapse_tim.testing import paths
from synapse_tim.testing.http import Answer, Request
from synapse_tim.testing.merge import deep_merge, overlaid
from synapse_tim.testing.simulator.forms import choice_page, form_of, query_of
from synapse_tim.testing.simulator.idp.cards import Person
from synapse_tim.testing.simulator.idp.central import CentralIdp
from synapse_tim.testing.simulator.idp.oauth import (
    AuthorizationRequest,
    Grant,
    OAuthError,
    basic_credentials,
    redeem,
)
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
from synapse_tim.testing.simulator.idp.sectoral import SectoralIdp
from synapse_tim.testing.simulator.idp.token_keys import SignatureKeys, public_jwk
from synapse_tim.testing.simulator.one_shot import OneShot
from synapse_tim.testing.simulator.pki.world import TiWorld
from synapse_tim.testing.waiting import HANGING_SECONDS

_USER_INFO: Final = "/userinfo"
_EVENT: Final = "http://schemas.openid.net/event/backchannel-logout"
_MAPPING: Final = {
    "localpart_template": "{{ user.idNummer | default(user['urn:telematik:claims:id'], true) | lower }}",
    "display_name_template": "{{ user.name }}",
}
_RSA_EXPONENT: Final = 65537
_RSA_BITS: Final = 2048


class Broker(Provider[rsa.RSAPrivateKey]):
    """A broker.

    Args:
        idp: whose cards can log in.
        sectoral: whose insured persons can.
        world: the certificates; its TLS CA is trusted when a session is ended.
        base_url: where the simulator is, without a path.
        now: the simulator's clock.

    Attributes:
        client_id: of the only client.
        client_secret: of that.
        preselected: the name of a person who logs in without being asked; ``None`` for a page to choose on.
    """

    prefix = paths.BROKER
    algorithm = "RS256"

    def __init__(
        self,
        idp: CentralIdp,
        sectoral: SectoralIdp,
        world: TiWorld,
        base_url: Callable[[], str],
        now: Callable[[], dt.datetime],
    ) -> None:
        keys = SignatureKeys("broker_sig", lambda: rsa.generate_private_key(_RSA_EXPONENT, _RSA_BITS))
        super().__init__(base_url, now, keys)
        self.client_id = "synapse"
        self.client_secret = "secret"
        self.preselected: str | None = None
        self._idp = idp
        self._sectoral = sectoral
        self._tls_ca = world.tls_ca
        self._codes: OneShot[Grant[Person]] = OneShot()
        self._profiles: OneShot[dict[str, Any]] = OneShot(seconds=TOKEN_SECONDS)
        self._lock = threading.Lock()
        self._sessions: dict[str, tuple[str, str | list[str]]] = {}
        self._routes = {
            ("GET", DISCOVERY): self._document,
            ("GET", CERTS): lambda _: Answer.of_json({"keys": [self._signature_jwk()]}),
            ("GET", AUTHORIZATION): self._authorize,
            ("POST", TOKEN): self._token,
            ("GET", _USER_INFO): self._user_info,
        }

    @property
    def people(self) -> dict[str, Person]:
        """Who can log in, by name: the cards and the insured persons of the other two providers."""
        return {**self._sectoral.persons, **self._idp.cards}

    @property
    def sessions(self) -> tuple[str, ...]:
        """``sid`` of every token so far, oldest first."""
        with self._lock:
            return tuple(self._sessions)

    def oidc_provider_config(self, **overrides: Any) -> dict[str, Any]:
        """An entry of ``oidc_providers``, with overrides merged in; ``None`` takes a key out."""
        entry: dict[str, Any] = {
            "idp_id": "broker",
            "idp_name": "Broker",
            "issuer": self.issuer,
            # Synapse wants https of every issuer; on loopback that is not needed.
            "skip_verification": True,
            "client_id": self.client_id,
            "client_secret": self.client_secret,
            "scopes": ["openid"],
            "backchannel_logout_enabled": True,
            "user_mapping_provider": {"config": dict(_MAPPING)},
        }
        return deep_merge(entry, overrides)

    def mint(
        self,
        person: Person | str,
        *,
        audience: str | Sequence[str],
        nonce: str | None = None,
        sid: str | None = None,
        **changes: Unpack[Changes],
    ) -> str:
        """Issue an ID token without any login.

        Args:
            person: whose, or the name.
            audience: for whom.
            nonce: default none.
            sid: names the session; default a new one.
            **changes: see ``Changes``.

        Returns:
            The JWS.
        """
        somebody = self.people[person] if isinstance(person, str) else person
        claims = self._usual_claims(somebody, audience, nonce, changes)
        session = sid or secrets.token_urlsafe(16)
        with self._lock:
            self._sessions[session] = (claims["sub"], claims["aud"])
        signer = self._keys.current
        members = {**claims, "sid": session, **_profile(somebody)}
        return self._sign(members, signer.kid, signer.key, changes)

    def logout_token(self, sid: str, **changes: Unpack[Changes]) -> str:
        """Say that a session is over (OpenID Connect Back-Channel Logout §2.4).

        Args:
            sid: the session; of one that no token named, the subject is left out.
            **changes: see ``Changes``.
        """
        with self._lock:
            subject, audience = self._sessions.get(sid, (None, self.client_id))
        issued = self._issued(changes)
        claims: dict[str, Any] = {
            "iss": self.issuer,
            "aud": audience,
            "iat": issued,
            "exp": issued + TOKEN_SECONDS,
            "jti": secrets.token_urlsafe(16),
            "events": {_EVENT: {}},
            "sid": sid,
        }
        signer = self._keys.current
        members = claims if subject is None else {**claims, "sub": subject}
        return self._sign(members, signer.kid, signer.key, changes, kind="logout+jwt")

    def log_out(self, sid: str, url: str, **changes: Unpack[Changes]) -> httpx.Response:
        """End a session and tell a client.

        Args:
            sid: the session.
            url: the client's back-channel logout URL.
            **changes: see ``Changes``.

        Returns:
            What the client answered.
        """
        form = {"logout_token": self.logout_token(sid, **changes)}
        context = ssl.create_default_context(cadata=self._tls_ca.pem.decode())
        return httpx.post(url, data=form, verify=context, trust_env=False, timeout=HANGING_SECONDS)

    def _document(self, request: Request) -> Answer:
        metadata = self._metadata(
            userinfo_endpoint=self.issuer + _USER_INFO,
            token_endpoint_auth_methods_supported=["client_secret_basic", "client_secret_post"],
            backchannel_logout_supported=True,
            backchannel_logout_session_supported=True,
        )
        return Answer.of_json(metadata)

    def _signature_jwk(self) -> dict[str, Any]:
        signer = self._keys.current
        return public_jwk(signer.key, kid=signer.kid, use="sig", alg=self.algorithm)

    def _authorize(self, request: Request) -> Answer:
        query = query_of(request)
        asked = AuthorizationRequest.of(query)
        if asked.client_id != self.client_id:
            raise OAuthError("unauthorized_client", "the client is unknown")
        name = query.get("person") or self.preselected
        if name is None:
            return choice_page(request, "Who logs in?", "person", labels(self.people))
        return asked.redirect(self._codes.put(Grant(asked, pick(self.people, name))))

    def _token(self, request: Request) -> Answer:
        form = {**form_of(request), **basic_credentials(request)}
        if (form.get("client_id"), form.get("client_secret")) != (self.client_id, self.client_secret):
            raise OAuthError("invalid_client", "client_id or client_secret is wrong", 401)
        grant = redeem(self._codes, form)
        asked, person = grant.request, grant.person
        asked.check(form, form.get("code_verifier"))
        subject = {"sub": self.pseudonym(asked.client_id, person)}
        return Answer.of_json(
            {
                "id_token": self.mint(person, audience=asked.client_id, nonce=asked.nonce),
                "access_token": self._profiles.put(overlaid({**subject, **_profile(person)}, self.claims)),
                "token_type": "Bearer",
                "expires_in": TOKEN_SECONDS,
            }
        )

    def _user_info(self, request: Request) -> Answer:
        _, _, token = request.headers.get("authorization", "").partition(" ")
        profile = self._profiles.peek(token)
        if profile is None:
            raise OAuthError("invalid_token", "the access token is unknown or expired", 401)
        return Answer.of_json(profile)


def _profile(person: Person) -> Mapping[str, Any]:
    """What the other providers say about a person; what they say nothing about is left out."""
    stated = {name: value for name, value in person.claims().items() if value is not None}
    return {"name": person.display_name, **stated}
