"""R1.4, A_25632: the path of the certificate that signed the list."""

import pytest
from cryptography import x509
from cryptography.hazmat.primitives.asymmetric import ec, rsa
from cryptography.x509.oid import ExtensionOID, NameOID

from synapse_tim.federation.refusals import Refusal
from synapse_tim.pki.certificates import CLOCK_SKEW
from synapse_tim.pki.signer_path import sub_ca_file_name, verify_signer_path
from synapse_tim.testing.simulator.pki.world import TYPE_FD_TLS_S, key_usage_of
from tests.support.helpers import DAY, NOW, SECOND, altered, refused

SMC_B = x509.ObjectIdentifier("1.2.276.0.76.4.77")  # oid_smc_b_osig: a card of a practice
CRITICAL = (x509.UnrecognizedExtension(x509.ObjectIdentifier("1.2.3.4"), b"\x05\x00"), True)
NOT_CRITICAL = (CRITICAL[0], False)


def verify(certs, signer, sub_cas=None, roots=None, at=NOW, *, allow_test=True):
    return verify_signer_path(
        signer.certificate,
        [ca.certificate for ca in ([certs.sub_ca] if sub_cas is None else sub_cas)],
        [root.certificate for root in (certs.roots if roots is None else roots)],
        at,
        allow_test=allow_test,
    )


def test_the_genuine_path_is_found_among_other_certificates(certs):
    others = [certs.list_signer, certs.pki.sub_ca(certs.roots[0], "GEM.KOMP-CA99"), *certs.roots]
    path = verify(certs, certs.list_signer, [*others, certs.look_alike_sub_ca(), certs.sub_ca])
    assert path.certificates == (
        certs.list_signer.certificate,
        certs.sub_ca.certificate,
        certs.sub_ca_root.certificate,
    )
    assert path.not_after == min(c.not_valid_after_utc for c in path.certificates)


@pytest.mark.parametrize(
    ("changes", "reason"),
    [
        ({}, None),
        ({"cert_type": None}, Refusal.SIGNER_TYPE),
        ({"cert_type": SMC_B}, Refusal.SIGNER_TYPE),
        ({"cert_type": TYPE_FD_TLS_S}, Refusal.SIGNER_TYPE),
        ({"role": "tim"}, Refusal.SIGNER_ROLE),
        ({"role": "idpd"}, Refusal.SIGNER_ROLE),
        ({"role": None}, Refusal.SIGNER_ROLE),
        ({"ca": True}, Refusal.SIGNER_IS_CA),
        ({"key_usage": key_usage_of("content_commitment")}, Refusal.SIGNER_KEY_USAGE),
        ({"key_usage": key_usage_of("digital_signature", "key_cert_sign")}, Refusal.SIGNER_KEY_USAGE),
        ({"key_usage": key_usage_of("digital_signature", "content_commitment")}, None),
        ({"curve": ec.SECP256R1()}, None),
        ({"curve": ec.SECP256K1()}, Refusal.CERTIFICATE_CURVE),
        ({"days": (-10, -1)}, Refusal.CERTIFICATE_EXPIRED),
        ({"days": (1, 10)}, Refusal.CERTIFICATE_NOT_YET_VALID),
        ({"extensions": [CRITICAL]}, Refusal.CERTIFICATE_CRITICAL_EXTENSION),
        ({"extensions": [NOT_CRITICAL]}, None),
    ],
)
def test_r1_4_the_signer_is_a_signing_certificate_of_the_directory(certs, changes, reason):
    signer = certs.pki.fd_sig(certs.sub_ca, "VZD-FHIR-FList-Signer", **changes)
    if reason is None:
        assert verify(certs, signer).signer == signer.certificate
    else:
        with refused(reason):
            verify(certs, signer)


@pytest.mark.parametrize(
    ("oid", "reason"),
    [
        (ExtensionOID.KEY_USAGE, Refusal.SIGNER_KEY_USAGE),
        (ExtensionOID.CERTIFICATE_POLICIES, Refusal.SIGNER_TYPE),
        (ExtensionOID.ADMISSIONS, Refusal.SIGNER_ROLE),
        (ExtensionOID.BASIC_CONSTRAINTS, None),
        (ExtensionOID.AUTHORITY_KEY_IDENTIFIER, None),
        (ExtensionOID.AUTHORITY_INFORMATION_ACCESS, None),
    ],
)
def test_r1_4_what_a_signer_has_to_state(certs, oid, reason):
    signer = altered(certs.list_signer, certs.sub_ca, {oid: None})
    if reason is None:
        verify(certs, signer)
    else:
        with refused(reason):
            verify(certs, signer)


def test_a_tls_server_under_the_same_ca_may_not_sign_lists(certs):
    with refused(Refusal.SIGNER_TYPE):
        verify(certs, certs.pki.tls(certs.sub_ca, "hospital.example", days=(-1, 1)))


def test_a_smart_card_of_a_practice_may_not_sign_lists(certs):
    """Its chain is perfect: what tells it from the directory is its type, and after that its role."""
    admission = x509.Admissions(
        None,
        [
            x509.Admission(
                None,
                None,
                [
                    x509.ProfessionInfo(
                        None,
                        ["Betriebsstätte Arzt"],
                        [x509.ObjectIdentifier("1.2.276.0.76.4.50")],
                        "1-2arvtst-ap000052",
                        None,
                    )
                ],
            )
        ],
    )
    card = certs.pki.fd_sig(
        certs.sub_ca,
        "Praxis Dr. Mustermann",
        role=None,
        cert_type=SMC_B,
        extensions=[(admission, False)],
    )
    with refused(Refusal.SIGNER_TYPE):
        verify(certs, card)
    mistyped = certs.pki.fd_sig(certs.sub_ca, "Praxis", role=None, extensions=[(admission, False)])
    with refused(Refusal.SIGNER_ROLE):
        verify(certs, mistyped)


SUB_CA_VARIANTS = [
    ({}, {}, None),
    ({"days": (-10, -1)}, {}, Refusal.CERTIFICATE_EXPIRED),
    ({"days": (1, 10)}, {}, Refusal.CERTIFICATE_NOT_YET_VALID),
    ({}, {ExtensionOID.BASIC_CONSTRAINTS: None}, Refusal.NOT_A_CA),
    ({}, {ExtensionOID.BASIC_CONSTRAINTS: (x509.BasicConstraints(False, None), True)}, Refusal.NOT_A_CA),
    ({}, {ExtensionOID.KEY_USAGE: (key_usage_of("crl_sign"), True)}, Refusal.CA_KEY_USAGE),
    ({}, {ExtensionOID.KEY_USAGE: None}, Refusal.CA_KEY_USAGE),
    ({}, {CRITICAL[0].oid: CRITICAL}, Refusal.CERTIFICATE_CRITICAL_EXTENSION),
    ({}, {CRITICAL[0].oid: NOT_CRITICAL}, None),
]


@pytest.mark.parametrize(("wishes", "extensions", "reason"), SUB_CA_VARIANTS)
def test_r1_4_the_sub_ca_is_judged_like_the_signer(certs, wishes, extensions, reason):
    again = certs.pki.sub_ca(certs.sub_ca_root, key=certs.sub_ca.key, **wishes)
    sub_ca = altered(again, certs.sub_ca_root, extensions)
    if reason is None:
        assert verify(certs, certs.list_signer, [sub_ca]).sub_ca == sub_ca.certificate
    else:
        with refused(reason):
            verify(certs, certs.list_signer, [sub_ca])


ROOT_VARIANTS = [
    *SUB_CA_VARIANTS,
    ({}, {ExtensionOID.BASIC_CONSTRAINTS: (x509.BasicConstraints(True, 0), True)}, Refusal.PATH_LENGTH),
    ({}, {ExtensionOID.BASIC_CONSTRAINTS: (x509.BasicConstraints(True, 1), True)}, None),
]


@pytest.mark.parametrize(("wishes", "extensions", "reason"), ROOT_VARIANTS)
def test_r1_4_the_root_is_judged_like_the_signer(certs, wishes, extensions, reason):
    again = certs.pki.root(4, key=certs.sub_ca_root.key, **wishes)
    root = altered(again, None, extensions)
    if reason is None:
        assert verify(certs, certs.list_signer, roots=[root]).root == root.certificate
    else:
        with refused(reason):
            verify(certs, certs.list_signer, roots=[root])


def test_a_list_is_verified_as_of_a_moment(certs):
    last = certs.list_signer.certificate.not_valid_after_utc
    path = verify(certs, certs.list_signer, at=last + CLOCK_SKEW)
    assert path.valid_at(last + CLOCK_SKEW)
    assert not path.valid_at(last + CLOCK_SKEW + SECOND)
    with refused(Refusal.CERTIFICATE_EXPIRED):
        verify(certs, certs.list_signer, at=last + CLOCK_SKEW + SECOND)
    first = certs.list_signer.certificate.not_valid_before_utc
    assert path.valid_at(first - CLOCK_SKEW)
    assert not path.valid_at(first - CLOCK_SKEW - SECOND)
    with refused(Refusal.CERTIFICATE_NOT_YET_VALID):
        verify(certs, certs.list_signer, at=first - CLOCK_SKEW - SECOND)


def test_a_path_ends_with_its_first_certificate_to_expire(certs):
    short = certs.pki.sub_ca(certs.sub_ca_root, key=certs.sub_ca.key, days=(-1, 5))
    path = verify(certs, certs.list_signer, [short])
    assert path.not_after == NOW.replace(microsecond=0) + 5 * DAY


def test_rsa_may_not_occur_on_the_path(certs):
    key = rsa.generate_private_key(public_exponent=65537, key_size=2048)
    root = certs.pki.root(4, key=key)
    sub_ca = certs.pki.sub_ca(root, key=certs.sub_ca.key)
    with refused(Refusal.CERTIFICATE_ALGORITHM):
        verify(certs, certs.list_signer, [sub_ca], [root])
    rsa_ca = certs.pki.sub_ca(certs.sub_ca_root, key=key)
    with refused(Refusal.CERTIFICATE_ALGORITHM):
        verify(certs, certs.pki.list_signer(rsa_ca), [rsa_ca])
    with refused(Refusal.CERTIFICATE_CURVE):
        verify(certs, certs.list_signer, [rsa_ca])


@pytest.mark.parametrize("curve", [ec.SECP256K1(), ec.BrainpoolP512R1()], ids=lambda curve: curve.name)
def test_other_curves_may_not_occur_on_the_path(certs, curve):
    sub_ca = certs.pki.sub_ca(certs.sub_ca_root, curve=curve)
    with refused(Refusal.CERTIFICATE_CURVE):
        verify(certs, certs.pki.list_signer(sub_ca), [sub_ca])
    root = certs.pki.root(4, curve=curve)
    below = certs.pki.sub_ca(root)
    with refused(Refusal.CERTIFICATE_CURVE):
        verify(certs, certs.pki.list_signer(below), [below], [root])


def test_without_candidates_there_is_no_path(certs):
    with refused(Refusal.NO_SUB_CA):
        verify(certs, certs.list_signer, [])
    with refused(Refusal.NO_SUB_CA):
        verify(certs, certs.list_signer, [certs.pki.sub_ca(certs.sub_ca_root, "GEM.KOMP-CA51")])
    with refused(Refusal.NO_TRUSTED_ROOT):
        verify(certs, certs.list_signer, roots=[])
    with refused(Refusal.NO_TRUSTED_ROOT):
        verify(certs, certs.list_signer, roots=[certs.roots[0], certs.roots[2]])


def test_a_look_alike_chain_is_refused_wherever_it_begins(certs):
    """Equal names, serial numbers and key identifiers; other keys."""
    fake_root = certs.pki.root(4, serial=certs.sub_ca_root.certificate.serial_number)
    fake_root = altered(fake_root, None, identifiers(certs.sub_ca_root))
    fake_ca = certs.pki.sub_ca(fake_root, serial=certs.sub_ca.certificate.serial_number)
    fake_ca = altered(fake_ca, fake_root, identifiers(certs.sub_ca))
    fake = certs.pki.list_signer(fake_ca, serial=certs.list_signer.certificate.serial_number)
    fake = altered(fake, fake_ca, identifiers(certs.list_signer))
    assert fake.certificate.subject == certs.list_signer.certificate.subject
    assert fake.certificate.issuer == certs.list_signer.certificate.issuer
    assert verify(certs, fake, [fake_ca], [fake_root])  # perfect in its own world
    for sub_cas in ([certs.sub_ca], [fake_ca], [fake_ca, certs.sub_ca], [certs.sub_ca, fake_ca]):
        with refused(Refusal.CERTIFICATE_SIGNATURE):
            verify(certs, fake, sub_cas)
    with refused(Refusal.CERTIFICATE_SIGNATURE):
        verify(certs, certs.list_signer, [fake_ca], [fake_root])


def identifiers(genuine):
    """The key identifiers of a certificate, to put them into another one."""
    return {
        found.oid: (found.value, found.critical)
        for found in genuine.certificate.extensions
        if found.oid in (ExtensionOID.SUBJECT_KEY_IDENTIFIER, ExtensionOID.AUTHORITY_KEY_IDENTIFIER)
    }


def test_a_sub_ca_that_does_not_chain_is_refused(certs):
    with refused(Refusal.ISSUER_MISMATCH):
        verify(certs, certs.pki.list_signer(certs.look_alike_sub_ca()))
    look_alike = certs.look_alike_sub_ca()
    with refused(Refusal.ISSUER_MISMATCH):
        verify(certs, certs.pki.list_signer(look_alike), [look_alike])


def test_wrong_authority_key_identifiers_are_refused(certs):
    wrong = x509.AuthorityKeyIdentifier(b"\1" * 20, None, None)
    changed = {ExtensionOID.AUTHORITY_KEY_IDENTIFIER: (wrong, False)}
    with refused(Refusal.ISSUER_MISMATCH):
        verify(certs, altered(certs.list_signer, certs.sub_ca, changed))
    with refused(Refusal.ISSUER_MISMATCH):
        verify(certs, certs.list_signer, [altered(certs.sub_ca, certs.sub_ca_root, changed)])


def test_a_path_is_not_longer(certs):
    """signer ← issuing CA ← sub-CA ← root: one too many."""
    issuing = certs.pki.sub_ca(certs.sub_ca, "GEM.KOMP-CA77")
    signer = certs.pki.list_signer(issuing)
    with refused(Refusal.NO_TRUSTED_ROOT):
        verify(certs, signer, [issuing, certs.sub_ca])


def test_a_path_is_not_shorter(certs):
    """A root signs no lists, and neither do its cross-certificate or itself stand in for a sub-CA."""
    root = certs.sub_ca_root
    signer = certs.pki.list_signer(root)
    cross = certs.pki.cross(root, certs.roots[0])
    with refused(Refusal.NO_SUB_CA):
        verify(certs, signer, [root, cross])


def test_an_end_entity_is_no_sub_ca(certs):
    pretender = certs.pki.fd_sig(certs.sub_ca, "pretender")
    renamed = altered(pretender, certs.sub_ca_root, subject=certs.sub_ca.certificate.subject)
    with refused(Refusal.NOT_A_CA):
        verify(certs, certs.pki.list_signer(renamed), [renamed])


def test_in_production_nothing_on_the_path_may_be_marked_as_test(production):
    pki = production.pki
    assert verify(production, production.list_signer, allow_test=False)
    marked_signer = pki.list_signer(production.sub_ca, marks=True)
    marked_ca = pki.sub_ca(production.sub_ca_root, marks=True)
    marked_root = pki.root(4, marks=True)
    below = pki.sub_ca(marked_root)
    for signer, sub_ca, root in (
        (marked_signer, production.sub_ca, production.sub_ca_root),
        (pki.list_signer(marked_ca), marked_ca, production.sub_ca_root),
        (pki.list_signer(below), below, marked_root),
    ):
        with refused(Refusal.TEST_CERTIFICATE):
            verify(production, signer, [sub_ca], [root], allow_test=False)
        assert verify(production, signer, [sub_ca], [root], allow_test=True)


def issued_by(certs, *attributes):
    name = x509.Name([x509.NameAttribute(oid, value, _validate=False) for oid, value in attributes])
    return certs.pki.list_signer(altered(certs.sub_ca, certs.sub_ca_root, subject=name)).certificate


@pytest.mark.parametrize("name", ["GEM.KOMP-CA50 TEST-ONLY", "GEM.KOMP-CA50", "X", "a_b", "x" * 64])
def test_the_file_of_a_sub_ca_is_named_after_it(certs, name):
    signer = issued_by(certs, (NameOID.COMMON_NAME, name))
    assert sub_ca_file_name(signer) == name.replace(" ", "_") + ".der"


@pytest.mark.filterwarnings("ignore:Attribute's length")
@pytest.mark.parametrize(
    "name",
    [
        "",
        ".",
        "..",
        "../ROOT-CA/roots",
        "a/../../b",
        "a..b",
        "/etc/passwd",
        "a\\b",
        "a%2fb",
        "a%00",
        "a?b=c",
        "a#b",
        "a:b",
        "a@evil.example",
        "a\nb",
        "a\n",
        "a\0b",
        " a",
        "a ",
        "a.",
        "-a",
        "ä",
        "x" * 65,
    ],
    ids=repr,
)
def test_a_hostile_issuer_name_never_becomes_part_of_a_path(certs, name):
    with refused(Refusal.ISSUER_NAME):
        sub_ca_file_name(issued_by(certs, (NameOID.COMMON_NAME, name)))


def test_an_issuer_has_exactly_one_common_name(certs):
    with refused(Refusal.ISSUER_NAME):
        sub_ca_file_name(issued_by(certs, (NameOID.COMMON_NAME, "a"), (NameOID.COMMON_NAME, "b")))
    with refused(Refusal.ISSUER_NAME):
        sub_ca_file_name(issued_by(certs, (NameOID.ORGANIZATION_NAME, "a")))
