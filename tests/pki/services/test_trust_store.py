"""Certificates on demand, and what survives a restart."""

import datetime as dt

import pytest

from synapse_tim.pki.certificate_source import DownloadDirectory
from synapse_tim.pki.certificates import fingerprint
from synapse_tim.pki.errors import CertificateError, CertificateReason
from synapse_tim.pki.trust_store import TrustStore
from synapse_tim.testing.simulator.pki.world import make_world

NOW = dt.datetime(2026, 3, 1, tzinfo=dt.UTC)


@pytest.fixture
def certs():
    return make_world(NOW)


def store(certs, tmp_path=None, pin=-1, **changes):
    source = DownloadDirectory(tmp_path) if tmp_path else None
    return TrustStore(source, [certs.pin(pin)], allow_test=True, **changes)


def test_what_is_missing_is_looked_for(certs, tmp_path):
    certs.write_download_tree(tmp_path)
    signer = certs.list_signer.certificate
    assert store(certs, tmp_path).find(signer, (), NOW).root == certs.sub_ca_root.certificate
    with pytest.raises(CertificateError) as caught:
        store(certs).find(signer, (), NOW)
    assert caught.value.reason is CertificateReason.NO_SUB_CA


def test_roots_reached_once_outlive_the_pin(certs, tmp_path):
    """R1.5: pins age. The oldest root is pinned, expires, and the newer ones go on being trusted."""
    certs.write_download_tree(tmp_path)
    first = store(certs, tmp_path, pin=0)
    signer = certs.list_signer.certificate
    first.find(signer, (), NOW)
    pinned = certs.roots[0].certificate
    late = pinned.not_valid_after_utc + dt.timedelta(days=1)
    again = store(certs, pin=0)
    again.restore(first.material)
    # As of then the signer has expired, too: what is asked for is whether its root is still known.
    with pytest.raises(CertificateError) as caught:
        again.verify(signer, (), late)
    assert caught.value.reason is CertificateReason.CERTIFICATE_EXPIRED
    assert again.verify(signer, (), NOW).root == certs.sub_ca_root.certificate
    fresh = store(certs, pin=0)
    fresh.restore(type(first.material)(links=(), sub_cas=first.material.sub_cas))
    with pytest.raises(CertificateError) as caught:
        fresh.verify(signer, (), NOW)
    assert caught.value.reason is CertificateReason.NO_TRUSTED_ROOT


def test_evidence_for_other_pins_is_worth_nothing(certs, tmp_path):
    certs.write_download_tree(tmp_path)
    first = store(certs, tmp_path)
    first.find(certs.list_signer.certificate, (), NOW)
    other = TrustStore(None, ["00" * 32], allow_test=True)
    other.restore(first.material)
    with pytest.raises(CertificateError) as caught:
        other.verify(certs.list_signer.certificate, (), NOW)
    assert caught.value.reason is CertificateReason.NO_TRUSTED_ROOT


def test_without_a_trusted_root_it_says_what_was_found_and_what_is_pinned(certs, tmp_path):
    certs.write_download_tree(tmp_path)
    other = TrustStore(DownloadDirectory(tmp_path), ["00" * 32], allow_test=True)
    with pytest.raises(CertificateError) as caught:
        other.find(certs.list_signer.certificate, (), NOW)
    assert caught.value.reason is CertificateReason.NO_TRUSTED_ROOT
    found = fingerprint(certs.sub_ca_root.certificate)
    assert f"found: {found}; pinned: {'00' * 32}" in caught.value.detail


def test_a_root_may_be_pinned_as_a_file(certs, tmp_path):
    certs.write_download_tree(tmp_path)
    (tmp_path / "ECC/ROOT-CA/roots.json").unlink()
    pinned = TrustStore(DownloadDirectory(tmp_path), [], [certs.sub_ca_root.certificate], allow_test=True)
    assert pinned.find(certs.list_signer.certificate, (), NOW).root == certs.sub_ca_root.certificate


def test_a_sub_ca_that_came_with_the_list_need_not_be_fetched(certs, tmp_path):
    certs.write_download_tree(tmp_path)
    for file in (tmp_path / "ECC/SUB-CA").iterdir():
        file.unlink()
    signer, sub_ca = certs.list_signer.certificate, certs.sub_ca.certificate
    assert store(certs, tmp_path).find(signer, (sub_ca,), NOW).sub_ca == sub_ca
    with pytest.raises(CertificateError) as caught:
        store(certs, tmp_path).find(signer, (), NOW)
    assert caught.value.reason is CertificateReason.NO_SUB_CA


def test_an_unusable_roots_json_does_not_undo_what_is_known(certs, tmp_path):
    certs.write_download_tree(tmp_path)
    known = store(certs, tmp_path)
    signer = certs.list_signer.certificate
    known.find(signer, (), NOW)
    (tmp_path / "ECC/ROOT-CA/roots.json").write_text("{}")
    assert known.find(signer, (), NOW + dt.timedelta(days=8)).signer == signer
    with pytest.raises(CertificateError) as caught:
        store(certs, tmp_path).find(signer, (), NOW)
    assert caught.value.reason is CertificateReason.ROOTS_MALFORMED
