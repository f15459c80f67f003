"""Limits at their exact values, written out: a limit that moves by one is another limit."""

import base64
import datetime as dt
import json

import pytest

from synapse_tim.jose.errors import JoseError, JoseReason
from synapse_tim.jose.large_jws import CompactJws
from synapse_tim.pki.certificates import check_validity
from synapse_tim.pki.errors import CertificateError, CertificateReason
from synapse_tim.pki.trust_anchors import parse_roots
from synapse_tim.testing.simulator.pki.world import sign_list

NOW = dt.datetime(2026, 3, 1, tzinfo=dt.UTC)


def reason(caught):
    return caught.value.reason


def test_characters_outside_base64url_are_not_skipped(certs):
    header, _, signature = sign_list({"version": 1, "domainList": []}, certs.list_signer).split(b".")
    jws = CompactJws.parse(b".".join([header, b"e30B!!!!", signature]))
    with pytest.raises(JoseError) as caught:
        jws.payload()
    assert reason(caught) is JoseReason.BASE64


def test_clocks_may_differ_by_five_minutes(certs):
    certificate = certs.list_signer.certificate
    first, last = certificate.not_valid_before_utc, certificate.not_valid_after_utc
    five, second = dt.timedelta(minutes=5), dt.timedelta(seconds=1)
    for allowed in (first - five, last + five):
        check_validity(certificate, allowed)
    with pytest.raises(CertificateError) as caught:
        check_validity(certificate, first - five - second)
    assert reason(caught) is CertificateReason.CERTIFICATE_NOT_YET_VALID
    with pytest.raises(CertificateError) as caught:
        check_validity(certificate, last + five + second)
    assert reason(caught) is CertificateReason.CERTIFICATE_EXPIRED


def roots(certs, number):
    cert = base64.b64encode(certs.roots[0].der).decode()
    return json.dumps([{"cert": cert, "prev": "", "next": ""}] * number).encode()


def test_roots_json_has_up_to_64_roots(certs):
    assert len(parse_roots(roots(certs, 64))) == 64
    with pytest.raises(CertificateError) as caught:
        parse_roots(roots(certs, 65))
    assert reason(caught) is CertificateReason.ROOTS_MALFORMED


def test_roots_json_has_up_to_512_kib(certs):
    document = roots(certs, 1)
    padded = document + b" " * (512 * 1024 - len(document))
    assert len(parse_roots(padded)) == 1
    with pytest.raises(CertificateError) as caught:
        parse_roots(padded + b" ")
    assert reason(caught) is CertificateReason.ROOTS_MALFORMED
