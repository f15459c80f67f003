"""The OAuth 2.0 APIs: authorization code with PKCE, device grant, tokens, revocation, introspection."""

import re
import secrets
import time
from collections.abc import Callable, Mapping
from typing import Any, Final
from urllib.parse import urlencode

import attrs

from synapse_tim.testing.http import Answer, Request
from synapse_tim.testing.simulator.forms import form_of, query_of
from synapse_tim.testing.simulator.idp.oauth import AuthorizationRequest, OAuthError, required
from synapse_tim.testing.simulator.mas.clients import DEVICE_CODE, Clients
from synapse_tim.testing.simulator.mas.config import MasConfig
from synapse_tim.testing.simulator.mas.homeserver import HomeserverConnection
from synapse_tim.testing.simulator.mas.pages import cookie_of, page, redirect
from synapse_tim.testing.simulator.mas.sessions import (
    API,
    DEVICE,
    SYNAPSE_ADMIN,
    BrowserSession,
    Session,
    Sessions,
)
from synapse_tim.testing.simulator.one_shot import OneShot

AUTHORIZE, REGISTRATION, TOKEN = "/authorize", "/oauth2/registration", "/oauth2/token"
REVOKE, INTROSPECT, DEVICE_AUTHORIZATION = "/oauth2/revoke", "/oauth2/introspect", "/oauth2/device"
DEVICE_LINK = "/link"
_DEVICE_SCOPE: Final = re.compile(r"[A-Za-z0-9._~!$&'()*+,;=:@/-]{10,}")
_OPEN: Final = ("openid", "email", "urn:mas:graphql:*", *API)
_SECONDS_TO_LINK: Final = 1200


@attrs.frozen
class _Code:
    """What an authorization code stands for."""

    request: AuthorizationRequest
    browser: BrowserSession


@attrs.define
class _DeviceGrant:
    """A device that waits for its user."""

    client_id: str
    scope: str
    user_code: str
    end: float = attrs.field(factory=lambda: time.monotonic() + _SECONDS_TO_LINK)
    browser: BrowserSession | None = None


class OAuth:
    """Serves the OAuth 2.0 APIs.

    Attributes:
        lies: laid over every answer of the introspection, to see what a homeserver makes of it.
    """

    def __init__(self, config: MasConfig, sessions: Sessions, homeserver: HomeserverConnection) -> None:
        self.lies: dict[str, Any] = {}
        self._config = config
        self._sessions = sessions
        self._homeserver = homeserver
        self._clients = Clients(
            config.policy.get("client_registration", {}), device_grant=config.device_grant
        )
        self._codes: OneShot[_Code] = OneShot(seconds=600)
        self._devices: dict[str, _DeviceGrant] = {}
        self.routes: dict[tuple[str, str], Callable[[Request], Answer]] = {
            ("POST", REGISTRATION): self._clients.register,
            ("GET", AUTHORIZE): self._authorize,
            ("POST", AUTHORIZE): self._authorize,
            ("POST", TOKEN): self._token,
            ("POST", REVOKE): self._revoke,
            ("POST", INTROSPECT): self._introspect,
        }
        if config.device_grant:
            self.routes |= {
                ("POST", DEVICE_AUTHORIZATION): self._begin_device,
                ("GET", DEVICE_LINK): self._link_device,
                ("POST", DEVICE_LINK): self._link_device,
            }

    def metadata(self) -> dict[str, Any]:
        """What discovery says of them (RFC 8414)."""
        base = self._config.public_base
        device = {"device_authorization_endpoint": base + DEVICE_AUTHORIZATION}
        return {
            "authorization_endpoint": base + AUTHORIZE,
            "token_endpoint": base + TOKEN,
            "registration_endpoint": base + REGISTRATION,
            "revocation_endpoint": base + REVOKE,
            "introspection_endpoint": base + INTROSPECT,
            **(device if self._config.device_grant else {}),
            "response_types_supported": ["code"],
            "response_modes_supported": ["query", "fragment"],
            "grant_types_supported": list(self._clients.grants),
            "code_challenge_methods_supported": ["S256"],
            "token_endpoint_auth_methods_supported": ["none"],
            "prompt_values_supported": ["login"],
        }

    def _authorize(self, request: Request) -> Answer:
        """Ask the user in the browser whether a client may; a POST is the consent."""
        query = query_of(request)
        asked = AuthorizationRequest.of(query, "code_challenge", "state", openid=False)
        self._clients.check(asked.client_id, "authorization_code", asked.redirect_uri)
        browser = self._sessions.browser(cookie_of(request))
        if browser is None:
            return redirect(f"{self._config.public_base}/login?{urlencode({'then': request.path})}")
        if (problem := self._scope_problem(asked.scope, browser)) is not None:
            return page("The authorization request was denied by the policy", problem, status=403)
        if request.method == "GET":
            return page("Allow access to your account?", asked.scope, button="Continue")
        mark = "#" if query.get("response_mode") == "fragment" else "?"
        code = self._codes.put(_Code(asked, browser))
        return redirect(f"{asked.redirect_uri}{mark}{urlencode({'code': code, 'state': asked.state or ''})}")

    def _scope_problem(self, scope: str, browser: BrowserSession) -> str | None:
        """Why the policy does not grant a scope."""
        user, tokens = browser.user, scope.split()
        devices = [each for each in tokens if each.startswith(DEVICE)]
        admin = user.admin or user.name in self._config.policy.get("admin_users", ())
        for token in tokens:
            name = next((token.removeprefix(start) for start in DEVICE if token.startswith(start)), None)
            if name is not None and _DEVICE_SCOPE.fullmatch(name):
                continue
            if token not in _OPEN and not (admin and token in (SYNAPSE_ADMIN, "urn:mas:admin")):
                return f"scope '{token}' not allowed"
        if len(devices) > 1:
            return "only one device scope is allowed at a time"
        if devices and not set(API) & set(tokens):
            return "device scopes are only allowed when the client-server API scope is requested"
        return None

    def _token(self, request: Request) -> Answer:
        form = form_of(request)
        grant = required(form, "grant_type")
        client_id = required(form, "client_id")
        self._clients.check(client_id, grant)
        if grant == "refresh_token":
            session = self._sessions.redeem(required(form, "refresh_token"), compat=False)
            if session is None or session.client != client_id:
                raise OAuthError("invalid_grant", "the refresh token is unknown, used up or over")
            return self._answer(session)
        if grant == DEVICE_CODE:
            return self._device_token(form, client_id)
        code = self._codes.take(required(form, "code"))
        if code is None:
            raise OAuthError("invalid_grant", "the code is unknown, used up or expired")
        code.request.check(form, form.get("code_verifier"))
        return self._begin(code.browser, client_id, code.request.scope)

    def _begin(self, browser: BrowserSession, client_id: str, scope: str) -> Answer:
        """Begin a session; its device is made at the homeserver first."""
        if browser.over or not browser.user.is_valid:
            raise OAuthError("invalid_grant", "the user is not logged in any more")
        devices = [each for each in scope.split() if each.startswith(DEVICE)]
        device = next((each.removeprefix(DEVICE[0]).removeprefix(DEVICE[1]) for each in devices), None)
        if device is not None:
            self._homeserver.call("upsert_device", browser.user.name, device_id=device)
        return self._answer(self._sessions.begin(Session(browser.user, scope, client_id, device, browser)))

    def _answer(self, session: Session) -> Answer:
        return Answer.of_json(
            {
                "access_token": self._sessions.issue(session, seconds=self._config.access_ttl),
                "refresh_token": self._sessions.issue(session, refresh=True),
                "token_type": "Bearer",
                "expires_in": self._config.access_ttl,
                "scope": session.scope,
            }
        )

    def _revoke(self, request: Request) -> Answer:
        """End the session of a token (RFC 7009); of one that is unknown nothing is said."""
        token = form_of(request).get("token", "")
        found = self._sessions.find(token) or self._sessions.find(token, refresh=True)
        if found is not None:
            for user in self._sessions.end(lambda each: each is found.session):
                self._homeserver.call("sync_devices", user.name, devices=self._sessions.devices(user))
        return Answer.of_json({})

    def _introspect(self, request: Request) -> Answer:
        """Tell the homeserver what a token is worth (RFC 7662)."""
        if not secrets.compare_digest(
            request.headers.get("authorization", "").encode(), f"Bearer {self._config.secret}".encode()
        ):
            raise OAuthError("access_denied", "the shared secret is wrong", 401)
        form = form_of(request)
        token = self._sessions.find(form.get("token", ""))
        if token is None:
            return Answer.of_json({"active": False, **self.lies})
        session = token.session
        scope = set(session.scope.split())
        for stable, unstable in ((API[0], API[1]), *_device_pairs(scope)):
            if scope & {stable, unstable}:
                scope |= {stable, unstable}
        answer: dict[str, Any] = {
            "active": True,
            "scope": " ".join(sorted(scope)),
            "username": session.user.name,
            "sub": session.user.sub,
            "token_type": "access_token",
        }
        if session.client is not None:
            answer["client_id"] = session.client
        elif session.device is not None:
            answer["device_id"] = session.device
        if token.end is not None:
            answer |= {"exp": int(token.end), "expires_in": int(token.end - time.time())}
        return Answer.of_json({**answer, **self.lies})

    def _begin_device(self, request: Request) -> Answer:
        """A device asks for its user (RFC 8628 §3.1)."""
        form = form_of(request)
        client_id = required(form, "client_id")
        self._clients.check(client_id, DEVICE_CODE)
        code = secrets.token_urlsafe(24)
        grant = _DeviceGrant(client_id, form.get("scope", ""), secrets.token_hex(3).upper())
        self._devices[code] = grant
        return Answer.of_json(
            {
                "device_code": code,
                "user_code": grant.user_code,
                "verification_uri": self._config.public_base + DEVICE_LINK,
                "expires_in": _SECONDS_TO_LINK,
                "interval": 5,
            }
        )

    def _link_device(self, request: Request) -> Answer:
        """The user types the code and agrees."""
        code = query_of(request).get("code", "")
        browser = self._sessions.browser(cookie_of(request))
        if browser is None:
            return redirect(f"{self._config.public_base}/login?{urlencode({'then': request.path})}")
        grants = (each for each in self._devices.values() if each.end > time.monotonic())
        grant = next((each for each in grants if each.user_code == code and each.browser is None), None)
        if grant is None:
            return page("Enter the code of your device", status=404)
        if (problem := self._scope_problem(grant.scope, browser)) is not None:
            return page("The authorization request was denied by the policy", problem, status=403)
        if request.method == "GET":
            return page("Allow access to your account?", grant.scope, button="Continue")
        grant.browser = browser
        return page("Device linked")

    def _device_token(self, form: Mapping[str, str], client_id: str) -> Answer:
        grant = self._devices.get(required(form, "device_code"))
        if grant is None or grant.client_id != client_id:
            raise OAuthError("invalid_grant", "the code is unknown or used up")
        if grant.end <= time.monotonic():
            raise OAuthError("expired_token", "the user took too long")
        if grant.browser is None:
            raise OAuthError("authorization_pending", "the user has not agreed yet")
        del self._devices[form["device_code"]]
        return self._begin(grant.browser, client_id, grant.scope)


def _device_pairs(scope: set[str]) -> list[tuple[str, str]]:
    names = {token.removeprefix(start) for token in scope for start in DEVICE if token.startswith(start)}
    return [(DEVICE[0] + name, DEVICE[1] + name) for name in names]
