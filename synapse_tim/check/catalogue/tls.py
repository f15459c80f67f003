"""Checks of TLS and certificates (gemSpec_Krypt; requirements R7.13 to R7.15)."""

from __future__ import annotations

import datetime as dt
from collections.abc import Iterable
from typing import Final
from urllib.parse import urlsplit

from synapse_tim.check.checks import START_UP, Check, Found, is_false, is_true, value_check
from synapse_tim.check.facts import Certificate, Facts, NotRead, Verdict, is_this_machine

_SOON: Final = dt.timedelta(days=14)
_CURVES: Final = frozenset({"secp256r1", "secp384r1", "brainpoolP256r1", "brainpoolP384r1"})
_HASHES: Final = frozenset({"sha256", "sha384", "sha512"})
#: Below the first RSA keys are refused, below the second they are on their way out.
_RSA_BITS: Final = (2048, 3000)


def _is_recent(version: object) -> bool:
    return version in ("1.2", "1.3")


def _certificate(facts: Facts) -> Certificate:
    if facts.process.certificate is None:
        raise NotRead("certificate")
    return facts.process.certificate


def _validity(facts: Facts) -> Iterable[Found]:
    certificate = _certificate(facts)
    until = f"valid until {certificate.not_after:%Y-%m-%d %H:%M}Z"
    if facts.now < certificate.not_before:
        yield Found(f"valid from {certificate.not_before:%Y-%m-%d %H:%M}Z", False)
    elif certificate.not_after < facts.now + _SOON:
        over = certificate.not_after < facts.now
        yield Found(until, False, verdict=Verdict.VIOLATION if over else Verdict.WARNING)
    else:
        yield Found(until, True)


def _key(facts: Facts) -> Iterable[Found]:
    certificate = _certificate(facts)
    found = f"{certificate.key}, {certificate.bits} bits"
    if certificate.key == "RSA":
        smallest, advised = _RSA_BITS
        weak = certificate.bits < smallest
        right = certificate.bits >= advised
        yield Found(found, right, verdict=Verdict.VIOLATION if weak else Verdict.WARNING)
    else:
        yield Found(found, certificate.key in _CURVES)


def _signature(facts: Facts) -> Iterable[Found]:
    found = _certificate(facts).hash
    yield Found(found, found in _HASHES)


def _issuer(facts: Facts) -> Iterable[Found]:
    own = _certificate(facts).self_signed
    yield Found("itself" if own else "a CA", not own)


def _private_key(facts: Facts) -> Iterable[Found]:
    fits = _certificate(facts).fits_key
    if fits is not None:
        yield Found("the key to it" if fits else "the key to another one", fits)


def _public_baseurl(facts: Facts) -> Iterable[Found]:
    url = str(facts.value("server", "public_baseurl"))
    parts = urlsplit(url)
    yield Found(url, parts.scheme == "https" or is_this_machine(parts.hostname or ""))


def _connections(facts: Facts) -> Iterable[Found]:
    for each in facts.process.connections:
        local = not each.host or is_this_machine(each.host)
        how = "encrypted" if each.encrypted else "unencrypted"
        found = "this machine" if local else f"{each.host}, {how}"
        yield Found(found, local or each.encrypted, each.key)


CHECKS: Final = (
    value_check(
        "federation_client_minimum_tls_version",
        "tls",
        "federation_client_minimum_tls_version",
        _is_recent,
        requirement="GS-A_4385, GS-A_4387, A_18464",
        wanted="1.2 or 1.3",
        reason="TLS 1.0 and 1.1 are forbidden",
        otherwise=Verdict.VIOLATION,
    ),
    value_check(
        "federation_verify_certificates",
        "tls",
        "federation_verify_certificates",
        is_true,
        requirement="R7.15",
        wanted="true",
        reason="homeservers have to verify each other's certificates",
        otherwise=Verdict.VIOLATION,
    ),
    value_check(
        "federation_certificate_verification_whitelist",
        "tls",
        "federation_certificate_verification_whitelist",
        is_false,
        requirement="R7.15",
        wanted="[]",
        reason="the certificates of all other servers have to be verified",
        otherwise=Verdict.VIOLATION,
        show=lambda value: f"{len(value)} entries" if isinstance(value, list) and value else "[]",
    ),
    value_check(
        "use_insecure_ssl_client_just_for_testing_do_not_use",
        "tls",
        "use_insecure_ssl_client_just_for_testing_do_not_use",
        is_false,
        requirement="R7.15",
        wanted="not set",
        reason="no certificate is verified with it",
        otherwise=Verdict.VIOLATION,
    ),
    value_check(
        "federation_custom_ca_list",
        "tls",
        "federation_custom_ca_list",
        is_false,
        requirement="R7.15",
        wanted="not set",
        reason="members have certificates of public CAs, which do not count once others are named",
        otherwise=Verdict.WARNING,
    ),
    Check(
        "tls_certificate_path.validity",
        "tls_certificate_path",
        "R7.15",
        "valid for two weeks at least",
        "other servers and clients refuse a certificate that is not valid",
        Verdict.VIOLATION,
        _validity,
    ),
    Check(
        "tls_certificate_path.key",
        "tls_certificate_path",
        "GS-A_4384-01, A_17124-01",
        "ECC on P-256, P-384 or a brainpool curve, or RSA of 3000 bits",
        "the key is too weak, or of a kind that is not permitted",
        Verdict.VIOLATION,
        _key,
    ),
    Check(
        "tls_certificate_path.signature",
        "tls_certificate_path",
        "A_21275-01",
        "SHA-256, SHA-384 or SHA-512",
        "other hash functions are not permitted",
        Verdict.VIOLATION,
        _signature,
    ),
    Check(
        "tls_certificate_path.issuer",
        "tls_certificate_path",
        "R7.15",
        "issued by a CA of the Internet",
        "other members have no reason to trust a certificate that vouches for itself",
        Verdict.VIOLATION,
        _issuer,
    ),
    Check(
        "tls_private_key_path",
        "tls_private_key_path",
        START_UP,
        "the key to tls_certificate_path",
        "no TLS listener opens with another key",
        Verdict.VIOLATION,
        _private_key,
    ),
    Check(
        "public_baseurl",
        "public_baseurl",
        "A_22929",
        "an https URL",
        "clients are told to connect to this address, and the connection has to be encrypted",
        Verdict.VIOLATION,
        _public_baseurl,
    ),
    Check(
        "connections",
        "…",
        "A_22929",
        "TLS, or a socket of this machine",
        "every connection between machines has to be encrypted",
        Verdict.VIOLATION,
        _connections,
    ),
)
