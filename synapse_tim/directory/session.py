"""Session at the directory, logged in as a TI provider (requirement R1.9).

Two steps: client credentials for a token of the authorisation server, that token for one of the directory.
The second is kept until four fifths of its lifetime are over and renewed then, or at once when the
directory refuses it. Tokens live in memory only and appear in no message. Concurrent
requests for a token share one login.
"""

import base64
import math
import re
import threading
from collections.abc import Callable
from typing import Final

import attrs

from synapse_tim.core import strict_json
from synapse_tim.directory.failures import DirectoryError, DirectoryFailure
from synapse_tim.transport.fetcher import Fetcher, Response

_MAX_BYTES: Final = 64 * 1024
_DEADLINE_SECONDS: Final = 10.0
_RENEW_AFTER: Final = 0.8
_DEFAULT_LIFETIME_SECONDS: Final = 300.0
_LONGEST_LIFETIME_SECONDS: Final = 7 * 86400.0
_TOKEN = re.compile(r"[A-Za-z0-9._~+/=-]+")  # RFC 6750 §2.1, b64token


@attrs.frozen
class ProviderCredentials:
    """How to log in as a provider."""

    token_url: str
    authenticate_url: str  #: ``…/ti-provider-authenticate`` of the directory
    client_id: str
    client_secret: str = attrs.field(repr=False)


class DirectorySession:
    """Keeps a token for the directory, in any thread; ``monotonic`` is in seconds."""

    def __init__(
        self, fetcher: Fetcher, credentials: ProviderCredentials, monotonic: Callable[[], float]
    ) -> None:
        self.credentials = credentials
        self._fetcher = fetcher
        self._monotonic = monotonic
        self._lock = threading.Lock()
        self._token = ""
        self._renew_at = -math.inf

    def token(self, within: float = math.inf) -> str:
        """A token that is not about to expire.

        Args:
            within: seconds that it may take.

        Raises:
            DirectoryError: ``authentication``; ``http_status`` if a server has no time for us; ``deadline``.
            TransportError: a server gave no answer.
        """
        ends = self._monotonic() + within
        if not self._lock.acquire(timeout=min(max(within, 0.0), 2 * _DEADLINE_SECONDS)):
            raise DirectoryError(DirectoryFailure.DEADLINE, "another request is still logging in")
        try:
            token = self._token
            if not token or self._monotonic() >= self._renew_at:
                token = self._log_in(ends)
            return token
        finally:
            self._lock.release()

    def forget(self, refused: str | None = None) -> None:
        """Drop the token that was refused, but not one that has replaced it; by default any."""
        # Without the lock: a login may be under way, and it brings another token in any case.
        if refused in (None, self._token):
            self._token = ""

    def _log_in(self, ends: float) -> str:
        given = self.credentials
        basic = base64.b64encode(f"{given.client_id}:{given.client_secret}".encode()).decode()
        started = self._monotonic()
        first, _ = _token_of(
            self._fetcher.post(
                given.token_url,
                content=b"grant_type=client_credentials",
                headers={
                    "Authorization": f"Basic {basic}",
                    "Content-Type": "application/x-www-form-urlencoded",
                },
                max_bytes=_MAX_BYTES,
                deadline=self._left(ends),
            ),
            "the authorisation server",
        )
        token, lifetime = _token_of(
            self._fetcher.get(
                given.authenticate_url,
                headers={"Authorization": f"Bearer {first}"},
                max_bytes=_MAX_BYTES,
                deadline=self._left(ends),
            ),
            "the directory",
        )
        self._renew_at = started + lifetime * _RENEW_AFTER
        self._token = token
        return token

    def _left(self, ends: float) -> float:
        left = ends - self._monotonic()
        if left <= 0:
            raise DirectoryError(DirectoryFailure.DEADLINE, "no time left for the login")
        return min(left, _DEADLINE_SECONDS)


def _token_of(response: Response, who: str) -> tuple[str, float]:
    """The token of an answer and its lifetime in seconds (RFC 6749 §5.1)."""
    if response.status == 429 or response.status >= 500:
        raise DirectoryError(DirectoryFailure.HTTP_STATUS, f"{who}: status {response.status}")
    if response.status != 200:
        raise DirectoryError(DirectoryFailure.AUTHENTICATION, f"{who}: status {response.status}")
    try:
        answer = strict_json.parse(response.body)
    except strict_json.StrictJsonError:
        raise DirectoryError(DirectoryFailure.AUTHENTICATION, f"{who}: the answer is no JSON") from None
    token = answer.get("access_token") if isinstance(answer, dict) else None
    if not isinstance(token, str) or not _TOKEN.fullmatch(token):
        raise DirectoryError(DirectoryFailure.AUTHENTICATION, f"{who}: no usable access_token")
    kind = answer.get("token_type", "Bearer")
    if not isinstance(kind, str) or kind.lower() != "bearer":
        raise DirectoryError(DirectoryFailure.AUTHENTICATION, f"{who}: the token is no bearer token")
    lifetime = answer.get("expires_in")
    if type(lifetime) not in (int, float) or not 0 < lifetime < math.inf:
        lifetime = _DEFAULT_LIFETIME_SECONDS
    return token, float(min(lifetime, _LONGEST_LIFETIME_SECONDS))
