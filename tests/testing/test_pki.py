from __future__ import annotations

import datetime as dt
import json

import pytest
from cryptography import x509
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509 import ocsp

from synapse_tim.jose.errors import JoseError, JoseReason
from synapse_tim.jose.large_jws import CompactJws
from synapse_tim.pki.certificates import is_test_certificate
from synapse_tim.pki.errors import CertificateError, CertificateReason
from synapse_tim.pki.revocation import build_request, judge_answer
from synapse_tim.pki.signer_path import sub_ca_file_name, verify_signer_path
from synapse_tim.pki.trust_anchors import TrustAnchors, parse_roots
from synapse_tim.testing.simulator.pki.world import (
    TYPE_FD_TLS_S,
    TiWorld,
    key_usage_of,
    make_world,
    ocsp_answer,
    sign_list,
)

NOW = dt.datetime(2026, 3, 1, 12, tzinfo=dt.UTC)
PAYLOAD = {"version": 7, "domainList": []}


@pytest.fixture(scope="module")
def world() -> TiWorld:
    return make_world(NOW)


def verify(world: TiWorld, signer: x509.Certificate, *, allow_test: bool = True) -> None:
    anchors = TrustAnchors(frozenset([world.pin()]), allow_test).with_roots(
        parse_roots(world.roots_json()), NOW
    )
    sub_cas = [world.sub_ca.certificate]
    verify_signer_path(signer, sub_cas, anchors.certificates, NOW, allow_test=allow_test)


def test_from_the_newest_root_every_root_is_reached(world: TiWorld) -> None:
    for index in range(4):
        anchors = TrustAnchors(frozenset([world.pin(index)]), True).with_roots(
            parse_roots(world.roots_json()), NOW
        )
        assert set(anchors.certificates) == {root.certificate for root in world.roots}


@pytest.mark.parametrize(
    ("algorithm", "curve"), [("BP256R1", ec.BrainpoolP256R1()), ("ES256", ec.SECP256R1())]
)
def test_a_signed_list_verifies(world: TiWorld, algorithm: str, curve: ec.EllipticCurve) -> None:
    signer = world.pki.list_signer(world.sub_ca, curve=curve)
    jws = CompactJws.parse(sign_list(PAYLOAD, signer, algorithm=algorithm))
    verify(world, jws.signer)
    jws.verify_signature()
    assert json.loads(jws.payload()) == PAYLOAD


def test_the_header_can_be_changed(world: TiWorld) -> None:
    jws = sign_list(PAYLOAD, world.list_signer, header={"crit": ["b64"]})
    with pytest.raises(JoseError) as error:
        CompactJws.parse(jws)
    assert error.value.reason is JoseReason.HEADER_UNSUPPORTED
    with pytest.raises(JoseError) as error:
        CompactJws.parse(sign_list(PAYLOAD, world.list_signer, header={"x5c": None}))
    assert error.value.reason is JoseReason.X5C_MALFORMED


@pytest.mark.parametrize(
    ("wishes", "reason"),
    [
        ({"role": "tim"}, CertificateReason.SIGNER_ROLE),
        ({"role": None}, CertificateReason.SIGNER_ROLE),
        ({"cert_type": TYPE_FD_TLS_S}, CertificateReason.SIGNER_TYPE),
        ({"cert_type": None}, CertificateReason.SIGNER_TYPE),
        ({"ca": True}, CertificateReason.SIGNER_IS_CA),
        ({"key_usage": key_usage_of("content_commitment")}, CertificateReason.SIGNER_KEY_USAGE),
        ({"days": (-30, -1)}, CertificateReason.CERTIFICATE_EXPIRED),
        ({"not_before": NOW + dt.timedelta(days=1)}, CertificateReason.CERTIFICATE_NOT_YET_VALID),
        ({"curve": ec.SECP521R1()}, CertificateReason.CERTIFICATE_CURVE),
        (
            {"extensions": [(x509.InhibitAnyPolicy(0), True)]},
            CertificateReason.CERTIFICATE_CRITICAL_EXTENSION,
        ),
    ],
)
def test_hostile_signers_are_one_keyword_away(
    world: TiWorld, wishes: dict, reason: CertificateReason
) -> None:
    signer = world.pki.fd_sig(world.sub_ca, "VZD-FHIR-FList-Signer", **wishes)
    with pytest.raises(CertificateError) as error:
        verify(world, signer.certificate)
    assert error.value.reason is reason


def test_a_look_alike_differs_in_its_keys_only(world: TiWorld) -> None:
    other = world.look_alike_sub_ca()
    assert other.certificate.subject == world.sub_ca.certificate.subject
    assert other.certificate.issuer == world.sub_ca.certificate.issuer
    assert other.certificate.serial_number == world.sub_ca.certificate.serial_number
    with pytest.raises(CertificateError):
        verify(world, world.pki.list_signer(other).certificate)


def test_a_world_without_marks_looks_like_production() -> None:
    world = make_world(NOW, marks=False)
    identities = (*world.roots, world.sub_ca, world.list_signer, world.ocsp_signer)
    assert not any(is_test_certificate(identity.certificate) for identity in identities)
    verify(world, world.list_signer.certificate, allow_test=False)
    marked = world.pki.list_signer(world.sub_ca, marks=True)
    with pytest.raises(CertificateError):
        verify(world, marked.certificate, allow_test=False)


def test_ocsp_answers_are_accepted(world: TiWorld) -> None:
    known = [(world.list_signer, world.sub_ca), (world.sub_ca, world.sub_ca_root)]
    responders = (world.ocsp_signer, world.root_ocsp_signer)
    for (subject, issuer), responder in zip(known, responders, strict=True):
        question = build_request(subject.certificate, issuer.certificate, b"n" * 16)
        for revoked in ((), {subject.certificate.serial_number}):
            answer = ocsp_answer(question, certificates=known, responder=responder, revoked=revoked, now=NOW)
            said = judge_answer(answer, subject.certificate, issuer.certificate, NOW, b"n" * 16)
            assert said.revoked is bool(revoked)


def test_ocsp_says_unauthorized_for_a_certificate_it_does_not_know(world: TiWorld) -> None:
    question = build_request(world.list_signer.certificate, world.sub_ca.certificate, None)
    answer = ocsp_answer(question, certificates=[], responder=world.ocsp_signer, now=NOW)
    assert ocsp.load_der_ocsp_response(answer).response_status is ocsp.OCSPResponseStatus.UNAUTHORIZED


def test_the_download_tree_has_the_layout_of_the_server(world: TiWorld, tmp_path) -> None:
    world.write_download_tree(tmp_path)
    assert (tmp_path / "ECC/ROOT-CA/roots.json").read_bytes() == world.roots_json()
    name = sub_ca_file_name(world.list_signer.certificate)
    assert name == "GEM.KOMP-CA50_TEST-ONLY.der"
    assert (tmp_path / "ECC/SUB-CA" / name).read_bytes() == world.sub_ca.der
