"""R4.1, A_20657: where a discovery document may send us for keys."""

import contextlib
import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from synapse_tim.login.rules.discovery import DiscoveryError, keys_url
from tests.support.helpers import NOW

ISSUER = "https://idp.example"
URL = "https://keys.example/jwks"
T = int(NOW.timestamp())


def document(**members):
    usual = {"issuer": ISSUER, "jwks_uri": URL}
    return json.dumps({name: value for name, value in (usual | members).items() if value is not ...}).encode()


def find(octets=None, **options):
    return keys_url(document() if octets is None else octets, ISSUER, NOW, **options)


def refused(text=None):
    return pytest.raises(DiscoveryError, match=text)


def test_the_address_is_found():
    assert find() == URL
    assert find(bytearray(document(more=[1]))) == URL


@pytest.mark.parametrize(
    "issuer", [ISSUER + "/", ISSUER.upper(), "https://evil.example", ..., None, "", 1, [ISSUER]]
)
def test_the_issuer_is_the_configured_one(issuer):
    with refused():
        find(document(issuer=issuer))


@pytest.mark.parametrize(
    "octets",
    [
        b"",
        b"[]",
        b"null",
        b"{",
        b"\xff",
        b'"https://keys.example"',
        b'{"issuer": "https://idp.example", "jwks_uri": "https://a/", "jwks_uri": "https://b/"}',
        b'{"issuer": "https://idp.example", "jwks_uri": "https://a/", "x": NaN}',
    ],
)
def test_what_is_no_strict_object_is_refused(octets):
    with refused():
        find(octets)


@pytest.mark.parametrize(
    "url",
    [
        ...,
        None,
        "",
        1,
        [URL],
        "keys",
        "/jwks",
        "//keys.example/jwks",
        "https:",
        "https://",
        "https:///jwks",
        "https://:443/",
        "http://keys.example/jwks",
        "ftp://keys.example/jwks",
        "file:///etc/passwd",
        "data:application/json,{}",
        "javascript:1",
        "https://[::1",
        "https://[x]/",
        "https://keys.example\0/",
        "https://" + "x" * 1000,
    ],
    ids=lambda url: repr(url)[:30],
)
def test_an_address_that_is_no_url_or_gives_up_tls_is_refused(url):
    with refused():
        find(document(jwks_uri=url))


def test_without_tls_only_where_the_document_has_none():
    plain = document(jwks_uri="http://keys.example/jwks")
    assert find(plain, secure=False) == "http://keys.example/jwks"
    assert find(document(), secure=False) == URL
    with refused():
        find(plain)
    with refused():
        find(document(jwks_uri="file:///keys"), secure=False)


def test_the_first_member_that_is_there_counts():
    members = ("uri_puk_idp_sig", "jwks_uri")
    assert find(document(uri_puk_idp_sig="https://a.example/"), members=members) == "https://a.example/"
    for missing in (..., None, ""):
        assert find(document(uri_puk_idp_sig=missing), members=members) == URL
    with refused():
        find(document(uri_puk_idp_sig="http://a.example/"), members=members)
    with refused("jwks_uri"):
        find(document(jwks_uri=...), members=members)


@pytest.mark.parametrize(
    ("expires", "good"), [(T + 1, True), (T - 59, True), (T - 60, False), (str(T - 59), True)]
)
def test_a_document_holds_until_it_says(expires, good):
    for demanded in (True, False):
        if good:
            assert find(document(exp=expires), expires=demanded) == URL
            continue
        with refused("expired"):
            find(document(exp=expires), expires=demanded)


def test_a_document_may_have_to_say_until_when_it_holds():
    for missing in (..., None):
        assert find(document(exp=missing)) == URL
        with refused("exp"):
            find(document(exp=missing), expires=True)
    for malformed in ("soon", True, 10**12, []):
        with refused("exp"):
            find(document(exp=malformed))


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text(max_size=20),
    lambda inner: st.lists(inner, max_size=2) | st.dictionaries(st.text(max_size=5), inner, max_size=2),
    max_leaves=4,
)


@given(
    st.fixed_dictionaries(
        {},
        optional={
            "issuer": st.just(ISSUER) | JSON,
            "jwks_uri": st.text(max_size=20).map("https://{}".format) | JSON,
            "exp": st.just(T + 1) | JSON,
        },
    )
)
def test_any_document_is_read_or_refused(members):
    with contextlib.suppress(DiscoveryError):
        assert find(json.dumps(members).encode()).startswith("https://")
