"""The rules of single checks: addresses, certificates, log levels, the federation list."""

import datetime as dt
from unittest.mock import Mock

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec, ed25519, rsa
from synapse.config.server import (
    HttpListenerConfig,
    HttpResourceConfig,
    TCPListenerConfig,
    UnixListenerConfig,
)

from synapse_tim.check.catalogue import CHECKS, ONLINE_CHECKS
from synapse_tim.check.facts import Endpoint, FetchedList, Homeserver, Online, Process
from synapse_tim.check.named_files import File
from synapse_tim.check.synapse_config import ReadConfig
from synapse_tim.core.checks import Verdict
from synapse_tim.core.products import Product, SpecVersion
from tests.support.helpers import NOW

BY_NAME = {check.name: check for check in (*CHECKS, *ONLINE_CHECKS)}
OK, VIOLATION, WARNING, NOT_APPLICABLE = (
    Verdict.OK,
    Verdict.VIOLATION,
    Verdict.WARNING,
    Verdict.NOT_APPLICABLE,
)
DAY, SECOND = dt.timedelta(days=1), dt.timedelta(seconds=1)


def judge(name, process=None, *, product=Product.PRO, online=None):
    """The one line of a check."""
    processes = (process or Process(),)
    (line,) = Homeserver(processes, product, SpecVersion.V1_2, NOW, online).judge([BY_NAME[name]])
    return line


def with_values(**values):
    """A process with values of Synapse's configuration object; ``__`` between section and attribute."""
    return Process(synapse=ReadConfig(known={tuple(name.split("__")): each for name, each in values.items()}))


# Listeners --------------------------------------------------------------------------------------------------


def listener(
    *addresses, kind="http", resources=("client", "federation"), tls=False, x_forwarded=None, **values
):
    x_forwarded = not tls if x_forwarded is None else x_forwarded
    http = HttpListenerConfig(x_forwarded, [HttpResourceConfig(list(resources))]) if kind == "http" else None
    found = TCPListenerConfig(8008, list(addresses), kind, tls, http)
    return with_values(server__listeners=[found], **values)


@pytest.mark.parametrize(
    ("address", "verdict"),
    [
        ("127.0.0.1", OK),
        ("127.1.2.3", OK),
        ("::1", OK),
        ("[::1]", OK),
        ("localhost", OK),
        ("0.0.0.0", VIOLATION),
        ("::", VIOLATION),
        ("", VIOLATION),
        ("10.0.0.1", VIOLATION),
        ("192.168.0.1", VIOLATION),
        ("8.8.8.8", VIOLATION),
        ("fe80::1", VIOLATION),
        ("messenger", VIOLATION),
    ],
)
def test_r7_13_who_is_not_on_this_machine_is_talked_to_encrypted(address, verdict):
    assert judge("listeners.tls", listener(address)).verdict is verdict
    assert judge("listeners.tls", listener("127.0.0.1", address)).verdict is verdict
    assert judge("listeners.tls", listener(address, tls=True)).verdict is OK
    redis = {"enabled": True, "host": address or "x"}
    assert judge("connections", Process(document={"redis": redis})).verdict is verdict
    assert judge("connections", Process(document={"redis": {**redis, "use_tls": True}})).verdict is OK


def test_sockets_of_this_machine_need_no_encryption():
    assert judge("listeners.tls", listener()).verdict is OK
    for host in ("", "/var/run/postgresql"):
        database = {"name": "psycopg2", "args": {"host": host}}
        assert judge("connections", Process(document={"database": database})).verdict is OK
    unix = UnixListenerConfig("/run/synapse", 0o666, "http", HttpListenerConfig())
    assert judge("listeners.tls", with_values(server__listeners=[unix])).verdict is NOT_APPLICABLE


@pytest.mark.parametrize(
    ("address", "public"),
    [
        ("0.0.0.0", True),
        ("::", True),
        ("8.8.8.8", True),
        ("2a00:1450::1", True),
        ("10.0.0.1", False),
        ("fd00::1", False),
        ("127.0.0.1", False),
        ("localhost", False),
    ],
)
def test_r4_24_what_is_not_for_everybody_is_not_on_public_addresses(address, public):
    verdict = WARNING if public else OK
    assert (
        judge("listeners.metrics_address", listener(address, kind="metrics", resources=())).verdict is verdict
    )
    assert judge("listeners.metrics_address", listener(address, resources=["metrics"])).verdict is verdict
    assert judge("listeners.admin_api", listener(address, tls=True)).verdict is verdict
    with_secret, without = (
        listener(address, resources=["replication"], worker__worker_replication_secret=secret)
        for secret in ("secret", None)
    )
    assert judge("listeners.replication", with_secret).verdict is verdict
    assert judge("listeners.replication", without).verdict is (VIOLATION if public else OK)


def test_a_manhole_is_for_this_machine():
    assert judge("listeners.manhole", listener("10.0.0.1", kind="manhole")).verdict is VIOLATION
    assert judge("listeners.manhole", listener("127.0.0.1", kind="manhole")).verdict is OK
    assert judge("listeners.manhole", listener("10.0.0.1")).verdict is NOT_APPLICABLE


def test_headers_are_believed_behind_a_reverse_proxy_only():
    assert judge("listeners.x_forwarded", listener("127.0.0.1", x_forwarded=False)).verdict is WARNING
    assert judge("listeners.x_forwarded", listener("::", tls=True)).verdict is NOT_APPLICABLE
    believed = listener("::", tls=True, x_forwarded=True)
    assert judge("listeners.x_forwarded_public", believed).verdict is WARNING
    assert judge("listeners.x_forwarded_public", listener("::", tls=True)).verdict is OK


# Certificates -----------------------------------------------------------------------------------------------


def certificate(**changes):
    """One with the facts that are judged: OpenSSL makes none that is too weak."""
    found = Mock(spec=x509.Certificate)
    found.not_valid_before_utc = changes.get("not_before", NOW - DAY)
    found.not_valid_after_utc = changes.get("not_after", NOW + 90 * DAY)
    found.signature_hash_algorithm = changes.get("hash", hashes.SHA256())
    found.public_key.return_value = changes.get("key")
    found.issuer, found.subject = "CN=a CA", changes.get("subject", "CN=a server")
    return Process(certificate=found, key_fits=changes.get("fits", True))


def rsa_key(bits):
    return Mock(spec=rsa.RSAPublicKey, key_size=bits)


def ec_key(curve):
    return ec.generate_private_key(curve).public_key()


@pytest.mark.parametrize(
    ("not_before", "not_after", "verdict"),
    [
        (NOW, NOW + 14 * DAY, OK),
        (NOW - DAY, NOW + 14 * DAY - SECOND, WARNING),
        (NOW - DAY, NOW, WARNING),
        (NOW - DAY, NOW - SECOND, VIOLATION),
        (NOW + SECOND, NOW + 90 * DAY, VIOLATION),
    ],
)
def test_r7_15_a_certificate_is_valid_and_stays_so_for_a_while(not_before, not_after, verdict):
    process = certificate(not_before=not_before, not_after=not_after)
    assert judge("tls_certificate_path.validity", process).verdict is verdict


@pytest.mark.parametrize(
    ("key", "found", "verdict"),
    [
        (ec_key(ec.SECP256R1()), "secp256r1, 256 bits", OK),
        (ec_key(ec.SECP384R1()), "secp384r1, 384 bits", OK),
        (ec_key(ec.BrainpoolP256R1()), "brainpoolP256r1, 256 bits", OK),
        (ec_key(ec.SECP256K1()), "secp256k1, 256 bits", VIOLATION),
        (ec_key(ec.SECP224R1()), "secp224r1, 224 bits", VIOLATION),
        (rsa_key(4096), "RSA, 4096 bits", OK),
        (rsa_key(3000), "RSA, 3000 bits", OK),
        (rsa_key(2999), "RSA, 2999 bits", WARNING),
        (rsa_key(2048), "RSA, 2048 bits", WARNING),
        (rsa_key(2047), "RSA, 2047 bits", VIOLATION),
        (ed25519.Ed25519PrivateKey.generate().public_key(), "Ed25519, 0 bits", VIOLATION),
    ],
    ids=range(11),
)
def test_gs_a_4384_keys_are_strong_enough(key, found, verdict):
    line = judge("tls_certificate_path.key", certificate(key=key))
    assert (line.found, line.verdict) == (found, verdict)


@pytest.mark.parametrize("name", ["validity", "key", "signature", "issuer"])
def test_without_tls_there_is_no_certificate_to_judge(name):
    assert judge(f"tls_certificate_path.{name}").verdict is NOT_APPLICABLE


@pytest.mark.parametrize("weak", [hashes.SHA1(), hashes.MD5(), hashes.SHA224(), None])
def test_a_21275_01_weak_hash_functions(weak):
    assert judge("tls_certificate_path.signature", certificate(hash=weak)).verdict is VIOLATION
    assert judge("tls_certificate_path.signature", certificate()).verdict is OK


def test_a_certificate_that_vouches_for_itself():
    assert judge("tls_certificate_path.issuer", certificate(subject="CN=a CA")).verdict is VIOLATION
    assert judge("tls_certificate_path.issuer", certificate()).verdict is OK


def test_a_private_key_that_was_not_read_is_no_other_key():
    assert judge("tls_private_key_path", certificate(fits=None)).verdict is NOT_APPLICABLE
    assert judge("tls_private_key_path", certificate(fits=False)).verdict is VIOLATION


@pytest.mark.parametrize(
    ("url", "verdict"),
    [
        ("https://messenger.example.de/", OK),
        ("http://messenger.example.de/", VIOLATION),
        ("http://localhost:8008/", OK),
        ("http://127.0.0.1:8008/", OK),
    ],
)
def test_a_22929_clients_are_told_of_https(url, verdict):
    assert judge("public_baseurl", with_values(server__public_baseurl=url)).verdict is verdict


# Log levels -------------------------------------------------------------------------------------------------


def log(root="WARNING", handler=None, **loggers):
    return Process(
        log={
            "version": 1,
            "disable_existing_loggers": False,
            "handlers": {
                "out": {"class": "logging.StreamHandler", **({"level": handler} if handler else {})}
            },
            "loggers": {
                name.replace("__", "."): each if isinstance(each, dict) else {"level": each}
                for name, each in loggers.items()
            },
            "root": {"level": root, "handlers": ["out"]},
        }
    )


@pytest.mark.parametrize(
    ("process", "verdict"),
    [
        (log(), OK),
        (log("DEBUG"), VIOLATION),
        (log("NOTSET"), VIOLATION),
        (log(5), VIOLATION),
        (log("DEBUG", handler="INFO"), OK),
        (log(synapse="DEBUG"), VIOLATION),
        (log(synapse__http="DEBUG"), VIOLATION),
        (log(synapse_tim="DEBUG"), VIOLATION),
        (log(synapse_tim__modules="DEBUG"), VIOLATION),
        (log(synapse={"level": "DEBUG", "propagate": False}), OK),  # nobody hears it
        (log(synapse={"level": "DEBUG", "propagate": False, "handlers": ["out"]}), VIOLATION),
        (log(synapse="NOTSET"), OK),  # as the root
        (log(synapsed="DEBUG"), OK),  # another one
        (log(module_of_others="DEBUG"), OK),
    ],
)
def test_a_22813_nothing_personal_is_logged_at_debug(process, verdict):
    assert judge("log_config.debug", process).verdict is verdict


@pytest.mark.parametrize(
    ("process", "verdict"),
    [
        (log(), OK),
        (log("INFO"), WARNING),
        (log("INFO", synapse="WARNING"), OK),
        (log("INFO", synapse="WARNING", synapse__access="INFO"), WARNING),
        (log(synapse__access__http="INFO"), WARNING),
        (log("INFO", handler="WARNING"), OK),
        (log(synapse_tim="INFO"), OK),
        (Process(), WARNING),  # without a configuration everything from INFO on is logged
        (Process(log_unread=True), NOT_APPLICABLE),
    ],
)
def test_a_22813_synapse_says_less_than_it_would(process, verdict):
    assert judge("log_config.synapse", process).verdict is verdict


def with_single_sign_on(process):
    process.synapse = ReadConfig(known={("oidc", "oidc_providers"): ("a provider",)})
    return process


@pytest.mark.parametrize(
    ("process", "verdict"),
    [
        (log(synapse__handlers__oidc="CRITICAL"), OK),
        (log("INFO", synapse__handlers__sso="WARNING", synapse__handlers__oidc="CRITICAL"), OK),
        (log(), WARNING),
        (log(synapse__handlers__oidc="ERROR"), WARNING),
        (log("INFO", synapse__handlers__oidc="CRITICAL"), WARNING),
        (log(synapse__handlers="CRITICAL"), OK),
        (Process(), WARNING),
    ],
)
def test_a_22813_single_sign_on_says_nothing_about_persons(process, verdict):
    assert judge("log_config.single_sign_on", with_single_sign_on(process)).verdict is verdict


def test_without_single_sign_on_its_loggers_do_not_matter():
    process = log("INFO")
    process.synapse = ReadConfig(known={("oidc", "oidc_providers"): ()})
    assert judge("log_config.single_sign_on", process).verdict is NOT_APPLICABLE


@pytest.mark.parametrize(
    ("process", "verdict"),
    [
        (log(), OK),
        (log("ERROR"), VIOLATION),
        (log("ERROR", synapse_tim="WARNING"), OK),
        (log(handler="ERROR"), VIOLATION),
        (log(synapse_tim={"level": "INFO", "propagate": False}), OK),  # Python's last resort
        (Process(log={"version": 1}), OK),
    ],
)
def test_r1_7_that_a_list_is_refused_is_noted(process, verdict):
    assert judge("log_config.synapse_tim", process).verdict is verdict


def test_r1_7_modules_are_silent_unless_it_is_said_otherwise():
    assert judge("log_config.disable_existing_loggers", Process(log={"version": 1})).verdict is VIOLATION
    assert judge("log_config.disable_existing_loggers", Process()).verdict is OK


@pytest.mark.parametrize(
    ("handler", "verdict"),
    [
        ({"class": "logging.handlers.TimedRotatingFileHandler", "backupCount": 3}, OK),
        ({"class": "logging.handlers.TimedRotatingFileHandler"}, WARNING),
        ({"class": "logging.handlers.RotatingFileHandler", "backupCount": 3, "maxBytes": 100}, OK),
        ({"class": "logging.handlers.RotatingFileHandler", "backupCount": 3}, WARNING),
        ({"class": "logging.FileHandler"}, WARNING),
        ({"class": "logging.handlers.WatchedFileHandler"}, NOT_APPLICABLE),
        ({"class": "logging.StreamHandler"}, NOT_APPLICABLE),
        ({"()": "some.factory"}, NOT_APPLICABLE),
    ],
)
def test_a_22813_logs_are_deleted_some_time(handler, verdict):
    assert judge(
        "log_config.rotation", Process(log={"version": 1, "handlers": {"out": handler}})
    ).verdict is (verdict)


@pytest.mark.parametrize(
    "config",
    [
        {"version": 1, "root": [1]},
        {"version": 1, "handlers": [1]},
        {"version": 1, "root": {"handlers": ["nowhere"]}},
        {"version": 1, "loggers": {"a": 7}},
        {"version": 1, "root": {"level": "LOUD"}},
        {"version": 1, "root": {"level": True}},
        {"version": 1, "root": {"handlers": "out"}},
        {},
        {"version": "1"},
    ],
)
def test_a_log_configuration_that_python_refuses(config):
    process = Process(log={"root": {}, **config})
    assert judge("log_config.usable", process).verdict is VIOLATION


# Files ------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("mode", "secret", "verdict"),
    [
        (0o600, True, OK),
        (0o400, True, OK),
        (0o640, True, WARNING),
        (0o604, True, WARNING),
        (0o620, True, WARNING),
    ],
)
def test_secrets_are_for_one_user(mode, secret, verdict):
    process = Process(files=(File("signing_key_path", "/x", secret, mode=mode),))
    assert judge("secrets.permissions", process).verdict is verdict


def test_what_is_trusted_is_not_writable_by_everybody():
    for mode, verdict in ((0o644, OK), (0o664, OK), (0o646, WARNING), (0o777, WARNING)):
        process = Process(files=(File("pinned_roots", "/x", False, mode=mode),))
        assert judge("files.permissions", process).verdict is verdict


# Online -----------------------------------------------------------------------------------------------------


def fetched(**changes):
    values = {
        "key": "k",
        "version": 7,
        "domains": 3,
        "insurance_domains": 1,
        "insurer": False,
        "signer": "CN=x",
        "signer_not_after": NOW + 180 * DAY,
    }
    return Online(FetchedList(**{**values, **changes}), ())


def test_r1_4_a_signer_that_expires_soon():
    assert judge("online.signer", online=fetched()).verdict is OK
    soon = fetched(signer_not_after=NOW + 180 * DAY - SECOND)
    assert judge("online.signer", online=soon).verdict is WARNING


@pytest.mark.parametrize("product", Product)
@pytest.mark.parametrize("insurer", [True, False])
def test_af_10233_the_list_says_which_product_it_is(product, insurer):
    line = judge("online.product", product=product, online=fetched(insurer=insurer))
    assert line.verdict is (OK if insurer is (product is Product.EPA) else VIOLATION)


def test_a_list_that_is_refused_says_nothing_else():
    online = fetched(refusal="rollback", detail="1 < 2")
    line = judge("online.federation_list", online=online)
    assert (line.verdict, line.found) == (VIOLATION, "rollback: 1 < 2")
    for name in ("own_domain", "product", "signer"):
        assert judge(f"online.{name}", online=online).verdict is NOT_APPLICABLE
    assert judge("online.federation_list", online=Online(None, ())).verdict is NOT_APPLICABLE


def test_nobody_is_blamed_for_a_server_that_cannot_be_reached():
    away = Endpoint("https://a.example/", reached=False, detail="no route")
    bad = Endpoint("https://b.example/", reached=True, trusted=False, detail="expired")
    good = Endpoint("https://c.example/", reached=True, trusted=True)
    for endpoints, verdict in (((away,), NOT_APPLICABLE), ((away, good), OK), ((bad, good), VIOLATION)):
        assert judge("online.certificates", online=Online(None, endpoints)).verdict is verdict
