"""Asking the directory: few at a time, in bounded time, again after a while, and not at all when it is down.

Nothing here understands an answer. A look-up has one deadline for everything that it needs: waiting for one
of the two connections, log-in, exchanges, repetitions. What may work the next time (no connection, 429,
5xx) is tried again within it; a token that is refused is renewed once.
"""

from __future__ import annotations

import contextlib
import itertools
import random
import threading
import time
from collections.abc import Callable, Iterator, Mapping
from typing import Final

import attrs

from synapse_tim.rules.directory_failures import DirectoryError, DirectoryFailure
from synapse_tim.rules.refusals import ListRefusedError, Refusal
from synapse_tim.services.directory_pause import DirectoryPause, Entry
from synapse_tim.services.directory_session import DirectorySession
from synapse_tim.services.fetcher import Fetcher, Response

#: The directory itself ends queries after as many seconds (R6.4).
DEADLINE_SECONDS: Final = 30.0
#: ``MAX_CONNECTION``.
MAX_CONNECTIONS: Final = 2

_ATTEMPTS: Final = 3
_FIRST_WAIT_SECONDS: Final = 0.5
_JITTER: Final = 0.2

_REASONS: Final[Mapping[Refusal, DirectoryFailure]] = {
    Refusal.UNREACHABLE: DirectoryFailure.UNREACHABLE,
    Refusal.DEADLINE: DirectoryFailure.DEADLINE,
    Refusal.REDIRECT: DirectoryFailure.REDIRECT,
    Refusal.COMPRESSED: DirectoryFailure.COMPRESSED,
    Refusal.TOO_LARGE: DirectoryFailure.TOO_LARGE,
    Refusal.HTTP_STATUS: DirectoryFailure.HTTP_STATUS,
    Refusal.AUTHENTICATION: DirectoryFailure.AUTHENTICATION,
}
#: What tells something about the directory, not about what was asked.
_IS_DOWN: Final = frozenset(
    {
        DirectoryFailure.UNREACHABLE,
        DirectoryFailure.DEADLINE,
        DirectoryFailure.REDIRECT,
        DirectoryFailure.COMPRESSED,
        DirectoryFailure.AUTHENTICATION,
    }
)
#: What an exchange ends in if something in front of the directory takes a request for an attack.
_NOT_THIS: Final = frozenset({Refusal.REDIRECT, Refusal.COMPRESSED})
#: Statuses of a server that has no time for anybody.
_HAS_NO_TIME: Final = frozenset({429, 502, 503, 504})
#: What says nothing at all about it.
_UNDECIDED: Final = frozenset({DirectoryFailure.BUSY, DirectoryFailure.INTERNAL})


class _NotThisError(DirectoryError):
    """What may be about this request only.

    Nobody may bring about a pause for everybody with a user id over which the directory stumbles.
    """


class _NotNowError(DirectoryError):
    """What may work the next time."""

    def __init__(self, reason: DirectoryFailure, detail: str, retry_after: float = 0.0) -> None:
        super().__init__(reason, detail)
        self.retry_after = retry_after


class _StumbledError(_NotNowError, _NotThisError):
    """What may work the next time, and may be about this request only."""


class DirectoryTransport:
    """Makes exchanges with the directory. May be used by several threads.

    Args:
        fetcher: makes one exchange.
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
        self._pause = DirectoryPause(on_change)

    def end_of_look_up(self) -> float:
        """When a look-up that is wanted now has to be over."""
        return self._monotonic() + self._deadline

    def seconds_until(self, ends: float) -> float:
        """How long it is until then, at least 0."""
        return max(0.0, ends - self._monotonic())

    @contextlib.contextmanager
    def look_up(self, ends: float) -> Iterator[LookUp]:
        """Ask the directory something; whether it answers decides about the next look-ups.

        Args:
            ends: when the look-up has to be over, as ``end_of_look_up`` said when it was wanted.

        Raises:
            DirectoryError: ``paused``, or whatever the block raises.
        """
        began = self._monotonic()
        if began >= ends:
            raise DirectoryError(DirectoryFailure.BUSY, "waited for too long")
        entry = self._pause.enter(began)
        if entry is Entry.PAUSED:
            raise DirectoryError(DirectoryFailure.PAUSED, "it did not answer a moment ago")
        decided = False
        try:
            yield LookUp(self, ends)
            self._pause.answered()
            decided = True
        except DirectoryError as error:
            if error.reason is DirectoryFailure.DEADLINE and ends - began < self._deadline / 2:
                pass  # It waited here for most of its time, which says nothing about the directory.
            elif _is_down(error):
                wanted = error.retry_after if isinstance(error, _NotNowError) else 0.0
                self._pause.failed(began, self._monotonic(), wanted)
                decided = True
            elif error.reason not in _UNDECIDED:
                self._pause.answered()
                decided = True
            raise
        finally:
            if not decided:
                self._pause.undecided(entry)

    def close(self) -> None:
        """End what is under way; for use at shutdown."""
        self._closed.set()
        self._fetcher.close()

    def get(
        self,
        session: DirectorySession,
        url: str,
        params: Mapping[str, str] | None,
        *,
        max_octets: int,
        ends: float,
    ) -> Response:
        """GET something; see ``LookUp.get``."""
        for attempt in itertools.count(1):
            try:
                return self._attempt(session, url, params, max_octets, ends)
            except _NotNowError as error:
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
        max_octets: int,
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
                    max_octets=max_octets,
                    deadline=self._left(ends),
                )
                if response.status != 401:
                    break
                session.forget(token)
        except ListRefusedError as error:
            if error.reason in _NOT_THIS:
                raise _NotThisError(_REASONS[error.reason], error.detail) from None
            raise _failure(error) from None
        finally:
            self._slots.release()
        status = f"status {response.status}"
        if response.status == 401:
            raise DirectoryError(DirectoryFailure.AUTHENTICATION, status)
        if response.status == 403:
            raise _NotThisError(DirectoryFailure.AUTHENTICATION, status)
        if response.status == 429 or response.status >= 500:
            kind = _NotNowError if response.status in _HAS_NO_TIME else _StumbledError
            raise kind(DirectoryFailure.HTTP_STATUS, status, float(response.retry_after or 0))
        return response

    def _left(self, ends: float) -> float:
        left = self.seconds_until(ends)
        if not left:
            raise DirectoryError(DirectoryFailure.DEADLINE, "no time left")
        return left


@attrs.frozen
class LookUp:
    """One look-up.

    Attributes:
        transport: makes the exchanges.
        ends: when it has to be over.
    """

    transport: DirectoryTransport
    ends: float

    def get(
        self,
        session: DirectorySession,
        url: str,
        params: Mapping[str, str] | None = None,
        *,
        max_octets: int,
    ) -> Response:
        """GET something.

        Args:
            session: log-in.
            url: absolute; its own query is kept.
            params: added to the query.
            max_octets: cap of the body.

        Returns:
            An answer with any status but 401, 403, 429, a redirect or a server's error.

        Raises:
            DirectoryError: with the reason.
        """
        return self.transport.get(session, url, params, max_octets=max_octets, ends=self.ends)


def _token(session: DirectorySession, within: float) -> str:
    try:
        return session.token(within)
    except ListRefusedError as error:
        raise _failure(error) from None


def _is_down(error: DirectoryError) -> bool:
    """Whether a failure shows that the directory answers nobody."""
    if isinstance(error, _NotThisError):
        return False
    return isinstance(error, _NotNowError) or error.reason in _IS_DOWN


def _failure(error: ListRefusedError) -> DirectoryError:
    reason = _REASONS.get(error.reason, DirectoryFailure.INTERNAL)
    if error.reason in (Refusal.UNREACHABLE, Refusal.HTTP_STATUS):
        return _NotNowError(reason, error.detail)
    return DirectoryError(reason, error.detail)
