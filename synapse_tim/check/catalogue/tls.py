"""Checks of TLS and certificates (gemSpec_Krypt; requirements R7.13 to R7.15)."""

import datetime as dt
from collections.abc import Iterable, Mapping
from operator import not_
from typing import Any, Final
from urllib.parse import urlsplit

from cryptography import x509
from cryptography.hazmat.primitives.asymmetric import ec, rsa

from synapse_tim.check.facts import Process, is_this_machine
from synapse_tim.core.checks import START_UP, VIOLATION, WARNING, Check, Found, NotRead, option

_SOON: Final = dt.timedelta(days=14)
_CURVES: Final = frozenset({"secp256r1", "secp384r1", "brainpoolP256r1", "brainpoolP384r1"})
_HASHES: Final = frozenset({"sha256", "sha384", "sha512"})
#: Below the first RSA keys are refused, below the second they are on their way out.
_RSA_BITS: Final = (2048, 3000)
_SAFE_MODES: Final = frozenset({"require", "verify-ca", "verify-full"})


def _certificate(process: Process) -> x509.Certificate:
    if process.certificate is None:
        raise NotRead("certificate")
    return process.certificate


def _validity(process: Process) -> Iterable[Found]:
    certificate, now = _certificate(process), process.homeserver.now
    start, end = certificate.not_valid_before_utc, certificate.not_valid_after_utc
    if now < start:
        yield Found(f"valid from {start:%Y-%m-%d %H:%M}Z", False)
    else:
        verdict = VIOLATION if end < now else WARNING
        yield Found(f"valid until {end:%Y-%m-%d %H:%M}Z", end >= now + _SOON, verdict=verdict)


def _key(process: Process) -> Iterable[Found]:
    key = _certificate(process).public_key()
    if isinstance(key, rsa.RSAPublicKey):
        smallest, advised = _RSA_BITS
        verdict = VIOLATION if key.key_size < smallest else WARNING
        yield Found(f"RSA, {key.key_size} bits", key.key_size >= advised, verdict=verdict)
    elif isinstance(key, ec.EllipticCurvePublicKey):
        yield Found(f"{key.curve.name}, {key.curve.key_size} bits", key.curve.name in _CURVES)
    else:
        name = type(key).__name__.removesuffix("PublicKey")
        yield Found(f"{name}, {getattr(key, 'key_size', 0)} bits", False)


def _signature(process: Process) -> Iterable[Found]:
    algorithm = _certificate(process).signature_hash_algorithm
    found = algorithm.name if algorithm is not None else "none"
    yield Found(found, found in _HASHES)


def _issuer(process: Process) -> Iterable[Found]:
    certificate = _certificate(process)
    own = certificate.issuer == certificate.subject
    yield Found("itself" if own else "a CA", not own)


def _private_key(process: Process) -> Iterable[Found]:
    fits = process.key_fits
    if fits is not None:
        yield Found("the key to it" if fits else "the key to another one", fits)


def _public_baseurl(process: Process) -> Iterable[Found]:
    url = str(process.option("server", "public_baseurl"))
    parts = urlsplit(url)
    yield Found(url, parts.scheme == "https" or is_this_machine(parts.hostname or ""))


def _connections(process: Process) -> Iterable[Found]:
    for key, host, encrypted in _connected(process.document):
        local = not host or is_this_machine(host)
        how = "encrypted" if encrypted else "unencrypted"
        yield Found("this machine" if local else f"{host}, {how}", local or encrypted, key)


def _connected(document: Mapping[str, Any]) -> Iterable[tuple[str, str, bool]]:
    """What the homeserver connects to: the key to change, the host, and whether that is encrypted."""
    databases = document.get("databases")
    for database in databases.values() if isinstance(databases, Mapping) else [document.get("database")]:
        if isinstance(database, Mapping) and database.get("name") == "psycopg2":
            args = database.get("args")
            yield _to_postgresql(args if isinstance(args, Mapping) else {})
    redis, email = document.get("redis"), document.get("email")
    if isinstance(redis, Mapping) and redis.get("enabled"):
        host = "" if redis.get("path") else str(redis.get("host", "localhost"))
        yield "redis.use_tls", host, bool(redis.get("use_tls"))
    if isinstance(email, Mapping):
        safe = bool(email.get("require_transport_security") or email.get("force_tls"))
        yield "email.require_transport_security", str(email.get("smtp_host", "localhost")), safe
    workers = document.get("instance_map")
    for name, worker in workers.items() if isinstance(workers, Mapping) else ():
        if isinstance(worker, Mapping):
            yield f"instance_map.{name}.tls", str(worker.get("host", "")), bool(worker.get("tls"))


def _to_postgresql(arguments: Mapping[str, Any]) -> tuple[str, str, bool]:
    """The connection that libpq makes: ``hostaddr`` counts more than ``host``, and both more than ``dsn``."""
    said = {**_of_dsn(arguments.get("dsn")), **{key: each for key, each in arguments.items() if each}}
    host = str(said.get("hostaddr") or said.get("host") or "")
    if not host and "service" in said:
        host = f"service {said['service']}"  # what that is stands in a file that need not be here
    # Several may be named, to be tried one after the other.
    elsewhere = [each for each in host.split(",") if not is_this_machine(each)]
    return "database.args.sslmode", ", ".join(elsewhere) if host else "", said.get("sslmode") in _SAFE_MODES


def _of_dsn(dsn: object) -> Mapping[str, Any]:
    if not dsn:
        return {}
    try:
        from psycopg2.extensions import parse_dsn

        found: Mapping[str, Any] = parse_dsn(str(dsn))
    except Exception:
        return {"host": "a dsn that cannot be read here"}
    return found


# fmt: off
CHECKS: Final = (
    option("federation_client_minimum_tls_version", "tls", ("1.2", "1.3").__contains__,
           "GS-A_4385, GS-A_4387, A_18464", VIOLATION, "1.2 or 1.3", "TLS 1.0 and 1.1 are forbidden"),
    option("federation_verify_certificates", "tls", bool, "R7.15", VIOLATION, "true",
           "homeservers have to verify each other's certificates"),
    option("federation_certificate_verification_whitelist", "tls", not_, "R7.15", VIOLATION, "[]",
           "the certificates of all other servers have to be verified",
           lambda value: f"{len(value)} entries" if isinstance(value, list) and value else "[]"),
    option("use_insecure_ssl_client_just_for_testing_do_not_use", "tls", not_, "R7.15", VIOLATION, "not set",
           "no certificate is verified with it"),
    option("federation_custom_ca_list", "tls", not_, "R7.15", WARNING, "not set",
           "members have certificates of public CAs, which do not count once others are named"),
    Check("tls_certificate_path.validity", "tls_certificate_path", "R7.15", VIOLATION, _validity,
          "valid for two weeks at least", "other servers and clients refuse a certificate that is not valid"),
    Check("tls_certificate_path.key", "tls_certificate_path", "GS-A_4384-01, A_17124-01", VIOLATION, _key,
          "ECC on P-256, P-384 or a brainpool curve, or RSA of 3000 bits",
          "the key is too weak, or of a kind that is not permitted"),
    Check("tls_certificate_path.signature", "tls_certificate_path", "A_21275-01", VIOLATION, _signature,
          "SHA-256, SHA-384 or SHA-512", "other hash functions are not permitted"),
    Check("tls_certificate_path.issuer", "tls_certificate_path", "R7.15", VIOLATION, _issuer,
          "issued by a CA of the Internet",
          "other members have no reason to trust a certificate that vouches for itself"),
    Check("tls_private_key_path", "tls_private_key_path", START_UP, VIOLATION, _private_key,
          "the key to tls_certificate_path", "no TLS listener opens with another key"),
    Check("public_baseurl", "public_baseurl", "A_22929", VIOLATION, _public_baseurl, "an https URL",
          "clients are told to connect to this address, and the connection has to be encrypted"),
    Check("connections", "…", "A_22929", VIOLATION, _connections, "TLS, or a socket of this machine",
          "every connection between machines has to be encrypted"),
)
