"""Fetches and verifies who the federation's identity providers are, and their keys; blocks.

Addresses are the trust anchor's, which the operator configured, those that its verified statement names, and
those of a provider once the anchor has vouched for it. What is verified holds until the first of the
statements expires, but no longer than a day. A statement that is older than one seen before is refused: keys
that were withdrawn cannot be brought back by showing it again.
"""

import datetime as dt
import threading
from collections.abc import Callable, Mapping
from typing import Final

from synapse_tim.core.errors import ReasonError
from synapse_tim.jose import jwk
from synapse_tim.openid_federation.errors import FederationError, FederationReason
from synapse_tim.openid_federation.rules.chain import (
    MAX_LIST_BYTES,
    ListedProvider,
    ProviderEntity,
    TrustAnchor,
    anchor_endpoint,
    read_anchor,
    read_list,
    read_provider,
    read_signed_keys,
    read_subordinate,
)
from synapse_tim.openid_federation.rules.statements import MAX_BYTES, Signed, Statement, key_set
from synapse_tim.transport.fetcher import Fetcher

#: Where an entity says who it is (OpenID Federation §9).
WELL_KNOWN: Final = "/.well-known/openid-federation"

_DEADLINE_SECONDS: Final = 10.0
_LONGEST: Final = dt.timedelta(days=1)


class FederationClient:
    """What is known of one trust anchor's federation; may be used by several threads.

    Args:
        fetcher: for all addresses.
        anchor: whom everything rests on.
        clock: the time, with a time zone.
    """

    def __init__(self, fetcher: Fetcher, anchor: TrustAnchor, clock: Callable[[], dt.datetime]) -> None:
        self._fetcher = fetcher
        self._anchor = anchor
        self._clock = clock
        self._lock = threading.Lock()
        self._anchor_statement: Statement | None = None
        self._anchor_until = dt.datetime.min.replace(tzinfo=dt.UTC)
        self._providers: dict[str, tuple[ProviderEntity, dt.datetime]] = {}
        self._newest: dict[tuple[str, str], dt.datetime] = {}

    def provider(self, entity_id: str) -> ProviderEntity:
        """An identity provider.

        Args:
            entity_id: its identifier, which the operator or the trust anchor's list named.

        Raises:
            FederationError: the trust anchor does not vouch for it, or cannot be asked.
        """
        with self._lock:
            known = self._known(entity_id)
            return known or self._fetch_provider(entity_id)

    def keys(self, entity_id: str) -> jwk.KeySet:
        """The keys with which an identity provider signs tokens, as they are now.

        Raises:
            FederationError: the trust anchor does not vouch for it, or they cannot be had.
        """
        with self._lock:
            known = self._known(entity_id)
            if known is not None and "signed_jwks_uri" in known.metadata:
                try:
                    return self._fetch_keys(known)
                except FederationError as error:
                    # It may have a new key to sign statements with.
                    if error.reason is not FederationReason.SIGNATURE:
                        raise
            provider = self._fetch_provider(entity_id)
            if "signed_jwks_uri" in provider.metadata:
                return self._fetch_keys(provider)
            return key_set(provider.metadata.get("jwks"))

    def has_expired(self, entity_id: str) -> bool:
        """Whether what was verified of a provider no longer holds."""
        return entity_id in self._providers and self._known(entity_id) is None

    def listed(self) -> tuple[ListedProvider, ...]:
        """The identity providers for insured persons, as the trust anchor lists them now."""
        with self._lock:
            anchor = self._fetched_anchor()
            document = self._get(anchor_endpoint(anchor, "idp_list_endpoint"), max_bytes=MAX_LIST_BYTES)
            return read_list(document, anchor, self._clock())

    def _known(self, entity_id: str) -> ProviderEntity | None:
        provider, until = self._providers.get(entity_id, (None, None))
        return provider if until is not None and self._clock() < until else None

    def _fetched_anchor(self) -> Statement:
        now = self._clock()
        if self._anchor_statement is None or now >= self._anchor_until:
            document = self._get(self._anchor.entity_id.rstrip("/") + WELL_KNOWN)
            statement = read_anchor(document, self._anchor, now)
            self._require_newest(statement, self._anchor.entity_id, self._anchor.entity_id)
            self._anchor_statement = statement
            self._anchor_until = min(statement.expires_at, now + _LONGEST)
        return self._anchor_statement

    def _fetch_provider(self, entity_id: str) -> ProviderEntity:
        now = self._clock()
        anchor = self._fetched_anchor()
        endpoint = anchor_endpoint(anchor, "federation_fetch_endpoint")
        # Before its final version the specification wanted `iss`, too; gematik's federation master does.
        asked = {"iss": self._anchor.entity_id, "sub": entity_id}
        about = self._get(endpoint, params=asked, missing=FederationReason.UNKNOWN_ENTITY)
        subordinate = read_subordinate(about, anchor, entity_id, now)
        own = self._get(entity_id.rstrip("/") + WELL_KNOWN)
        provider = read_provider(own, anchor, subordinate, now)
        self._require_newest(subordinate, self._anchor.entity_id, entity_id)
        self._require_newest(provider.statement, entity_id, entity_id)
        self._providers[entity_id] = (provider, min(provider.expires_at, now + _LONGEST))
        return provider

    def _fetch_keys(self, provider: ProviderEntity) -> jwk.KeySet:
        document = self._get(provider.endpoint("signed_jwks_uri"))
        return read_signed_keys(document, provider, self._clock())

    def _require_newest(self, statement: Signed, issuer: str, subject: str) -> None:
        newest = self._newest.get((issuer, subject))
        if newest is not None and statement.issued_at < newest:
            raise FederationError(FederationReason.OUTDATED)
        self._newest[issuer, subject] = statement.issued_at

    def _get(
        self,
        url: str,
        *,
        params: Mapping[str, str] | None = None,
        max_bytes: int = MAX_BYTES,
        missing: FederationReason = FederationReason.UNREACHABLE,
    ) -> bytes:
        try:
            response = self._fetcher.get(url, max_bytes=max_bytes, deadline=_DEADLINE_SECONDS, params=params)
        except ReasonError as error:
            raise FederationError(FederationReason.UNREACHABLE, str(error)) from None
        if response.status != 200:
            reason = missing if response.status == 404 else FederationReason.UNREACHABLE
            raise FederationError(reason, f"status {response.status}")
        return bytes(response.body)
