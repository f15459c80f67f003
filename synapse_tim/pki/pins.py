"""Reading a pinned root certificate from a file, DER or PEM."""

from __future__ import annotations

from pathlib import Path
from typing import Final

from cryptography import x509

from synapse_tim.federation.refusals import ListRefusedError, Refusal
from synapse_tim.pki.certificates import parse_certificate, to_der

_MAX_OCTETS: Final = 32 * 1024


def read_root(file: Path) -> x509.Certificate:
    """Read a certificate.

    Raises:
        OSError: the file cannot be read.
        ListRefusedError: ``certificate_malformed``.
    """
    with file.open("rb") as stream:
        octets = stream.read(_MAX_OCTETS)
    if octets.lstrip().startswith(b"-----BEGIN"):
        try:
            octets = to_der(x509.load_pem_x509_certificate(octets))
        except ValueError as error:
            raise ListRefusedError(Refusal.CERTIFICATE_MALFORMED, str(error)[:120]) from None
    return parse_certificate(octets)
