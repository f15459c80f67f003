"""The block ``identity_gateway``: relying parties, identity providers, and the keys that sign tokens."""

from __future__ import annotations

from typing import Annotated

from pydantic import Field, model_validator

from synapse_tim.core.config_types import Block, PartConfig, ReadablePath
from synapse_tim.gateway.upstream.config import EntityConfig, UpstreamConfig
from synapse_tim.login.claims_config import Name
from synapse_tim.transport.urls import TrustedUrl


class ClientConfig(Block):
    """One of ``clients``: a relying party. Needs one of `client_secret_path`, `jwks_path` and `jwks_url`."""

    client_id: Name
    """What it calls itself; the same as in `oidc_providers`, or in `mas.yaml`."""
    redirect_uris: Annotated[list[TrustedUrl], Field(min_length=1)]
    """Where browsers go back to it, exactly. Of Synapse:
    `{public_baseurl}_synapse/client/oidc/callback`; of MAS: `{public_base}upstream/callback/{id}`.
    """
    client_secret_path: ReadablePath | None = None
    """File with its secret, of at least 32 characters (`client_secret_basic`)."""
    jwks_path: ReadablePath | None = None
    """File with its public keys (`private_key_jwt`)."""
    jwks_url: TrustedUrl | None = None
    """Where its public keys are (`private_key_jwt`). Of MAS: `{public_base}oauth2/keys.json`."""
    token_endpoint: TrustedUrl | None = None
    """Its address of `/token`, if it is not the one below the issuer: its assertions name it (`aud`)."""
    backchannel_logout_uri: TrustedUrl | None = None
    """Where it is told that a session is over. Of Synapse:
    `{public_baseurl}_synapse/client/oidc/backchannel_logout`; of MAS:
    `{public_base}upstream/backchannel-logout/{id}`.
    """
    ca_certificates: ReadablePath | None = None
    """The CAs that vouch for `jwks_url` and `backchannel_logout_uri`. Default: the system's."""

    @model_validator(mode="after")
    def _one_way(self) -> ClientConfig:
        ways = (self.client_secret_path, self.jwks_path, self.jwks_url)
        if sum(way is not None for way in ways) != 1:
            raise ValueError("expected one of client_secret_path, jwks_path and jwks_url")
        if not all(uri.isascii() and uri.isprintable() and " " not in uri for uri in self.redirect_uris):
            raise ValueError("expected redirect_uris in ASCII, without spaces")  # they become headers
        return self


class RateLimitConfig(Block):
    """``rate_limit``: how many log-ins an address may begin, in each process."""

    per_second: Annotated[int, Field(ge=1, le=10_000)] = 5
    """On average."""
    burst_count: Annotated[int, Field(ge=1, le=100_000)] = 100
    """At once: behind one address there may be a hospital."""


class GatewayConfig(Block):
    """``identity_gateway``: an OpenID provider for Synapse's single sign-on, or for MAS."""

    signing_keys: Annotated[list[ReadablePath], Field(min_length=1)]
    """EC private keys on P-256 in PEM. The first one signs, all are published. To change it, put the new one
    last, then first a day later, and take the old one away another day later.
    """
    clients: Annotated[list[ClientConfig], Field(min_length=1)]
    """The relying parties: Synapse itself, one for each of `oidc_providers`, or MAS."""
    upstreams: Annotated[list[UpstreamConfig], Field(min_length=1)]
    """The identity providers. With several of them, or on request, a page lets people choose."""
    entity: EntityConfig | None = None
    """What we are in the OpenID federation, which sectoral identity providers want to know. Published below
    the gateway's issuer, at `/.well-known/openid-federation`, with the first of `login.decryption_keys` and
    all `tls_certificates`.
    """
    rate_limit: RateLimitConfig = Field(default_factory=RateLimitConfig)
    """How many log-ins an address may begin."""

    @model_validator(mode="after")
    def _distinct(self) -> GatewayConfig:
        for what, names in (
            ("client_id", [client.client_id for client in self.clients]),
            ("provider", [upstream.provider for upstream in self.upstreams]),
        ):
            if len(set(names)) != len(names):
                raise ValueError(f"two entries have the same {what}")
        return self


class IdentityGatewayConfig(PartConfig):
    """The block of ``synapse_tim.IdentityGateway``."""

    identity_gateway: GatewayConfig | None = None
    """An OpenID provider of this homeserver's own ([login.md](login.md)). Default: there is none."""
