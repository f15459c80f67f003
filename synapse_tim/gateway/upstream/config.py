"""The blocks of ``identity_gateway.upstreams``: how each identity provider is spoken to."""

from __future__ import annotations

from typing import Annotated

from pydantic import Field, model_validator

from synapse_tim.core.config_types import Block, ReadablePath, Text
from synapse_tim.login.claims_config import Name
from synapse_tim.transport.urls import TrustedUrl


class OidcConfig(Block):
    """``oidc``: any OpenID provider, with the authorization code and PKCE."""

    discovery_url: TrustedUrl
    """Its discovery document. Code and token are exchanged with the addresses in it."""
    client_secret_path: ReadablePath
    """File with our secret there; our client id is the provider's `audience` (`client_secret_basic`)."""
    scopes: Annotated[list[Name], Field(min_length=1)] = Field(default_factory=lambda: ["openid"])
    """What is asked for."""
    ca_certificates: ReadablePath | None = None
    """The CAs that vouch for the provider's server. Default: the system's."""


class UpstreamConfig(Block):
    """One of ``upstreams``. Needs one of the blocks that say how it is spoken to."""

    provider: Name
    """`id` of one of `login.providers`: what its tokens have to be, and which accounts they lead to."""
    name: Text
    """What the page on which a provider is chosen shows."""
    oidc: OidcConfig | None = None
    """Any OpenID provider."""

    @model_validator(mode="after")
    def _one_kind(self) -> UpstreamConfig:
        kinds = [name for name in type(self).model_fields if name not in ("provider", "name")]
        if sum(getattr(self, kind) is not None for kind in kinds) != 1:
            raise ValueError(f"expected one of {', '.join(kinds)}")
        return self
