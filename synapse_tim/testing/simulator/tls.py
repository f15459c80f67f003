"""The server side of TLS, with certificates of clients."""

import ssl
from pathlib import Path


class ServerTls:
    """The settings of the TLS listener.

    Args:
        server: PEM file with certificate and key.
        client_ca: PEM file with the CA of clients.
        require: whether every client has to have a certificate.
    """

    def __init__(self, server: Path, client_ca: Path, *, require: bool) -> None:
        self.context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        self.context.load_cert_chain(server)
        self.context.load_verify_locations(client_ca)
        if require:
            self.context.verify_mode = ssl.CERT_REQUIRED

    def accept(self, pem: str) -> None:
        """Take a self-signed certificate of a client from the next connection on."""
        self.context.load_verify_locations(cadata=pem)
        if self.context.verify_mode is ssl.CERT_NONE:
            self.context.verify_mode = ssl.CERT_OPTIONAL
            # A resumed session has to belong to a session id context, which Python does not set.
            self.context.num_tickets = 0
            self.context.options |= ssl.OP_NO_TICKET
