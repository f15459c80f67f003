"""The blocks of ``identity_gateway.upstreams``: how each identity provider is spoken to."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Field, model_validator

from synapse_tim.core.config_types import Block, ReadablePath, Text, checked
from synapse_tim.login.claims_config import Name
from synapse_tim.transport.urls import SecureBaseUrl, SecureUrl, TrustedUrl


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


class CentralConfig(Block):
    """``central``: the central IDP-Dienst. Our client id there is the provider's `audience`."""

    scopes: Annotated[list[Name], Field(min_length=1)] = Field(default_factory=lambda: ["openid", "gem-auth"])
    """What is asked for. gematik gives each service a scope of its own."""
    authenticator: bool = True
    """Whether browsers open gematik's Authenticator with the address, instead of going there. The genuine
    IDP-Dienst needs that.
    """
    card: Literal["HBA", "SMC-B"] | None = None
    """Which card the Authenticator asks for. Default: it decides."""
    user_agent: Annotated[Text, checked(str.isascii, "ASCII characters")] | None = None
    """`User-Agent` at the token endpoint, as gematik wants it: product, version, manufacturer, client id."""


class EndpointsConfig(Block):
    """``endpoints``: of a sectoral identity provider that is not looked up in the federation."""

    authorization: SecureUrl
    """Where browsers go."""
    token: SecureUrl
    """Where codes are redeemed."""
    pushed_authorization: SecureUrl
    """Where requests are pushed."""


class SectoralConfig(Block):
    """``sectoral``: a sectoral identity provider; looked up in the federation if it has a trust anchor."""

    tls_certificates: Annotated[list[ReadablePath], Field(min_length=1)]
    """PEM files, each with a self-signed certificate on P-256 and its key, with which we identify ourselves.
    The first one is used, all are published. To change it, put the new one last, and first a day later.
    """
    scopes: Annotated[list[Name], Field(min_length=1)] = Field(
        default_factory=lambda: ["openid", "urn:telematik:display_name", "urn:telematik:versicherter"]
    )
    """What is asked for."""
    endpoints: EndpointsConfig | None = None
    """Where it is, if the provider has no `keys.trust_anchor`."""


class EntityConfig(Block):
    """``entity``: what we are in the OpenID federation."""

    organization_name: Annotated[Text, Field(max_length=128)]
    """Who runs this service; people see it in the app of their insurer."""
    entity_keys: Annotated[list[ReadablePath], Field(min_length=1)]
    """EC private keys on P-256 in PEM. The first one signs what is published, all are named there. The
    federation master has to know a new one before it is the first.
    """
    entity_id: SecureBaseUrl | None = None
    """Our identifier, with which we are registered; `audience` of the providers. Default: the gateway's
    issuer. Elsewhere, a reverse proxy has to serve `/.well-known/openid-federation` below it.
    """
    contacts: list[Text] = Field(default_factory=list)
    """E-mail addresses for the federation master."""
    homepage_uri: SecureUrl | None = None
    """A page about this service."""
    logo_uri: SecureUrl | None = None
    """A picture."""


class UpstreamConfig(Block):
    """One of ``upstreams``. Needs one of the blocks that say how it is spoken to."""

    provider: Name
    """`id` of one of `login.providers`: what its tokens have to be, and which accounts they lead to."""
    name: Text
    """What the page on which a provider is chosen shows."""
    oidc: OidcConfig | None = None
    """Any OpenID provider."""
    central: CentralConfig | None = None
    """The central IDP-Dienst, for smart cards. The provider needs `keys.discovery_url`."""
    sectoral: SectoralConfig | None = None
    """A sectoral identity provider, for insured persons. If the provider has `keys.trust_anchor`, it is
    looked up in the federation, which needs `identity_gateway.entity`.
    """

    @model_validator(mode="after")
    def _one_kind(self) -> UpstreamConfig:
        kinds = [name for name in type(self).model_fields if name not in ("provider", "name")]
        if sum(getattr(self, kind) is not None for kind in kinds) != 1:
            raise ValueError(f"expected one of {', '.join(kinds)}")
        return self
