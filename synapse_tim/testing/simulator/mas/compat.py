"""The compatibility layer: Matrix's former APIs of logins, which a reverse proxy sends here."""

import json
import re
import secrets
from typing import Any, Final
from urllib.parse import urlencode, urlsplit

from synapse_tim.testing.http import Answer, Request
from synapse_tim.testing.simulator.forms import query_of
from synapse_tim.testing.simulator.mas.config import MasConfig
from synapse_tim.testing.simulator.mas.homeserver import HomeserverConnection
from synapse_tim.testing.simulator.mas.pages import cookie_of, page, redirect
from synapse_tim.testing.simulator.mas.sessions import API, BrowserSession, Session, Sessions
from synapse_tim.testing.simulator.one_shot import OneShot

_PATH: Final = re.compile(r"/_matrix/client/(?:api/v1|r0|v3|unstable)/(login|logout|refresh)(/.*)?")
_SECONDS_OF_LOGIN_TOKENS: Final = 30


class MatrixError(Exception):
    """A refusal in Matrix's form."""

    def __init__(self, status: int, errcode: str, error: str) -> None:
        super().__init__(error)
        self.answer = Answer.of_json({"errcode": errcode, "error": error}, status)


class CompatibilityLayer:
    """Serves Matrix's former APIs."""

    def __init__(self, config: MasConfig, sessions: Sessions, homeserver: HomeserverConnection) -> None:
        self._config = config
        self._sessions = sessions
        self._homeserver = homeserver
        self._tokens: OneShot[BrowserSession] = OneShot(seconds=_SECONDS_OF_LOGIN_TOKENS)

    def __call__(self, request: Request) -> Answer | None:
        """Answer a request, or leave it to the homeserver."""
        found = _PATH.fullmatch(urlsplit(request.path).path)
        if found is None:
            return None
        match request.method, found[1], (found[2] or "").rstrip("/"):
            case "GET", "login", "":
                sso = {"type": "m.login.sso", "org.matrix.msc3824.delegated_oidc_compatibility": True}
                sso["oauth_aware_preferred"] = True
                return Answer.of_json({"flows": [sso, {"type": "m.login.token"}]})
            case "POST", "login", "":
                return self._log_in(_json(request))
            case (("GET" | "POST"), "login", _) if found[2].startswith("/sso/redirect"):
                return self._sso(request)
            case "POST", "refresh", "":
                return self._refresh(_json(request))
            case "POST", "logout", ("" | "/all") as rest:
                return self._log_out(request, everywhere=bool(rest))
        raise MatrixError(404, "M_UNRECOGNIZED", "Unrecognized request")

    def begin(self, session: Session) -> Session:
        """Begin a session with its device."""
        if session.device is not None:
            self._homeserver.call("upsert_device", session.user.name, device_id=session.device)
        return self._sessions.begin(session)

    def _log_in(self, body: dict[str, Any]) -> Answer:
        if body.get("type") != "m.login.token":
            raise MatrixError(400, "M_UNRECOGNIZED", "Invalid login type")
        browser = self._tokens.take(str(body.get("token")))
        if browser is None or browser.over or not browser.user.is_valid:
            raise MatrixError(403, "M_FORBIDDEN", "Invalid login token")
        device = str(body.get("device_id") or secrets.token_hex(5).upper())
        session = self.begin(Session(browser.user, API[0], None, device, browser))
        user_id = f"@{browser.user.name}:{self._config.server_name}"
        answer = {"user_id": user_id, "device_id": device}
        return Answer.of_json({**answer, **self._issue(session, refresh=body.get("refresh_token") is True)})

    def _issue(self, session: Session, *, refresh: bool) -> dict[str, Any]:
        if not refresh:
            return {"access_token": self._sessions.issue(session)}
        return {
            "access_token": self._sessions.issue(session, seconds=self._config.compat_ttl),
            "refresh_token": self._sessions.issue(session, refresh=True),
            "expires_in_ms": self._config.compat_ttl * 1000,
        }

    def _sso(self, request: Request) -> Answer:
        target = query_of(request).get("redirectUrl", "")
        if urlsplit(target).scheme in ("", "javascript", "data") or not target.isprintable():
            raise MatrixError(400, "M_MISSING_PARAM", "redirectUrl is missing or no URL")
        browser = self._sessions.browser(cookie_of(request))
        if browser is None:
            return redirect(f"{self._config.public_base}/login?{urlencode({'then': request.path})}")
        if request.method == "GET":
            return page("Allow access to your account?", target, button="Continue")
        mark = "&" if "?" in target else "?"
        return redirect(f"{target}{mark}{urlencode({'loginToken': self._tokens.put(browser)})}")

    def _refresh(self, body: dict[str, Any]) -> Answer:
        session = self._sessions.redeem(str(body.get("refresh_token")), compat=True)
        if session is None:
            raise MatrixError(401, "M_UNKNOWN_TOKEN", "Invalid refresh token")
        return Answer.of_json(self._issue(session, refresh=True))

    def _log_out(self, request: Request, *, everywhere: bool) -> Answer:
        _, _, token = request.headers.get("authorization", "").partition(" ")
        found = self._sessions.find(token)
        if found is None or not found.session.is_compat:
            raise MatrixError(401, "M_UNKNOWN_TOKEN", "Invalid access token")
        user = found.session.user
        self._sessions.end(lambda each: each is found.session or (everywhere and each.user is user))
        self._homeserver.call("sync_devices", user.name, devices=self._sessions.devices(user))
        return Answer.of_json({})


def _json(request: Request) -> dict[str, Any]:
    try:
        body = json.loads(request.body)
    except ValueError:
        body = None
    if not isinstance(body, dict):
        raise MatrixError(400, "M_NOT_JSON", "expected a JSON object")
    return body
