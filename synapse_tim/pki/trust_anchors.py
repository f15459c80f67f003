"""Trusted TI root certificates, each with the reason why (requirement R1.5).

Nothing is trusted for being listed in ``roots.json``. Trust starts at the roots that the operator pinned
and follows the cross-certificates from one root to the next: a root is reached when a trusted root has
signed a certificate for the same subject and the same key, while all three were valid.

Pins age: the pinned root expires, and from then on nothing can be reached from it. So every link that was
followed once is kept as a ``RootLink`` with the moment it was followed. Kept links are evidence, not a
verdict: they are verified again, as of that moment, whenever they are read, so that write access to the
store is not enough to add a root.
"""

from __future__ import annotations

import base64
import binascii
import datetime as dt
from collections.abc import Iterable, Mapping

import attrs
from cryptography import x509

from synapse_tim.core import strict_json
from synapse_tim.pki.certificates import (
    check_ca,
    check_critical_extensions,
    check_environment,
    check_issued_by,
    check_validity,
    fingerprint,
    is_test_certificate,
    parse_certificate,
    public_key_info,
)
from synapse_tim.pki.errors import CertificateError, CertificateReason

ROOTS_MAX_BYTES = 512 * 1024
_MAX_ROOTS = 64


@attrs.frozen(eq=False)
class RootEntry:
    """One root of ``roots.json``: itself, and its key certified by its neighbours."""

    certificate: x509.Certificate
    by_previous: x509.Certificate | None
    by_next: x509.Certificate | None


@attrs.frozen(eq=False)
class RootLink:
    """A root that was trusted at some time."""

    certificate: x509.Certificate
    #: Its key certified by a root that was already trusted; ``None`` for a pinned root.
    cross: x509.Certificate | None
    followed_at: dt.datetime  #: the moment at which the link was valid


def parse_roots(document: bytes | bytearray) -> tuple[RootEntry, ...]:
    """Read ``roots.json``: an array in which each root stands after the one it replaced.

    Raises:
        CertificateError: ``roots_malformed`` or ``certificate_malformed``.
    """
    if len(document) > ROOTS_MAX_BYTES:
        raise CertificateError(CertificateReason.ROOTS_MALFORMED, f"{len(document)} bytes")
    try:
        rows = strict_json.parse(document)
    except strict_json.StrictJsonError as error:
        raise CertificateError(CertificateReason.ROOTS_MALFORMED, str(error)) from None
    if not isinstance(rows, list) or not 0 < len(rows) <= _MAX_ROOTS:
        raise CertificateError(CertificateReason.ROOTS_MALFORMED, "not an array of roots")
    entries = []
    for position, row in enumerate(rows):
        if not isinstance(row, dict):
            raise CertificateError(CertificateReason.ROOTS_MALFORMED, f"entry {position} is not an object")
        root, previous, following = (
            _certificate(row.get(member), position, member) for member in ("cert", "prev", "next")
        )
        if root is None:
            raise CertificateError(CertificateReason.ROOTS_MALFORMED, f"entry {position} has no cert")
        entries.append(RootEntry(root, previous, following))
    return tuple(entries)


def _certificate(text: object, position: int, member: str) -> x509.Certificate | None:
    if text is None or text == "":
        return None
    if not isinstance(text, str):
        raise CertificateError(CertificateReason.ROOTS_MALFORMED, f"entry {position}: {member}")
    try:
        der = base64.b64decode(text, validate=True)
    except (ValueError, binascii.Error):
        raise CertificateError(
            CertificateReason.ROOTS_MALFORMED, f"entry {position}: {member} is not base64"
        ) from None
    return parse_certificate(der)


@attrs.frozen
class TrustAnchors:
    """The trusted roots of one environment."""

    pins: frozenset[str]  #: SHA-256 fingerprints (lower-case hex) that the operator vouches for
    allow_test: bool = False  #: whether roots of a test environment may be trusted
    #: How each root came to be trusted, by fingerprint, in the order in which they were reached.
    links: Mapping[str, RootLink] = attrs.field(factory=dict)

    @property
    def certificates(self) -> tuple[x509.Certificate, ...]:
        """The roots; whether one is still in date is judged with the path."""
        return tuple(link.certificate for link in self.links.values())

    def with_pinned(self, certificates: Iterable[x509.Certificate], at: dt.datetime) -> TrustAnchors:
        """Add the pinned ones of these; ``CertificateError`` for a test certificate that is not allowed."""
        links = dict(self.links)
        for certificate in certificates:
            name = fingerprint(certificate)
            if name in self.pins and name not in links:
                check_environment(certificate, allow_test=self.allow_test)
                links[name] = RootLink(certificate, None, at)
        return attrs.evolve(self, links=links)

    def with_roots(self, entries: tuple[RootEntry, ...], at: dt.datetime) -> TrustAnchors:
        """Follow the cross-certificates of a ``roots.json`` from the roots trusted so far.

        A link that does not verify is not followed; that is no error, since the file may hold anything.

        Args:
            entries: the file, in its order.
            at: the moment at which the links have to be valid.

        Returns:
            These anchors and every root reached.
        """
        anchors = self.with_pinned((entry.certificate for entry in entries), at)
        links = dict(anchors.links)
        todo = [i for i, entry in enumerate(entries) if fingerprint(entry.certificate) in links]
        while todo:
            here = todo.pop()
            steps = (
                (here + 1, entries[here + 1].by_previous if here + 1 < len(entries) else None),
                (here - 1, entries[here - 1].by_next if here > 0 else None),
            )
            for there, cross in steps:
                if cross is None:
                    continue
                root = entries[there].certificate
                name = fingerprint(root)
                if name in links:
                    continue
                link = RootLink(root, cross, at)
                if _follows(link, entries[here].certificate, allow_test=self.allow_test):
                    links[name] = link
                    todo.append(there)
        return attrs.evolve(self, links=links)

    def with_links(self, kept: Iterable[RootLink]) -> TrustAnchors:
        """Verify links that were kept, and add the roots that they still lead to.

        Each is verified as of the moment it was followed: that the root at its start has expired since is
        the very reason for keeping it.
        """
        links = dict(self.links)
        rest = list(kept)
        progress = True
        while progress and rest:
            progress = False
            for link in tuple(rest):
                name = fingerprint(link.certificate)
                if name not in links and self._leads_to(link, links):
                    links[name] = link
                if name in links:
                    rest.remove(link)
                    progress = True
        return attrs.evolve(self, links=links)

    def _leads_to(self, link: RootLink, links: Mapping[str, RootLink]) -> bool:
        if link.cross is None:
            return fingerprint(link.certificate) in self.pins and not (
                is_test_certificate(link.certificate) and not self.allow_test
            )
        return any(
            _follows(link, known.certificate, allow_test=self.allow_test)
            for known in links.values()
            if known.certificate.subject == link.cross.issuer
        )


def _follows(link: RootLink, trusted: x509.Certificate, *, allow_test: bool) -> bool:
    """Whether the cross-certificate carries trust from one root to the other.

    The first TI roots have RSA keys, so unlike on the signer's path the algorithm is not restricted here
    beyond what the library verifies.
    """
    root, cross, at = link.certificate, link.cross, link.followed_at
    if cross is None or cross.subject != root.subject:
        return False
    if public_key_info(cross) != public_key_info(root):
        return False
    try:
        for certificate in (trusted, cross, root):
            check_validity(certificate, at)
            check_critical_extensions(certificate)
            check_ca(certificate, cas_below=1)
            check_environment(certificate, allow_test=allow_test)
        check_issued_by(cross, trusted)
        check_issued_by(root, root)
    except CertificateError:
        return False
    return True
