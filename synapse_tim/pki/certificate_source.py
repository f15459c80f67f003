"""Where root and sub-CA certificates come from: gematik's download server, or a copy of it on disk.

Both have the same layout (requirement R1.5): ``ECC/ROOT-CA/roots.json`` and ``ECC/SUB-CA/<CN>.der``.
Nothing that is read here is trusted for coming from here.
"""

from __future__ import annotations

from pathlib import Path
from typing import Final, Protocol

import attrs

from synapse_tim.federation.refusals import ListRefusedError, Refusal
from synapse_tim.pki.trust_anchors import ROOTS_MAX_OCTETS
from synapse_tim.transport.fetcher import Fetcher

_ROOTS_PATH: Final = "ECC/ROOT-CA/roots.json"
_SUB_CA_PATH: Final = "ECC/SUB-CA/"
_CERTIFICATE_MAX_OCTETS: Final = 8 * 1024
_DEADLINE_SECONDS: Final = 15.0


class CertificateSource(Protocol):
    """Hands out unverified certificates."""

    def roots(self) -> bytes | bytearray:
        """The octets of ``roots.json``.

        Raises:
            ListRefusedError: it cannot be had.
        """
        ...

    def sub_ca(self, file_name: str) -> bytes | bytearray:
        """The DER octets of a sub-CA, by the checked name of its file.

        Raises:
            ListRefusedError: ``no_sub_ca`` if there is none of that name.
        """
        ...


@attrs.frozen
class DownloadServer:
    """``download.tsl.ti-dienste.de`` or another server with its layout."""

    fetcher: Fetcher
    base_url: str

    def roots(self) -> bytearray:
        """See ``CertificateSource``."""
        return self._get(_ROOTS_PATH, ROOTS_MAX_OCTETS, Refusal.UNREACHABLE)

    def sub_ca(self, file_name: str) -> bytearray:
        """See ``CertificateSource``."""
        return self._get(_SUB_CA_PATH + file_name, _CERTIFICATE_MAX_OCTETS, Refusal.NO_SUB_CA)

    def _get(self, path: str, max_octets: int, missing: Refusal) -> bytearray:
        url = f"{self.base_url.rstrip('/')}/{path}"
        response = self.fetcher.get(url, max_octets=max_octets, deadline=_DEADLINE_SECONDS)
        if response.status == 404:
            raise ListRefusedError(missing, f"{path}: not on the download server")
        if response.status != 200:
            raise ListRefusedError(Refusal.HTTP_STATUS, f"{path}: status {response.status}")
        return response.body


@attrs.frozen
class DownloadDirectory:
    """A directory with the layout of the download server."""

    directory: Path

    def roots(self) -> bytes:
        """See ``CertificateSource``."""
        return self._read(_ROOTS_PATH, ROOTS_MAX_OCTETS, Refusal.UNREACHABLE)

    def sub_ca(self, file_name: str) -> bytes:
        """See ``CertificateSource``."""
        return self._read(_SUB_CA_PATH + file_name, _CERTIFICATE_MAX_OCTETS, Refusal.NO_SUB_CA)

    def _read(self, path: str, max_octets: int, missing: Refusal) -> bytes:
        try:
            with (self.directory / path).open("rb") as file:
                octets = file.read(max_octets + 1)
        except OSError as error:
            raise ListRefusedError(missing, f"{path}: {error.strerror}") from None
        if len(octets) > max_octets:
            raise ListRefusedError(Refusal.TOO_LARGE, f"{path}: more than {max_octets} octets")
        return octets
