"""Events that servers missed while they were denied, remembered and sent when they are allowed again.

Synapse remembers for each server that cannot be reached, and each room, the newest event that it has not got,
and catches up when the server is back. Of a server that its allow-list denies it remembers nothing: a user
who leaves a room meanwhile would stay joined for that server. Here the same is remembered for both, in
Synapse's own tables: a row for each server and room. Used by ``federation``.
"""

import logging
from collections.abc import Awaitable, Callable, Collection
from typing import Any, Final

from synapse.federation.sender.per_destination_queue import PerDestinationQueue
from synapse.module_api import EventBase

from synapse_tim.adapter.shape import Touches
from synapse_tim.adapter.stores import main_store

logger = logging.getLogger(__name__)

_SYNAPSE: Final = Touches("denied destinations")
_HOSTNAME: Final = _SYNAPSE.reads("synapse.server.HomeServer.hostname", "this server is never denied")
_SENDS: Final = _SYNAPSE.calls(
    "synapse.server.HomeServer.should_send_federation", "generic workers have no sender at all"
)
_SENDER: Final = _SYNAPSE.getter("get_federation_sender", "FederationSender")
_MISSED: Final = "what a server missed is remembered where Synapse remembers it"
_STORED: Final = tuple(
    _SYNAPSE.calls(f"synapse.storage.databases.main.DataStore.{name}", _MISSED)
    for name in (
        "store_destination_rooms_entries",
        "get_destination_last_successful_stream_ordering",
        "set_destination_last_successful_stream_ordering",
    )
)
_QUEUES: Final = _SYNAPSE.reads(
    "synapse.federation.sender.FederationSender._per_destination_queues", "queues are told to catch up"
)
_WAKE: Final = _SYNAPSE.calls(
    "synapse.federation.sender.FederationSender.wake_destination", "a server is talked to again"
)
_CATCH_UP: Final = _SYNAPSE.calls(
    "synapse.federation.sender.per_destination_queue.PerDestinationQueue._start_catching_up",
    "queues are told to catch up",
)
_SEND: Final = _SYNAPSE.wraps(
    "synapse.federation.sender.FederationSender._send_pdu(…, pdu, destinations)", _MISSED
)


class DeniedDestinations:
    """What denied servers missed, in a process that sends to other servers; the others do nothing."""

    def __init__(self, hs: Any, allows: Callable[[str], bool]) -> None:
        self._allows = allows
        self._own_server_name = _HOSTNAME.of(hs)
        self._store = main_store(hs)
        self._missed: set[str] = set()
        self._positioned: set[str] = set()
        if not _SENDS.of(hs)():
            return  # generic workers have no sender at all, the main process may have one that only queues
        self._sender = _SENDER.of(hs)()
        for touched in _STORED:
            touched.of(self._store)
        for touched in (_QUEUES, _WAKE):
            touched.of(self._sender)
        _CATCH_UP.of(PerDestinationQueue)
        _SEND.wrap(self._sender, self._send)

    def resume(self) -> None:
        """Send to those who missed something and are talked to again, as Synapse would within a minute."""
        for server in [each for each in self._missed if self._allows(each)]:
            self._missed.discard(server)
            self._sender.wake_destination(server)

    async def _send(self, proceed: Callable[[], Awaitable[Any]], arguments: dict[str, Any]) -> Any:
        servers = set(arguments["destinations"]) - {self._own_server_name}
        denied = [server for server in servers if not self._allows(server)]
        if denied:
            try:
                await self._remember(arguments["pdu"], denied)
            except Exception as error:
                # Those who are talked to get it all the same.
                logger.error("Events that a server missed could not be stored: %s", type(error).__name__)
        return await proceed()

    async def _remember(self, event: EventBase, servers: Collection[str]) -> None:
        position = int(event.internal_metadata.stream_ordering or 0)
        await self._store.store_destination_rooms_entries(servers, event.room_id, position)
        for server in servers:
            # Synapse catches up from the last event that it could send. If there is none, nothing was missed
            # before this one.
            if server not in self._positioned:
                if await self._store.get_destination_last_successful_stream_ordering(server) is None:
                    await self._store.set_destination_last_successful_stream_ordering(server, position - 1)
                self._positioned.add(server)
            queue = self._sender._per_destination_queues.get(server)
            if queue is not None:
                queue._start_catching_up()
        self._missed.update(servers)
