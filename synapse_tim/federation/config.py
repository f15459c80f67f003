"""The blocks ``federation_list`` and ``trust``: where the signed list is, and what signatures rest on.

Refused: combinations that cannot work or would send a secret over an unprotected connection.
"""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Field, model_validator

from synapse_tim.core.config_types import Block, Duration, PartConfig, ReadablePath, enum_value
from synapse_tim.directory.config import VzdCredentialsConfig
from synapse_tim.federation.acceptance import OnStale
from synapse_tim.federation.list import MAX_VERSION
from synapse_tim.jose.large_jws import ALGORITHM_CURVES
from synapse_tim.pki.config import TrustConfig
from synapse_tim.transport.urls import Url

Algorithm = Literal["BP256R1", "ES256"]


class FederationListConfig(Block):
    """``federation_list``: where the signed list is, and when it may be used."""

    url: Url
    """Where the signed list (JWS) is: your registration service, or the directory itself. `http` is possible,
    since the list is signed.
    """
    client_certificate: ReadablePath | None = None
    """PEM file with certificate and key: mutual TLS, presented to `url` only."""
    ca_certificates: ReadablePath | None = None
    """PEM file with the CAs that vouch for the server of `url` and of `vzd_credentials`. Default: the
    system's.
    """
    vzd_credentials: VzdCredentialsConfig | None = None
    """Only if `url` is the directory's: how to log in there as a TI provider."""
    refresh_interval: Duration = 60 * 60 * 1000
    """How often the source is asked for changes; a little sooner at random, so that servers that are started
    together do not ask together.
    """
    max_age: Duration = 72 * 60 * 60 * 1000
    """A list that was neither delivered nor confirmed for longer is stale."""
    on_stale: Annotated[OnStale, enum_value(OnStale)] = OnStale.DENY
    """`deny`: remote traffic stops, local traffic goes on. `keep`: the list is used all the same; an error is
    logged either way.
    """
    minimum_version: Annotated[int, Field(ge=0, le=MAX_VERSION)] = 0
    """Nothing older is ever accepted. Protects the first start, when there is no earlier version to compare
    with.
    """
    signature_algorithms: Annotated[list[Algorithm], Field(min_length=1, default_factory=lambda: ["BP256R1"])]
    """The first one is asked for."""
    trust: TrustConfig
    """What the signature of the list has to rest on."""

    @model_validator(mode="after")
    def _combination(self) -> FederationListConfig:
        secure = self.url.lower().startswith("https://")
        if not secure and self.client_certificate is not None:
            raise ValueError("client_certificate needs an https url")
        if not secure and self.vzd_credentials is not None:
            raise ValueError("vzd_credentials need an https url: a token is sent there")
        if self.max_age <= self.refresh_interval:
            raise ValueError("max_age has to be longer than refresh_interval")
        if len(set(self.signature_algorithms)) != len(self.signature_algorithms):
            raise ValueError("signature_algorithms contains a duplicate")
        return self


class AllowListConfig(PartConfig):
    """The block of ``synapse_tim.FederationAllowList``."""

    federation_list: FederationListConfig
    """The signed list of the members of the federation ([federation-list.md](federation-list.md))."""


assert set(ALGORITHM_CURVES) == {"BP256R1", "ES256"}  # noqa: S101  # the names in Algorithm above
