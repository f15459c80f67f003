"""Log-in at an upstream OpenID provider, the account that follows from its claims, and its logout tokens."""

import re
import secrets
from collections.abc import Mapping
from typing import Any, Final
from urllib.parse import urlencode

import attrs
import jwt
from jinja2 import TemplateError
from jinja2.sandbox import SandboxedEnvironment

from synapse_tim.testing import loopback
from synapse_tim.testing.http import Answer, Request
from synapse_tim.testing.simulator.forms import form_of, query_of
from synapse_tim.testing.simulator.idp.oauth import OAuthError, challenge_of, required
from synapse_tim.testing.simulator.mas.config import MasConfig, Upstream
from synapse_tim.testing.simulator.mas.homeserver import HomeserverConnection
from synapse_tim.testing.simulator.mas.own_keys import assertion
from synapse_tim.testing.simulator.mas.pages import COOKIE, own_path, page, redirect
from synapse_tim.testing.simulator.mas.sessions import BrowserSession, Sessions, User
from synapse_tim.testing.simulator.one_shot import OneShot

AUTHORIZE: Final = "/upstream/authorize/"
CALLBACK: Final = "/upstream/callback/"
LINK: Final = "/upstream/link/"
LOGOUT: Final = "/upstream/backchannel-logout/"
_EVENT: Final = "http://schemas.openid.net/event/backchannel-logout"
_USERNAME: Final = re.compile(r"[a-z0-9._=/-]{1,64}")
_TEMPLATES: Final = SandboxedEnvironment()


@attrs.frozen
class _Begun:
    """A log-in that the provider has been asked for."""

    provider: Upstream
    verifier: str
    nonce: str
    then: str


@attrs.frozen
class _Person:
    """Who came back from the provider without having an account."""

    provider: Upstream
    claims: Mapping[str, Any]
    then: str


class UpstreamLogin:
    """Logs browsers in at upstream providers."""

    def __init__(self, config: MasConfig, sessions: Sessions, homeserver: HomeserverConnection) -> None:
        self._config = config
        self._sessions = sessions
        self._homeserver = homeserver
        self._begun: OneShot[_Begun] = OneShot(seconds=600)
        self._asked: OneShot[_Person] = OneShot(seconds=600)

    def choose(self, request: Request) -> Answer:
        """``GET /login``: the providers, or the only one at once."""
        then = own_path(query_of(request).get("then", "/"))
        urls = {
            each.id: f"{self._config.public_base}{AUTHORIZE}{each.id}?{urlencode({'then': then})}"
            for each in self._config.upstreams.values()
        }
        if len(urls) == 1:
            return redirect(next(iter(urls.values())))
        return page("Sign in", links="".join(f'<a href="{url}">{name}</a> ' for name, url in urls.items()))

    def authorize(self, request: Request, provider_id: str) -> Answer:
        """Send the browser to the provider."""
        provider = self._provider(provider_id)
        metadata = _metadata(provider)
        then = own_path(query_of(request).get("then", "/"))
        begun = _Begun(provider, secrets.token_urlsafe(32), secrets.token_urlsafe(16), then)
        asked = {
            "response_type": "code",
            "client_id": provider.client_id,
            "redirect_uri": self._callback_url(provider),
            "scope": provider.scope,
            "state": self._begun.put(begun),
            "nonce": begun.nonce,
        }
        methods = metadata.get("code_challenge_methods_supported", ())
        if provider.pkce == "always" or (provider.pkce == "auto" and "S256" in methods):
            asked |= {"code_challenge": challenge_of(begun.verifier), "code_challenge_method": "S256"}
        return redirect(f"{metadata['authorization_endpoint']}?{urlencode(asked)}")

    def callback(self, request: Request, provider_id: str) -> Answer:
        """The browser comes back with a code."""
        query = query_of(request)
        begun = self._begun.take(query.get("state", ""))
        if begun is None or begun.provider is not self._provider(provider_id):
            return page("Session not found", status=400)
        if "error" in query:
            return page("The provider refused", query["error"], status=400)
        try:
            claims = self._claims(begun, required(query, "code"))
        except (jwt.PyJWTError, KeyError, ValueError) as error:
            return page("Login failed", f"The ID token is not valid: {type(error).__name__}", status=400)
        person = _Person(begun.provider, claims, begun.then)
        user = self._sessions.links.get(_link(person))
        if user is not None:
            return self._enter(user, person)
        if not begun.provider.skip_confirmation:
            return redirect(f"{self._config.public_base}{LINK}{self._asked.put(person)}")
        return self._make_account(person)

    def confirm(self, request: Request, name: str) -> Answer:
        """Show what an account will be, and make it when that is confirmed."""
        person = self._asked.peek(name) if request.method == "GET" else self._asked.take(name)
        if person is None:
            return page("Session not found", status=404)
        if request.method == "GET":
            return page("Create a new account", f"@{_render(person, 'localpart')}", button="Continue")
        return self._make_account(person)

    def log_out(self, request: Request, provider_id: str) -> tuple[Answer, list[BrowserSession]]:
        """End what a provider says is over (OpenID Connect Back-Channel Logout §2.6).

        Returns:
            The answer, and the sessions of browsers whose clients' sessions end, too.
        """
        provider = self._provider(provider_id)
        try:
            token = required(form_of(request), "logout_token")
            claims = _verified(provider, token, required=["iss", "aud", "iat", "exp", "jti"])
            if _EVENT not in claims.get("events", {}) or "nonce" in claims:
                raise ValueError
            if "sub" not in claims and "sid" not in claims:
                raise ValueError
        except (jwt.PyJWTError, ValueError):
            raise OAuthError("invalid_request", "the logout token is not valid") from None
        subject, sid = claims.get("sub"), claims.get("sid")
        found = self._sessions.browsers(
            lambda each: (
                each.provider == provider.id and subject in (None, each.subject) and sid in (None, each.sid)
            )
        )
        if provider.on_logout == "do_nothing":
            return Answer.of_json({}), []
        for session in found:
            session.over = True
        return Answer.of_json({}), found if provider.on_logout == "logout_all" else []

    def _provider(self, provider_id: str) -> Upstream:
        if provider_id not in self._config.upstreams:
            raise OAuthError("invalid_request", "the provider is unknown", 404)
        return self._config.upstreams[provider_id]

    def _callback_url(self, provider: Upstream) -> str:
        return f"{self._config.public_base}{CALLBACK}{provider.id}"

    def _claims(self, begun: _Begun, code: str) -> dict[str, Any]:
        """What the provider says about whoever logged in there."""
        provider, metadata = begun.provider, _metadata(begun.provider)
        form = {
            "grant_type": "authorization_code",
            "code": code,
            "redirect_uri": self._callback_url(provider),
            "client_id": provider.client_id,
            "code_verifier": begun.verifier,
        }
        credentials = None
        if provider.auth_method == "client_secret_basic":
            credentials = (provider.client_id, provider.client_secret)
        elif provider.auth_method == "client_secret_post":
            form["client_secret"] = provider.client_secret
        elif provider.auth_method == "private_key_jwt":
            endpoint = metadata["token_endpoint"]
            form |= assertion(self._config.keys, provider.client_id, endpoint, provider.auth_algorithm)
        answer = loopback.post(metadata["token_endpoint"], data=form, auth=credentials)
        if not answer.is_success:
            raise ValueError(answer.text)
        tokens = answer.json()
        claims = _verified(provider, tokens["id_token"], required=["iss", "sub", "aud", "exp", "iat"])
        if claims.get("nonce") != begun.nonce:
            raise ValueError("nonce")
        if provider.fetch_userinfo:
            bearer = {"Authorization": f"Bearer {tokens['access_token']}"}
            claims |= loopback.get(metadata["userinfo_endpoint"], headers=bearer).raise_for_status().json()
        return claims

    def _make_account(self, person: _Person) -> Answer:
        """Make an account, or find the one that has its name; see ``localpart.on_conflict``."""
        name = _render(person, "localpart")
        existing = self._sessions.users.get(name)
        if existing is not None:
            if person.provider.claims["localpart"]["on_conflict"] == "fail":
                return page("User exists already", f"{name} belongs to somebody else", status=409)
            self._sessions.links[_link(person)] = existing
            return self._enter(existing, person)
        if (problem := self._problem(name)) is not None:
            return page("The account is not allowed", problem, status=403)
        user = User(name)
        known: dict[str, Any] = {"set_emails": []}
        for attribute, key in (("displayname", "set_displayname"), ("email", "set_emails")):
            value = _render(person, attribute)
            action = person.provider.claims[attribute]["action"]
            if action == "require" and not value:
                return page("A claim is missing", attribute, status=400)
            if action != "ignore" and value:
                known[key] = [value] if attribute == "email" else value
        self._homeserver.call("provision_user", name, **known)
        self._sessions.users[name] = self._sessions.links[_link(person)] = user
        return self._enter(user, person)

    def _problem(self, name: str) -> str | None:
        """Why nobody can be called that: MAS's policy, ``policy.data.registration``, and the homeserver."""
        rules = self._config.policy.get("registration", {})
        allowed, banned = rules.get("allowed_usernames"), rules.get("banned_usernames")
        if not _USERNAME.fullmatch(name) or name.isdigit():
            return "the username is missing, or has characters that are not allowed"
        if (allowed is not None and not _matches(allowed, name)) or _matches(banned or {}, name):
            return "the username is not allowed by the policy"
        return None if self._homeserver.is_available(name) else "the username is not available"

    def _enter(self, user: User, person: _Person) -> Answer:
        if not user.is_valid:
            return page("Account locked or deactivated", status=403)
        provider, subject = _link(person)
        session = BrowserSession(user, provider, subject, person.claims.get("sid"))
        cookie = self._sessions.begin_browser(session)
        attributes = "Path=/; HttpOnly; SameSite=Lax"
        return redirect(
            self._config.public_base + person.then, {"Set-Cookie": f"{COOKIE}={cookie}; {attributes}"}
        )


def _metadata(provider: Upstream) -> dict[str, Any]:
    """What is configured, and of the rest what the provider says."""
    if not provider.discovers:
        return dict(provider.endpoints)
    url = f"{provider.issuer.rstrip('/')}/.well-known/openid-configuration"
    document: dict[str, Any] = loopback.get(url).raise_for_status().json()
    if document.get("issuer") != provider.issuer:
        raise OAuthError("server_error", "the provider has another issuer", 500)
    return {**document, **provider.endpoints}


def _verified(provider: Upstream, token: str, *, required: list[str]) -> dict[str, Any]:
    keys = jwt.PyJWKSet.from_dict(loopback.get(_metadata(provider)["jwks_uri"]).raise_for_status().json())
    kid = jwt.get_unverified_header(token).get("kid")
    key = next((each for each in keys.keys if kid in (None, each.key_id)), None)
    if key is None:
        raise ValueError("kid")
    claims: dict[str, Any] = jwt.decode(
        token,
        key.key,
        algorithms=[provider.algorithm],
        audience=provider.client_id,
        issuer=provider.issuer,
        options={"require": required},
    )
    return claims


def _link(person: _Person) -> tuple[str, str]:
    subject = _render(person, "subject")
    if not subject:
        raise OAuthError("server_error", "the subject is missing", 500)
    return person.provider.id, subject


def _render(person: _Person, attribute: str) -> str:
    """What a template makes of the claims; nothing of claims that are missing."""
    try:
        template = _TEMPLATES.from_string(person.provider.claims[attribute]["template"])
        return template.render(user=person.claims).strip()
    except TemplateError as error:
        raise OAuthError("server_error", f"the template of {attribute}: {error}", 500) from None


def _matches(patterns: Mapping[str, list[str]], name: str) -> bool:
    return (
        name in patterns.get("literals", ())
        or any(each in name for each in patterns.get("substrings", ()))
        or any(re.search(each, name) for each in patterns.get("regexes", ()))
        or any(name.startswith(each) for each in patterns.get("prefixes", ()))
        or any(name.endswith(each) for each in patterns.get("suffixes", ()))
    )
