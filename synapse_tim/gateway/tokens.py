"""What relying parties ask the gateway for themselves: tokens, and what is known about a person."""

import datetime as dt
import logging
from collections.abc import Awaitable, Callable, Mapping
from typing import Any, Final

import attrs
from authlib.oauth2 import OAuth2Error
from authlib.oauth2.rfc6749 import InvalidClientError, InvalidRequestError

from synapse_tim.gateway.client_assertions import assertion_names
from synapse_tim.gateway.clients import Client
from synapse_tim.gateway.oauth import TOKEN_SECONDS, OAuth, claims_for
from synapse_tim.gateway.requests import Grant, Request
from synapse_tim.gateway.store import GatewayStore
from synapse_tim.gateway.web import WebAnswer, WebRequest, json_answer
from synapse_tim.login.rules.claims import CLOCK_SKEW
from synapse_tim.login.store import LoginStore

logger = logging.getLogger(__name__)

_TOKEN: Final = dt.timedelta(seconds=TOKEN_SECONDS)


@attrs.frozen(eq=False)
class Tokens:
    """Serves relying parties."""

    oauth: OAuth
    clients: Mapping[str, Client]
    store: GatewayStore
    used: LoginStore
    tell_of_ended: Callable[[], Awaitable[None]]  #: tells relying parties of sessions that are over
    clock: Callable[[], dt.datetime]  #: the time, with a time zone

    async def token(self, request: WebRequest) -> WebAnswer:
        """``/token``: exchange a code; one that is shown again ends what came of it (RFC 6749 §4.1.2)."""
        try:
            if request.parameters is None:
                raise InvalidRequestError("The form cannot be read.")
            return json_answer(200, await self._redeem(request, request.parameters))
        except OAuth2Error as error:
            logger.info("A token request was refused: %s", error.error)
            status, body, headers = error()
            return json_answer(status, body, {k: v for k, v in headers if k == "WWW-Authenticate"})

    async def _redeem(self, request: WebRequest, form: Mapping[str, str]) -> dict[str, Any]:
        asked = await self._authenticated(request, form)
        client, now, code = asked.client, self.clock(), form.get("code")
        if code is not None and form.get("grant_type") == "authorization_code":
            used_until = now + _TOKEN
            only = {"client_id": client.client_id}
            content = await self.store.take("code", code, now, used_until=used_until, **only)
            if content is None:
                await self._end_what_came_of(code)
            else:
                asked.grant = Grant(**content)
        answer = self.oauth.redeem(asked)
        assert asked.grant is not None  # noqa: S101  # it would have been refused
        claims, scope = asked.grant.claims, asked.grant.scope
        kept = {"claims": claims_for(claims, scope)}
        if not await self.store.put("token", answer["access_token"], kept, now + _TOKEN, claims["sid"]):
            raise OAuth2Error("The session is over.", error="invalid_grant")
        return answer

    async def _authenticated(self, request: WebRequest, form: Mapping[str, str]) -> Request:
        named, keys = assertion_names(form), None
        if named is not None and (client := self.clients.get(named[0])) is not None:
            keys = await client.keys_for(named[1])
        headers = {} if request.authorization is None else {"Authorization": request.authorization}
        asked = Request("POST", form, headers, keys)
        client = self.oauth.authenticate(asked)
        if asked.jti is not None:
            name, expires = asked.jti
            until = dt.datetime.fromtimestamp(expires, dt.UTC) + 2 * CLOCK_SKEW
            shown = ("client assertion", f"{client.client_id}\0{name}", until)
            if await self.used.use_once([shown]) is not None:
                raise InvalidClientError(description="The assertion was used before.")
        return asked

    async def _end_what_came_of(self, code: str) -> None:
        sid = await self.store.session_of_taken("code", code)
        if sid is not None:
            logger.warning("A code was shown twice: the session that came of it is ended")
            await self.store.end_session(sid, self.clock())
            await self.tell_of_ended()

    async def user_info(self, request: WebRequest) -> WebAnswer:
        """``/userinfo``: what is known about the person that an access token stands for."""
        scheme, _, token = (request.authorization or "").partition(" ")
        content = None
        if scheme.lower() == "bearer":
            content = await self.store.peek("token", token.strip(), self.clock())
        if content is None:
            challenge = {"WWW-Authenticate": 'Bearer error="invalid_token"'}
            return json_answer(401, {"error": "invalid_token"}, challenge)
        return json_answer(200, content["claims"])
