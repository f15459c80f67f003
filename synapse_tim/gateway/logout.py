"""Passes the end of a session on to relying parties (OpenID Connect Back-Channel Logout §2.5).

A provider says so with a logout token, which ``login/logout.py`` judges. What is over is noted first, so that
a process that dies, or a relying party that does not answer, only delays it.
"""

import datetime as dt
import logging
import secrets
from collections.abc import Callable, Mapping
from typing import Final
from urllib.parse import urlencode

import attrs
from synapse.module_api import ModuleApi

from synapse_tim.gateway.clients import Client
from synapse_tim.gateway.signing import SigningKeys
from synapse_tim.gateway.store import EndedSession, GatewayStore
from synapse_tim.login.rules.identity_provider import IdentityProvider
from synapse_tim.login.rules.logout_token import EVENT, Logout
from synapse_tim.login.store import ProviderSession
from synapse_tim.transport.errors import TransportError

logger = logging.getLogger(__name__)

_SECONDS: Final = 120
_DEADLINE_SECONDS: Final = 10.0
_MAX_ANSWER: Final = 64 * 1024


@attrs.define(eq=False)
class GatewayLogout:
    """Tells relying parties, one after the other."""

    api: ModuleApi
    issuer: str
    clients: Mapping[str, Client]
    keys: SigningKeys
    store: GatewayStore
    clock: Callable[[], dt.datetime]  #: the time, with a time zone
    _running: bool = False
    _wanted: bool = False  #: sessions have ended since the running round began

    async def on_logout(self, provider: IdentityProvider, logout: Logout) -> None:
        """Note what a provider has ended, and tell those concerned."""
        now = self.clock()
        session = ProviderSession(provider.id, logout.session_id, logout.subject or "", logout.issued_at)
        if logout.session_id is not None:
            await self.store.end_sessions_of_provider(session, now)
        if logout.subject is not None and provider.accounts.subject_claim == "sub":
            await self.store.end_sessions_of_person(session, now)
        await self.tell_soon()

    async def tell_soon(self) -> None:
        """Tell relying parties of what is over, without waiting for them."""
        self.api.delayed_background_call(0, self.tell, desc="synapse_tim_gateway_logout")

    async def tell(self) -> None:
        """Tell them; what fails is tried again when this is called again.

        Who does not answer is asked once in a round: many may be logged out at once.
        """
        self._wanted = True
        if self._running:
            return
        self._running = True
        try:
            while self._wanted:
                self._wanted = False
                await self._tell()
        finally:
            self._running = False

    async def _tell(self) -> None:
        silent: set[str] = set()
        for session in await self.store.ended_sessions():
            if session.client_id in silent:
                continue
            client = self.clients.get(session.client_id)
            try:
                if (
                    client is None
                    or client.backchannel_logout_uri is None
                    or await self._told(client, session)
                ):
                    await self.store.forget_session(session.sid)
            except TransportError as error:
                silent.add(session.client_id)
                logger.warning(
                    "Client %s could not be told that a session is over: %s", session.client_id, error
                )

    async def _told(self, client: Client, session: EndedSession) -> bool:
        now = int(self.clock().timestamp())
        claims = {
            "iss": self.issuer,
            "aud": client.client_id,
            "iat": now,
            "exp": now + _SECONDS,
            "jti": secrets.token_urlsafe(16),
            "events": {EVENT: {}},
            "sub": session.sub,
            "sid": session.sid,
        }
        form = urlencode({"logout_token": self.keys.sign(claims, "logout+jwt")}).encode()
        status = await client.threads.run(_post, client, form)
        if status not in (200, 204):
            logger.warning("Client %s was told that a session is over: status %d", client.client_id, status)
        return status < 500


def _post(client: Client, form: bytes) -> int:
    headers = {"Content-Type": "application/x-www-form-urlencoded"}
    response = client.fetcher.post(
        client.backchannel_logout_uri or "",
        content=form,
        headers=headers,
        max_bytes=_MAX_ANSWER,
        deadline=_DEADLINE_SECONDS,
    )
    return response.status
