"""Putting identity providers together, from the configuration block to where their keys come from."""

import logging
import time
from collections.abc import Mapping
from pathlib import Path
from types import MappingProxyType

from synapse.module_api import ModuleApi

from synapse_tim.adapter.clock import utc_now
from synapse_tim.adapter.config_block import read_cas, wrong
from synapse_tim.adapter.pinned_roots import read_pinned_roots
from synapse_tim.adapter.threads import Threads
from synapse_tim.login.config import KeysConfig, LoginPolicyConfig, ProviderConfig, TrustAnchorConfig
from synapse_tim.login.provider_keys import (
    FederatedKeys,
    KeyFile,
    KeySource,
    KeysUnavailableError,
    KeyUrl,
    PlainDiscovery,
    ProviderKeys,
    SignedDiscovery,
)
from synapse_tim.login.rules.identity_provider import Profile
from synapse_tim.login.token_login import Provider
from synapse_tim.openid_federation.client import FederationClient
from synapse_tim.openid_federation.rules.chain import TrustAnchor
from synapse_tim.pki.config import TrustConfig, trust_store
from synapse_tim.pki.ocsp_client import OcspClient
from synapse_tim.pki.revocation import OcspMode
from synapse_tim.pki.signer_path import ROLE_IDPD
from synapse_tim.transport.fetcher import Fetcher

logger = logging.getLogger(__name__)


def build_providers(config: LoginPolicyConfig, api: ModuleApi) -> Mapping[str, Provider]:
    """The providers by their issuers; nothing is fetched yet.

    Raises:
        ConfigError: naming the key of a file that does not hold what it should.
    """
    providers = {}
    for position, block in enumerate(config.login.providers):
        fetchers = _Fetchers(block.keys, position)
        rules = block.provider()
        keys = ProviderKeys(
            rules.id,
            _source(block, position, fetchers, config.trust_of_providers),
            refresh_interval=block.keys.refresh_interval / 1000,
            max_age=block.keys.max_age / 1000,
            pause=block.keys.pause / 1000,
            clock=time.monotonic,
        )
        providers[rules.claims.issuer] = Provider(rules, keys, Threads(api, fetchers.close))
    return MappingProxyType(providers)


class _Fetchers:
    """One transport to the provider, and one for what is public: roots and OCSP."""

    def __init__(self, keys: KeysConfig, position: int) -> None:
        place = ("login", "providers", position, "keys", "ca_certificates")
        self.provider = Fetcher(read_cas(keys.ca_certificates, *place))
        self.open = Fetcher()

    def close(self) -> None:
        self.provider.close()
        self.open.close()


def _source(
    block: ProviderConfig, position: int, fetchers: _Fetchers, trust: TrustConfig | None
) -> KeySource:
    keys = block.keys
    if keys.trust_anchor is not None:
        return FederatedKeys(federation_client(keys.trust_anchor, position, fetchers.provider), block.issuer)
    if keys.jwks_path is not None:
        return read_key_file(Path(keys.jwks_path), position)
    if keys.jwks_url is not None:
        return KeyUrl(fetchers.provider, keys.jwks_url)
    if block.profile is not Profile.GEMATIK_IDP or trust is None:
        return PlainDiscovery(fetchers.provider, keys.discovery_url or "", block.issuer, utc_now)
    return signed_discovery(block, trust, fetchers.provider, fetchers.open)


def signed_discovery(
    block: ProviderConfig, trust: TrustConfig, fetcher: Fetcher, open_fetcher: Fetcher
) -> SignedDiscovery:
    """The discovery document of the central IDP.

    Args:
        fetcher: to the provider.
        open_fetcher: to what is public: roots and OCSP.
    """
    if trust.ocsp is OcspMode.OFF:
        logger.warning("Identity provider %s: ocsp: off: revoked certificates are not noticed", block.id)
    roots = read_pinned_roots(trust, "login", "trust")
    store = trust_store(trust, roots, open_fetcher, ROLE_IDPD)
    ocsp = OcspClient(trust.ocsp, open_fetcher, trust.ocsp_responder_url)
    return SignedDiscovery(fetcher, block.keys.discovery_url or "", block.issuer, utc_now, store, ocsp)


def federation_client(anchor: TrustAnchorConfig, position: int, fetcher: Fetcher) -> FederationClient:
    """What is known of the federation of a trust anchor; ``ConfigError`` if the file has no key.

    Args:
        position: of the provider.
        fetcher: to the anchor and its members.
    """
    return FederationClient(fetcher, read_trust_anchor(anchor, position), utc_now)


def read_trust_anchor(anchor: TrustAnchorConfig, position: int) -> TrustAnchor:
    """Read the keys of a trust anchor from a file; ``ConfigError`` if it has none."""
    try:
        keys = KeyFile(Path(anchor.jwks_path)).fetch()
    except KeysUnavailableError as error:
        place = ("login", "providers", position, "keys", "trust_anchor", "jwks_path")
        raise wrong(str(error), *place) from None
    return TrustAnchor(anchor.entity_id, keys)


def read_key_file(path: Path, position: int) -> KeyFile:
    """Read the keys of a provider from a file; ``ConfigError`` if it has none."""
    file = KeyFile(path)
    try:
        file.fetch()
    except KeysUnavailableError as error:
        raise wrong(str(error), "login", "providers", position, "keys", "jwks_path") from None
    return file
