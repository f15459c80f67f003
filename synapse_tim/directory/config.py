"""The block ``directory``: where the directory is (VZD-FHIR-Directory), and how to log in there.

The login defaults to that of the federation list, if the list is at the directory.
"""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Final, Protocol
from urllib.parse import urlsplit

import attrs
from pydantic import AfterValidator, Field

from synapse_tim.adapter.config_block import wrong
from synapse_tim.core.config_types import Block, Duration, PartConfig, ReadablePath
from synapse_tim.directory.session import DirectorySession, ProviderCredentials
from synapse_tim.transport.urls import SecureBaseUrl, SecureUrl

_LONGEST_CACHE_MS: Final = 5 * 60 * 1000
_INTERFACES: Final = frozenset({"tim-provider-services", "localization", "search", "fdv", "owner"})
_LONGEST_DEADLINE_MS: Final = 30 * 1000


def _cache(value: int) -> int:
    if value > _LONGEST_CACHE_MS:
        raise ValueError("expected at most five minutes (5m)")
    return value


def _deadline(value: int) -> int:
    if value > _LONGEST_DEADLINE_MS:
        raise ValueError("expected at most half a minute (30s)")
    return value


def _above_interfaces(value: str) -> str:
    # What is not there is 404, which from the directory means that a user is not listed. A gateway in front
    # of it may well have a path.
    if _INTERFACES.intersection(urlsplit(value).path.split("/")):
        raise ValueError(
            "expected the base URL of the interfaces: /tim-provider-services and /search are appended"
        )
    return value


class ListLogIn(Protocol):
    """What counts of the block ``federation_list``."""

    @property
    def vzd_credentials(self) -> VzdCredentialsConfig | None:
        """How to log in, if the list is at the directory."""
        ...

    @property
    def ca_certificates(self) -> str | None:
        """The CAs that vouch for it."""
        ...


@attrs.frozen
class SharedLogIn:
    """What the part with the federation list shares, for others that ask the directory."""

    settings: ListLogIn
    session: DirectorySession | None  #: its login, if the list is at the directory


@attrs.frozen
class DirectoryLogIn:
    """How to get to the directory, with everything that follows from other blocks."""

    provider: VzdCredentialsConfig  #: the login as a TI provider, for ``/tim-provider-services``
    provider_keys: tuple[str, ...]  #: the path of keys to it, for messages
    search: VzdCredentialsConfig | None  #: the login for ``/search``, if that needs another one
    ca_certificates: str | None  #: file with the CAs that vouch for the directory; ``None`` for the system's
    ca_keys: tuple[str, ...]  #: the path of keys to it
    shared: bool  #: whether the login is the same as for the federation list


class DirectoryConfig(Block):
    """``directory``: the directory of the TI."""

    url: Annotated[SecureBaseUrl, AfterValidator(_above_interfaces)]
    """The directory, such as `https://fhir-directory.vzd.ti-dienste.de`, or a gateway in front of it. The
    paths of its interfaces are appended.
    """
    vzd_credentials: VzdCredentialsConfig | None = None
    """How to log in as a TI provider. Default: those of `federation_list`."""
    search_credentials: VzdCredentialsConfig | None = None
    """How to log in for searches (`/search`); only `synapse-tim directory lookup` searches. Default: the same
    login.
    """
    ca_certificates: ReadablePath | None = None
    """PEM file with the CAs that vouch for the directory and for its login. Default: those of
    `federation_list`.
    """
    cache: Annotated[Duration, AfterValidator(_cache)] = _LONGEST_CACHE_MS
    """How long an answer is cached, including that a user is not listed; five minutes at most."""
    deadline: Annotated[Duration, AfterValidator(_deadline)] = _LONGEST_DEADLINE_MS
    """How long a look-up may take with everything that it needs; half a minute at most."""

    @property
    def base_url(self) -> str:
        """The URL without a slash at the end."""
        return self.url.rstrip("/")

    def log_in(self, federation_list: ListLogIn | None) -> DirectoryLogIn:
        """How to get to the directory.

        Args:
            federation_list: the block whose credentials and CAs are the default; ``None`` if there is none.

        Raises:
            ConfigError: no block says how to log in.
        """
        of_list = federation_list.vzd_credentials if federation_list is not None else None
        ca_of_list = federation_list.ca_certificates if federation_list is not None else None
        provider = self.vzd_credentials or of_list
        if provider is None:
            raise wrong(
                "this key is required, unless federation_list has vzd_credentials",
                *("directory", "vzd_credentials"),
            )
        ca_certificates = self.ca_certificates or ca_of_list
        return DirectoryLogIn(
            provider,
            ("directory" if self.vzd_credentials is not None else "federation_list", "vzd_credentials"),
            self.search_credentials,
            ca_certificates,
            ("directory" if self.ca_certificates is not None else "federation_list", "ca_certificates"),
            shared=provider == of_list and ca_certificates == ca_of_list,
        )


class DirectoryPartConfig(PartConfig):
    """The block of ``synapse_tim.Directory``."""

    directory: DirectoryConfig | None = None
    """The directory of the TI ([directory.md](directory.md)). Without it, no user is looked up."""


class VzdCredentialsConfig(Block):
    """``vzd_credentials``: login to the directory as a TI provider."""

    token_url: SecureUrl
    """Where the directory hands out tokens (OAuth 2.0, client credentials)."""
    authenticate_url: SecureUrl
    """Where such a token is exchanged for one that opens the list (`ti-provider-authenticate`)."""
    client_id: Annotated[str, Field(min_length=1, pattern=r"^[^:\x00-\x1f]+$")]
    """The client id that the directory gave you."""
    client_secret_path: ReadablePath
    """File with the secret that belongs to `client_id`."""


def read_credentials(block: VzdCredentialsConfig, *keys: str | int) -> ProviderCredentials:
    """Read the secret.

    Raises:
        ConfigError: naming the key of a file that does not hold what it should.
    """
    try:
        secret = Path(block.client_secret_path).read_text("utf-8").strip()
    except (OSError, UnicodeDecodeError) as error:
        raise wrong(f"the file is not readable text: {error}", *keys, "client_secret_path") from None
    if not secret:
        raise wrong("the file is empty", *keys, "client_secret_path")
    return ProviderCredentials(block.token_url, block.authenticate_url, block.client_id, secret)
