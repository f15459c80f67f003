"""Signals between the processes of a homeserver, over Synapse's replication.

Synapse's cache invalidation is the only channel that modules have between processes. A signal is a cached
function of no interest in itself: whoever waits for it has called it, whoever raises it invalidates it.
Without workers, and on SQLite, there is only one process and a signal goes nowhere.
"""

from collections.abc import Awaitable, Callable
from typing import Any

from synapse.module_api import ModuleApi, cached

from synapse_tim.adapter.homeserver import Homeserver

_KEY = "federation_list"


class ListSignals:
    """The two signals of the federation list."""

    def __init__(self, api: ModuleApi, homeserver: Homeserver) -> None:
        self._api = api
        self.server_name = api.server_name  # read by the descriptor, as is the clock
        self.clock = homeserver.clock
        api.register_cached_function(self.list_stored)
        api.register_cached_function(self.refresh_wanted)

    @cached()
    async def list_stored(self, key: str) -> bool:
        """Invalidated when a process has stored a step of the update cycle."""
        return True

    @cached()
    async def refresh_wanted(self, key: str) -> bool:
        """Invalidated when a process would like the list to be fetched."""
        return True

    async def on_list_stored(self, callback: Callable[[], Awaitable[None]]) -> None:
        """Have a callback run once, after the next list is stored."""
        await _wait_for(self.list_stored, self._later(callback))

    async def on_refresh_wanted(self, callback: Callable[[], Awaitable[None]]) -> None:
        """Have a callback run once, after the next wish for a refresh."""
        await _wait_for(self.refresh_wanted, self._later(callback))

    async def tell_list_stored(self) -> None:
        """Tell every process that there is something new to read."""
        await self._api.invalidate_cache(self.list_stored, (_KEY,))

    async def ask_for_refresh(self) -> None:
        """Ask the process that fetches to do so."""
        await self._api.invalidate_cache(self.refresh_wanted, (_KEY,))

    def _later(self, callback: Callable[[], Awaitable[None]]) -> Callable[[], None]:
        # Synapse calls back while it holds the lock of the cache; touching the cache then would never end.
        def later() -> None:
            self._api.delayed_background_call(0, callback, desc="synapse_tim_signal")

        return later


async def _wait_for(signal: Any, callback: Callable[[], None]) -> None:
    # The decorator adds ``on_invalidate`` to the function; its type annotations do not tell.
    await signal(_KEY, on_invalidate=callback)
