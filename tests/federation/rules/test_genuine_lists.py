"""R1.3, R1.4, R1.5: what gematik really publishes. Verified at a fixed time, from a pinned root."""

import datetime as dt

import pytest

from synapse_tim.federation.list import parse_payload
from synapse_tim.federation.refusals import ListRefusedError, Refusal
from synapse_tim.jose.errors import JoseError
from synapse_tim.jose.large_jws import CompactJws
from synapse_tim.pki.certificates import fingerprint, parse_certificate
from synapse_tim.pki.errors import CertificateError
from synapse_tim.pki.signer_path import sub_ca_file_name, verify_signer_path
from synapse_tim.pki.trust_anchors import TrustAnchors, parse_roots
from tests.support.helpers import refused

AT = dt.datetime(2026, 6, 1, tzinfo=dt.UTC)
EXPECTED = {956: (173, 3, 0), 1650: (277, 18, 5)}
VERSIONS = pytest.mark.parametrize("version", sorted(EXPECTED))


def verify(genuine, octets, *, at=AT, allow_test=True, pin=-1):
    """From bytes to a list, as in production but for revocation."""
    entries = parse_roots(genuine.roots_json)
    pins = frozenset({fingerprint(entries[pin].certificate)})
    anchors = TrustAnchors(pins, allow_test=True).with_roots(entries, AT)
    jws = CompactJws.parse(octets)
    jws.require_algorithm(frozenset({"BP256R1"}))
    sub_ca = parse_certificate(genuine.sub_ca)
    path = verify_signer_path(jws.signer, [sub_ca], anchors.certificates, at, allow_test=allow_test)
    jws.verify_signature()
    return parse_payload(jws.payload()), path


@VERSIONS
def test_a_genuine_list_is_verified_and_read(genuine_lists, version):
    content, path = verify(genuine_lists, genuine_lists.lists[version])
    found = (len(content.domains), len(content.insurance_domains), len(set(content.ik_to_domain.values())))
    assert found == EXPECTED[version]
    assert (content.version, content.skipped, content.issued_at, content.expires_at) == (
        version,
        0,
        None,
        None,
    )
    assert path.not_after.date() == dt.date(2028, 1, 24)
    assert "VZD-FHIR-FList-Signer" in path.signer.subject.rfc4514_string()


@VERSIONS
def test_the_signers_issuer_is_found_under_its_name(genuine_lists, version):
    signer = CompactJws.parse(genuine_lists.lists[version]).signer
    assert sub_ca_file_name(signer) == "GEM.KOMP-CA50_TEST-ONLY.der"


@VERSIONS
def test_a_list_of_the_reference_environment_is_refused_in_production(genuine_lists, version):
    with refused(Refusal.TEST_CERTIFICATE):
        verify(genuine_lists, genuine_lists.lists[version], allow_test=False)


@VERSIONS
def test_a_genuine_list_is_refused_when_its_signer_has_expired(genuine_lists, version):
    with refused(Refusal.CERTIFICATE_EXPIRED):
        verify(genuine_lists, genuine_lists.lists[version], at=dt.datetime(2028, 2, 1, tzinfo=dt.UTC))
    with refused(Refusal.CERTIFICATE_NOT_YET_VALID):
        verify(genuine_lists, genuine_lists.lists[version], at=dt.datetime(2023, 1, 1, tzinfo=dt.UTC))


@VERSIONS
def test_a_genuine_list_that_was_tampered_with_is_refused(genuine_lists, version):
    octets = genuine_lists.lists[version]
    for position in range(0, len(octets), max(1, len(octets) // 300)):
        damaged = bytearray(octets)
        damaged[position] ^= 1
        with pytest.raises((JoseError, CertificateError, ListRefusedError)):
            verify(genuine_lists, bytes(damaged))


def test_a_genuine_signature_fits_its_own_list_only(genuine_lists):
    one, other = (octets.strip().split(b".") for octets in genuine_lists.lists.values())
    with refused(Refusal.SIGNATURE_INVALID):
        verify(genuine_lists, b".".join((one[0], other[1], one[2])))
    with refused(Refusal.SIGNATURE_INVALID):
        verify(genuine_lists, b".".join((one[0], one[1], other[2])))


def test_nothing_is_trusted_without_a_pin_and_rsa_roots_are_walked_over(genuine_lists):
    entries = parse_roots(genuine_lists.roots_json)
    assert TrustAnchors(frozenset(), allow_test=True).with_roots(entries, AT).certificates == ()
    newest = frozenset({fingerprint(entries[-1].certificate)})
    reached = TrustAnchors(newest, allow_test=True).with_roots(entries, AT).certificates
    names = {c.subject.rfc4514_string().split("CN=")[1].split(",")[0].split()[0] for c in reached}
    assert {"GEM.RCA3", "GEM.RCA4", "GEM.RCA5", "GEM.RCA8"} <= names


def test_a_genuine_root_that_has_expired_reaches_nothing(genuine_lists):
    with refused(Refusal.NO_TRUSTED_ROOT):
        verify(genuine_lists, genuine_lists.lists[1650], pin=0)
