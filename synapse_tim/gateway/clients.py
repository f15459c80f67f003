"""Relying parties of the gateway, as Authlib wants to see them: configured, confidential, codes only."""

import hmac
import ssl
import time
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Final

import attrs
from authlib.oauth2.rfc6749 import ClientMixin
from synapse.module_api import ModuleApi

from synapse_tim.adapter.config_block import read_cas, wrong
from synapse_tim.adapter.threads import Threads
from synapse_tim.gateway.config import ClientConfig
from synapse_tim.jose.jwk import KeySet
from synapse_tim.login.provider_keys import KeyFile, KeySource, KeysUnavailableError, KeyUrl, ProviderKeys
from synapse_tim.transport.fetcher import Fetcher

SECRET_BASIC: Final = "client_secret_basic"  # noqa: S105  # a name
PRIVATE_KEY: Final = "private_key_jwt"
SCOPES: Final = ("openid", "profile")

_SHORTEST_SECRET: Final = 32
_REFRESH_SECONDS: Final = 60 * 60.0
_MAX_AGE_SECONDS: Final = 7 * 24 * 60 * 60.0
_PAUSE_SECONDS: Final = 10.0


@attrs.frozen(eq=False)
class Client(ClientMixin):  # type: ignore[misc]  # Authlib has no types
    """A relying party."""

    client_id: str
    redirect_uris: tuple[str, ...]
    secret: str | None = attrs.field(repr=False)  #: or it has keys
    keys: ProviderKeys | None
    fetcher: Fetcher
    threads: Threads  #: for its keys, and to tell it that sessions are over
    backchannel_logout_uri: str | None
    token_endpoint: str | None = None  #: as it knows it, if not below the issuer

    async def keys_for(self, kid: str | None) -> KeySet | None:
        """Its public keys; ``None`` if it has none, or none can be fetched."""
        if self.keys is None:
            return None
        known = self.keys.at_hand(kid)
        try:
            return known or await self.threads.run(self.keys.for_token, kid)
        except KeysUnavailableError:
            return None

    # What Authlib asks

    def get_client_id(self) -> str:
        """Its name."""
        return self.client_id

    def get_default_redirect_uri(self) -> None:
        """None: it has to say where the browser goes."""

    def get_allowed_scope(self, scope: str | None) -> str | None:
        """What it gets of a scope; ``None`` if that is no log-in with OpenID Connect."""
        asked = (scope or "").split()
        return " ".join(each for each in SCOPES if each in asked) if "openid" in asked else None

    def check_redirect_uri(self, redirect_uri: str) -> bool:
        """Whether the browser may go there: compared character by character (RFC 9700 §2.1)."""
        return redirect_uri in self.redirect_uris

    def check_client_secret(self, client_secret: str) -> bool:
        """Whether it is its secret."""
        octets = client_secret.encode("utf-8", "surrogatepass")
        return self.secret is not None and hmac.compare_digest(self.secret.encode(), octets)

    def check_endpoint_auth_method(self, method: str, endpoint: str) -> bool:
        """Whether it authenticates in this way: in one only."""
        return method == (PRIVATE_KEY if self.secret is None else SECRET_BASIC)

    def check_response_type(self, response_type: str) -> bool:
        """Codes only."""
        return response_type == "code"

    def check_grant_type(self, grant_type: str) -> bool:
        """Codes only; no refresh tokens."""
        return grant_type == "authorization_code"


def clients_from(blocks: Sequence[ClientConfig], api: ModuleApi) -> Mapping[str, Client]:
    """The relying parties by their ids; nothing is fetched yet, but files are read.

    Raises:
        ConfigError: naming the key of a file that does not hold what it should.
    """
    return {block.client_id: _client(block, api, position) for position, block in enumerate(blocks)}


@attrs.frozen(eq=False)
class _Files:
    """What the files of a client hold."""

    cas: ssl.SSLContext
    keys: KeySource | None  #: of ``jwks_path``
    secret: str | None = attrs.field(repr=False)


def read_client_files(block: ClientConfig, position: int) -> _Files:
    """Read the files of a relying party; ``ConfigError`` if one does not hold what it should."""
    place = ("identity_gateway", "clients", position)
    return _Files(
        read_cas(block.ca_certificates, *place, "ca_certificates"),
        _key_file(block.jwks_path, place),
        _secret(block.client_secret_path, place),
    )


def _client(block: ClientConfig, api: ModuleApi, position: int) -> Client:
    files = read_client_files(block, position)
    fetcher = Fetcher(files.cas)
    source = files.keys if block.jwks_url is None else KeyUrl(fetcher, block.jwks_url)
    keys = None
    if source is not None:
        keys = ProviderKeys(
            block.client_id,
            source,
            refresh_interval=_REFRESH_SECONDS,
            max_age=_MAX_AGE_SECONDS,
            pause=_PAUSE_SECONDS,
            clock=time.monotonic,
        )
    return Client(
        client_id=block.client_id,
        redirect_uris=tuple(block.redirect_uris),
        secret=files.secret,
        keys=keys,
        fetcher=fetcher,
        threads=Threads(api, fetcher.close),
        backchannel_logout_uri=block.backchannel_logout_uri,
        token_endpoint=block.token_endpoint,
    )


def _key_file(path: str | None, place: tuple[str | int, ...]) -> KeySource | None:
    if path is None:
        return None
    file = KeyFile(Path(path))
    try:
        file.fetch()
    except KeysUnavailableError as error:
        raise wrong(str(error), *place, "jwks_path") from None
    return file


def _secret(path: str | None, place: tuple[str | int, ...]) -> str | None:
    if path is None:
        return None
    secret = Path(path).read_bytes().decode("ascii", "replace").strip()
    if len(secret) < _SHORTEST_SECRET or not secret.isprintable() or "\ufffd" in secret:
        expected = f"expected a secret of at least {_SHORTEST_SECRET} printable ASCII characters"
        raise wrong(expected, *place, "client_secret_path")
    return secret
