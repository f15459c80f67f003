"""Joins through other servers, whose complete state is fetched and checked."""

from collections.abc import Awaitable, Callable, Mapping
from typing import Any, Final

from synapse.module_api import EventBase
from synapse.module_api.errors import SynapseError

from synapse_tim.adapter.shape import Touches

_SYNAPSE: Final = Touches("remote joins")
_CLIENT: Final = _SYNAPSE.getter("get_federation_client", "FederationClient")
_MAKE: Final = _SYNAPSE.wraps(
    "synapse.federation.federation_client.FederationClient.make_membership_event"
    "(…, membership, user_id, room_id)",
    "joins are checked before another server hears of them, administrators' included",
)
_SEND: Final = _SYNAPSE.wraps(
    "synapse.federation.federation_client.FederationClient.send_join(…, pdu, partial_state)",
    "the complete state is fetched, and checked before anything of it is stored",
)

#: Called with user id and room id before the other server hears of a join; raises to refuse.
Before = Callable[[str, str], Awaitable[None]]
#: Called with user id, room id and the state of the room before any of it is stored; raises to refuse.
After = Callable[[str, str, Mapping[tuple[str, str], EventBase]], Awaitable[None]]


class RemoteJoins:
    """Has joins through other servers checked."""

    def __init__(self, hs: Any) -> None:
        self._is_complete = False
        self._before: list[Before] = []
        self._after: list[After] = []
        client = _CLIENT.of(hs)()
        _MAKE.wrap(client, self._make)
        _SEND.wrap(client, self._send)

    def fetch_complete_state(self) -> None:
        """Fetch the complete state of a room when joining it through another server.

        By default Synapse joins with a part of the state and fetches the rest behind the user's back. If the
        room has members on a server that may not be talked to and whose key is unknown, that never ends:
        the room stays incomplete and requests for its members hang. With the complete state the join itself
        verifies what can be verified, leaves out the rest, and either succeeds or fails at once.
        """
        self._is_complete = True

    def add_check(self, before: Before, after: After) -> None:
        """Have joins through other servers checked, administrators' included."""
        self._before.append(before)
        self._after.append(after)

    async def _make(self, proceed: Callable[[], Awaitable[Any]], arguments: dict[str, Any]) -> Any:
        if arguments["membership"] == "join":
            for before in self._before:
                await before(arguments["user_id"], arguments["room_id"])
        return await proceed()

    async def _send(self, proceed: Callable[[], Awaitable[Any]], arguments: dict[str, Any]) -> Any:
        if self._is_complete:
            arguments["partial_state"] = False
        joined = await proceed()
        if self._is_complete and joined.partial_state:
            raise SynapseError(502, "The other server withheld a part of the room's state")
        pdu = arguments["pdu"]
        if self._after:
            state = {(event.type, event.state_key): event for event in joined.state if event.is_state()}
            for after in self._after:
                await after(pdu.state_key, pdu.room_id, state)
        return joined
