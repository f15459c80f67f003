"""The file of the mirror: where it listens, what it keeps, where the list comes from."""

import re
from typing import Annotated

from pydantic import AfterValidator, Field

from synapse_tim.core.config_types import Block, ReadablePath
from synapse_tim.federation.config import FederationListConfig

_ADDRESS = re.compile(r"(?:([0-9A-Za-z.-]+)|\[([0-9A-Fa-f:.]+)\]):([0-9]{1,5})")


def _address(value: str) -> str:
    match = _ADDRESS.fullmatch(value)
    if match is None or not 0 < int(match[3]) < 65536:
        raise ValueError("expected an address and a port, such as 10.0.0.5:8480 or [fd00::5]:8480")
    return value


def host_and_port(address: str) -> tuple[str, int]:
    """The parts of an ``Address``."""
    host, _, port = address.rpartition(":")
    return host.strip("[]"), int(port)


Address = Annotated[str, AfterValidator(_address)]


class TlsConfig(Block):
    """``tls``: serve over TLS."""

    certificate: ReadablePath
    """PEM file with certificate, its chain and its key."""
    client_ca_certificates: ReadablePath | None = None
    """PEM file with the CAs of your homeservers' client certificates. Default: all clients are answered."""


class MirrorConfig(Block):
    """The file of the mirror."""

    listen: Address
    """An internal address and a port, for the homeservers."""
    metrics: Address | None = None
    """Address and port for Prometheus: `/metrics`. Default: none."""
    tls: TlsConfig | None = None
    """Default: plain HTTP, since the homeservers verify all that they get."""
    database: Annotated[str, Field(min_length=1)]
    """File (SQLite) for the last list, certificates and answers, across restarts; made if it is not there."""
    max_connections: Annotated[int, Field(ge=1, le=100_000)] = 1000
    """Connections beyond this number are closed at once."""
    federation_list: FederationListConfig
    """As in `homeserver.yaml`: source, credentials, roots, OCSP responder."""
