"""The federation master: trust anchor of sectoral identity providers and clients (OpenID Federation 1.0).

It says which keys an entity signs with, and lists the identity providers.
"""

import datetime as dt
from collections.abc import Callable, Mapping
from typing import Any, Final

import attrs
from cryptography.hazmat.primitives.asymmetric import ec

from synapse_tim.openid_federation.client import WELL_KNOWN
from synapse_tim.openid_federation.rules.own_entity import CONTENT_TYPE, LIFETIME
from synapse_tim.openid_federation.rules.statements import STATEMENT_TYPE
from synapse_tim.testing import paths
from synapse_tim.testing.http import Answer, Request
from synapse_tim.testing.merge import overlaid
from synapse_tim.testing.simulator.forms import query_of
from synapse_tim.testing.simulator.idp.provider import Provider
from synapse_tim.testing.simulator.idp.token_keys import SignatureKeys, public_jwk

_FETCH: Final = "/fetch"
_LIST: Final = "/idp_list"


@attrs.frozen
class Member:
    """An entity of the federation."""

    keys: Callable[[], Mapping[str, Any]]  #: the JWK set with which it signs statements, as of now
    organization_name: str | None = None  #: of an identity provider; ``None`` for a client


class FederationMaster(Provider[ec.EllipticCurvePrivateKey]):
    """A federation master.

    Attributes:
        members: the entities it vouches for, by identifier; may be changed.
        about: laid over the claims of the statement about an entity, by identifier.
    """

    prefix = paths.FEDERATION_MASTER
    algorithm = "ES256"

    def __init__(self, base_url: Callable[[], str], now: Callable[[], dt.datetime]) -> None:
        keys = SignatureKeys("puk_fed_sig", lambda: ec.generate_private_key(ec.SECP256R1()))
        super().__init__(base_url, now, keys)
        self.members: dict[str, Member] = {}
        self.about: dict[str, dict[str, Any]] = {}
        self._routes = {
            ("GET", WELL_KNOWN): lambda _: self._configuration(),
            ("GET", _FETCH): self._fetch,
            ("GET", _LIST): lambda _: self._list(),
        }

    @property
    def jwks(self) -> dict[str, Any]:
        """Its public keys: what operators configure for the trust anchor."""
        signer = self._keys.current
        return {"keys": [public_jwk(signer.key, kid=signer.kid, use="sig", alg=self.algorithm)]}

    def register(self, entity_id: str, keys: Mapping[str, Any]) -> None:
        """Vouch for a client from now on.

        Args:
            entity_id: its identifier.
            keys: the JWK set with which it signs statements about itself.
        """
        self.members[entity_id] = Member(lambda: keys)

    def statement(self, issuer: str, claims: Mapping[str, Any], *, kind: str = STATEMENT_TYPE) -> str:
        """A document with these claims, for a day from now."""
        signer = self._keys.current
        members = {"iss": issuer, **times(self._now()), **claims}
        return self._sign(members, signer.kid, signer.key, {}, kind=kind)

    def _configuration(self) -> Answer:
        endpoints = {
            "federation_fetch_endpoint": self.issuer + _FETCH,
            "idp_list_endpoint": self.issuer + _LIST,
        }
        claims = {"sub": self.issuer, "jwks": self.jwks, "metadata": {"federation_entity": endpoints}}
        return Answer(200, self.statement(self.issuer, claims).encode(), CONTENT_TYPE)

    def _fetch(self, request: Request) -> Answer:
        query = query_of(request)
        subject = query.get("sub", "")
        if query.get("iss", self.issuer) != self.issuer:
            return Answer.of_json({"error": "invalid_issuer"}, 400)
        if subject not in self.members:
            return Answer.of_json({"error": "not_found"}, 404)
        claims = {"sub": subject, "jwks": self.members[subject].keys()}
        statement = self.statement(self.issuer, overlaid(claims, self.about.get(subject, {})))
        return Answer(200, statement.encode(), CONTENT_TYPE)

    def _list(self) -> Answer:
        rows = [
            {"iss": entity_id, "organization_name": member.organization_name, "user_type_supported": "IP"}
            for entity_id, member in self.members.items()
            if member.organization_name is not None
        ]
        statement = self.statement(self.issuer, {"idp_entity": rows}, kind="idp-list+jwt")
        return Answer(200, statement.encode(), "application/jwt")


def times(now: dt.datetime) -> dict[str, int]:
    """``iat`` and ``exp`` of a document for a day."""
    return {"iat": int(now.timestamp()), "exp": int((now + LIFETIME).timestamp())}
