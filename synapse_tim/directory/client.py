"""Client of ``…/localization``: where a user is listed (I_VZD_TIM_Provider_Services, R6.5).

All spellings of a user id are asked about, since the directory knows an entry by the one in which it was
written. Answers, "not listed" included, are cached for a few minutes. After a failure about a user, the
directory is not asked about this user for some seconds. Every failure is an error, never an answer; only if
the directory takes one of the spellings for a bad request, its answer about another one counts: gematik's
OpenAPI has one of them, gematik's HOWTO the other.
"""

import threading
import time
from collections.abc import Callable
from concurrent.futures import Future
from typing import Final

from cachetools import TTLCache

from synapse_tim.directory.circuit_breaker import RETRY_TIME
from synapse_tim.directory.failures import DirectoryError, DirectoryFailure
from synapse_tim.directory.owner_types import (
    MAX_BYTES,
    OwnerType,
    OwnerTypeError,
    read_owner_type,
    spellings,
    user_id_of,
)
from synapse_tim.directory.session import DirectorySession
from synapse_tim.directory.transport import DirectoryTransport

#: Answers may be kept for five minutes (R6.4).
MAX_CACHE_SECONDS: Final = 300.0
_CACHED_USERS: Final = 10_000
#: Failures of a directory that answers, if only with an error.
_ANSWERED: Final = frozenset(
    {
        DirectoryFailure.HTTP_STATUS,
        DirectoryFailure.AUTHENTICATION,
        DirectoryFailure.REDIRECT,
        DirectoryFailure.COMPRESSED,
        DirectoryFailure.TOO_LARGE,
        DirectoryFailure.ANSWER_MALFORMED,
    }
)
_PATH: Final = "/tim-provider-services/localization"


class DirectoryClient:
    """Asks where users are listed. May be used by several threads.

    Args:
        base_url: of the directory, without a slash at the end.
        cache_seconds: for how long an answer counts.
        monotonic: seconds that only ever grow.
    """

    def __init__(
        self,
        transport: DirectoryTransport,
        session: DirectorySession,
        base_url: str,
        *,
        cache_seconds: float = MAX_CACHE_SECONDS,
        monotonic: Callable[[], float] = time.monotonic,
    ) -> None:
        self._transport = transport
        self._session = session
        self._url = base_url + _PATH
        self._lock = threading.Lock()
        self._answers: TTLCache[str, OwnerType] = TTLCache(
            _CACHED_USERS, min(cache_seconds, MAX_CACHE_SECONDS), timer=monotonic
        )
        self._failed: TTLCache[str, bool] = TTLCache(_CACHED_USERS, RETRY_TIME, timer=monotonic)
        self._flights: dict[str, Future[OwnerType]] = {}

    def known(self, user_id: str) -> OwnerType | None:
        """The recent answer, if there is one, without blocking; ``DirectoryError`` ``not_an_id``."""
        user = _checked(user_id)
        with self._lock:
            return self._answers.get(user)

    def owner_type(self, user_id: str, ends: float | None = None) -> OwnerType:
        """Where a user is listed; blocks. Concurrent questions about a user share one request.

        Args:
            user_id: in either spelling.
            ends: when the answer has to be there, as the transport's ``end_of_look_up`` said; default: from
                now on.
        """
        user = _checked(user_id)
        ends = self._transport.end_of_look_up() if ends is None else ends
        with self._lock:
            known = self._answers.get(user)
            if known is not None:
                return known
            if user in self._failed:
                raise DirectoryError(DirectoryFailure.PAUSED, "it had no answer about this one a moment ago")
            flight = self._flights.get(user)
            others_wait = flight is not None
            if flight is None:
                flight = self._flights[user] = Future()
        if others_wait:
            return self._result(flight, ends)
        try:
            found = self._ask(user, ends)
        except BaseException as error:
            self._land(user, failed=isinstance(error, DirectoryError) and error.reason in _ANSWERED)
            flight.set_exception(error)
            raise
        self._land(user, found)
        flight.set_result(found)
        return found

    def _land(self, user: str, found: OwnerType | None = None, *, failed: bool = False) -> None:
        with self._lock:
            del self._flights[user]
            if failed:
                self._failed[user] = True
            if found is not None:
                self._answers[user] = found

    def _result(self, flight: Future[OwnerType], ends: float) -> OwnerType:
        try:
            return flight.result(self._transport.seconds_until(ends))
        except TimeoutError:
            raise DirectoryError(
                DirectoryFailure.DEADLINE, "another request for this user is still waiting"
            ) from None

    def _ask(self, user: str, ends: float) -> OwnerType:
        found: OwnerType | None = None
        with self._transport.look_up(ends):
            for address in spellings(user):
                answer = self._ask_about(address, ends)
                if answer is not None:
                    found = answer if found is None else found.combined(answer)
                if found is OwnerType.ORG_PRACT:
                    break
            if found is None:
                raise DirectoryError(DirectoryFailure.HTTP_STATUS, "status 400")
        return found

    def _ask_about(self, address: str, ends: float) -> OwnerType | None:
        """What the directory says about one spelling; ``None`` if it does not understand it."""
        response = self._transport.get(
            self._session, self._url, {"mxid": address}, max_bytes=MAX_BYTES, ends=ends
        )
        if response.status == 404:
            return OwnerType.NONE
        if response.status == 400:
            return None
        if response.status != 200:
            raise DirectoryError(DirectoryFailure.HTTP_STATUS, f"status {response.status}")
        try:
            return read_owner_type(response.body)
        except OwnerTypeError as error:
            raise DirectoryError(DirectoryFailure.ANSWER_MALFORMED, str(error)) from None


def _checked(user_id: str) -> str:
    user = user_id_of(user_id)
    if user is None:
        raise DirectoryError(DirectoryFailure.NOT_AN_ID, "no user id of the federation")
    return user
