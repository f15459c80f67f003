"""A running stand-in for Matrix Authentication Service."""

import secrets
import threading
from collections.abc import Mapping
from types import TracebackType
from typing import Any, Self
from urllib.parse import urlsplit

from synapse_tim.testing.http import Answer, LoopbackServer, Request
from synapse_tim.testing.merge import deep_merge
from synapse_tim.testing.ports import free_port
from synapse_tim.testing.simulator.faults import Faults
from synapse_tim.testing.simulator.forms import query_of
from synapse_tim.testing.simulator.idp.oauth import OAuthError
from synapse_tim.testing.simulator.mas import own_keys
from synapse_tim.testing.simulator.mas.compat import CompatibilityLayer, MatrixError
from synapse_tim.testing.simulator.mas.config import MasConfig
from synapse_tim.testing.simulator.mas.homeserver import HomeserverConnection
from synapse_tim.testing.simulator.mas.oauth import INTROSPECT, OAuth
from synapse_tim.testing.simulator.mas.pages import cookie_of, page, redirect
from synapse_tim.testing.simulator.mas.sessions import API, SYNAPSE_ADMIN, Session, Sessions, User
from synapse_tim.testing.simulator.mas.upstream import AUTHORIZE, CALLBACK, LINK, LOGOUT, UpstreamLogin

_ACTIONS = ("profile", "devices_list", "device_view", "device_delete", "cross_signing_reset")


class AuthenticationService:
    """MAS on loopback, without TLS.

    Args:
        document: a ``mas.yaml``; see ``mas_config``.

    Attributes:
        config: what it says.
        faults: what is wrong with the answers of the introspection; see ``Faults``.
        lies: laid over every answer of the introspection.
    """

    def __init__(self, document: Mapping[str, Any]) -> None:
        self.config = MasConfig.of(document)
        self.faults = Faults(paths=(INTROSPECT,))
        self.sessions = Sessions()
        self._homeserver = HomeserverConnection(self.config.homeserver, self.config.secret)
        parts = (self.config, self.sessions, self._homeserver)
        self._upstream = UpstreamLogin(*parts)
        self._oauth = OAuth(*parts)
        self._compat = CompatibilityLayer(*parts)
        self.lies = self._oauth.lies
        self._asked = 0
        self._lock = threading.Lock()
        self._server: LoopbackServer | None = None

    def __enter__(self) -> Self:
        """Start."""
        return self.start()

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        """Stop."""
        self.stop()

    def start(self) -> Self:
        """Listen; nothing happens if it does.

        Raises:
            OSError: the port is taken.
        """
        if self._server is None:
            self._server = LoopbackServer(self.config.port, self._serve, self._count, self.faults)
        return self

    def stop(self) -> None:
        """Stop listening, as in an outage; what it knows stays."""
        if self._server is not None:
            self._server.close()
            self._server = None

    @property
    def url(self) -> str:
        """Where it is: ``matrix_authentication_service.endpoint`` of the homeserver."""
        return f"http://127.0.0.1:{self.config.port}"

    @property
    def introspections(self) -> int:
        """How often the homeserver asked about a token."""
        with self._lock:
            return self._asked

    # What an operator does with mas-cli

    def register_user(self, name: str, *, admin: bool = False, display_name: str | None = None) -> User:
        """``mas-cli manage register-user``: make an account; the homeserver has to run."""
        shown = {} if display_name is None else {"set_displayname": display_name}
        self._homeserver.call("provision_user", name, set_emails=[], **shown)
        user = self.sessions.users[name] = User(name, admin=admin)
        return user

    def link(self, provider: str, subject: str, user: User) -> None:
        """Link an account to a person at an upstream provider, as the admin API does."""
        self.sessions.links[provider, subject] = user

    def issue_compatibility_token(
        self, name: str, device_id: str | None = None, *, synapse_admin: bool = False
    ) -> tuple[str, str]:
        """``mas-cli manage issue-compatibility-token``: returns an access token and the device's id."""
        device = device_id or secrets.token_hex(5).upper()
        scope = f"{API[0]} {SYNAPSE_ADMIN}" if synapse_admin else API[0]
        session = self._compat.begin(Session(self.sessions.users[name], scope, None, device))
        return self.sessions.issue(session), device

    def lock_user(self, name: str, *, deactivate: bool = False) -> None:
        """``mas-cli manage lock-user [--deactivate]``."""
        user = self.sessions.users[name]
        user.locked, user.deactivated = True, deactivate
        if deactivate:
            self._homeserver.call("delete_user", name, erase=False)

    def unlock_user(self, name: str, *, reactivate: bool = False) -> None:
        """``mas-cli manage unlock-user [--reactivate]``."""
        user = self.sessions.users[name]
        if reactivate:
            self._homeserver.call("reactivate_user", name)
            user.deactivated = False
        user.locked = False

    def kill_sessions(self, name: str) -> None:
        """``mas-cli manage kill-sessions``."""
        self.sessions.end(lambda session: session.user.name == name)
        self._homeserver.call("sync_devices", name, devices=[])

    # What it serves

    def _count(self, method: str, path: str, status: int) -> None:
        if path == INTROSPECT:
            with self._lock:
                self._asked += 1

    def _serve(self, request: Request) -> Answer:
        try:
            return self._compat(request) or self._route(request)
        except (OAuthError, MatrixError) as error:
            return error.answer

    def _route(self, request: Request) -> Answer:
        path = urlsplit(request.path).path
        if (handler := self._oauth.routes.get((request.method, path))) is not None:
            return handler(request)
        match request.method, path:
            case "GET", "/.well-known/openid-configuration":
                return Answer.of_json(self._metadata())
            case "GET", own_keys.KEYS:
                return Answer.of_json(own_keys.key_set(self.config.keys))
            case "GET", "/login":
                return self._upstream.choose(request)
            case (("GET" | "POST"), "/account/"):
                return self._account(request)
            case "GET", _ if path.startswith(AUTHORIZE):
                return self._upstream.authorize(request, path.removeprefix(AUTHORIZE))
            case "GET", _ if path.startswith(CALLBACK):
                return self._upstream.callback(request, path.removeprefix(CALLBACK))
            case _, _ if path.startswith(LINK):
                return self._upstream.confirm(request, path.removeprefix(LINK))
            case "POST", _ if path.startswith(LOGOUT):
                return self._log_out(request, path.removeprefix(LOGOUT))
        return page("Not found", status=404)

    def _metadata(self) -> dict[str, Any]:
        return {
            "issuer": f"{self.config.public_base}/",
            "jwks_uri": f"{self.config.public_base}{own_keys.KEYS}",
            **self._oauth.metadata(),
            "account_management_uri": f"{self.config.public_base}/account/",
            "account_management_actions_supported": [f"org.matrix.{name}" for name in _ACTIONS],
        }

    def _account(self, request: Request) -> Answer:
        """Account management (MSC4191): of its actions, the reset of cross-signing keys does something."""
        browser = self.sessions.browser(cookie_of(request))
        if browser is None:
            return redirect(f"{self.config.public_base}/login?then=/account/")
        if query_of(request).get("action") != "org.matrix.cross_signing_reset":
            return page("Your account", browser.user.name)
        if request.method == "GET":
            return page("Reset your identity?", browser.user.name, button="Finish reset")
        self._homeserver.call("allow_cross_signing_reset", browser.user.name)
        return page("Identity reset successfully")

    def _log_out(self, request: Request, provider: str) -> Answer:
        answer, over = self._upstream.log_out(request, provider)
        for user in self.sessions.end(lambda session: any(session.browser is each for each in over)):
            self._homeserver.call("sync_devices", user.name, devices=self.sessions.devices(user))
        return answer


def mas_config(
    server_name: str, homeserver_url: str, *providers: Mapping[str, Any], **overrides: Any
) -> dict[str, Any]:
    """A ``mas.yaml`` for a homeserver on loopback, as TI-M demands it but for TLS.

    Args:
        server_name: of the homeserver.
        homeserver_url: where it is.
        *providers: entries of ``upstream_oauth2.providers``.
        **overrides: merged into the document, nested keys too; ``None`` takes a key out.
    """
    port = free_port()
    document: dict[str, Any] = {
        "http": {
            "public_base": f"http://127.0.0.1:{port}/",
            "listeners": [
                {
                    "name": "web",
                    "resources": [{"name": name} for name in ("discovery", "human", "oauth", "compat")],
                    "binds": [{"host": "127.0.0.1", "port": port}],
                }
            ],
        },
        "matrix": {
            "homeserver": server_name,
            "endpoint": homeserver_url,
            "secret": secrets.token_hex(16),
        },
        "passwords": {"enabled": False},
        "account": {"displayname_change_allowed": False, "email_change_allowed": False},
        "oauth": {"device_code_grant_enabled": False},
        "upstream_oauth2": {"providers": list(providers)},
        "policy": {"data": {"client_registration": {"allow_insecure_uris": True}}},
    }
    return deep_merge(document, overrides)
