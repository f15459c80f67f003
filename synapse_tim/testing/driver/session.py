"""A session at a homeserver: log-in, and requests of the client API."""

from __future__ import annotations

import itertools
import json
import secrets
import subprocess
from collections.abc import Mapping
from typing import Any, Final

import attrs
import httpx

from synapse_tim.testing.driver.config import DeviceConfig, HomeserverConfig
from synapse_tim.testing.driver.errors import DriverError, Source
from synapse_tim.testing.driver.http_client import HttpClient
from synapse_tim.testing.servers.client import url_part

CLIENT: Final = "/_matrix/client/v3"
_transactions = itertools.count(1)


def path_of(*parts: str) -> str:
    """A path of the client API; each part is escaped."""
    return "/".join((CLIENT, *map(url_part, parts)))


@attrs.frozen
class MatrixSession:
    """One log-in of an account."""

    homeserver: HomeserverConfig
    http: HttpClient
    user_id: str
    device_id: str
    username: str  #: as it was logged in with
    access_token: str = attrs.field(repr=False)
    password: str = attrs.field(repr=False)

    @classmethod
    def log_in(cls, homeserver: HomeserverConfig, name: str, account: DeviceConfig) -> MatrixSession:
        """Log in.

        Args:
            homeserver: where.
            name: of the session.
            account: what to log in with.

        Raises:
            DriverError: as the homeserver says; 502 if the program of the configuration fails.
        """
        body = _login_body(account)
        http = HttpClient(homeserver.url, homeserver.ca_certificates, Source.HOMESERVER)
        try:
            answer = http.request(
                "POST",
                path_of("login"),
                headers={},
                json={"initial_device_display_name": name, **body},
            ).json()
        except BaseException:
            http.close()
            raise
        return cls(
            homeserver,
            http,
            answer["user_id"],
            answer["device_id"],
            account.username,
            answer["access_token"],
            account.password,
        )

    def log_out(self) -> None:
        """End the session at the homeserver."""
        try:
            self.call("POST", path_of("logout"), {})
        finally:
            self.http.close()

    def request(
        self,
        method: str,
        path: str,
        json: Any = None,
        *,
        params: Mapping[str, str] | None = None,
        content: bytes | None = None,
        headers: Mapping[str, str] | None = None,
    ) -> httpx.Response:
        """The answer to a request, which is a success; ``DriverError`` as the homeserver says."""
        sent = {"Authorization": f"Bearer {self.access_token}", **(headers or {})}
        return self.http.request(method, path, headers=sent, json=json, params=params, content=content)

    def call(self, method: str, path: str, json: Any = None, params: Mapping[str, str] | None = None) -> Any:
        """The JSON of an answer; ``DriverError`` as the homeserver says."""
        return self.request(method, path, json, params=params).json()

    def find(self, path: str) -> Any | None:
        """The JSON of something that may be missing."""
        try:
            return self.call("GET", path)
        except DriverError as error:
            if error.status == 404:
                return None
            raise

    def account_data(self, kind: str) -> dict[str, Any] | None:
        """Global account data, if there is any."""
        content = self.find(path_of("user", self.user_id, "account_data", kind))
        return content if isinstance(content, dict) else None

    def put_account_data(self, kind: str, content: Mapping[str, Any]) -> None:
        """Store global account data."""
        self.call("PUT", path_of("user", self.user_id, "account_data", kind), dict(content))

    def open_id_token(self) -> dict[str, Any]:
        """A token that says to others who this is."""
        path = path_of("user", self.user_id, "openid", "request_token")
        answer: dict[str, Any] = self.call("POST", path, {})
        return answer

    def display_name(self) -> str:
        """Of the own profile."""
        profile = self.find(path_of("profile", self.user_id, "displayname")) or {}
        return str(profile.get("displayname") or "")


def _login_body(account: DeviceConfig) -> dict[str, Any]:
    """The body of ``/login``."""
    body: dict[str, Any] = {"type": "m.login.password", "password": account.password}
    if account.login_command:
        try:
            done = subprocess.run(account.login_command, capture_output=True, check=True, timeout=60)
            body = dict(json.loads(done.stdout))
        except (OSError, subprocess.SubprocessError, ValueError, TypeError) as error:
            raise DriverError(502, "LOGIN_COMMAND", f"login_command of {account.name}: {error}") from None
    elif account.login is not None:
        body = dict(account.login)
    if body.get("type") != "m.login.token":
        body.setdefault("identifier", {"type": "m.id.user", "user": account.username})
    return body


def transaction_id() -> str:
    """Another one each time, also after a restart."""
    return f"{next(_transactions)}.{secrets.token_hex(6)}"
