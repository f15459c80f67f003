"""A whole TI in certificates: what a test of signature, trust and revocation starts from.

``make_world()`` takes a few milliseconds, so every test can have a PKI of its own. Nothing in it is secret.

Example:
    A list that verifies, and one signed by a service with another role::

        world = make_world()
        payload = {"version": 1, "domainList": []}
        genuine = sign_list(payload, world.list_signer)
        hostile = sign_list(payload, world.pki.fd_sig(world.sub_ca, "RegService", role="tim"))
"""

import datetime as dt
import json
from collections.abc import Sequence
from pathlib import Path

import attrs
from cryptography import x509
from cryptography.hazmat.primitives import hashes

from synapse_tim.jose.compact import base64url_encode as base64url
from synapse_tim.testing.simulator.pki.authority import (
    POLICY_GEM_OR_CP,
    ROLES,
    TYPE_FD_SIG,
    TYPE_FD_TLS_S,
    Extension,
    TestPki,
    Wishes,
    key_usage_of,
)
from synapse_tim.testing.simulator.pki.identity import Identity
from synapse_tim.testing.simulator.pki.ocsp import asked_about, ocsp_answer
from synapse_tim.testing.simulator.pki.signing import raw_signature, sign_list

__all__ = [
    "POLICY_GEM_OR_CP",
    "ROLES",
    "TYPE_FD_SIG",
    "TYPE_FD_TLS_S",
    "Extension",
    "Identity",
    "TestPki",
    "TiWorld",
    "Wishes",
    "asked_about",
    "base64url",
    "file_name",
    "key_usage_of",
    "make_world",
    "ocsp_answer",
    "raw_signature",
    "roots_document",
    "sign_list",
]


@attrs.frozen(eq=False)
class TiWorld:
    """The certificates of one TI environment, and TLS for loopback beside it."""

    pki: TestPki  #: issues further ones
    #: ``RCA3`` and its successors, oldest first; each cross-certified with its neighbours.
    roots: tuple[Identity, ...]
    sub_ca: Identity  #: the component CA, issued by ``roots[1]`` (the only root if there is one)
    list_signer: Identity  #: signs federation lists; issued by the sub-CA
    ocsp_signer: Identity  #: answers for what the sub-CA issued
    root_ocsp_signer: Identity  #: answers for the sub-CA; issued by the sub-CA's root
    tls_ca: Identity  #: issues the next two and the certificates of servers on loopback
    tls_server: Identity  #: for ``localhost`` and the loopback addresses
    tls_client: Identity  #: for mutual TLS
    _roots_json: bytes = attrs.field(repr=False)

    @property
    def sub_ca_root(self) -> Identity:
        """The root that issued the sub-CA."""
        return next(root for root in self.roots if root.certificate.subject == self.sub_ca.certificate.issuer)

    def look_alike_sub_ca(self) -> Identity:
        """A CA that looks like the sub-CA in all but the keys, under an untrusted root."""
        number = 3 + self.roots.index(self.sub_ca_root)
        return self.pki.sub_ca(self.pki.root(number), serial=self.sub_ca.certificate.serial_number)

    def roots_json(self) -> bytes:
        """``roots.json`` as the download server has it; always the same bytes."""
        return self._roots_json

    def pin(self, index: int = -1) -> str:
        """The SHA-256 fingerprint of a root in lower-case hex, to pin it; default the newest root."""
        return self.roots[index].certificate.fingerprint(hashes.SHA256()).hex()

    def write_download_tree(self, directory: Path) -> None:
        """Write ``ECC/ROOT-CA`` and ``ECC/SUB-CA`` with the layout of gematik's download server."""
        root_directory, sub_directory = directory / "ECC" / "ROOT-CA", directory / "ECC" / "SUB-CA"
        root_directory.mkdir(parents=True, exist_ok=True)
        sub_directory.mkdir(parents=True, exist_ok=True)
        (root_directory / "roots.json").write_bytes(self.roots_json())
        for root in self.roots:
            (root_directory / file_name(root)).write_bytes(root.der)
        (sub_directory / file_name(self.sub_ca)).write_bytes(self.sub_ca.der)


def make_world(now: dt.datetime | None = None, *, roots: int = 4, marks: bool = True) -> TiWorld:
    """Make a TI.

    Args:
        now: the moment at which everything is valid, with a time zone; default the machine's clock.
            Certificates for TLS do not depend on it.
        roots: how many roots, starting with ``GEM.RCA3``.
        marks: whether the subjects say ``TEST-ONLY`` and ``NOT-VALID``; without them certificates look like
            those of the production environment.
    """
    pki = TestPki((now or dt.datetime.now(dt.UTC)).replace(microsecond=0), marks=marks)
    all_roots = tuple(pki.root(n) for n in range(3, 3 + roots))
    issuing = all_roots[min(1, len(all_roots) - 1)]
    sub_ca = pki.sub_ca(issuing)
    tls_ca = pki.tls_ca()
    return TiWorld(
        pki=pki,
        roots=all_roots,
        sub_ca=sub_ca,
        list_signer=pki.list_signer(sub_ca),
        ocsp_signer=pki.ocsp_signer(sub_ca),
        root_ocsp_signer=pki.ocsp_signer(issuing),
        tls_ca=tls_ca,
        tls_server=pki.tls(tls_ca),
        tls_client=pki.tls(tls_ca, "messenger-service", server=False),
        roots_json=roots_document(pki, all_roots),
    )


def roots_document(pki: TestPki, roots: Sequence[Identity]) -> bytes:
    """Write a ``roots.json``: each root with its key certified by the one before and the one after."""
    rows = []
    for position, root in enumerate(roots):
        certificate = root.certificate
        identifier = certificate.extensions.get_extension_for_class(x509.SubjectKeyIdentifier).value
        before = roots[position - 1] if position else None
        after = roots[position + 1] if position + 1 < len(roots) else None
        rows.append(
            {
                "name": root.common_name.removeprefix("GEM."),
                "cn": root.common_name,
                "cert": root.b64,
                "prev": pki.cross(root, before).b64 if before else "",
                "next": pki.cross(root, after).b64 if after else "",
                "nvb": f"{certificate.not_valid_before_utc:%Y-%m-%dT%H:%M:%S}",
                "nva": f"{certificate.not_valid_after_utc:%Y-%m-%dT%H:%M:%S}",
                "ski": identifier.digest.hex().upper(),
            }
        )
    return json.dumps(rows, indent=4).encode()


def file_name(ca: Identity) -> str:
    """The name under which the download server keeps a CA: ``<CN with underscores>.der``."""
    return ca.common_name.replace(" ", "_") + ".der"
