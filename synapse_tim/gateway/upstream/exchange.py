"""What all upstreams do the same way: PKCE, the answer of a browser, requests for tokens; blocks."""

import secrets
import threading
from collections.abc import Callable, Mapping
from typing import Any, Final, Generic, TypeVar
from urllib.parse import urlencode, urlsplit

import attrs
from authlib.oauth2.rfc7636 import create_s256_code_challenge

from synapse_tim.core import strict_json
from synapse_tim.gateway.upstream import AuthenticationRequest, UpstreamError, UpstreamRefusal
from synapse_tim.jose.signed_token import MAX_BYTES
from synapse_tim.transport.errors import TransportError
from synapse_tim.transport.fetcher import Fetcher, Response

DEADLINE_SECONDS: Final = 10.0

T = TypeVar("T")
_KEPT_SECONDS: Final = 60 * 60.0
_MAX_ANSWER: Final = 4 * MAX_BYTES
#: Errors of a provider that are no fault of its own (RFC 6749 §4.1.2.1, OpenID Connect Core §3.1.2.6).
_MEANINGS: Final[Mapping[str, UpstreamRefusal]] = {
    "access_denied": UpstreamRefusal.DENIED,
    "login_required": UpstreamRefusal.LOGIN_REQUIRED,
    "interaction_required": UpstreamRefusal.LOGIN_REQUIRED,
    "server_error": UpstreamRefusal.UNAVAILABLE,
    "temporarily_unavailable": UpstreamRefusal.UNAVAILABLE,
}
#: Those of OAuth (RFC 6749 §5.2, RFC 9126 §2.3) that tell an operator what to look at.
_TOLD: Final = frozenset(
    {
        *("invalid_request", "invalid_client", "invalid_grant", "unauthorized_client", "invalid_scope"),
        *("unsupported_grant_type", "unsupported_response_type"),
    }
)


class Kept(Generic[T]):
    """What a provider's document says, fetched again after an hour; used by several threads.

    Args:
        fetch: fetches it.
        clock: seconds that never go back.
    """

    def __init__(self, fetch: Callable[[], T], clock: Callable[[], float]) -> None:
        self._fetch = fetch
        self._clock = clock
        self._lock = threading.Lock()
        self._known: tuple[float, T] | None = None

    def get(self) -> T:
        """It, fetched if need be; raises what ``fetch`` raises."""
        with self._lock:
            if self._known is None or self._clock() - self._known[0] >= _KEPT_SECONDS:
                self._known = self._clock(), self._fetch()
            return self._known[1]


@attrs.frozen
class Pkce:
    """A code verifier (RFC 7636), made for one log-in."""

    verifier: str = attrs.field(repr=False, factory=lambda: secrets.token_urlsafe(32))

    def parameters(self, request: AuthenticationRequest, client_id: str, scope: str) -> dict[str, str]:
        """An authorization request with its challenge."""
        return {
            "response_type": "code",
            "client_id": client_id,
            "redirect_uri": request.redirect_uri,
            "scope": scope,
            "state": request.state,
            "nonce": request.nonce,
            "code_challenge": create_s256_code_challenge(self.verifier),
            "code_challenge_method": "S256",
        }


def code_of(answer: Mapping[str, str], issuer: str) -> str:
    """The code with which a browser came back.

    Raises:
        UpstreamError: the answer is of another issuer (RFC 9207 §2.4), or an error.
    """
    if answer.get("iss", issuer) != issuer:
        raise UpstreamError(UpstreamRefusal.MIX_UP)
    if "error" in answer:
        raise UpstreamError(_MEANINGS.get(answer["error"], UpstreamRefusal.PROTOCOL))
    if not answer.get("code"):
        raise UpstreamError(UpstreamRefusal.PROTOCOL, "no code")
    return answer["code"]


def with_query(url: str, parameters: Mapping[str, Any]) -> str:
    """An address with parameters behind those that it has."""
    return url + ("&" if urlsplit(url).query else "?") + urlencode(parameters)


def fetch(fetcher: Fetcher, url: str, what: str, *, max_bytes: int) -> bytes:
    """GET a document; ``UpstreamError`` (``unavailable``) if that brings none."""
    try:
        response = fetcher.get(url, max_bytes=max_bytes, deadline=DEADLINE_SECONDS)
    except TransportError as error:
        raise UpstreamError(UpstreamRefusal.UNAVAILABLE, f"{what}: {error}") from None
    if response.status != 200:
        raise UpstreamError(UpstreamRefusal.UNAVAILABLE, f"{what}: status {response.status}")
    return bytes(response.body)


def post_form(
    fetcher: Fetcher,
    url: str,
    form: Mapping[str, Any],
    what: str,
    headers: Mapping[str, str] | None = None,
) -> dict[str, Any]:
    """POST a form to a provider.

    Args:
        form: its fields.
        what: names the request in errors.
        headers: further ones.

    Returns:
        The object that it answers.

    Raises:
        UpstreamError: it answers something else, or nothing.
    """
    usual = {"Content-Type": "application/x-www-form-urlencoded", "Accept": "application/json"}
    try:
        response = fetcher.post(
            url,
            content=urlencode(form).encode(),
            headers={**usual, **(headers or {})},
            max_bytes=_MAX_ANSWER,
            deadline=DEADLINE_SECONDS,
            statuses=frozenset({200, 201, 400, 401}),
        )
    except TransportError as error:
        raise UpstreamError(UpstreamRefusal.UNAVAILABLE, f"{what}: {error}") from None
    if response.status not in (200, 201):
        refused = 400 <= response.status < 500
        reason = UpstreamRefusal.PROTOCOL if refused else UpstreamRefusal.UNAVAILABLE
        raise UpstreamError(reason, f"{what}: status {response.status}{_error(response)}")
    return json_object(response.body, what)


def text_of(answer: Mapping[str, Any], name: str, what: str) -> str:
    """A member of an answer that has to be a text."""
    value = answer.get(name)
    if not isinstance(value, str) or not value.isascii():
        raise UpstreamError(UpstreamRefusal.PROTOCOL, f"{what}: no {name}")
    return value


def json_object(body: bytes | bytearray, what: str) -> dict[str, Any]:
    """Parse an answer that has to be an object."""
    try:
        parsed = strict_json.parse(body)
    except strict_json.StrictJsonError as error:
        raise UpstreamError(UpstreamRefusal.PROTOCOL, f"{what}: {error}") from None
    if not isinstance(parsed, dict):
        raise UpstreamError(UpstreamRefusal.PROTOCOL, f"{what}: not an object")
    return parsed


def address(document: Mapping[str, Any], name: str, *, secure: bool = True) -> str:
    """An address of a discovery document, printable ASCII: it becomes a header."""
    url = document.get(name)
    try:
        parts = urlsplit(url) if isinstance(url, str) and url.isascii() and url.isprintable() else None
    except ValueError:
        parts = None
    schemes = ("https",) if secure else ("http", "https")
    if not isinstance(url, str) or parts is None or parts.scheme not in schemes or not parts.hostname:
        raise UpstreamError(UpstreamRefusal.PROTOCOL, f"discovery: {name} is not a URL that may be used")
    return url


def _error(response: Response) -> str:
    """What a refusal is called, if it is one of the known names: nothing else of it goes into a log."""
    try:
        error = strict_json.parse(response.body)["error"]
    except (strict_json.StrictJsonError, LookupError, TypeError):
        return ""
    return f", {error}" if isinstance(error, str) and error in _TOLD else ""
