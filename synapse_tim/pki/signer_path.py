"""Certificate path from the signer of a TI document to a trusted root (R1.4, A_25632).

Exactly signer ← sub-CA ← root; no deeper search and no address out of a certificate is ever visited.
A chain alone is not authentication: smart cards of practices, TLS servers and other services have
certificates under the same roots. So the signer also has to be a signing certificate of a service
(type C.FD.SIG) in the right technical role: federation lists are signed by the directory
("Verzeichnisdienst-TI"), the discovery document of the central IDP by that ("IDP-Dienst", A_20657).
"""

import datetime as dt
import re
from collections.abc import Iterable

import attrs
from cryptography import x509
from cryptography.x509.oid import NameOID

from synapse_tim.pki.certificates import (
    CLOCK_SKEW,
    check_ca,
    check_environment,
    check_issued_by,
    check_profile,
    check_validity,
    describe,
    extension,
)
from synapse_tim.pki.errors import CertificateError, CertificateReason

#: gemSpec_OID: oid_fd_sig, the certificate type C.FD.SIG.
TYPE_FD_SIG = x509.ObjectIdentifier("1.2.276.0.76.4.203")
#: gemSpec_OID: oid_vzd_ti, the technical role of the directory.
ROLE_VZD_TI = x509.ObjectIdentifier("1.2.276.0.76.4.171")
#: gemSpec_OID: oid_idpd, the technical role of the central IDP.
ROLE_IDPD = x509.ObjectIdentifier("1.2.276.0.76.4.260")

_ISSUER_NAME = re.compile(r"[A-Za-z0-9](?:[A-Za-z0-9 ._-]{0,62}[A-Za-z0-9])?")


@attrs.frozen(eq=False)
class SignerPath:
    """A verified path."""

    signer: x509.Certificate  #: the certificate whose key signed the document
    sub_ca: x509.Certificate  #: its issuer
    root: x509.Certificate  #: the trusted root that issued the sub-CA

    @property
    def certificates(self) -> tuple[x509.Certificate, x509.Certificate, x509.Certificate]:
        """Signer, sub-CA, root."""
        return (self.signer, self.sub_ca, self.root)

    @property
    def not_after(self) -> dt.datetime:
        """When the first certificate of the path expires."""
        return min(certificate.not_valid_after_utc for certificate in self.certificates)

    def valid_at(self, at: dt.datetime) -> bool:
        """Whether all certificates are within their validity, give or take ``CLOCK_SKEW``."""
        start = max(certificate.not_valid_before_utc for certificate in self.certificates)
        return start <= at + CLOCK_SKEW and at - CLOCK_SKEW <= self.not_after


def sub_ca_file_name(signer: x509.Certificate) -> str:
    """The name under which the download server keeps the signer's issuer: ``<CN>.der``.

    The name comes out of a header that is not verified yet and becomes part of a URL or a path, so
    only harmless characters pass.

    Raises:
        CertificateError: ``issuer_name``.
    """
    names = signer.issuer.get_attributes_for_oid(NameOID.COMMON_NAME)
    if len(names) != 1:
        raise CertificateError(CertificateReason.ISSUER_NAME, f"{len(names)} common names")
    name = names[0].value
    if not isinstance(name, str) or not _ISSUER_NAME.fullmatch(name) or ".." in name:
        raise CertificateError(CertificateReason.ISSUER_NAME, repr(name)[:80])
    return name.replace(" ", "_") + ".der"


def check_signer(signer: x509.Certificate, role: x509.ObjectIdentifier = ROLE_VZD_TI) -> None:
    """Refuse a certificate that may not sign.

    Raises:
        CertificateError: ``signer_is_ca``, ``signer_key_usage``, ``signer_type`` or ``signer_role``.
    """
    constraints = extension(signer, x509.BasicConstraints)
    if constraints is not None and constraints.ca:
        raise CertificateError(CertificateReason.SIGNER_IS_CA, describe(signer))
    usage = extension(signer, x509.KeyUsage)
    if usage is None or not usage.digital_signature or usage.key_cert_sign:
        raise CertificateError(CertificateReason.SIGNER_KEY_USAGE, describe(signer))
    policies = extension(signer, x509.CertificatePolicies) or ()
    types = [policy.policy_identifier for policy in policies]
    if TYPE_FD_SIG not in types:
        raise CertificateError(CertificateReason.SIGNER_TYPE, _oids(types))
    roles = [
        oid
        for admission in extension(signer, x509.Admissions) or ()
        for profession in admission.profession_infos
        for oid in profession.profession_oids or ()
    ]
    if role not in roles:
        raise CertificateError(CertificateReason.SIGNER_ROLE, _oids(roles))


def _oids(oids: list[x509.ObjectIdentifier]) -> str:
    return "found " + (", ".join(oid.dotted_string for oid in oids) or "none")


def verify_signer_path(
    signer: x509.Certificate,
    sub_cas: Iterable[x509.Certificate],
    roots: Iterable[x509.Certificate],
    at: dt.datetime,
    *,
    allow_test: bool = False,
    role: x509.ObjectIdentifier = ROLE_VZD_TI,
) -> SignerPath:
    """Verify the path of a signer.

    Args:
        sub_cas: candidates for its issuer, from wherever; none of them is trusted.
        at: the moment at which all three certificates have to be valid.
        allow_test: whether certificates of a test environment are accepted.
        role: the technical role that the signer has to have.

    Raises:
        CertificateError: with the reason that came nearest to a path.
    """
    check_profile(signer)
    check_validity(signer, at)
    check_signer(signer, role)
    check_environment(signer, allow_test=allow_test)
    trusted = tuple(roots)
    root_names = {root.subject for root in trusted}
    refusal = CertificateError(CertificateReason.NO_SUB_CA, signer.issuer.rfc4514_string())
    for sub_ca in sub_cas:
        if sub_ca.subject != signer.issuer or sub_ca.subject in root_names:
            continue
        if refusal.reason is CertificateReason.NO_SUB_CA:
            refusal = CertificateError(CertificateReason.NO_TRUSTED_ROOT, sub_ca.issuer.rfc4514_string())
        for root in trusted:
            if root.subject != sub_ca.issuer:
                continue
            path = SignerPath(signer, sub_ca, root)
            try:
                _check_path(path, at, allow_test=allow_test)
            except CertificateError as error:
                refusal = error
            else:
                return path
    raise refusal


def _check_path(path: SignerPath, at: dt.datetime, *, allow_test: bool) -> None:
    for certificate in (path.sub_ca, path.root):
        check_profile(certificate)
        check_validity(certificate, at)
        check_environment(certificate, allow_test=allow_test)
    check_ca(path.sub_ca, cas_below=0)
    check_ca(path.root, cas_below=1)
    check_issued_by(path.signer, path.sub_ca)
    check_issued_by(path.sub_ca, path.root)
