"""Who shares a room with whom, in one query however many there are."""

from __future__ import annotations

from collections.abc import Collection
from typing import Final

from synapse.module_api import LoggingTransaction, ModuleApi

#: Users asked about in one query; SQLite allows no more than 999 parameters in older releases.
_AT_ONCE: Final = 500

_SHARING: Final = """
    SELECT DISTINCT other.state_key
    FROM current_state_events AS own
    INNER JOIN current_state_events AS other ON other.room_id = own.room_id
    WHERE own.type = 'm.room.member' AND own.state_key = ? AND own.membership = 'join'
    AND other.type = 'm.room.member' AND other.state_key IN ({places})
"""
_JOINED: Final = " AND other.membership = 'join'"

_WITH_SERVER: Final = """
    SELECT 1
    FROM current_state_events AS own
    INNER JOIN current_state_events AS other ON other.room_id = own.room_id
    WHERE own.type = 'm.room.member' AND own.state_key = ? AND own.membership = 'join'
    AND other.type = 'm.room.member' AND other.membership = 'join' AND other.state_key LIKE ? ESCAPE '!'
    LIMIT 1
"""


class SharedRooms:
    """Looks up common rooms.

    Args:
        api: Synapse's module API.
    """

    def __init__(self, api: ModuleApi) -> None:
        self._api = api

    async def joined_with(self, user_id: str, others: Collection[str]) -> set[str]:
        """Those of several users who are in a room together with a local user.

        Args:
            user_id: of the local user.
            others: user ids.
        """
        return await self._sharing(user_id, others, _SHARING + _JOINED)

    async def known_to(self, user_id: str, others: Collection[str]) -> set[str]:
        """Those of several users who are, were, or are asked to be in a room that a local user is in.

        Args:
            user_id: of the local user.
            others: user ids.
        """
        return await self._sharing(user_id, others, _SHARING)

    async def server_shares(self, server: str, user_id: str) -> bool:
        """Whether any user of a server is in a room together with a local user.

        Args:
            server: its name.
            user_id: of the local user.
        """
        escaped = server.replace("!", "!!").replace("%", "!%").replace("_", "!_")

        def ask(txn: LoggingTransaction) -> bool:
            txn.execute(_WITH_SERVER, (user_id, f"@%:{escaped}"))
            return txn.fetchone() is not None

        return await self._api.run_db_interaction("synapse_tim_server_shares", ask)

    async def _sharing(self, user_id: str, others: Collection[str], query: str) -> set[str]:
        wanted = list(others)

        def ask(txn: LoggingTransaction) -> set[str]:
            found: set[str] = set()
            for start in range(0, len(wanted), _AT_ONCE):
                part = wanted[start : start + _AT_ONCE]
                txn.execute(query.format(places=", ".join("?" * len(part))), (user_id, *part))
                found.update(row[0] for row in txn.fetchall())
            return found

        return await self._api.run_db_interaction("synapse_tim_shared_rooms", ask) if wanted else set()
