"""The way to log in that is being used: what Synapse does not tell those who may refuse a login.

A login passes the guard of ``POST /login`` first, then whoever checks the credentials, then
``check_login_for_spam``, all while the same request is being served.
"""

import hashlib
from collections.abc import Awaitable, Callable, Iterator, Mapping
from contextlib import contextmanager, suppress
from http import HTTPStatus
from typing import Any, Final

import attrs
from synapse.module_api import SynapseRequest
from synapse.module_api.errors import Codes, SynapseError

from synapse_tim.adapter.answers import reject
from synapse_tim.adapter.guards import Answer, Proceed
from synapse_tim.adapter.request_body import read_json, replace_json
from synapse_tim.login.rules.methods import LoginMethod, LoginRules
from synapse_tim.login.token_login import Used

_TRY_AGAIN: Final = (HTTPStatus.TOO_MANY_REQUESTS, HTTPStatus.SERVICE_UNAVAILABLE)


@attrs.define
class LoginAttempt:
    """A login that is being tried.

    Attributes:
        token_user: whom an ID token has vouched for, once it has.
        used: what was noted as used for that.
        may_have_session: whether Synapse may have begun a session.
    """

    method: str
    token_user: str | None = None
    used: Used = ()
    may_have_session: bool = False


class LoginAttempts:
    """Keeps the logins of one process apart."""

    def __init__(
        self,
        rules: LoginRules,
        current_request: Callable[[], object],
        release: Callable[[Used], Awaitable[None]],
    ) -> None:
        self._rules = rules
        self._release = release
        self._current_request = current_request
        self._running: dict[int, LoginAttempt] = {}

    @property
    def current(self) -> LoginAttempt | None:
        """The login that is being tried by the request that is being served, if it is one."""
        request = self._current_request()
        return None if request is None else self._running.get(id(request))

    async def log_in(self, request: SynapseRequest, proceed: Proceed, path: Mapping[str, str]) -> Answer:
        """Refuse ways to log in that are not used here, before anybody looks at credentials.

        A token is not used up by an answer that says to try again, unless a session may have begun.
        """
        try:
            body = read_json(request)
        except SynapseError:
            return await proceed()  # which says the same
        _check_names(body)
        denial = self._rules.check_request(body)
        if denial is not None:
            reject(denial)
        if self._rules.method(str(body.get("type"))) == LoginMethod.ID_TOKEN:
            replace_json(request, _without_claimed_user(body))
        with self._noted(body) as attempt:
            try:
                return await proceed()
            except SynapseError as error:
                if attempt.used and error.code in _TRY_AGAIN and not attempt.may_have_session:
                    await self._release(attempt.used)
                raise

    async def flows(self, request: SynapseRequest, proceed: Proceed, path: Mapping[str, str]) -> Answer:
        """Offer only the ways to log in that there are."""
        status, body = await proceed()
        flows = [flow for flow in body.get("flows", []) if self._rules.shows(flow.get("type"))]
        return status, {**body, "flows": flows}

    async def register(self, request: SynapseRequest, proceed: Proceed, path: Mapping[str, str]) -> Answer:
        """Prevent registration from creating a session where application services do not log in.

        Users do not register; application services do, and would get a session along with the account.
        """
        if LoginMethod.APPLICATION_SERVICE not in self._rules.permitted:
            with suppress(SynapseError):  # which Synapse says, too
                replace_json(request, {**read_json(request), "inhibit_login": True})
        return await proceed()

    @contextmanager
    def _noted(self, body: Mapping[str, Any]) -> Iterator[LoginAttempt]:
        request, login_type = self._current_request(), body.get("type")
        attempt = LoginAttempt(self._rules.method(str(login_type)))
        if request is None or not isinstance(login_type, str):
            yield attempt
            return
        # Requests live longer than this, so their ids are theirs alone.
        self._running[id(request)] = attempt
        try:
            yield attempt
        finally:
            del self._running[id(request)]


def _check_names(body: Mapping[str, Any]) -> None:
    """Say what is wrong with a name that is no text, on which Synapse fails with an error of its own."""
    identifier = body.get("identifier")
    names = [body.get("user"), identifier.get("user") if isinstance(identifier, Mapping) else None]
    if not all(isinstance(name, str | None) for name in names):
        raise SynapseError(400, "'user' has to be a string", Codes.INVALID_PARAM)


def _without_claimed_user(body: Mapping[str, Any]) -> dict[str, Any]:
    """A login with a token, without whom the client claims to be.

    Synapse demands a user, writes it to its log, and counts failures by it: were it the client's choice, or
    the same for all clients, three bad tokens of a stranger would keep everybody out for a while.
    """
    kept = {name: value for name, value in body.items() if name not in ("user", "medium", "address")}
    token = hashlib.sha256(str(body.get("token")).encode("utf-8", "replace")).hexdigest()
    return {**kept, "identifier": {"type": "m.id.user", "user": f"token-{token}"}}
