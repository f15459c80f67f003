"""The path from a trust anchor to an identity provider (OpenID Federation §10), as gematik has it.

There is one superior, the federation master, and every provider is directly below it. So a chain is three
statements: the anchor about itself, the anchor about the provider, the provider about itself. Whoever names
another superior is not followed there; that makes loops and long chains impossible, and nothing is fetched
from an address that the anchor has not signed.
"""

from __future__ import annotations

import datetime as dt
from collections.abc import Mapping
from typing import Any, Final

import attrs

from synapse_tim.jose import jwk
from synapse_tim.openid_federation.errors import FederationError, FederationReason
from synapse_tim.openid_federation.rules.metadata_policy import apply_policy
from synapse_tim.openid_federation.rules.statements import (
    Statement,
    key_set,
    read_signed,
    read_statement,
    secure_url,
    text,
    texts,
)

#: Upper bound of the list of identity providers, in bytes: there are some hundred insurers.
MAX_LIST_BYTES: Final = 1024 * 1024

_PROVIDER: Final = "openid_provider"
_LIST_TYPES: Final = frozenset({"idp-list+jwt"})
#: The registered one, and the one that gematik's own software has.
_KEYS_TYPES: Final = frozenset({"jwk-set+jwt", "jwk-set+json"})
_CLIENT_AUTHENTICATION: Final = "self_signed_tls_client_auth"


@attrs.frozen(eq=False)
class TrustAnchor:
    """Whom everything rests on, as the operator configured it."""

    entity_id: str
    keys: jwk.KeySet


@attrs.frozen(eq=False)
class ProviderEntity:
    """An identity provider that the trust anchor vouches for."""

    entity_id: str
    statement: Statement  #: about itself
    metadata: Mapping[str, Any]  #: as ``openid_provider``, after the anchor's policy
    expires_at: dt.datetime  #: when the first of the three statements does

    def endpoint(self, name: str) -> str:
        """An address; ``FederationError`` (``metadata``) if there is none, or it is not https."""
        if name not in self.metadata:
            raise FederationError(FederationReason.METADATA, f"{name} is missing")
        return secure_url(self.metadata, name)


@attrs.frozen
class ListedProvider:
    """An identity provider in the trust anchor's list."""

    entity_id: str
    organization_name: str


def read_anchor(document: bytes, anchor: TrustAnchor, now: dt.datetime) -> Statement:
    """Verify what the trust anchor says about itself, with the configured keys."""
    return read_statement(document, anchor.keys, issuer=anchor.entity_id, subject=anchor.entity_id, now=now)


def anchor_endpoint(anchor: Statement, name: str) -> str:
    """An address of the trust anchor, such as ``federation_fetch_endpoint``."""
    metadata = anchor.metadata("federation_entity")
    if name not in metadata:
        raise FederationError(FederationReason.METADATA, f"{name} of the trust anchor is missing")
    return secure_url(metadata, name)


def read_subordinate(document: bytes, anchor: Statement, entity_id: str, now: dt.datetime) -> Statement:
    """Verify what the trust anchor says about an entity.

    Raises:
        FederationError: it cannot be believed, or limits the entity in a way that is not understood here.
    """
    issuer = text(anchor.claims, "sub")
    statement = read_statement(document, anchor.keys, issuer=issuer, subject=entity_id, now=now)
    constraints = statement.claims.get("constraints", {})
    # Nothing stands between the two, so a longest path is always kept (§6.2.1).
    if not isinstance(constraints, dict) or constraints.keys() - {"max_path_length", "allowed_entity_types"}:
        raise FederationError(FederationReason.CONSTRAINT)
    if "allowed_entity_types" in constraints and _PROVIDER not in texts(constraints, "allowed_entity_types"):
        raise FederationError(FederationReason.CONSTRAINT, "allowed_entity_types")
    return statement


def read_provider(
    document: bytes, anchor: Statement, subordinate: Statement, now: dt.datetime
) -> ProviderEntity:
    """Verify what an identity provider says about itself, as far as the trust anchor lets it.

    Args:
        document: the provider's entity configuration.
        anchor: what the trust anchor says about itself.
        subordinate: what it says about the provider; the provider has to sign with a key that it names.
        now: with a time zone.

    Raises:
        FederationError: it cannot be believed, or is none of a provider that can be used here.
    """
    entity_id, superior = text(subordinate.claims, "sub"), text(anchor.claims, "sub")
    own = read_statement(document, subordinate.keys, issuer=entity_id, subject=entity_id, now=now)
    if superior not in texts(own.claims, "authority_hints"):
        raise FederationError(FederationReason.AUTHORITY_HINTS)
    # What the superior says about the entity goes before what it says itself (§3.1.3).
    metadata = {**own.metadata(_PROVIDER), **subordinate.metadata(_PROVIDER)}
    policies = subordinate.claims.get("metadata_policy", {})
    policy = policies.get(_PROVIDER, {}) if isinstance(policies, dict) else None
    if not isinstance(policy, dict):
        raise FederationError(FederationReason.POLICY, "not an object")
    metadata = apply_policy(policy, metadata, texts(subordinate.claims, "metadata_policy_crit"))
    if not metadata:
        raise FederationError(FederationReason.METADATA, "no openid_provider")
    if text(metadata, "issuer") != entity_id:
        raise FederationError(FederationReason.METADATA, "issuer is another than the entity")
    methods = texts(metadata, "token_endpoint_auth_methods_supported")
    if methods and _CLIENT_AUTHENTICATION not in methods:
        raise FederationError(FederationReason.METADATA, f"does not support {_CLIENT_AUTHENTICATION}")
    expires_at = min(each.expires_at for each in (anchor, subordinate, own))
    return ProviderEntity(entity_id, own, metadata, expires_at)


def read_signed_keys(document: bytes, provider: ProviderEntity, now: dt.datetime) -> jwk.KeySet:
    """Verify the signed keys of a provider (``signed_jwks_uri``, §5.2.1.1).

    Raises:
        FederationError: they cannot be believed, or hold no usable key.
    """
    signed = read_signed(document, provider.statement.keys, _KEYS_TYPES, issuer=provider.entity_id, now=now)
    if signed.claims.get("sub", provider.entity_id) != provider.entity_id:
        raise FederationError(FederationReason.SUBJECT)
    return key_set({"keys": signed.claims.get("keys", [])})


def read_list(document: bytes, anchor: Statement, now: dt.datetime) -> tuple[ListedProvider, ...]:
    """Verify the trust anchor's list of identity providers (gematik's ``idp_list_endpoint``).

    Rows that are malformed are left out, and those of providers that are not for insured persons.
    """
    issuer = text(anchor.claims, "sub")
    signed = read_signed(document, anchor.keys, _LIST_TYPES, issuer=issuer, now=now, max_bytes=MAX_LIST_BYTES)
    rows = signed.claims.get("idp_entity")
    if not isinstance(rows, list):
        raise FederationError(FederationReason.MALFORMED, "idp_entity")
    listed = []
    for row in rows:
        try:
            if row.get("user_type_supported", "IP") == "IP":
                listed.append(ListedProvider(secure_url(row, "iss"), text(row, "organization_name")))
        except (FederationError, AttributeError):
            continue
    return tuple(listed)
