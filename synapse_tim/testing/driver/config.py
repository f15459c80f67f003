"""The configuration file of the test driver."""

import re
from pathlib import Path
from typing import Any, Literal

from pydantic import BaseModel, ConfigDict, Field, field_validator

from synapse_tim.core.products import Product, SpecVersion


class _Block(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)


class TlsConfig(_Block):
    """TLS of the driver, mutual if it names a CA; gematik's suite authenticates itself by a certificate."""

    certificate: Path  #: PEM file: certificate and key
    client_ca: Path | None = None  #: PEM file: whose certificates are wanted of clients


class HomeserverConfig(_Block):
    """A homeserver, as its clients see it."""

    name: str  #: the server name
    url: str  #: of the client API, without a slash at the end
    ca_certificates: Path | None = None  #: PEM file; default: the system's
    #: Of the contact management of the legacy generation; default below ``url``.
    contact_management: str | None = None


class DirectoryConfig(_Block):
    """The VZD-FHIR-Directory."""

    url: str  #: without a slash at the end
    ca_certificates: Path | None = None  #: PEM file; default: the system's


class DeviceConfig(_Block):
    """A device of the suite, with the account that it uses."""

    name: str
    username: str  #: localpart or MXID
    password: str = Field(default="", repr=False)  #: of the account
    #: Another way to log in: the body of ``/login``, such as ``{type: m.login.token, token: …}``.
    login: dict[str, Any] | None = Field(default=None, repr=False)
    #: A program that prints such a body, anew for each login: ID tokens are good for one.
    login_command: tuple[str, ...] = Field(default=(), repr=False)
    card_name: str | None = None  #: the common name of the HBA or SMC-B behind it
    telematik_id: str | None = None  #: of that card
    #: A file with the RegService-OpenID-Token (R4.26) by which its owner may change entries of the directory.
    owner_token: Path | None = None


class ApiConfig(_Block):
    """One interface, as the suite expects one for each client and homeserver."""

    homeserver: HomeserverConfig
    product: Product
    spec_version: SpecVersion
    role: Literal["client", "org-admin"] = "client"
    encrypt: bool = True  #: whether private rooms are encrypted unless a request says otherwise
    devices: tuple[DeviceConfig, ...] = Field(min_length=1)


class DriverConfig(_Block):
    """All of it."""

    listen: str = "127.0.0.1:8480"  #: address and port
    tls: TlsConfig | None = None
    directory: DirectoryConfig | None = None
    store: Path | None = None  #: where keys of sessions are kept; default: a temporary directory
    contact: str = "Operator of this test driver"  #: name in the information about it
    apis: dict[str, ApiConfig] = Field(min_length=1)  #: by the first part of the path

    @field_validator("listen")
    @classmethod
    def _is_address(cls, value: str) -> str:
        if not re.fullmatch(r".+:\d{1,5}", value):
            raise ValueError("wanted ADDRESS:PORT")
        return value

    @property
    def address(self) -> tuple[str, int]:
        """Host and port to listen on."""
        host, _, port = self.listen.rpartition(":")
        return host.strip("[]"), int(port)
