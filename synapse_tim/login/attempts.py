"""A login from its request to its session, and its state, which Synapse does not pass on.

A login passes the guard of ``POST /login`` first, then the check of its credentials, then
``check_login_for_spam``, all while the same request is being served. The state of a login stays here.
"""

import hashlib
import logging
from collections.abc import Awaitable, Callable, Collection, Iterator, Mapping
from contextlib import contextmanager, suppress
from http import HTTPStatus
from typing import Any, Final, Literal

import attrs
from synapse.module_api import NOT_SPAM, ModuleApi, SynapseRequest
from synapse.module_api.errors import Codes, SynapseError

from synapse_tim.adapter.answers import Answer, Proceed, enforce, login_error_of, reject
from synapse_tim.adapter.client_api import read_json, replace_json
from synapse_tim.adapter.current_request import current_request, current_requester
from synapse_tim.core.denial import Denial
from synapse_tim.login.denials import ID_TOKEN, LOGIN_METHOD, LOGIN_UNAVAILABLE
from synapse_tim.login.logout import ProviderLogout, SessionEndedError
from synapse_tim.login.rules.methods import LoginMethod, LoginRules
from synapse_tim.login.rules.refusals import TokenRefusal, TokenRefusedError
from synapse_tim.login.token_login import LoggedIn, TokenLogin, Used, count_accepted, count_refused

logger = logging.getLogger(__name__)

_TRY_AGAIN: Final = (HTTPStatus.TOO_MANY_REQUESTS, HTTPStatus.SERVICE_UNAVAILABLE)
_AfterLogin = Callable[[Any], Awaitable[None]]


@attrs.define
class LoginAttempt:
    """A login that is being tried."""

    method: str
    token_user: str | None = None  #: the user of the ID token, once it is verified
    used: Used = ()  #: what was noted as used for that
    may_have_session: bool = False  #: whether Synapse may have begun a session


class LoginAttempts:
    """Judges the logins of one process, and keeps them apart.

    Args:
        sessions: notes which session a provider may end.
        current_request: stands for the request that is being served.
    """

    def __init__(
        self,
        api: ModuleApi,
        rules: LoginRules,
        tokens: TokenLogin,
        sessions: ProviderLogout,
        current_request: Callable[[], object] = current_request,
    ) -> None:
        self._api = api
        self._rules = rules
        self._tokens = tokens
        self._sessions = sessions
        self._current_request = current_request
        self._running: dict[int, LoginAttempt] = {}

    @property
    def current(self) -> LoginAttempt | None:
        """The login that is being tried by the request that is being served, if it is one."""
        request = self._current_request()
        return None if request is None else self._running.get(id(request))

    async def log_in(self, request: SynapseRequest, proceed: Proceed, path: Mapping[str, str]) -> Answer:
        """Refuse ways to log in that are not used here, before credentials are checked.

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
                    await self._tokens.context.used.release(attempt.used)
                raise

    async def check_id_token(
        self, username: str, login_type: str, login: dict[str, Any]
    ) -> tuple[str, _AfterLogin]:
        """Log a user in with an ID token, or have them confirm something with one.

        The user id that the client names does not matter. Confirming is for those who are logged in, with a
        token of their own (user-interactive authentication).

        Returns:
            The user id and what to do once there is a session.

        Raises:
            LoginError: 403 ``M_FORBIDDEN`` in Synapse's words, whatever the reason.
        """
        try:
            logged_in = await self._log_in_or_confirm(login.get("token"))
        except TokenRefusedError as error:
            count_refused(error)
            raise login_error_of(ID_TOKEN) from None
        except Exception as error:
            # Its text may hold something about the person.
            logger.error("An ID token could not be checked: %s", type(error).__name__)
            logger.debug("An ID token could not be checked", exc_info=True)
            count_refused(TokenRefusedError(TokenRefusal.INTERNAL))
            raise login_error_of(ID_TOKEN) from None
        count_accepted()
        return logged_in.user_id, self._after_login(logged_in)

    async def check_login_for_spam(
        self,
        user_id: str,
        device_id: str | None,
        initial_display_name: str | None,
        request_info: Collection[tuple[str | None, str]],
        auth_provider_id: str | None = None,
    ) -> Literal["NOT_SPAM"]:
        """Refuse a way to log in that is not used here, now that it shows who it is."""
        attempt = self.current
        denial: Denial | None = LOGIN_METHOD
        by_token = attempt is not None and attempt.method == LoginMethod.ID_TOKEN
        if attempt is not None and attempt.token_user == (user_id if by_token else None):
            denial = self._rules.check(
                attempt.method,
                user_id.lower(),
                administrator=await self._api.is_user_admin(user_id),
                sso_provider=auth_provider_id,
            )
        enforce(denial, LOGIN_METHOD)
        if attempt is not None:
            attempt.may_have_session = True  # it is the next thing that Synapse does
        return NOT_SPAM

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

    async def _log_in_or_confirm(self, token: object) -> LoggedIn:
        attempt = self.current
        if attempt is not None:
            logged_in = await self._tokens.log_in(token)
            attempt.token_user, attempt.used = logged_in.user_id, logged_in.used
            return logged_in
        requester = current_requester()
        if requester is None:
            raise TokenRefusedError(TokenRefusal.NOT_LINKED, "nobody is logged in")
        return await self._tokens.confirm(token, requester)

    def _after_login(self, logged_in: LoggedIn) -> _AfterLogin:
        async def after(response: Any) -> None:
            try:
                await self._sessions.began(logged_in, response["device_id"])
            except SessionEndedError as error:
                logger.error("A session could not be stored and was ended: %s", error)
                if (attempt := self.current) is not None:
                    attempt.may_have_session = False
                reject(LOGIN_UNAVAILABLE)
            except Exception as error:
                logger.error("A session could be neither stored nor ended: %s", type(error).__name__)
                reject(LOGIN_UNAVAILABLE)

        return after

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
    """A login with a token, without the user id that the client names.

    Synapse demands a user, writes it to its log, and counts failures by it: were it the client's choice, or
    the same for all clients, three bad tokens of a stranger would block all logins for a while.
    """
    kept = {name: value for name, value in body.items() if name not in ("user", "medium", "address")}
    token = hashlib.sha256(str(body.get("token")).encode("utf-8", "replace")).hexdigest()
    return {**kept, "identifier": {"type": "m.id.user", "user": f"token-{token}"}}
