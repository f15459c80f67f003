"""Threads of our own for network and verification.

Synapse's threads resolve names and write uploads; a slow directory must not keep those waiting.
"""

import functools
import threading
from collections.abc import Callable
from typing import Final, ParamSpec, TypeVar, cast

from synapse.module_api import ModuleApi
from twisted.internet import reactor as installed_reactor
from twisted.internet.interfaces import IReactorCore
from twisted.python.threadpool import ThreadPool

_P = ParamSpec("_P")
_T = TypeVar("_T")
_MAX_THREADS: Final = 2


class Threads:
    """Runs functions off the reactor until Synapse shuts down."""

    def __init__(self, api: ModuleApi, on_shutdown: Callable[[], None]) -> None:
        self._api = api
        self._pool = ThreadPool(minthreads=0, maxthreads=_MAX_THREADS, name="synapse_tim")
        # A thread that is still at it does not keep the process alive.
        self._pool.threadFactory = functools.partial(threading.Thread, daemon=True)  # type: ignore[assignment]
        self._pool.start()
        reactor = cast(IReactorCore, installed_reactor)
        # The pool is not stopped: that would wait for a thread that waits for a name or a connection.
        reactor.addSystemEventTrigger("before", "shutdown", on_shutdown)  # type: ignore[arg-type]

    async def run(self, function: Callable[_P, _T], *args: _P.args, **kwargs: _P.kwargs) -> _T:
        """Run a function in a thread and wait for its result."""
        return await self._api.defer_to_threadpool(self._pool, function, *args, **kwargs)
