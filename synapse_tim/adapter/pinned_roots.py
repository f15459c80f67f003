"""Reads the pinned roots of a block ``trust`` at start-up."""

from pathlib import Path

from cryptography import x509

from synapse_tim.adapter.config_block import wrong
from synapse_tim.pki.certificate_source import read_root
from synapse_tim.pki.certificates import check_environment
from synapse_tim.pki.config import TrustConfig
from synapse_tim.pki.errors import CertificateError


def read_pinned_roots(config: TrustConfig, *keys: str) -> tuple[x509.Certificate, ...]:
    """Read the pinned roots that are given as files.

    Raises:
        ConfigError: naming the file that holds no root that may be pinned.
    """
    roots = []
    for position, pin in enumerate(config.pinned_roots):
        if "/" in pin:
            try:
                root = read_root(Path(pin))
                check_environment(root, allow_test=config.allow_test_certificates)
            except (OSError, CertificateError) as error:
                raise wrong(f"no usable root: {error}", *keys, "pinned_roots", position) from None
            roots.append(root)
    return tuple(roots)
