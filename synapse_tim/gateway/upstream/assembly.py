"""Puts the upstream identity providers together, from the configuration blocks to what speaks to them."""

from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Final
from urllib.parse import urlsplit

import attrs
from twisted.web.resource import Resource

from synapse_tim.adapter.clock import utc_now
from synapse_tim.adapter.config_block import read_cas, wrong
from synapse_tim.adapter.threads import Threads
from synapse_tim.gateway.upstream import Upstream
from synapse_tim.gateway.upstream.central import CentralUpstream
from synapse_tim.gateway.upstream.config import CentralConfig, SectoralConfig, UpstreamConfig
from synapse_tim.gateway.upstream.entity import EntityResource, own_entity, read_certificates
from synapse_tim.gateway.upstream.oidc import OidcUpstream
from synapse_tim.gateway.upstream.sectoral import Endpoints, FederatedEndpoints, SectoralUpstream
from synapse_tim.gateway.upstream.surroundings import Surroundings
from synapse_tim.login.assembly import federation_client, signed_discovery
from synapse_tim.login.config import ProviderConfig
from synapse_tim.login.rules.identity_provider import Profile
from synapse_tim.openid_federation.client import WELL_KNOWN
from synapse_tim.transport.fetcher import Fetcher
from synapse_tim.transport.tls import client_context

_UPSTREAMS: Final = ("identity_gateway", "upstreams")


@attrs.frozen(eq=False)
class Upstreams:
    """The upstream identity providers, and what has to be served for them."""

    by_id: Mapping[str, Upstream]
    #: By path, such as ``/.well-known/openid-federation``.
    resources: Mapping[str, Resource] = attrs.field(factory=dict)


@attrs.frozen
class _Place:
    """One of ``upstreams``, its provider, and where the two stand in the configuration."""

    block: UpstreamConfig
    position: int
    provider: ProviderConfig
    provider_position: int

    def keys(self, *keys: str | int) -> tuple[str | int, ...]:
        """The path of a key of ``upstreams``."""
        return (*_UPSTREAMS, self.position, *keys)

    def provider_keys(self, *keys: str | int) -> tuple[str | int, ...]:
        """The path of a key of the provider."""
        return ("login", "providers", self.provider_position, *keys)


def upstreams_from(blocks: Sequence[UpstreamConfig], surroundings: Surroundings) -> Upstreams:
    """The upstreams, in the order of the configuration; nothing is fetched yet.

    Raises:
        ConfigError: naming the key of what is wrong.
    """
    providers = surroundings.login.login.providers
    known = {provider.id: n for n, provider in enumerate(providers)}
    places = []
    for position, block in enumerate(blocks):
        if block.provider not in known:
            expected = "expected the id of one of login.providers"
            raise wrong(expected, *_UPSTREAMS, position, "provider")
        n = known[block.provider]
        places.append(_Place(block, position, providers[n], n))
    by_id = {place.provider.id: _upstream(place, surroundings) for place in places}
    return Upstreams(by_id, _entity(places, surroundings))


def _upstream(place: _Place, surroundings: Surroundings) -> Upstream:
    block = place.block
    if block.central is not None:
        return _central(place, block.central, surroundings)
    if block.sectoral is not None:
        return _sectoral(place, block.sectoral, surroundings)
    assert block.oidc is not None  # noqa: S101  # the block has one kind
    return OidcUpstream.build(block, block.oidc, place.provider, surroundings, place.position)


def _entity(places: Sequence[_Place], surroundings: Surroundings) -> Mapping[str, Resource]:
    """Our statement, by the path where it is served."""
    block = surroundings.entity
    if block is None:
        return {}
    scopes, anchors, certificates = [], [], []
    for place in places:
        how, anchor = place.block.sectoral, place.provider.keys.trust_anchor
        if how is not None and anchor is not None:
            scopes += how.scopes
            anchors.append(anchor.entity_id)
            certificates += read_certificates(how, place.position)
    if not anchors:
        raise wrong("none of upstreams is a provider with keys.trust_anchor", "identity_gateway", "entity")
    entity = own_entity(
        block,
        entity_id=_entity_id(surroundings),
        redirect_uri=f"{surroundings.issuer}/callback",
        scopes=scopes,
        anchors=anchors,
        decryption_keys=surroundings.login.login.read_decryption_keys(),
        certificates=certificates,
    )
    path = urlsplit(surroundings.issuer).path.rstrip("/") + WELL_KNOWN
    return {path: EntityResource(entity, utc_now)}


def _entity_id(surroundings: Surroundings) -> str:
    block = surroundings.entity
    return (None if block is None else block.entity_id) or surroundings.issuer


def _central(place: _Place, how: CentralConfig, surroundings: Surroundings) -> Upstream:
    provider, trust = place.provider, surroundings.login.trust_of_providers
    if provider.profile is not Profile.GEMATIK_IDP or provider.keys.discovery_url is None or trust is None:
        expected = "expected a provider with profile: gematik_idp and keys.discovery_url"
        raise wrong(expected, *place.keys("central"))
    cas = read_cas(provider.keys.ca_certificates, *place.provider_keys("keys", "ca_certificates"))
    fetcher, public = Fetcher(cas), Fetcher()
    return CentralUpstream(
        provider.id,
        place.block.name,
        provider.audience,
        how,
        signed_discovery(provider, trust, fetcher, public),
        _threads(surroundings, fetcher, public),
    )


def _sectoral(place: _Place, how: SectoralConfig, surroundings: Surroundings) -> Upstream:
    provider, anchor = place.provider, place.provider.keys.trust_anchor
    if provider.profile is not Profile.GESUNDHEITSID:
        raise wrong("expected a provider with profile: gesundheitsid", *place.keys("sectoral"))
    read_certificates(how, place.position)
    cas = provider.keys.ca_certificates
    fetcher = Fetcher(read_cas(cas, *place.provider_keys("keys", "ca_certificates")))
    ours = Fetcher(client_context(Path(cas) if cas else None, Path(how.tls_certificates[0])))
    if (anchor is None) is (how.endpoints is None):
        expected = "expected either this or keys.trust_anchor of the provider"
        raise wrong(expected, *place.keys("sectoral", "endpoints"))
    if anchor is not None:
        if surroundings.entity is None:
            expected = "its provider has keys.trust_anchor: add identity_gateway.entity"
            raise wrong(expected, *place.keys("sectoral"))
        if provider.audience != _entity_id(surroundings):
            expected = f"expected our identifier in the federation, {_entity_id(surroundings)}"
            raise wrong(expected, *place.provider_keys("audience"))
        client = federation_client(anchor, place.provider_position, fetcher)
        endpoints: Callable[[], Endpoints] = FederatedEndpoints(client, provider.issuer)
    else:
        endpoints = _fixed(how)
    return SectoralUpstream(
        provider.id,
        place.block.name,
        issuer=provider.issuer,
        client_id=provider.audience,
        scope=" ".join(how.scopes),
        endpoints=endpoints,
        fetcher=ours,
        threads=_threads(surroundings, fetcher, ours),
    )


def _fixed(how: SectoralConfig) -> Callable[[], Endpoints]:
    assert how.endpoints is not None  # noqa: S101  # either these or a trust anchor
    found = how.endpoints
    endpoints = Endpoints(found.authorization, found.token, found.pushed_authorization)
    return lambda: endpoints


def _threads(surroundings: Surroundings, *fetchers: Fetcher) -> Threads:
    def close() -> None:
        for fetcher in fetchers:
            fetcher.close()

    return Threads(surroundings.api, close)
