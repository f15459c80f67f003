"""What the configuration block refuses, and with which words."""

import copy
import stat

import pytest
from synapse.module_api.errors import ConfigError

import synapse_tim
from synapse_tim.federation.acceptance import OnStale
from synapse_tim.pki.revocation import OcspMode
from tests.support.blocks import any_part

PIN = "ab" * 32


@pytest.fixture
def block(tmp_path):
    secret = tmp_path / "secret"
    secret.write_text("s3cret\n")
    return {
        "product": "pro",
        "spec_version": "1.2",
        "federation_list": {
            "url": "https://list.example/federationList.jws",
            "trust": {
                "pinned_roots": [PIN],
                "ocsp": "hard",
                "ocsp_responder_url": "http://ocsp.example/",
            },
        },
        "secret": str(secret),
    }


def parse(block, cls=synapse_tim.TiMessenger):
    block = copy.deepcopy(block)
    block.pop("secret")
    return any_part(cls.parse_config(block))


def set_key(block, path, value):
    *way, last = path.split(".")
    for part in way:
        block = block.setdefault(part, {})
    if value is ...:
        del block[last]
    else:
        block[last] = value


def credentials(block, **changes):
    return {
        "token_url": "https://auth.example/token",
        "authenticate_url": "https://vzd.example/ti-provider-authenticate",
        "client_id": "us",
        "client_secret_path": block["secret"],
        **changes,
    }


@pytest.mark.parametrize("cls", [synapse_tim.TiMessenger, synapse_tim.FederationAllowList])
def test_defaults(block, cls):
    config = parse(block, cls)
    settings = config.federation_list
    assert settings.refresh_interval == 3_600_000
    assert settings.max_age == 72 * 3_600_000
    assert settings.on_stale is OnStale.DENY
    assert settings.minimum_version == 0
    assert settings.signature_algorithms == ["BP256R1"]
    assert settings.trust.ocsp is OcspMode.HARD
    assert settings.trust.allow_test_certificates is False


@pytest.mark.parametrize(
    ("path", "value", "says"),
    [
        ("product", ..., "required"),
        ("product", "basis", "'pro' or 'epa'"),
        ("spec_version", 1.2, "'1.1' or '1.2'"),
        ("spec_version", ..., "required"),
        ("federation_list", ..., "required"),
        ("federation_list", [], "dictionary"),
        ("federation_list.url", ..., "required"),
        ("federation_list.url", "ftp://x/", "http or https URL"),
        ("federation_list.url", "https:///x", "http or https URL"),
        ("federation_list.url", "https://a:b@x/", "without user name and password"),
        ("federation_list.url", "https://x:99999/", "http or https URL"),
        ("federation_list.ulr", "https://x/", "unknown"),
        ("federation_list.client_certificate", "/nonexistent/client.pem", "cannot read"),
        ("federation_list.ca_certificates", "/nonexistent/ca.pem", "cannot read"),
        ("federation_list.refresh_interval", "soon", "duration such as"),
        ("federation_list.refresh_interval", True, "duration such as"),
        ("federation_list.refresh_interval", "0s", "from one second"),
        ("federation_list.refresh_interval", "-1h", "duration"),
        ("federation_list.refresh_interval", 3600 // 7, "from one second"),
        ("federation_list.max_age", "99999999y", "to ten years"),
        ("federation_list.trust.ca_base_url", "https://x/?q=1", "without a query"),
        ("federation_list.url", "https://a b/", "http or https URL"),
        ("federation_list.url", "https://a..b/", "http or https URL"),
        ("federation_list.url", f"https://{'a' * 64}.de/", "http or https URL"),
        ("federation_list.max_age", 1.5, "duration such as"),
        ("federation_list.on_stale", "allow", "'deny' or 'keep'"),
        ("federation_list.minimum_version", -1, "greater than or equal to 0"),
        ("federation_list.minimum_version", "1650", "integer"),
        ("federation_list.minimum_version", True, "integer"),
        ("federation_list.signature_algorithms", [], "at least one"),
        ("federation_list.signature_algorithms.0", "none", "'BP256R1' or 'ES256'"),
        ("federation_list.trust", ..., "required"),
        ("federation_list.trust.pinned_roots", ..., "required"),
        ("federation_list.trust.pinned_roots", [], "at least one"),
        ("federation_list.trust.pinned_roots.0", "abcd", "64 hex digits"),
        ("federation_list.trust.pinned_roots.0", "/nonexistent/root.der", "cannot read"),
        ("federation_list.trust.allow_test_certificates", "no", "boolean"),
        ("federation_list.trust.ocsp", "maybe", "'hard' or 'soft' or 'off'"),
        ("federation_list.trust.roots", [], "unknown"),
        ("raw_data", {}, "a policy that this version does not have"),
    ],
)
def test_wrong_values_are_refused_with_their_path(block, path, value, says):
    if path.endswith(".0"):
        path, value, shown = path[:-2], [value], path[:-2] + "[0]"
    else:
        shown = path
    set_key(block, path, value)
    with pytest.raises(ConfigError) as caught:
        parse(block)
    assert f"modules[…].config.{shown}: " in caught.value.msg
    assert says in caught.value.msg
    assert list(caught.value.path or ())[: len(path.split("."))] == path.split(".")


@pytest.mark.parametrize(
    ("changes", "says"),
    [
        ({"trust.ocsp_responder_url": ...}, "needs ocsp_responder_url"),
        ({"url": "http://x/", "client_certificate": "SECRET"}, "client_certificate needs an https url"),
        ({"max_age": "1h"}, "max_age has to be longer than refresh_interval"),
        ({"signature_algorithms": ["ES256", "ES256"]}, "contains a duplicate"),
    ],
)
def test_impossible_combinations_are_refused(block, changes, says):
    for path, value in changes.items():
        set_key(block["federation_list"], path, block["secret"] if value == "SECRET" else value)
    with pytest.raises(ConfigError) as caught:
        parse(block)
    assert says in caught.value.msg
    assert "modules[…].config.federation_list" in caught.value.msg


def test_credentials_go_over_https_only(block):
    block["federation_list"]["vzd_credentials"] = credentials(block)
    assert parse(block).federation_list.vzd_credentials.client_id == "us"
    for key in ("token_url", "authenticate_url"):
        block["federation_list"]["vzd_credentials"] = credentials(block, **{key: "http://x/"})
        with pytest.raises(ConfigError, match="https URL"):
            parse(block)
    block["federation_list"]["vzd_credentials"] = credentials(block)
    block["federation_list"]["url"] = "http://vzd.example/list"
    with pytest.raises(ConfigError, match="vzd_credentials need an https url"):
        parse(block)


def test_ocsp_off_needs_no_responder_and_yaml_may_call_it_false(block):
    trust = block["federation_list"]["trust"]
    del trust["ocsp_responder_url"]
    for off in ("off", False):
        trust["ocsp"] = off
        assert parse(block).federation_list.trust.ocsp is OcspMode.OFF


def test_fingerprints_may_be_written_as_openssl_prints_them(block):
    block["federation_list"]["trust"]["pinned_roots"] = [":".join(["AB"] * 32)]
    assert parse(block).federation_list.trust.pinned_roots == [PIN]


def test_all_mistakes_are_named_at_once(block):
    block["product"] = 1
    block["federation_list"]["url"] = 2
    with pytest.raises(ConfigError) as caught:
        parse(block)
    assert "config.product" in caught.value.msg
    assert "config.federation_list.url" in caught.value.msg


def test_a_secret_never_shows(block, tmp_path):
    block["federation_list"]["vzd_credentials"] = credentials(block)
    assert "s3cret" not in repr(parse(block))
    assert stat.S_ISREG((tmp_path / "secret").stat().st_mode)
