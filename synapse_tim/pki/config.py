"""The block ``trust``, and the store of signer paths that it makes."""

from __future__ import annotations

from typing import Annotated

from cryptography import x509
from pydantic import Field, model_validator

from synapse_tim.core.config_types import Block, Pin, enum_value
from synapse_tim.pki.certificate_source import DownloadServer
from synapse_tim.pki.revocation import OcspMode
from synapse_tim.pki.trust_store import TrustStore
from synapse_tim.transport.fetcher import Fetcher
from synapse_tim.transport.urls import BaseUrl, Url


def trust_store(
    config: TrustConfig,
    roots: tuple[x509.Certificate, ...],
    fetcher: Fetcher | None,
    role: x509.ObjectIdentifier,
) -> TrustStore:
    """Make a store.

    Args:
        roots: as ``read_pinned_roots`` read them.
        fetcher: to the download server; ``None`` to work with what is known.
        role: the technical role of the signers.
    """
    return TrustStore(
        DownloadServer(fetcher, config.ca_base_url) if fetcher is not None else None,
        (pin for pin in config.pinned_roots if "/" not in pin),
        roots,
        allow_test=config.allow_test_certificates,
        role=role,
    )


class TrustConfig(Block):
    """``trust``: what a signature has to rest on."""

    ca_base_url: BaseUrl = "https://download.tsl.ti-dienste.de"
    """Serves `ECC/ROOT-CA/roots.json` and `ECC/SUB-CA/<CN>.der`. What it says is never trusted by itself."""
    pinned_roots: Annotated[list[Pin], Field(min_length=1)]
    """SHA-256 fingerprints (hex) or files of root certificates. Name two or more: roots expire."""
    allow_test_certificates: bool = False
    """Accept certificates whose subjects say TEST-ONLY or NOT-VALID. Never in production."""
    ocsp: Annotated[OcspMode, enum_value(OcspMode)] = OcspMode.HARD
    """`hard`: signer and sub-CA have to be known as good. `soft`: only a certificate known as revoked is
    refused. `off`: revocation is not checked; a warning is logged.
    """
    ocsp_responder_url: Url | None = None
    """Required unless `ocsp` is `off`. The responder, or a forwarder in front of several: it is asked about
    the signer and about the sub-CA. Addresses inside certificates are never visited.
    """

    @model_validator(mode="after")
    def _responder(self) -> TrustConfig:
        if self.ocsp is not OcspMode.OFF and self.ocsp_responder_url is None:
            raise ValueError(
                f"ocsp: {self.ocsp.value} needs ocsp_responder_url; only ocsp: 'off' works without"
            )
        return self
