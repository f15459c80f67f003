"""Pinned roots in files: what is wrong with one is said with the full path of its key."""

import datetime as dt

import pytest
from synapse.module_api.errors import ConfigError

from synapse_tim.adapter.config_block import read_cas
from synapse_tim.adapter.pinned_roots import read_pinned_roots
from synapse_tim.pki.config import TrustConfig
from synapse_tim.testing.simulator.pki.world import make_world


@pytest.fixture(scope="module")
def root():
    return make_world(dt.datetime(2026, 6, 1, tzinfo=dt.UTC)).roots[0]


@pytest.fixture
def trust(tmp_path):
    """A block with a fingerprint and one file with this content."""

    def write(content, **changes):
        (tmp_path / "root").write_bytes(content)
        pins = ["ab" * 32, str(tmp_path / "root")]
        return TrustConfig.model_validate({"pinned_roots": pins, "ocsp": "off"} | changes)

    return write


def test_a_root_is_read_from_der_and_from_pem(trust, root):
    for content in (root.der, root.pem):
        read = read_pinned_roots(trust(content, allow_test_certificates=True), "federation_list", "trust")
        assert read == (root.certificate,)


@pytest.mark.parametrize("content", [b"", b"no certificate", b"-----BEGIN CERTIFICATE-----\nAA\n"])
def test_a_file_without_a_root_is_named(trust, content):
    with pytest.raises(
        ConfigError, match=r"config\.login\.trust\.pinned_roots\[1\]: no usable root: cert"
    ) as caught:
        read_pinned_roots(trust(content), "login", "trust")
    assert list(caught.value.path) == ["login", "trust", "pinned_roots", "1"]


def test_a_root_of_a_test_environment_is_refused(trust, root):
    with pytest.raises(ConfigError, match=r"pinned_roots\[1\]: no usable root: test_certificate: "):
        read_pinned_roots(trust(root.der), "federation_list", "trust")


def test_a_file_that_went_away_is_named(trust, root, tmp_path):
    block = trust(root.der)
    (tmp_path / "root").unlink()
    with pytest.raises(ConfigError, match=r"pinned_roots\[1\]: no usable root: .*No such file"):
        read_pinned_roots(block, "federation_list", "trust")


def test_a_file_without_cas_is_named(tmp_path):
    (tmp_path / "ca").write_text("no certificate")
    with pytest.raises(
        ConfigError, match=r"config\.directory\.ca_certificates: holds no usable PEM"
    ) as caught:
        read_cas(str(tmp_path / "ca"), "directory", "ca_certificates")
    assert list(caught.value.path) == ["directory", "ca_certificates"]
