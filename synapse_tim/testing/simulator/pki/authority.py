"""A certificate authority in the shape of gematik's component PKI, with throw-away keys.

Everything about a certificate that a verifier has to look at can be chosen: validity, curve, role, type,
key usage, CA flag, serial number, further extensions. So each hostile certificate is one keyword away
from the genuine one. Subjects say ``TEST-ONLY`` and ``NOT-VALID`` unless they are told not to.
"""

import datetime as dt
import ipaddress
import itertools
from collections.abc import Iterator, Sequence
from typing import TypedDict, Unpack

import attrs
from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import AuthorityInformationAccessOID, ExtendedKeyUsageOID, NameOID

from synapse_tim.testing.simulator.pki.identity import Identity

#: gemSpec_OID: oid_policy_gem_or_cp, the certificate policy of the TI.
POLICY_GEM_OR_CP = x509.ObjectIdentifier("1.2.276.0.76.4.163")
#: gemSpec_OID, certificate types: C.FD.SIG, and C.FD.TLS-S as one that may not sign lists.
TYPE_FD_SIG = x509.ObjectIdentifier("1.2.276.0.76.4.203")
TYPE_FD_TLS_S = x509.ObjectIdentifier("1.2.276.0.76.4.169")
#: gemSpec_OID, technical roles by the name used here.
ROLES = {
    "vzd_ti": (x509.ObjectIdentifier("1.2.276.0.76.4.171"), "Verzeichnisdienst-TI"),
    "idpd": (x509.ObjectIdentifier("1.2.276.0.76.4.260"), "IDP-Dienst"),
    "tim": (x509.ObjectIdentifier("1.2.276.0.76.4.294"), "TI-Messenger"),
}

# TLS is verified against the machine's clock, whatever the time of a test: so it is always valid.
_TLS_NOT_BEFORE = dt.datetime(2020, 1, 1, tzinfo=dt.UTC)
_TLS_NOT_AFTER = dt.datetime(2119, 12, 31, tzinfo=dt.UTC)

_KEY_USAGES = (
    "digital_signature",
    "content_commitment",
    "key_encipherment",
    "data_encipherment",
    "key_agreement",
    "key_cert_sign",
    "crl_sign",
    "encipher_only",
    "decipher_only",
)

Extension = tuple[x509.ExtensionType, bool]


class Wishes(TypedDict, total=False):
    """What every method that issues a certificate understands."""

    curve: ec.EllipticCurve  #: of a new key; default brainpoolP256r1, for TLS P-256
    key: ec.EllipticCurvePrivateKey  #: certify this key instead of a new one
    days: tuple[int, int]  #: validity from and to, in days relative to the ``now`` of the PKI
    not_before: dt.datetime  #: start of the validity, instead of ``days``
    not_after: dt.datetime  #: end of the validity, instead of ``days``
    serial: int  #: serial number; default the next one
    extensions: Sequence[Extension]  #: added to the usual ones


def key_usage_of(*usages: str) -> x509.KeyUsage:
    """A key usage with the named bits set, for instance ``key_usage_of("digital_signature")``."""
    if unknown := set(usages) - set(_KEY_USAGES):
        raise ValueError(f"unknown key usage: {', '.join(sorted(unknown))}")
    return x509.KeyUsage(**{name: name in usages for name in _KEY_USAGES})


@attrs.define
class TestPki:
    """Issues certificates."""

    __test__ = False  # not a test class of pytest

    now: dt.datetime  #: the moment that validities are relative to, with a time zone
    marks: bool = True  #: whether subjects say ``TEST-ONLY`` and ``NOT-VALID``; each method can differ
    #: The address inside the certificates, which must never be visited.
    ocsp_url: str = "http://ocsp.komp-ca.telematik-test.invalid/ocsp"
    first_serial: int = 1001  #: the serial number of the first certificate; the next ones follow
    _serials: Iterator[int] = attrs.field(init=False, repr=False)

    def __attrs_post_init__(self) -> None:
        """Count from there."""
        self._serials = itertools.count(self.first_serial)

    def root(self, n: int, *, marks: bool | None = None, **wishes: Unpack[Wishes]) -> Identity:
        """A self-signed root ``GEM.RCA<n>``."""
        subject = self._name(
            f"GEM.RCA{n}", marks, unit="Zentrale Root-CA der Telematikinfrastruktur", mark_name=True
        )
        return self.issue(subject, None, self._ca(None), {"days": (-60, 3650), **wishes})

    def cross(self, target: Identity, by: Identity, **wishes: Unpack[Wishes]) -> Identity:
        """The key and subject of one root certified by another: ``prev`` and ``next`` of ``roots.json``."""
        subject = target.certificate.subject
        return self.issue(subject, by, self._ca(None), {"days": (-60, 3000), "key": target.key, **wishes})

    def sub_ca(
        self,
        root: Identity,
        name: str = "GEM.KOMP-CA50",
        *,
        marks: bool | None = None,
        **wishes: Unpack[Wishes],
    ) -> Identity:
        """A component CA, as issues the directory's certificates."""
        unit = "Komponenten-CA der Telematikinfrastruktur"
        subject = self._name(name, marks, unit=unit, mark_name=True)
        return self.issue(subject, root, self._ca(0), {"days": (-45, 2900), **wishes})

    def fd_sig(
        self,
        sub_ca: Identity,
        name: str,
        *,
        role: str | None = "vzd_ti",
        cert_type: x509.ObjectIdentifier | None = TYPE_FD_SIG,
        ca: bool = False,
        key_usage: x509.KeyUsage | None = None,
        marks: bool | None = None,
        **wishes: Unpack[Wishes],
    ) -> Identity:
        """A signing certificate of a service (C.FD.SIG), or what pretends to be one.

        Args:
            sub_ca: the issuer.
            name: common name.
            role: a key of ``ROLES``; ``None`` for a certificate without admission.
            cert_type: the certificate type; ``None`` for none.
            ca: the CA flag.
            key_usage: default ``key_usage_of("digital_signature")``.
            marks: whether the subject is marked; default as the PKI.
            **wishes: see ``Wishes``.
        """
        policies = [POLICY_GEM_OR_CP] if cert_type is None else [POLICY_GEM_OR_CP, cert_type]
        extensions: list[Extension] = [
            self._responder(),
            (key_usage or key_usage_of("digital_signature"), True),
            (x509.CertificatePolicies([x509.PolicyInformation(oid, None) for oid in policies]), False),
            (x509.BasicConstraints(ca, None), True),
        ]
        if role is not None:
            oid, text = ROLES[role]
            profession = x509.ProfessionInfo(None, [text], [oid], None, None)
            extensions.append((x509.Admissions(None, [x509.Admission(None, None, [profession])]), False))
        subject = self._name(name, marks, organisation="synapse_tim simulator", serial="00001-A")
        return self.issue(subject, sub_ca, extensions, wishes)

    def list_signer(
        self,
        sub_ca: Identity,
        name: str = "VZD-FHIR-FList-Signer",
        *,
        marks: bool | None = None,
        **wishes: Unpack[Wishes],
    ) -> Identity:
        """A certificate that may sign federation lists, with the genuine signer's profile."""
        return self.fd_sig(sub_ca, name, marks=marks, **wishes)

    def ocsp_signer(self, ca: Identity, *, marks: bool | None = None, **wishes: Unpack[Wishes]) -> Identity:
        """A responder that the CA appointed; like gematik's it has no key usage but nonRepudiation."""
        extensions: list[Extension] = [
            (key_usage_of("content_commitment"), True),
            (x509.ExtendedKeyUsage([ExtendedKeyUsageOID.OCSP_SIGNING]), False),
            (x509.OCSPNoCheck(), False),
            (x509.BasicConstraints(False, None), True),
        ]
        subject = self._name(f"OCSP Signer of {ca.common_name[:40]}", marks)
        return self.issue(subject, ca, extensions, wishes)

    def tls_ca(self, **wishes: Unpack[Wishes]) -> Identity:
        """A CA for TLS on loopback, valid whatever the time of the PKI; no part of the TI."""
        subject = self._name("synapse_tim TLS CA", True, mark_name=True)
        extensions: list[Extension] = [
            (key_usage_of("key_cert_sign", "crl_sign"), True),
            (x509.BasicConstraints(True, 0), True),
        ]
        return self.issue(subject, None, extensions, _for_tls(wishes))

    def tls(self, ca: Identity, *names: str, server: bool = True, **wishes: Unpack[Wishes]) -> Identity:
        """A certificate for TLS, valid whatever the time of the PKI.

        Args:
            ca: the issuer.
            names: host names and IP addresses, the first also being the common name; default
                ``localhost`` and the loopback addresses.
            server: for a server; otherwise for a client.
            **wishes: see ``Wishes``.
        """
        names = names or ("localhost", "127.0.0.1", "::1")
        purpose = ExtendedKeyUsageOID.SERVER_AUTH if server else ExtendedKeyUsageOID.CLIENT_AUTH
        extensions: list[Extension] = [
            (key_usage_of("digital_signature"), True),
            (x509.BasicConstraints(False, None), True),
            (x509.ExtendedKeyUsage([purpose]), False),
            (x509.SubjectAlternativeName([_general_name(name) for name in names]), False),
        ]
        return self.issue(self._name(names[0], True), ca, extensions, _for_tls(wishes))

    def issue(
        self, subject: x509.Name, issuer: Identity | None, extensions: Sequence[Extension], wishes: Wishes
    ) -> Identity:
        """Issue any certificate; without an issuer a self-signed one."""
        key = wishes.get("key") or ec.generate_private_key(wishes.get("curve") or ec.BrainpoolP256R1())
        first, last = wishes.get("days", (-30, 1825))
        builder = (
            x509.CertificateBuilder()
            .subject_name(subject)
            .issuer_name(subject if issuer is None else issuer.certificate.subject)
            .public_key(key.public_key())
            .serial_number(wishes.get("serial") or next(self._serials))
            .not_valid_before(wishes.get("not_before") or self.now + dt.timedelta(days=first))
            .not_valid_after(wishes.get("not_after") or self.now + dt.timedelta(days=last))
            .add_extension(x509.SubjectKeyIdentifier.from_public_key(key.public_key()), critical=False)
        )
        if issuer is not None:
            identifier = x509.AuthorityKeyIdentifier.from_issuer_public_key(issuer.key.public_key())
            builder = builder.add_extension(identifier, critical=False)
        for value, critical in (*extensions, *wishes.get("extensions", ())):
            builder = builder.add_extension(value, critical=critical)
        return Identity(builder.sign(key if issuer is None else issuer.key, hashes.SHA256()), key)

    def _name(
        self,
        common_name: str,
        marks: bool | None,
        *,
        organisation: str = "gematik GmbH",
        unit: str | None = None,
        serial: str | None = None,
        mark_name: bool = False,
    ) -> x509.Name:
        if self.marks if marks is None else marks:
            organisation += " NOT-VALID" if mark_name else " TEST-ONLY - NOT-VALID"
            common_name += " TEST-ONLY" if mark_name else ""
        values = {
            NameOID.COUNTRY_NAME: "DE",
            NameOID.ORGANIZATION_NAME: organisation,
            NameOID.ORGANIZATIONAL_UNIT_NAME: unit,
            NameOID.SERIAL_NUMBER: serial,
            NameOID.COMMON_NAME: common_name,
        }
        return x509.Name([x509.NameAttribute(oid, value) for oid, value in values.items() if value])

    def _responder(self) -> Extension:
        url = x509.UniformResourceIdentifier(self.ocsp_url)
        access = x509.AccessDescription(AuthorityInformationAccessOID.OCSP, url)
        return (x509.AuthorityInformationAccess([access]), False)

    def _ca(self, path_length: int | None) -> list[Extension]:
        return [
            self._responder(),
            (key_usage_of("key_cert_sign", "crl_sign"), True),
            (x509.CertificatePolicies([x509.PolicyInformation(POLICY_GEM_OR_CP, None)]), False),
            (x509.BasicConstraints(True, path_length), True),
        ]


def _for_tls(wishes: Wishes) -> Wishes:
    # P-256 and not brainpool: the OpenSSL of many systems knows no brainpool curve in TLS 1.3.
    chosen: Wishes = {"curve": ec.SECP256R1(), **wishes}
    if "days" not in wishes:
        chosen = {"not_before": _TLS_NOT_BEFORE, "not_after": _TLS_NOT_AFTER, **chosen}
    return chosen


def _general_name(name: str) -> x509.GeneralName:
    try:
        return x509.IPAddress(ipaddress.ip_address(name))
    except ValueError:
        return x509.DNSName(name)
