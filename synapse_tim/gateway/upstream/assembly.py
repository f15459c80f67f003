"""Puts the upstream identity providers together, from the configuration blocks to what speaks to them."""

from collections.abc import Mapping, Sequence

import attrs
from twisted.web.resource import Resource

from synapse_tim.adapter.config_block import wrong
from synapse_tim.gateway.upstream import Upstream
from synapse_tim.gateway.upstream.config import UpstreamConfig
from synapse_tim.gateway.upstream.oidc import OidcUpstream
from synapse_tim.gateway.upstream.surroundings import Surroundings
from synapse_tim.login.config import ProviderConfig


@attrs.frozen(eq=False)
class Upstreams:
    """The upstream identity providers, and what has to be served for them."""

    by_id: Mapping[str, Upstream]
    #: By path, such as ``/.well-known/openid-federation``.
    resources: Mapping[str, Resource] = attrs.field(factory=dict)


def upstreams_from(blocks: Sequence[UpstreamConfig], surroundings: Surroundings) -> Upstreams:
    """The upstreams, in the order of the configuration; nothing is fetched yet.

    Raises:
        ConfigError: naming the key of what is wrong.
    """
    known = {provider.id: provider for provider in surroundings.login.login.providers}
    by_id: dict[str, Upstream] = {}
    for position, block in enumerate(blocks):
        provider = known.get(block.provider)
        if provider is None:
            keys = ("identity_gateway", "upstreams", position, "provider")
            raise wrong("expected the id of one of login.providers", *keys)
        by_id[block.provider] = _upstream(block, provider, surroundings, position)
    return Upstreams(by_id)


def _upstream(
    block: UpstreamConfig, provider: ProviderConfig, surroundings: Surroundings, position: int
) -> Upstream:
    assert block.oidc is not None  # noqa: S101  # the block has one kind
    return OidcUpstream.build(block, block.oidc, provider, surroundings, position)
