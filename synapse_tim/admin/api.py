"""Changes for users over a homeserver's own APIs, as its administrator: account data, links to providers.

Synapse remembers account data and tells the user's clients and its own processes about changes; written past
it, a change would show late or never. So the administrator logs in as the user for a moment (admin API),
stores the document as the user's client would, and ends that session.
"""

import contextlib
import json
import logging
import time
from collections.abc import Callable, Iterator
from typing import Any, Final, Self
from urllib.parse import quote

import attrs
import httpx

# httpx logs whole URLs at INFO, and these name users.
logging.getLogger("httpx").setLevel(logging.WARNING)

_CLIENT: Final = "/_matrix/client/v3"
_ADMIN: Final = "/_synapse/admin"
_SECONDS: Final = 30.0
#: How long a session lasts if it cannot be ended.
_SESSION_MS: Final = 5 * 60 * 1000
_ATTEMPTS: Final = 4
_LONGEST_PAUSE: Final = 30.0
_LATER: Final = (429, 502, 503, 504)


class AdminUnusableError(Exception):
    """The homeserver cannot be worked with like this; says why."""


class StoringError(Exception):
    """The document of one user was not stored; says why, without any token."""


class NotFoundError(StoringError):
    """The homeserver does not have what was asked for."""


class NoAnswerError(StoringError):
    """The homeserver does not answer; others need not be tried now."""


@attrs.frozen(eq=False)
class HomeserverAdmin:
    """An administrator of a homeserver."""

    user_id: str
    _client: httpx.Client
    _token: str = attrs.field(repr=False)
    _sleep: Callable[[float], None] = time.sleep

    @classmethod
    @contextlib.contextmanager
    def open(cls, base_url: str, token: str, server_name: str) -> Iterator[Self]:
        """Make sure of the token, and of the homeserver.

        Args:
            base_url: of the homeserver, where the client API and the admin API are.
            token: an access token of a server administrator.
            server_name: that the homeserver has to have.

        Raises:
            AdminUnusableError: with the reason.
        """
        try:
            url = httpx.URL(base_url)
        except httpx.InvalidURL:
            url = httpx.URL()
        if url.scheme not in ("http", "https") or not url.host:
            raise AdminUnusableError("the URL of the homeserver has to be an http or https URL")
        if url.userinfo or url.query or url.fragment:
            raise AdminUnusableError(
                "the URL of the homeserver has to be without user name, query and fragment"
            )
        with httpx.Client(base_url=url, timeout=_SECONDS) as client:
            admin = cls("", client, token)
            try:
                user_id = str(admin._send("GET", f"{_CLIENT}/account/whoami", token).get("user_id"))
                if user_id.partition(":")[2] != server_name:
                    raise AdminUnusableError(
                        f"at {base_url} the token is of a user of another server than {server_name}"
                    )
                found = admin._send("GET", f"{_ADMIN}/v1/users/{quote(user_id, safe='')}/admin", token)
            except StoringError as error:
                raise AdminUnusableError(f"{base_url}: {error}") from None
            if found.get("admin") is not True:
                raise AdminUnusableError("the token is not of a server administrator")
            yield attrs.evolve(admin, user_id=user_id)

    def store(self, user_id: str, kind: str, content: bytes) -> None:
        """Store a document as account data of a user.

        Args:
            user_id: of a local user with an account that can be used.
            content: JSON.

        Raises:
            StoringError: it is not stored, or that is unknown.
        """
        user = quote(user_id, safe="")
        path = f"{_CLIENT}/user/{user}/account_data/{quote(kind, safe='')}"
        if user_id == self.user_id:
            self._send("PUT", path, self._token, content)
            return
        until = int(time.time() * 1000) + _SESSION_MS
        login = f'{{"valid_until_ms": {until}}}'.encode()
        answer = self._send("POST", f"{_ADMIN}/v1/users/{user}/login", self._token, login)
        session = answer.get("access_token")
        if not isinstance(session, str):
            raise StoringError("the admin API gave no access token")
        try:
            self._send("PUT", path, session, content)
        finally:
            # If it cannot be ended it ends by itself.
            with contextlib.suppress(StoringError):
                self._send("POST", f"{_CLIENT}/logout", session, b"{}")

    def users(self) -> Iterator[str]:
        """The user ids of all accounts that are not deactivated, guests left out; ``StoringError``."""
        path: str | None = f"{_ADMIN}/v2/users?limit=500&guests=false&deactivated=false&from=0"
        while path is not None:
            answer = self._send("GET", path, self._token)
            yield from (str(each.get("name")) for each in answer.get("users", ()))
            following = answer.get("next_token")
            path = None if following is None else f"{path.rpartition('=')[0]}={following}"

    def links(self, user_id: str) -> list[tuple[str, str]] | None:
        """Providers and ids at them that an account is linked to; ``None`` if it cannot be used.

        Raises:
            StoringError: nobody knows.
        """
        try:
            found = self._send("GET", f"{_ADMIN}/v2/users/{quote(user_id, safe='')}", self._token)
        except NotFoundError:
            return None
        if found.get("deactivated"):
            return None
        return [(each["auth_provider"], each["external_id"]) for each in found.get("external_ids", ())]

    def linked_to(self, provider: str, external_id: str) -> str | None:
        """The user id that somebody at a provider is linked to, if any; ``StoringError``."""
        path = f"{_ADMIN}/v1/auth_providers/{quote(provider, safe='')}/users/{quote(external_id, safe='')}"
        try:
            return str(self._send("GET", path, self._token).get("user_id"))
        except NotFoundError:
            return None

    def link(self, user_id: str, provider: str, external_id: str) -> None:
        """Link an account that exists and has no link; ``StoringError``."""
        body = json.dumps({"external_ids": [{"auth_provider": provider, "external_id": external_id}]})
        path = f"{_ADMIN}/v2/users/{quote(user_id, safe='')}"
        self._send("PUT", path, self._token, body.encode())

    def _send(self, method: str, path: str, token: str, content: bytes | None = None) -> dict[str, Any]:
        """Send a request, again if the homeserver is busy; ``StoringError`` without a good answer."""
        headers = {"Authorization": f"Bearer {token}", "Content-Type": "application/json"}
        for attempt in range(1, _ATTEMPTS + 1):
            try:
                answer = self._client.request(method, path, headers=headers, content=content)
            except (httpx.HTTPError, httpx.InvalidURL) as error:
                if attempt == _ATTEMPTS:
                    raise NoAnswerError(f"the homeserver does not answer ({type(error).__name__})") from None
                self._sleep(attempt)
                continue
            if answer.status_code not in _LATER or attempt == _ATTEMPTS:
                return _read(answer)
            self._sleep(_pause(answer, attempt))
        raise AssertionError  # the last attempt returns or raises


def _pause(answer: httpx.Response, attempt: int) -> float:
    try:
        asked = int(answer.headers.get("Retry-After", attempt))
    except ValueError:
        asked = attempt
    return min(max(float(asked), 0.0), _LONGEST_PAUSE)


def _read(answer: httpx.Response) -> dict[str, Any]:
    try:
        body = answer.json()
    except (ValueError, RecursionError):
        body = None
    found = body if isinstance(body, dict) else {}
    if answer.status_code not in (200, 201):
        error = NotFoundError if answer.status_code == 404 else StoringError
        raise error(f"status {answer.status_code} {str(found.get('errcode', ''))[:60]}".strip())
    return found
