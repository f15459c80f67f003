"""A log-in from the browser's side: authorization request, choice of a provider, the way there and back.

What is under way is in the database, bound to a cookie of the browser: nobody can be logged in as somebody
else by a link (login CSRF), and an answer that belongs to another browser changes nothing. Errors go to the
relying party's redirect URI; what no relying party stands behind is a page.
"""

import datetime as dt
import logging
import re
import secrets
import time
from collections.abc import Callable, Mapping
from typing import Any, Final

import attrs
from authlib.oauth2 import OAuth2Error

from synapse_tim.adapter.answers import count_denied, referred
from synapse_tim.core.rate_limit import RequestRate
from synapse_tim.gateway.accounts import Expected, GatewayAccounts
from synapse_tim.gateway.denials import GATEWAY_RATE, GATEWAY_REQUEST, GATEWAY_UPSTREAM
from synapse_tim.gateway.oauth import CODE_SECONDS, OAuth
from synapse_tim.gateway.pages import choice_page, error_page
from synapse_tim.gateway.requests import Asked
from synapse_tim.gateway.store import GatewayStore, digest, new_secret
from synapse_tim.gateway.upstream import AuthenticationRequest, Upstream, UpstreamError, UpstreamRefusal
from synapse_tim.gateway.web import WebAnswer, WebRequest, redirect
from synapse_tim.login.denials import ID_TOKEN
from synapse_tim.login.rules.nonces import LIFETIME, NonceMint
from synapse_tim.login.rules.refusals import TokenRefusal, TokenRefusedError, page_text
from synapse_tim.login.token_login import count_accepted, count_refused

logger = logging.getLogger(__name__)

#: Of the browser; the prefix has browsers take it from this host only, over TLS (RFC 6265bis §4.1.3.2).
COOKIE: Final = "__Host-synapse_tim_gateway"

_SECRET: Final = re.compile(r"[A-Za-z0-9_-]{43}")
_CODE: Final = dt.timedelta(seconds=CODE_SECONDS)
#: What a relying party hears when a provider could not be used (OpenID Connect Core §3.1.2.6).
_ERRORS: Final[Mapping[UpstreamRefusal, str]] = {
    UpstreamRefusal.UNAVAILABLE: "temporarily_unavailable",
    UpstreamRefusal.PROTOCOL: "server_error",
    UpstreamRefusal.DENIED: "access_denied",
    UpstreamRefusal.LOGIN_REQUIRED: "login_required",
    UpstreamRefusal.MIX_UP: "access_denied",
}


@attrs.frozen(eq=False)
class Logins:
    """Serves browsers that relying parties have sent."""

    oauth: OAuth
    upstreams: Mapping[str, Upstream]
    store: GatewayStore
    accounts: GatewayAccounts
    nonces: NonceMint
    rate: RequestRate
    clock: Callable[[], dt.datetime]  #: the time, with a time zone

    async def authorize(self, request: WebRequest) -> WebAnswer:
        """``/authorize``: begin a log-in."""
        if not self._has_time_for(request):
            return error_page(request, GATEWAY_RATE)
        if request.parameters is None:
            return error_page(request, GATEWAY_REQUEST)
        try:
            asked = self.oauth.check_authorization(request.parameters)
        except OAuth2Error as error:
            if error.redirect_uri is None:
                logger.info("A request for authorization was refused: %s", error.error)
                return error_page(request, GATEWAY_REQUEST)
            return self._refuse(error.redirect_uri, error.state, error.error, error.description)
        cookie, headers = _browser(request)
        content = {"asked": attrs.asdict(asked), "cookie": digest(cookie)}
        if len(self.upstreams) == 1 and "select_account" not in asked.prompts:
            return await self._send(content, next(iter(self.upstreams)), headers)
        attempt = new_secret()
        await self.store.put("attempt", attempt, content, self.clock() + LIFETIME)
        choices = [(each.id, each.name) for each in self.upstreams.values()]
        page = choice_page(request, f"{self.oauth.issuer}/choose", attempt, choices)
        return attrs.evolve(page, headers={**page.headers, **headers})

    async def choose(self, request: WebRequest) -> WebAnswer:
        """``/choose``: go to the provider that somebody has chosen; they may come back and choose again."""
        if not self._has_time_for(request):
            return error_page(request, GATEWAY_RATE)
        parameters = request.parameters or {}
        content = await self.store.peek("attempt", parameters.get("attempt", ""), self.clock())
        cookie = request.cookies.get(COOKIE, "")
        provider = parameters.get("provider", "")
        if content is None or content["cookie"] != digest(cookie) or provider not in self.upstreams:
            return error_page(request, GATEWAY_REQUEST)
        return await self._send(content, provider, {})

    async def callback(self, request: WebRequest) -> WebAnswer:
        """``/callback``: a provider sends the browser back."""
        answer = dict(request.parameters or {})
        state, cookie = answer.pop("state", ""), digest(request.cookies.get(COOKIE, ""))
        content = await self.store.take("state", state, self.clock(), cookie=cookie)
        if content is None or content["provider"] not in self.upstreams:
            return error_page(request, GATEWAY_REQUEST)
        asked = Asked(**content["asked"])
        try:
            return await self._finish(asked, content, answer)
        except UpstreamError as error:
            return self._upstream_failed(asked, content["provider"], error)
        except TokenRefusedError as error:
            return self._refused(asked, error)
        except Exception as error:
            # Its text may hold something about the person.
            logger.error("A login at the identity gateway failed: %s", type(error).__name__)
            logger.debug("A login at the identity gateway failed", exc_info=True)
            return self._refused(asked, TokenRefusedError(TokenRefusal.INTERNAL), "server_error")

    async def _send(self, content: Mapping[str, Any], provider: str, headers: Mapping[str, str]) -> WebAnswer:
        """Send the browser to a provider."""
        asked, now, state = Asked(**content["asked"]), self.clock(), new_secret()
        nonce = self.nonces.make(now)
        wanted = AuthenticationRequest(
            redirect_uri=f"{self.oauth.issuer}/callback",
            state=state,
            nonce=nonce,
            prompt=next((each for each in asked.prompts if each == "login"), None),
            max_age=asked.max_age,
        )
        try:
            begun = await self.upstreams[provider].begin(wanted)
        except UpstreamError as error:
            return self._upstream_failed(asked, provider, error, headers)
        kept = {
            **content,
            "provider": provider,
            "private": dict(begun.private),
            "nonce": nonce,
            "begun_ts": int(now.timestamp()),
        }
        await self.store.put("state", state, kept, now + LIFETIME)
        return redirect(begun.redirect_url, headers)

    async def _finish(self, asked: Asked, content: Mapping[str, Any], answer: Mapping[str, str]) -> WebAnswer:
        """Judge who came back, and give the relying party a code for them."""
        authenticated = await self.upstreams[content["provider"]].finish(answer, content["private"])
        expected = Expected(
            provider=content["provider"],
            nonce=content["nonce"],
            begun_at=dt.datetime.fromtimestamp(content["begun_ts"], dt.UTC),
            fresh="login" in asked.prompts,
            max_age=asked.max_age,
        )
        found = await self.accounts.identify(authenticated.id_token, expected, asked.client_id)
        now, sid, code = self.clock(), secrets.token_urlsafe(16), new_secret()
        await self.store.add_session(sid, asked.client_id, found.claims["sub"], found.session, now)
        nonce = ("gateway nonce", f"{asked.client_id}\0{asked.nonce}", now + LIFETIME)
        before = await self.accounts.login.context.used.store.use_once([nonce], found.session)
        if before is not None:
            await self.store.forget_session(sid)
        if before == "session":  # it ended meanwhile
            raise TokenRefusedError(TokenRefusal.REPLAYED, "the session at the provider is over")
        if before is not None:
            count_refused(TokenRefusedError(TokenRefusal.NONCE, "that of the relying party"))
            return self._refuse(asked.redirect_uri, asked.state, "invalid_request", "nonce was used before.")
        grant = {
            "client_id": asked.client_id,
            "redirect_uri": asked.redirect_uri,
            "scope": asked.scope,
            "nonce": asked.nonce,
            "code_challenge": asked.challenge,
            "claims": {**found.claims, "sid": sid},
        }
        if not await self.store.put("code", code, grant, now + _CODE, sid):
            raise TokenRefusedError(TokenRefusal.REPLAYED, "the session at the provider is over")
        count_accepted()
        return redirect(asked.redirect_uri, code=code, state=asked.state, iss=self.oauth.issuer)

    def _has_time_for(self, request: WebRequest) -> bool:
        return self.rate.allows(request.address.encode(), time.monotonic())

    def _refuse(
        self,
        redirect_uri: str,
        state: str | None,
        error: str,
        description: str | None,
        headers: Mapping[str, str] | None = None,
    ) -> WebAnswer:
        """Tell a relying party (RFC 6749 §4.1.2.1, RFC 9207)."""
        return redirect(
            redirect_uri,
            headers,
            error=error,
            error_description=description,
            state=state,
            iss=self.oauth.issuer,
        )

    def _refused(self, asked: Asked, error: TokenRefusedError, code: str = "access_denied") -> WebAnswer:
        count_refused(error)
        text = referred(ID_TOKEN, page_text(error.reason))
        return self._refuse(asked.redirect_uri, asked.state, code, text)

    def _upstream_failed(
        self, asked: Asked, provider: str, error: UpstreamError, headers: Mapping[str, str] | None = None
    ) -> WebAnswer:
        logger.warning("Identity provider %s: login not completed: %s", provider, error)
        count_denied(GATEWAY_UPSTREAM)
        text = referred(GATEWAY_UPSTREAM, GATEWAY_UPSTREAM.text)
        return self._refuse(asked.redirect_uri, asked.state, _ERRORS[error.reason], text, headers)


def _browser(request: WebRequest) -> tuple[str, Mapping[str, str]]:
    """The cookie of a browser, which several tabs share, and the header that gives it one for some time."""
    cookie = request.cookies.get(COOKIE, "")
    if not _SECRET.fullmatch(cookie):
        cookie = new_secret()
    lifetime = int(LIFETIME.total_seconds())
    return cookie, {
        "Set-Cookie": f"{COOKIE}={cookie}; Path=/; Max-Age={lifetime}; Secure; HttpOnly; SameSite=Lax"
    }
