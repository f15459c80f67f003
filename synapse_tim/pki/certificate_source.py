"""Sources of root and sub-CA certificates: gematik's download server, or files.

A directory of files has the layout of the server (requirement R1.5): ``ECC/ROOT-CA/roots.json`` and
``ECC/SUB-CA/<CN>.der``. Nothing that is read here is trusted for coming from here, but pinned roots, which
operators name.
"""

from pathlib import Path
from typing import Final, Protocol

import attrs
from cryptography import x509

from synapse_tim.pki.certificates import parse_certificate, to_der
from synapse_tim.pki.errors import CertificateError, CertificateReason
from synapse_tim.pki.trust_anchors import ROOTS_MAX_BYTES
from synapse_tim.transport.errors import TransportError, TransportReason
from synapse_tim.transport.fetcher import Fetcher

_ROOTS_PATH: Final = "ECC/ROOT-CA/roots.json"
_SUB_CA_PATH: Final = "ECC/SUB-CA/"
_CERTIFICATE_MAX_BYTES: Final = 8 * 1024
_PINNED_ROOT_MAX_BYTES: Final = 32 * 1024
_DEADLINE_SECONDS: Final = 15.0


class CertificateSource(Protocol):
    """Hands out unverified certificates."""

    def roots(self) -> bytes | bytearray:
        """Content of ``roots.json``, or ``TransportError``."""
        ...

    def sub_ca(self, file_name: str) -> bytes | bytearray:
        """A sub-CA in DER, by the checked name of its file.

        Raises:
            CertificateError: ``no_sub_ca``: there is none of that name.
            TransportError: it cannot be had.
        """
        ...


@attrs.frozen
class DownloadServer:
    """``download.tsl.ti-dienste.de`` or another server with its layout."""

    fetcher: Fetcher
    base_url: str

    def roots(self) -> bytearray:
        """See ``CertificateSource``."""
        return self._get(_ROOTS_PATH, ROOTS_MAX_BYTES)

    def sub_ca(self, file_name: str) -> bytearray:
        """See ``CertificateSource``."""
        return self._get(_SUB_CA_PATH + file_name, _CERTIFICATE_MAX_BYTES)

    def _get(self, path: str, max_bytes: int) -> bytearray:
        url = f"{self.base_url.rstrip('/')}/{path}"
        response = self.fetcher.get(url, max_bytes=max_bytes, deadline=_DEADLINE_SECONDS)
        if response.status == 404:
            raise _missing(path, "not on the download server")
        if response.status != 200:
            raise TransportError(TransportReason.HTTP_STATUS, f"{path}: status {response.status}")
        return response.body


@attrs.frozen
class DownloadDirectory:
    """A directory with the layout of the download server."""

    directory: Path

    def roots(self) -> bytes:
        """See ``CertificateSource``."""
        return self._read(_ROOTS_PATH, ROOTS_MAX_BYTES)

    def sub_ca(self, file_name: str) -> bytes:
        """See ``CertificateSource``."""
        return self._read(_SUB_CA_PATH + file_name, _CERTIFICATE_MAX_BYTES)

    def _read(self, path: str, max_bytes: int) -> bytes:
        try:
            with (self.directory / path).open("rb") as file:
                content = file.read(max_bytes + 1)
        except OSError as error:
            raise _missing(path, str(error.strerror)) from None
        if len(content) > max_bytes:
            raise TransportError(TransportReason.TOO_LARGE, f"{path}: more than {max_bytes} bytes")
        return content


def _missing(path: str, why: str) -> CertificateError | TransportError:
    if path == _ROOTS_PATH:
        return TransportError(TransportReason.UNREACHABLE, f"{path}: {why}")
    return CertificateError(CertificateReason.NO_SUB_CA, f"{path}: {why}")


def read_root(file: Path) -> x509.Certificate:
    """Read a pinned root certificate, DER or PEM.

    Raises:
        OSError: the file cannot be read.
        CertificateError: ``certificate_malformed``.
    """
    with file.open("rb") as stream:
        content = stream.read(_PINNED_ROOT_MAX_BYTES)
    if content.lstrip().startswith(b"-----BEGIN"):
        try:
            content = to_der(x509.load_pem_x509_certificate(content))
        except ValueError as error:
            raise CertificateError(CertificateReason.CERTIFICATE_MALFORMED, str(error)[:120]) from None
    return parse_certificate(content)
