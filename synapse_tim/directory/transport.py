"""HTTP client of the directory: few requests at a time, in bounded time, with retries and a circuit breaker.

Nothing here understands an answer. A look-up has one deadline for everything that it needs: waiting for one
of the two connections, login, exchanges, repetitions. What may work the next time (no connection, 429,
5xx) is tried again within it; a token that is refused is renewed once.
"""

import contextlib
import itertools
import random
import threading
import time
from collections.abc import Callable, Iterator, Mapping
from typing import Final

from synapse_tim.directory.circuit_breaker import CircuitBreaker, State
from synapse_tim.directory.failures import DirectoryError, DirectoryFailure
from synapse_tim.directory.session import DirectorySession
from synapse_tim.transport.errors import TransportError, TransportReason
from synapse_tim.transport.fetcher import Fetcher, Response

#: The directory itself ends queries after as many seconds (R6.4).
DEADLINE_SECONDS: Final = 30.0
#: ``MAX_CONNECTION``.
MAX_CONNECTIONS: Final = 2

_ATTEMPTS: Final = 3
_FIRST_WAIT_SECONDS: Final = 0.5
_JITTER: Final = 0.2

#: What an exchange ends in if something in front of the directory takes a request for an attack.
_ABOUT_THIS: Final = frozenset({TransportReason.REDIRECT, TransportReason.COMPRESSED})
#: Statuses of an overloaded server.
_HAS_NO_TIME: Final = frozenset({429, 502, 503, 504})


class _ExchangeError(DirectoryError):
    """An exchange failed.

    Attributes:
        again: whether it may work the next time.
        is_down: whether it shows that the directory is down. A user id over which the directory stumbles must
            not shut out all users.
        retry_after: seconds for which the directory wants to be left alone.
    """

    def __init__(
        self,
        reason: DirectoryFailure,
        detail: str,
        *,
        again: bool = False,
        is_down: bool = False,
        retry_after: int = 0,
    ) -> None:
        super().__init__(reason, detail)
        self.again = again
        self.is_down = is_down
        self.retry_after = retry_after


class DirectoryTransport:
    """Makes exchanges with the directory. May be used by several threads.

    Args:
        deadline: seconds for a whole look-up.
        monotonic: seconds that only ever grow.
        sleep: waits for some seconds; by default until ``close`` at the longest.
        on_change: called with whether the directory is down, when that changes.
    """

    def __init__(
        self,
        fetcher: Fetcher,
        *,
        deadline: float = DEADLINE_SECONDS,
        monotonic: Callable[[], float] = time.monotonic,
        sleep: Callable[[float], object] | None = None,
        on_change: Callable[[bool], None] = lambda down: None,
    ) -> None:
        self._fetcher = fetcher
        self._deadline = min(deadline, DEADLINE_SECONDS)
        self._monotonic = monotonic
        self._closed = threading.Event()
        self._sleep = sleep or self._closed.wait
        self._slots = threading.BoundedSemaphore(MAX_CONNECTIONS)
        self._circuit_breaker = CircuitBreaker(on_change)

    def end_of_look_up(self) -> float:
        """When a look-up that is wanted now has to be over."""
        return self._monotonic() + self._deadline

    def seconds_until(self, ends: float) -> float:
        """How long it is until then, at least 0."""
        return max(0.0, ends - self._monotonic())

    @contextlib.contextmanager
    def look_up(self, ends: float) -> Iterator[None]:
        """Ask the directory something; whether it answers decides about the next look-ups.

        Args:
            ends: when the look-up has to be over, as ``end_of_look_up`` said when it was wanted.

        Raises:
            DirectoryError: ``paused``, or what the block raises.
        """
        began = self._monotonic()
        if began >= ends:
            raise DirectoryError(DirectoryFailure.BUSY, "waited for too long")
        state = self._circuit_breaker.enter(began)
        if state is State.OPEN:
            raise DirectoryError(DirectoryFailure.PAUSED, "it did not answer a moment ago")
        decided = False
        try:
            yield
            self._circuit_breaker.succeeded()
            decided = True
        except DirectoryError as error:
            # Who waited here for most of the time learns nothing about the directory.
            had_time = ends - began >= self._deadline / 2
            if error.reason is DirectoryFailure.DEADLINE and not had_time:
                pass
            elif isinstance(error, _ExchangeError) and error.is_down:
                self._circuit_breaker.failed(began, self._monotonic(), error.retry_after)
                decided = True
            elif error.reason is not DirectoryFailure.BUSY:
                self._circuit_breaker.succeeded()
                decided = True
            raise
        finally:
            if not decided:
                self._circuit_breaker.undecided(state)

    def close(self) -> None:
        """End what is under way; for use at shutdown."""
        self._closed.set()
        self._fetcher.close()

    def get(
        self,
        session: DirectorySession,
        url: str,
        params: Mapping[str, str] | None = None,
        *,
        max_bytes: int,
        ends: float,
    ) -> Response:
        """GET something, within ``look_up``.

        Args:
            url: absolute; its own query is kept.
            ends: when the look-up has to be over.

        Returns:
            An answer with any status but 401, 403, 429, a redirect or a server's error.
        """
        for attempt in itertools.count(1):
            try:
                return self._attempt(session, url, params, max_bytes, ends)
            except _ExchangeError as error:
                if not error.again:
                    raise
                wait = _FIRST_WAIT_SECONDS * 2 ** (attempt - 1) * (1 + _JITTER * random.random())
                wait = max(wait, error.retry_after)
                if attempt == _ATTEMPTS or self._closed.is_set() or self._monotonic() + wait >= ends:
                    raise
                self._sleep(wait)
        raise AssertionError  # pragma: no cover

    def _attempt(
        self,
        session: DirectorySession,
        url: str,
        params: Mapping[str, str] | None,
        max_bytes: int,
        ends: float,
    ) -> Response:
        if not self._slots.acquire(timeout=self.seconds_until(ends)):
            raise DirectoryError(DirectoryFailure.BUSY, "no connection became free")
        try:
            for _ in range(2):
                token = _token(session, self.seconds_until(ends))
                response = self._fetcher.get(
                    url,
                    params=params,
                    headers={"Authorization": f"Bearer {token}", "Accept": "application/json"},
                    max_bytes=max_bytes,
                    deadline=self._left(ends),
                )
                if response.status != 401:
                    break
                session.forget(token)
        except TransportError as error:
            raise _failure(error, is_down=error.reason not in _ABOUT_THIS) from None
        finally:
            self._slots.release()
        return _usable(response)

    def _left(self, ends: float) -> float:
        left = self.seconds_until(ends)
        if not left:
            raise _ExchangeError(DirectoryFailure.DEADLINE, "no time left", is_down=True)
        return left


def _token(session: DirectorySession, within: float) -> str:
    try:
        return session.token(within)
    except (TransportError, DirectoryError) as error:
        raise _failure(error, is_down=True) from None


def _failure(error: TransportError | DirectoryError, *, is_down: bool) -> _ExchangeError:
    """The failure of the same name."""
    reason = DirectoryFailure(error.reason.value)
    again = reason in (DirectoryFailure.UNREACHABLE, DirectoryFailure.HTTP_STATUS)
    # An answer that is too large is an answer.
    is_down = is_down and reason is not DirectoryFailure.TOO_LARGE
    return _ExchangeError(reason, error.detail, again=again, is_down=is_down)


def _usable(response: Response) -> Response:
    """An answer that says something about what was asked; else ``_ExchangeError``."""
    status = response.status
    if status in (401, 403):
        is_down = status == 401  # also with a new token
        raise _ExchangeError(DirectoryFailure.AUTHENTICATION, f"status {status}", is_down=is_down)
    if status == 429 or status >= 500:
        raise _ExchangeError(
            DirectoryFailure.HTTP_STATUS,
            f"status {status}",
            again=True,
            is_down=status in _HAS_NO_TIME,
            retry_after=response.retry_after or 0,
        )
    return response
