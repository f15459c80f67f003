"""Remembers what servers missed while they were not talked to, so that they get it when they are again.

Synapse remembers for each server that cannot be reached, and each room, the newest event that it has not got,
and catches up when the server is back. Of a server that its allow-list denies it remembers nothing: a user
who leaves a room meanwhile would stay joined for that server. Here the same is remembered for both, in
Synapse's own tables: a row for each server and room. Used by ``synapse_internals``.
"""

from __future__ import annotations

import logging
from collections.abc import Awaitable, Callable, Collection
from typing import Any

from synapse.events import EventBase
from synapse.federation.sender.per_destination_queue import PerDestinationQueue

from synapse_tim.adapter import shape

logger = logging.getLogger(__name__)

_STORED = (
    "store_destination_rooms_entries",
    "get_destination_last_successful_stream_ordering",
    "set_destination_last_successful_stream_ordering",
)


class DeniedDestinations:
    """What servers missed, in a process that sends to other servers; the others do nothing.

    Args:
        hs: Synapse's ``HomeServer``.
        allows: whether a server is talked to at the moment.

    Raises:
        ConfigError: Synapse does not look as expected.
    """

    def __init__(self, hs: Any, allows: Callable[[str], bool]) -> None:
        self._allows = allows
        self._own_server_name = shape.attribute(hs, "hostname", "HomeServer.hostname")
        self._store = shape.attribute(hs, "get_datastores", "HomeServer.get_datastores")().main
        self._missed: set[str] = set()
        self._positioned: set[str] = set()
        if not shape.attribute(hs, "should_send_federation", "HomeServer.should_send_federation")():
            return  # generic workers have no sender at all, the main process may have one that only queues
        self._sender = shape.attribute(hs, "get_federation_sender", "HomeServer.get_federation_sender")()
        for name in _STORED:
            shape.attribute(self._store, name, f"DataStore.{name}")
        for name in ("_per_destination_queues", "wake_destination"):
            shape.attribute(self._sender, name, f"FederationSender.{name}")
        shape.attribute(PerDestinationQueue, "_start_catching_up", "PerDestinationQueue._start_catching_up")
        shape.around(self._sender, "_send_pdu", ("pdu", "destinations"), self._send)

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
                logger.error("What a server missed could not be noted: %s", type(error).__name__)
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
