"""TLS settings of the client side: own CA bundle, client certificate (mutual TLS)."""

import ssl
from pathlib import Path


def client_context(ca_file: Path | None = None, client_certificate: Path | None = None) -> ssl.SSLContext:
    """Build the TLS settings for one server.

    Args:
        ca_file: PEM file with the CAs to trust instead of the system's.
        client_certificate: PEM file with our certificate, its chain and its key.

    Raises:
        OSError: a file cannot be read (``ssl.SSLError`` is one too: it holds no usable PEM).
    """
    context = ssl.create_default_context(cafile=str(ca_file) if ca_file else None)
    context.minimum_version = ssl.TLSVersion.TLSv1_2
    if client_certificate is not None:
        context.load_cert_chain(str(client_certificate))
    return context
