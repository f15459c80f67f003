"""When the keys of a provider are fetched, and from where."""

import json
import logging
import threading
import time

import pytest
from cryptography.hazmat.primitives.asymmetric import ec

from synapse_tim.jose import jwk
from synapse_tim.jose.jwk import KeySet, VerificationKey
from synapse_tim.login.provider_keys import (
    KeyFile,
    KeysUnavailableError,
    KeysWithdrawnError,
    KeyUrl,
    PlainDiscovery,
    ProviderKeys,
    SignedDiscovery,
)
from synapse_tim.pki.certificate_source import DownloadServer
from synapse_tim.pki.ocsp_client import OcspClient
from synapse_tim.pki.revocation import OcspMode
from synapse_tim.pki.signer_path import ROLE_IDPD, ROLE_VZD_TI
from synapse_tim.pki.trust_store import TrustStore
from synapse_tim.transport.fetcher import Fetcher, Response
from synapse_tim.transport.tls import client_context
from tests.support.keys import public

REFRESH, PAUSE = 3600, 60


def unavailable(text=None):
    return pytest.raises(KeysUnavailableError, match=text)


# When -----------------------------------------------------------------------------------------------------


class Source:
    """A source in the test's hand."""

    def __init__(self):
        self.kids = ["a"]
        self.fetched = 0
        self.fails = False
        self.error = KeysUnavailableError("down")
        self.takes = 0.0

    def fetch(self):
        self.fetched += 1
        time.sleep(self.takes)
        if self.fails:
            raise self.error
        return KeySet(tuple(VerificationKey(kid, None, public("P-256")) for kid in self.kids))


@pytest.fixture
def source():
    return Source()


@pytest.fixture
def clock():
    return [1000.0]


@pytest.fixture
def keys(source, clock):
    return ProviderKeys(
        "idp", source, refresh_interval=REFRESH, max_age=10**9, pause=PAUSE, clock=lambda: clock[0]
    )


def kids(found):
    return [key.kid for key in found.keys]


def test_nothing_is_fetched_before_the_first_token(keys, source):
    assert keys.at_hand("a") is None
    assert source.fetched == 0


def test_keys_are_not_fetched_for_each_token(keys, source, clock):
    assert kids(keys.for_token("a")) == ["a"]
    for _ in range(100):
        clock[0] += 30
        assert kids(keys.at_hand("a")) == kids(keys.for_token("a")) == kids(keys.for_token(None)) == ["a"]
    assert source.fetched == 1


def test_keys_are_fetched_again_after_the_interval(keys, source, clock):
    keys.for_token("a")
    source.kids = ["a", "b"]
    clock[0] += REFRESH - 1
    assert kids(keys.for_token("a")) == ["a"]
    clock[0] += 1
    assert keys.at_hand("a") is None
    assert kids(keys.for_token("a")) == ["a", "b"]
    assert kids(keys.at_hand("b")) == ["a", "b"]
    clock[0] += REFRESH - 1
    keys.for_token("a")
    assert source.fetched == 2


def test_keys_that_are_withdrawn_are_over(keys, source, clock):
    keys.for_token("a")
    source.fails, source.error = True, KeysWithdrawnError("none left")
    clock[0] += REFRESH
    with unavailable():
        keys.for_token("a")
    assert keys.at_hand("a") is None


def test_keys_that_cannot_be_fetched_again_are_over_in_the_end(source, clock):
    limits = {"refresh_interval": REFRESH, "max_age": 10 * REFRESH, "pause": PAUSE}
    keys = ProviderKeys("idp", source, **limits, clock=lambda: clock[0])
    keys.for_token("a")
    source.fails = True
    clock[0] += 10 * REFRESH - 1
    assert kids(keys.for_token("a")) == ["a"]
    clock[0] += PAUSE
    with unavailable():
        keys.for_token("a")


def test_whatever_goes_wrong_is_an_outage(keys, source, clock):
    keys.for_token("a")
    source.fails, source.error = True, RuntimeError("can't start new thread")
    clock[0] += REFRESH
    assert kids(keys.for_token("a")) == ["a"]


def test_keys_are_fetched_once_more_if_a_signature_does_not_verify(keys, source, clock):
    before = keys.for_token("a")
    assert not keys.may_be_newer(before)
    assert keys.newer(before) is before
    clock[0] += PAUSE
    assert keys.may_be_newer(before)
    after = keys.newer(before)
    assert after is not before
    assert source.fetched == 2
    assert keys.may_be_newer(before), "others have them by now"
    assert keys.newer(before) is after
    assert source.fetched == 2


def test_a_set_without_keys_is_withdrawn_and_one_that_is_no_set_is_not(tmp_path):
    file = tmp_path / "keys.json"
    for text in ('{"keys": []}', '{"keys": [{"kty": "oct", "k": "AA"}]}'):
        file.write_text(text)
        with pytest.raises(KeysWithdrawnError):
            KeyFile(file).fetch()
    for text in ("<html>", "[]", '{"keys": 5}', ""):
        file.write_text(text)
        with unavailable() as found:
            KeyFile(file).fetch()
        assert not isinstance(found.value, KeysWithdrawnError)


def test_a_key_that_is_withdrawn_does_not_outlast_the_interval(keys, source, clock):
    keys.for_token("a")
    source.kids = ["b"]
    clock[0] += REFRESH
    assert kids(keys.for_token("a")) == ["b"]


def test_an_unknown_name_fetches_once_in_a_pause(keys, source, clock):
    keys.for_token("a")
    clock[0] += PAUSE
    for kid in ("x", "y", "z", "", "x"):
        assert kids(keys.for_token(kid)) == ["a"]
    assert source.fetched == 2
    assert kids(keys.at_hand("x")) == ["a"]
    clock[0] += PAUSE - 1
    keys.for_token("x")
    assert source.fetched == 2
    clock[0] += 1
    assert keys.at_hand("x") is None
    source.kids = ["x"]
    assert kids(keys.for_token("x")) == ["x"]
    assert source.fetched == 3


def test_a_token_without_a_name_fetches_nothing_new(keys, source, clock):
    keys.for_token("a")
    clock[0] += PAUSE
    assert kids(keys.at_hand(None)) == ["a"]


def test_a_rotation_is_noticed_with_the_first_token_of_the_new_key(keys, source, clock):
    keys.for_token("a")
    source.kids = ["b"]
    clock[0] += PAUSE
    assert kids(keys.for_token("b")) == ["b"]


def test_the_last_keys_stay_while_the_source_fails(keys, source, clock, caplog):
    keys.for_token("a")
    source.fails = True
    clock[0] += REFRESH
    with caplog.at_level(logging.WARNING):
        for _ in range(10):
            assert kids(keys.for_token("a")) == kids(keys.at_hand("a")) == ["a"]
    assert source.fetched == 2
    (warning,) = caplog.messages
    assert warning == "Identity provider idp: no new keys, the last ones stay: down"
    clock[0] += PAUSE
    assert kids(keys.for_token("a")) == ["a"]
    assert source.fetched == 3
    source.fails, source.kids = False, ["b"]
    clock[0] += PAUSE
    assert kids(keys.for_token("a")) == ["b"]
    clock[0] += REFRESH - 1
    keys.for_token("b")
    assert source.fetched == 4


def test_there_may_be_none_at_all(keys, source, clock):
    source.fails = True
    for _ in range(3):
        assert keys.at_hand("a") is None
        with unavailable("none were fetched yet"):
            keys.for_token("a")
    assert source.fetched == 1
    clock[0] += PAUSE
    source.fails = False
    assert kids(keys.for_token("a")) == ["a"]


def together(count, call):
    barrier, found = threading.Barrier(count), []

    def run():
        barrier.wait()
        try:
            found.append(kids(call()))
        except KeysUnavailableError:
            found.append(None)

    threads = [threading.Thread(target=run) for _ in range(count)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    return found


def test_threads_that_come_together_fetch_once(keys, source, clock):
    source.takes = 0.05
    assert together(16, lambda: keys.for_token("a")) == [["a"]] * 16
    assert source.fetched == 1
    clock[0] += PAUSE
    assert together(16, lambda: keys.for_token("x")) == [["a"]] * 16
    assert source.fetched == 2


def test_threads_that_come_together_fail_together(keys, source):
    source.takes, source.fails = 0.05, True
    assert together(8, lambda: keys.for_token("a")) == [None] * 8
    assert source.fetched == 1


# From files -----------------------------------------------------------------------------------------------


def test_a_file_is_read_each_time(tmp_path):
    path = tmp_path / "jwks.json"
    for kid in ("a", "b"):
        path.write_text(json.dumps({"keys": [{**jwk.to_jwk(public("P-256")), "kid": kid}]}))
        assert kids(KeyFile(path).fetch()) == [kid]


@pytest.mark.parametrize("content", [b"", b"{}", b"[]", b"\xff", b'{"keys":[{"kty":"oct","k":"AA"}]}'])
def test_a_file_without_keys_is_refused(tmp_path, content):
    path = tmp_path / "jwks.json"
    path.write_bytes(content)
    with unavailable():
        KeyFile(path).fetch()


def test_a_file_that_cannot_be_read_or_is_too_long_is_refused(tmp_path):
    with unavailable("cannot read the file: No such file"):
        KeyFile(tmp_path / "none").fetch()
    with unavailable("cannot read the file"):
        KeyFile(tmp_path).fetch()
    path = tmp_path / "long"
    path.write_bytes(b" " * jwk.MAX_BYTES + json.dumps({"keys": [jwk.to_jwk(public("P-256"))]}).encode())
    with unavailable():
        KeyFile(path).fetch()


# Over HTTP ------------------------------------------------------------------------------------------------


class Replacing:
    """A fetcher that has another document than the server for some addresses."""

    def __init__(self, fetcher):
        self.fetcher = fetcher
        self.documents = {}

    def get(self, url, **options):
        if url in self.documents:
            return Response(200, bytearray(self.documents[url]))
        return self.fetcher.get(url, **options)


@pytest.fixture
def fetcher(ti):
    fetcher = Fetcher(client_context(ti.ca_file), silence=3)
    yield Replacing(fetcher)
    fetcher.close()


@pytest.fixture
def signed(ti, fetcher):
    """Makes the source for the central IDP."""

    def make(
        issuer=ti.idp.issuer, url=ti.idp.discovery_url, role=ROLE_IDPD, mode=OcspMode.HARD, pins=ti.pins
    ):
        trust = TrustStore(DownloadServer(fetcher.fetcher, ti.ca_base_url), pins, allow_test=True, role=role)
        ocsp = OcspClient(mode, fetcher.fetcher, ti.ocsp_url)
        return SignedDiscovery(fetcher, url, issuer, ti.now, trust, ocsp)

    return make


def test_a_signed_discovery_document_leads_to_the_keys(ti, signed):
    (key,) = signed().fetch().keys
    assert key.kid == "puk_idp_sig"
    assert key.key == ti.idp.signature_key.key.key.public_key()
    assert len(key.x5c) == 1
    assert ti.count("/ocsp") > 0


@pytest.mark.parametrize(
    ("fault", "text"),
    [
        ("idp_wrong_role", "discovery: signer_role"),
        ("idp_foreign_signer", "discovery: "),
        ("idp_bad_signature", "discovery: signature_invalid"),
        ("idp_expired_discovery", "discovery: expired"),
        ("revoked_signer", "discovery: revoked"),
        ("revoked_sub_ca", "discovery: revoked"),
        ("ocsp_unavailable", "discovery: ocsp_unavailable"),
    ],
)
def test_a_signed_discovery_document_with_a_fault_is_refused(ti, signed, fault, text):
    setattr(ti.faults, fault, True)
    with unavailable(text):
        signed().fetch()
    ti.faults.reset()
    signed().fetch()


def test_a_signed_discovery_document_has_the_configured_issuer(ti, signed):
    for issuer in (ti.idp.issuer + "/", "https://idp.example"):
        with unavailable("discovery: the issuer is another one"):
            signed(issuer=issuer).fetch()


def test_only_the_role_of_the_idp_may_sign_it(ti, signed):
    with unavailable("discovery: signer_role"):
        signed(role=ROLE_VZD_TI).fetch()
    with unavailable("discovery: "):
        signed(pins=["00" * 32]).fetch()


def test_a_plain_discovery_document_is_none_that_is_signed(ti, signed):
    for provider in (ti.sectoral, ti.broker):
        with unavailable("discovery: not_a_compact_jws"):
            signed(issuer=provider.issuer, url=provider.discovery_url).fetch()


def idp_keys(ti, **members):
    signer = ti.idp.signature_key.key
    return {**jwk.to_jwk(signer.key.public_key()), "kid": "k", "use": "sig", "x5c": [signer.b64], **members}


@pytest.mark.parametrize("mode", OcspMode)
def test_a_key_has_to_be_the_one_of_its_certificate(ti, signed, fetcher, mode):
    source = signed(mode=mode)
    url = ti.idp.issuer + "/certs/puk_idp_sig"
    other = ec.generate_private_key(ec.BrainpoolP256R1()).public_key()
    fetcher.documents[url] = json.dumps(idp_keys(ti)).encode()
    assert kids(source.fetch()) == ["k"]
    for changed in (
        idp_keys(ti, **jwk.to_jwk(other)),
        idp_keys(ti, **jwk.to_jwk(public("P-256"))),
    ):
        fetcher.documents[url] = json.dumps({"keys": [idp_keys(ti), changed]}).encode()
        with unavailable("the certificate does not match the key"):
            source.fetch()


def test_the_certificate_of_a_key_has_to_be_one_of_the_idp(ti, signed, fetcher):
    source = signed()
    url = ti.idp.issuer + "/certs/puk_idp_sig"
    messenger = ti.world.pki.fd_sig(ti.world.sub_ca, "Messenger", role="tim")
    foreign = ti.world.pki.fd_sig(ti.world.look_alike_sub_ca(), "IDP Sig", role="idpd")
    for identity in (messenger, foreign, ti.world.list_signer):
        members = {**jwk.to_jwk(identity.key.public_key()), "x5c": [identity.b64]}
        fetcher.documents[url] = json.dumps(idp_keys(ti, **members)).encode()
        with unavailable("certificate of a key: "):
            source.fetch()
    for x5c in (["!"], ["AAAA"], [""], [messenger.b64 + "\n"]):
        fetcher.documents[url] = json.dumps(idp_keys(ti, x5c=x5c)).encode()
        with unavailable("certificate of a key: "):
            source.fetch()


def test_a_rotated_key_of_the_idp_is_found(ti, signed):
    source = signed()
    source.fetch()
    kid = ti.idp.rotate_keys()
    assert kids(source.fetch()) == [kid]


@pytest.mark.parametrize("name", ["sectoral", "broker"])
def test_a_plain_discovery_document_leads_to_the_keys(ti, fetcher, name):
    provider = getattr(ti, name)
    plain = PlainDiscovery(fetcher, provider.discovery_url, provider.issuer, ti.now)
    assert kids(plain.fetch()) == [provider.signature_key.kid]
    assert kids(KeyUrl(fetcher, provider.jwks_url).fetch()) == [provider.signature_key.kid]
    with unavailable("discovery: the issuer is another one"):
        PlainDiscovery(fetcher, provider.discovery_url, provider.issuer + "/", ti.now).fetch()


def discovered(ti, fetcher, **members):
    url = ti.sectoral.discovery_url
    document = {"issuer": ti.sectoral.issuer, "jwks_uri": ti.sectoral.jwks_url, **members}
    fetcher.documents[url] = json.dumps(document).encode()
    return PlainDiscovery(fetcher, url, ti.sectoral.issuer, ti.now).fetch()


def test_a_discovery_document_that_came_over_tls_does_not_give_it_up(ti, fetcher):
    assert discovered(ti, fetcher)
    with unavailable("discovery: the address of the keys"):
        discovered(ti, fetcher, jwks_uri=ti.broker.jwks_url)


@pytest.mark.parametrize(
    "url", ["https://localhost:99999/", "https://localhost:a/", "https://localhost/\x01", "https://xn--/"]
)
def test_an_address_that_nobody_can_ask_is_no_surprise(ti, fetcher, url):
    """Anything but ``KeysUnavailableError`` would keep the last keys from staying."""
    with unavailable():
        discovered(ti, fetcher, jwks_uri=url)


@pytest.mark.parametrize(
    ("fault", "value"),
    [
        ("status", 500),
        ("status", 404),
        ("status", 204),
        ("redirect", "/sectoral/certs"),
        ("drop_connection", True),
    ],
)
def test_a_provider_that_does_not_answer_has_no_keys(ti, fetcher, fault, value):
    ti.faults.paths = ("/sectoral",)
    setattr(ti.faults, fault, value)
    sources = [
        KeyUrl(fetcher, ti.sectoral.jwks_url),
        PlainDiscovery(fetcher, ti.sectoral.discovery_url, ti.sectoral.issuer, ti.now),
    ]
    for source in sources:
        with unavailable():
            source.fetch()
    ti.faults.reset()
    for source in sources:
        source.fetch()


def test_a_server_that_nobody_vouches_for_has_no_keys(ti):
    fetcher = Fetcher(silence=3)
    try:
        with unavailable("unreachable"):
            KeyUrl(fetcher, ti.sectoral.jwks_url).fetch()
    finally:
        fetcher.close()


def test_an_address_with_something_else_has_no_keys(ti, fetcher):
    with unavailable("no usable key"):
        KeyUrl(fetcher, ti.sectoral.discovery_url).fetch()
    with unavailable():
        KeyUrl(fetcher, ti.list_url).fetch()


def test_after_an_outage_of_the_provider_the_last_keys_have_stayed(ti, fetcher, clock):
    source = KeyUrl(fetcher, ti.sectoral.jwks_url)
    keys = ProviderKeys(
        "idp", source, refresh_interval=REFRESH, max_age=10**9, pause=PAUSE, clock=lambda: clock[0]
    )
    kid = ti.sectoral.signature_key.kid
    keys.for_token(kid)
    ti.stop()
    clock[0] += REFRESH
    assert kids(keys.for_token(kid)) == [kid]
    ti.start()
    new = ti.sectoral.rotate_keys()
    assert kids(keys.for_token(new)) == [kid]
    clock[0] += PAUSE
    assert kids(keys.for_token(new)) == [new]
