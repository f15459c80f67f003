"""From the block ``trust`` to a store of signer paths: for the federation list and for the central IDP."""

from __future__ import annotations

from pathlib import Path

from cryptography import x509

from synapse_tim.adapter.config_block import wrong
from synapse_tim.federation.config import TrustConfig
from synapse_tim.federation.refusals import ListRefusedError
from synapse_tim.pki.certificate_source import DownloadServer
from synapse_tim.pki.certificates import check_environment
from synapse_tim.pki.pins import read_root
from synapse_tim.pki.trust_store import TrustStore
from synapse_tim.transport.fetcher import Fetcher


def read_pinned_roots(config: TrustConfig, *keys: str) -> tuple[x509.Certificate, ...]:
    """Read the pinned roots that are given as files.

    Args:
        config: the block.
        keys: the path to it, for messages.

    Raises:
        ConfigError: naming the file that holds no root that may be pinned.
    """
    roots = []
    for position, pin in enumerate(config.pinned_roots):
        if "/" in pin:
            try:
                root = read_root(Path(pin))
                check_environment(root, allow_test=config.allow_test_certificates)
            except (OSError, ListRefusedError) as error:
                raise wrong(f"no usable root: {error}", *keys, "pinned_roots", position) from None
            roots.append(root)
    return tuple(roots)


def trust_store(
    config: TrustConfig,
    roots: tuple[x509.Certificate, ...],
    fetcher: Fetcher | None,
    role: x509.ObjectIdentifier,
) -> TrustStore:
    """Make a store.

    Args:
        config: the block.
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
