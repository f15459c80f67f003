"""The signature keys of an identity provider: where they come from, and when they are fetched again.

Keys come from where the operator said, and from nowhere that a token names. They are not fetched for each
login: only when there are none, when they are older than the operator allows, when a token names one that is
unknown or its signature does not verify, and then not more often than once in a pause. While the provider is
down the last keys stay for a while; keys that it withdraws do not.
"""

import datetime as dt
import logging
import threading
from collections.abc import Callable
from pathlib import Path
from typing import Any, Final, Protocol

import attrs
from cryptography.hazmat.primitives import serialization

from synapse_tim.core.errors import ReasonError
from synapse_tim.jose import jwk
from synapse_tim.jose.large_jws import CompactJws, JwsLimits
from synapse_tim.login.rules import discovery
from synapse_tim.openid_federation.client import FederationClient
from synapse_tim.openid_federation.errors import FederationError, FederationReason
from synapse_tim.pki.certificates import parse_certificate, public_key_info
from synapse_tim.pki.errors import CertificateReason
from synapse_tim.pki.ocsp_client import OcspClient
from synapse_tim.pki.trust_store import TrustStore
from synapse_tim.transport.fetcher import Fetcher

logger = logging.getLogger(__name__)

_DEADLINE_SECONDS: Final = 10.0
_PAUSE_WITHOUT_KEYS: Final = 5.0
_WITHDRAWN: Final = frozenset({FederationReason.UNKNOWN_ENTITY, FederationReason.NO_KEY})
_DISCOVERY_ALGORITHMS: Final = frozenset({"BP256R1", "ES256"})


class KeysUnavailableError(Exception):
    """There are no keys, or no new ones; the text says why."""


class KeysWithdrawnError(KeysUnavailableError):
    """The provider has no keys any more, or its certificate was revoked: old keys must not be used either."""


class KeySource(Protocol):
    """Fetches keys; blocks."""

    def fetch(self) -> jwk.KeySet:
        """The keys as they are now; ``KeysUnavailableError`` with the reason."""
        ...


@attrs.frozen
class KeyFile:
    """A file with a JWK set."""

    path: Path

    def fetch(self) -> jwk.KeySet:
        """See ``KeySource``."""
        try:
            with self.path.open("rb") as file:
                data = file.read(jwk.MAX_BYTES + 1)
        except OSError as error:
            raise KeysUnavailableError(f"cannot read the file: {error.strerror}") from None
        return _key_set(data)


@attrs.frozen
class KeyUrl:
    """An address with a JWK set."""

    fetcher: Fetcher
    url: str

    def fetch(self) -> jwk.KeySet:
        """See ``KeySource``."""
        return _key_set(_get(self.fetcher, self.url, jwk.MAX_BYTES))


@attrs.frozen
class PlainDiscovery:
    """A discovery document that TLS vouches for, and the JWK set that it names."""

    fetcher: Fetcher
    url: str
    issuer: str
    clock: Callable[[], dt.datetime]

    def fetch(self) -> jwk.KeySet:
        """See ``KeySource``."""
        document = _get(self.fetcher, self.url, discovery.MAX_OCTETS)
        secure = self.url.lower().startswith("https://")
        try:
            url = discovery.keys_url(document, self.issuer, self.clock(), secure=secure)
        except discovery.DiscoveryError as error:
            raise KeysUnavailableError(f"discovery: {error}") from None
        return KeyUrl(self.fetcher, url).fetch()


@attrs.frozen
class SignedDiscovery:
    """The discovery document of the central IDP, which is signed under the roots of the TI (A_20657).

    A key that comes with a certificate has to be the one of the certificate, and that in order, too.
    """

    fetcher: Fetcher
    url: str
    issuer: str
    clock: Callable[[], dt.datetime]
    trust: TrustStore
    ocsp: OcspClient

    def fetch(self) -> jwk.KeySet:
        """See ``KeySource``."""
        now = self.clock()
        secure = self.url.lower().startswith("https://")
        try:
            url = discovery.keys_url(
                self.fetch_document(),
                self.issuer,
                now,
                members=("uri_puk_idp_sig", "jwks_uri"),
                secure=secure,
                expires=True,
            )
        except discovery.DiscoveryError as error:
            raise KeysUnavailableError(f"discovery: {error}") from None
        keys = KeyUrl(self.fetcher, url).fetch()
        for key in keys.keys:
            self._check_certificate(key, now)
        return keys

    def fetch_document(self) -> bytes | bytearray:
        """The document itself, whose signature is verified; ``KeysUnavailableError`` with the reason."""
        now = self.clock()
        data = _get(self.fetcher, self.url, discovery.MAX_OCTETS)
        try:
            signed = CompactJws.parse(data, JwsLimits(total=discovery.MAX_OCTETS))
            signed.require_algorithm(_DISCOVERY_ALGORITHMS)
            self.ocsp.check(self.trust.find(signed.signer, signed.certificates[1:], now), now)
            return signed.verified_payload()
        except ReasonError as error:
            raise _refused("discovery", error) from None

    def _check_certificate(self, key: jwk.VerificationKey, now: dt.datetime) -> None:
        if not key.x5c:
            return
        try:
            certificate, *others = (parse_certificate(jwk.x5c_der(text)) for text in key.x5c)
            self.ocsp.check(self.trust.find(certificate, others, now), now)
        except ReasonError as error:
            raise _refused("certificate of a key", error) from None
        except jwk.JwkError as error:
            raise KeysUnavailableError(f"certificate of a key: {error}") from None
        if public_key_info(certificate) != key.key.public_bytes(
            serialization.Encoding.DER, serialization.PublicFormat.SubjectPublicKeyInfo
        ):
            raise KeysUnavailableError("the certificate does not match the key")


@attrs.frozen
class FederatedKeys:
    """The signed keys of a member of the OpenID federation."""

    client: FederationClient
    issuer: str

    def fetch(self) -> jwk.KeySet:
        """See ``KeySource``; keys are withdrawn once the trust anchor no longer vouches for the provider."""
        try:
            return self.client.keys(self.issuer)
        except FederationError as error:
            gone = error.reason in _WITHDRAWN or self.client.has_expired(self.issuer)
            kind = KeysWithdrawnError if gone else KeysUnavailableError
            raise kind(f"federation: {error}") from None


def _key_set(data: bytes | bytearray) -> jwk.KeySet:
    try:
        return jwk.parse_key_set(data)
    except jwk.NoKeyError as error:
        raise KeysWithdrawnError(str(error)) from None
    except jwk.JwkError as error:
        raise KeysUnavailableError(str(error)) from None


def _refused(what: str, error: ReasonError[Any]) -> KeysUnavailableError:
    kind = KeysWithdrawnError if error.reason is CertificateReason.REVOKED else KeysUnavailableError
    return kind(f"{what}: {error}")


def _get(fetcher: Fetcher, url: str, max_bytes: int) -> bytearray:
    try:
        response = fetcher.get(url, max_bytes=max_bytes, deadline=_DEADLINE_SECONDS)
    except ReasonError as error:
        raise KeysUnavailableError(str(error)) from None
    if response.status != 200:
        raise KeysUnavailableError(f"status {response.status}")
    return response.body


class ProviderKeys:
    """The keys of one provider in one process. May be used by several threads.

    Args:
        name: of the provider, for the log.
        refresh_interval: seconds after which they are fetched again.
        max_age: seconds after which they are not used any more if they cannot be fetched again.
        pause: seconds between two attempts to fetch them, from the end of one to the beginning of the next.
        clock: seconds that never go back.
    """

    def __init__(
        self,
        name: str,
        source: KeySource,
        *,
        refresh_interval: float,
        max_age: float,
        pause: float,
        clock: Callable[[], float],
    ) -> None:
        self._name = name
        self._source = source
        self._refresh_interval = refresh_interval
        self._max_age = max_age
        self._pause = pause
        self._clock = clock
        self._lock = threading.Lock()
        self._known: jwk.KeySet | None = None
        self._fetched_at = 0.0
        self._attempted_at: float | None = None

    def at_hand(self, kid: str | None) -> jwk.KeySet | None:
        """The keys, if a token may be verified without fetching any, or waiting for them; does not block."""
        return None if self._has_to_fetch(kid) else self._known

    def for_token(self, kid: str | None) -> jwk.KeySet:
        """The keys for a token, once they are fetched; ``KeysUnavailableError`` if there are none."""
        with self._lock:
            if self._has_to_fetch(kid):
                self._fetch()
            if self._known is None:
                raise KeysUnavailableError("none were fetched yet")
            return self._known

    def may_be_newer(self, keys: jwk.KeySet) -> bool:
        """Whether there are, or may be, other keys than those with which a signature did not verify.

        A provider may change its key and keep the key's name.
        """
        return self._known is not keys or not self._is_pausing()

    def newer(self, keys: jwk.KeySet) -> jwk.KeySet:
        """The keys as they are now, when a signature did not verify with these; blocks like ``for_token``."""
        with self._lock:
            if self.may_be_newer(keys) and self._known is keys:
                self._fetch()
            return self._known or keys

    def _has_to_fetch(self, kid: str | None) -> bool:
        if self._is_pausing():
            return False
        known = self._known
        return (
            known is None
            or self._clock() - self._fetched_at >= self._refresh_interval
            or not known.named(kid)
        )

    def _is_pausing(self) -> bool:
        if self._attempted_at is None:
            return False
        pause = self._pause if self._known is not None else min(self._pause, _PAUSE_WITHOUT_KEYS)
        return self._clock() - self._attempted_at < pause

    def _fetch(self) -> None:
        try:
            self._known = self._source.fetch()
        except KeysWithdrawnError as error:
            self._known = None
            logger.error("Identity provider %s: its keys were withdrawn: %s", self._name, error)
        except KeysUnavailableError as error:
            self._keep(str(error))
        except Exception as error:
            self._keep(type(error).__name__)
        else:
            self._fetched_at = self._clock()
            logger.info("Identity provider %s: %d keys", self._name, len(self._known.keys))
        finally:
            self._attempted_at = self._clock()

    def _keep(self, why: str) -> None:
        """Go on with the keys of before, unless they are too old."""
        if self._clock() - self._fetched_at >= self._max_age:
            self._known = None
        kept = "there are none" if self._known is None else "the last ones stay"
        logger.warning("Identity provider %s: no new keys, %s: %s", self._name, kept, why)
