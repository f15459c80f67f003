"""Store of the certificates that signer paths are built from, kept across restarts (requirement R1.5).

The store knows the roots that were reached once and the sub-CAs that stood on a verified path. It asks its
source for more only when a path cannot be built from what is known, and for new roots once a week.
"""

import datetime as dt
import logging
from collections.abc import Iterable
from typing import Final

import attrs
from cryptography import x509

from synapse_tim.pki.certificate_source import CertificateSource
from synapse_tim.pki.certificates import describe, fingerprint, parse_certificate
from synapse_tim.pki.errors import CertificateError, CertificateReason
from synapse_tim.pki.signer_path import ROLE_VZD_TI, SignerPath, sub_ca_file_name, verify_signer_path
from synapse_tim.pki.trust_anchors import RootLink, TrustAnchors, parse_roots
from synapse_tim.transport.errors import TransportError

logger = logging.getLogger(__name__)

#: gemSpec_TI-M-FD: look for new roots once a week.
ROOTS_REFRESH: Final = dt.timedelta(days=7)

# Reasons that other certificates may cure.
_CURABLE = frozenset(
    {
        CertificateReason.NO_SUB_CA,
        CertificateReason.NO_TRUSTED_ROOT,
        CertificateReason.ISSUER_MISMATCH,
        CertificateReason.CERTIFICATE_SIGNATURE,
        CertificateReason.CERTIFICATE_EXPIRED,
    }
)


@attrs.frozen(eq=False)
class TrustMaterial:
    """What is worth keeping: evidence that is verified again whenever it is used."""

    links: tuple[RootLink, ...] = ()
    sub_cas: tuple[x509.Certificate, ...] = ()


class TrustStore:
    """Builds and verifies signer paths.

    Args:
        source: where unknown certificates are looked for; ``None`` to work with what is known.
        pins: SHA-256 fingerprints of the pinned roots, lower-case hex.
        pinned_certificates: pinned roots that are at hand as certificates; their fingerprints are pins.
        allow_test: whether certificates of a test environment are accepted.
        role: the technical role of the signers.
    """

    def __init__(
        self,
        source: CertificateSource | None,
        pins: Iterable[str],
        pinned_certificates: Iterable[x509.Certificate] = (),
        *,
        allow_test: bool = False,
        role: x509.ObjectIdentifier = ROLE_VZD_TI,
    ) -> None:
        self._source = source
        self._role = role
        self._pinned_certificates = tuple(pinned_certificates)
        fingerprints = frozenset(pins) | {fingerprint(root) for root in self._pinned_certificates}
        self._anchors = TrustAnchors(fingerprints, allow_test)
        self._sub_cas: dict[str, x509.Certificate] = {}
        self._roots_read_at: dt.datetime | None = None
        self._listed: tuple[x509.Certificate, ...] = ()  # as they were read last, trusted or not

    @property
    def material(self) -> TrustMaterial:
        """What to keep for the next start, and for the other processes."""
        return TrustMaterial(tuple(self._anchors.links.values()), tuple(self._sub_cas.values()))

    def restore(self, material: TrustMaterial) -> None:
        """Take up what was kept; links that do not verify are left out."""
        self._anchors = self._anchors.with_links(material.links)
        self._sub_cas.update((fingerprint(sub_ca), sub_ca) for sub_ca in material.sub_cas)

    def verify(
        self, signer: x509.Certificate, offered: Iterable[x509.Certificate], at: dt.datetime
    ) -> SignerPath:
        """Verify a signer from what is known, without asking the source.

        Args:
            offered: further certificates that came with it.
            at: the moment at which the path has to be valid.

        Raises:
            CertificateError: there is no valid path.
        """
        self._anchors = self._anchors.with_pinned(self._pinned_certificates, at)
        path = verify_signer_path(
            signer,
            (*self._sub_cas.values(), *offered),
            self._anchors.certificates,
            at,
            allow_test=self._anchors.allow_test,
            role=self._role,
        )
        self._sub_cas[fingerprint(path.sub_ca)] = path.sub_ca
        return path

    def find(
        self, signer: x509.Certificate, offered: Iterable[x509.Certificate], now: dt.datetime
    ) -> SignerPath:
        """Verify a signer, asking the source for missing certificates.

        Args:
            offered: further certificates that came with it.
            now: the moment at which the path has to be valid.

        Raises:
            CertificateError: there is no valid path.
            TransportError: the source cannot be reached.
        """
        try:
            return self._find(signer, tuple(offered), now)
        except CertificateError as error:
            if error.reason is not CertificateReason.NO_TRUSTED_ROOT:
                raise
            raise CertificateError(error.reason, self._compared(error.detail)) from None

    def _compared(self, issuer: str) -> str:
        """Which roots there are of a name, and which are pinned, for people to see what is wrong."""
        found = ", ".join(fingerprint(root) for root in self._listed if describe(root) == issuer)
        pinned = ", ".join(sorted(self._anchors.pins))
        return f"{issuer}; found: {found or 'none of this name'}; pinned: {pinned}"

    def _find(
        self, signer: x509.Certificate, offered: tuple[x509.Certificate, ...], now: dt.datetime
    ) -> SignerPath:
        self._refresh_roots_weekly(now)
        try:
            return self.verify(signer, offered, now)
        except CertificateError as error:
            if self._source is None or error.reason not in _CURABLE:
                raise
            missing = error.reason
        if missing is CertificateReason.NO_TRUSTED_ROOT and self._roots_read_at != now:
            self._read_roots(now)
        else:
            offered = (*offered, parse_certificate(bytes(self._source.sub_ca(sub_ca_file_name(signer)))))
        try:
            return self.verify(signer, offered, now)
        except CertificateError as error:
            if error.reason is not CertificateReason.NO_TRUSTED_ROOT or self._roots_read_at == now:
                raise
        self._read_roots(now)
        return self.verify(signer, offered, now)

    def _refresh_roots_weekly(self, now: dt.datetime) -> None:
        """Look for new roots in time; what is known goes on working if that fails."""
        due = self._roots_read_at is None or not (
            dt.timedelta(0) <= now - self._roots_read_at < ROOTS_REFRESH
        )
        if self._source is None or not due:
            return
        try:
            self._read_roots(now)
        except (CertificateError, TransportError) as error:
            if not self._anchors.links and not self._pinned_certificates:
                raise
            logger.warning("The TI root certificates could not be refreshed: %s", error)

    def _read_roots(self, now: dt.datetime) -> None:
        if self._source is None:
            return
        entries = parse_roots(self._source.roots())
        self._listed = tuple(entry.certificate for entry in entries)
        self._anchors = self._anchors.with_roots(entries, now)
        self._roots_read_at = now
