"""What the simulated identity providers have in common."""

import datetime as dt
import hashlib
import secrets
from collections.abc import Callable, Mapping, Sequence
from typing import Any, ClassVar, Final, Generic, TypedDict, TypeVar
from urllib.parse import urlsplit

from synapse_tim.testing.http import Answer, Request
from synapse_tim.testing.merge import overlaid
from synapse_tim.testing.simulator.idp.cards import Person
from synapse_tim.testing.simulator.idp.jws import TokenKey, sign_token
from synapse_tim.testing.simulator.idp.oauth import OAuthError
from synapse_tim.testing.simulator.idp.token_keys import K, NamedKey, SignatureKeys

#: How long an ID token is valid, in seconds.
TOKEN_SECONDS: Final = 300

DISCOVERY: Final = "/.well-known/openid-configuration"
CERTS: Final = "/certs"
AUTHORIZATION: Final = "/auth"
TOKEN: Final = "/token"

_ACR = "gematik-ehealth-loa-high"

P = TypeVar("P", bound=Person)
Handler = Callable[[Request], Answer]


class Changes(TypedDict, total=False):
    """How a token is to differ from what the provider would issue; ``None`` for not at all."""

    claims: Mapping[str, Any] | None  #: laid over the usual ones; ``REMOVED`` takes one out
    header: Mapping[str, Any] | None  #: laid over the members of the JWS header; ``REMOVED`` takes one out
    key: TokenKey | None  #: signs instead of the provider's
    algorithm: str | None  #: ``alg``, instead of the provider's; see ``sign_token``
    now: dt.datetime | None  #: when the token is issued, instead of the simulator's time


class Provider(Generic[K]):
    """An identity provider.

    Attributes:
        claims: laid over the claims of all its tokens from now on; ``REMOVED`` takes one out.
        header: laid over the members of the header of all its tokens from now on.
    """

    prefix: ClassVar[str]  #: what its paths start with
    algorithm: ClassVar[str]  #: what it signs ID tokens with

    def __init__(
        self, base_url: Callable[[], str], now: Callable[[], dt.datetime], keys: SignatureKeys[K]
    ) -> None:
        self.claims: dict[str, Any] = {}
        self.header: dict[str, Any] = {}
        self._base_url = base_url
        self._now = now
        self._keys = keys
        self._routes: dict[tuple[str, str], Handler] = {}

    def __call__(self, request: Request) -> Answer:
        """Answer a request for a path below ``prefix``."""
        path = urlsplit(request.path).path.removeprefix(self.prefix)
        handler = self._routes.get((request.method, path))
        if handler is None:
            return Answer.of_json({"error": "not found"}, 404)
        try:
            return handler(request)
        except OAuthError as error:
            return error.answer

    @property
    def issuer(self) -> str:
        """``iss`` of its tokens."""
        return self._base_url() + self.prefix

    @property
    def discovery_url(self) -> str:
        """Its discovery document."""
        return self.issuer + DISCOVERY

    @property
    def jwks_url(self) -> str:
        """Its keys."""
        return self.issuer + CERTS

    @property
    def signature_key(self) -> NamedKey[K]:
        """What signs its tokens now."""
        return self._keys.current

    def rotate_keys(self, kid: str | None = None) -> str:
        """Sign with a new key from now on, and publish that one only.

        Args:
            kid: its name; default the first name with a number.

        Returns:
            The name.
        """
        return self._keys.rotate(kid).kid

    def pseudonym(self, audience: str | Sequence[str], person: Person) -> str:
        """``sub``: always the same for a person and a client, and another for another client."""
        octets = "\0".join((self.prefix, _client(audience), person.identifier)).encode()
        return hashlib.sha256(octets).hexdigest()

    def _metadata(self, **further: Any) -> dict[str, Any]:
        """What a discovery document says (OpenID Connect Discovery §3)."""
        return {
            "issuer": self.issuer,
            "jwks_uri": self.jwks_url,
            "authorization_endpoint": self.issuer + AUTHORIZATION,
            "token_endpoint": self.issuer + TOKEN,
            "response_types_supported": ["code"],
            "grant_types_supported": ["authorization_code"],
            "subject_types_supported": ["pairwise"],
            "scopes_supported": ["openid"],
            "code_challenge_methods_supported": ["S256"],
            "id_token_signing_alg_values_supported": [self.algorithm],
            **further,
        }

    def _usual_claims(
        self, person: Person, audience: str | Sequence[str], nonce: str | None, changes: Changes
    ) -> dict[str, Any]:
        """The claims about the login; those about the person are added by each provider."""
        issued = self._issued(changes)
        claims = {
            "iss": self.issuer,
            "sub": self.pseudonym(audience, person),
            "aud": audience if isinstance(audience, str) else list(audience),
            "azp": _client(audience),
            "acr": _ACR,
            "amr": list(person.amr),
            "auth_time": issued,
            "iat": issued,
            "exp": issued + TOKEN_SECONDS,
            "jti": secrets.token_urlsafe(16),
        }
        return claims if nonce is None else {**claims, "nonce": nonce}

    def _issued(self, changes: Changes) -> int:
        return int((changes.get("now") or self._now()).timestamp())

    def _sign(
        self, claims: Mapping[str, Any], kid: str, key: TokenKey, changes: Changes, *, kind: str = "JWT"
    ) -> str:
        """Sign with the provider's key, after the changes of the provider and of this token."""
        wanted = changes.get("key")
        return sign_token(
            overlaid(claims, self.claims, changes.get("claims") or {}),
            key if wanted is None else wanted,
            algorithm=changes.get("algorithm") or self.algorithm,
            header={"typ": kind, "kid": kid, **self.header, **(changes.get("header") or {})},
        )


def pick(people: Mapping[str, P], name: str) -> P:
    """The person of a name; ``OAuthError`` without one."""
    if name not in people:
        raise OAuthError("access_denied", "nobody has that name")
    return people[name]


def labels(people: Mapping[str, Person]) -> dict[str, str]:
    """What a page calls people, by their names."""
    return {name: f"{person.display_name} ({name})" for name, person in people.items()}


def _client(audience: str | Sequence[str]) -> str:
    return audience if isinstance(audience, str) else next(iter(audience), "")
