"""Guards of the room directory (A_26515, A_26515-01, A_26518, A_26520, A_28587, A_28590).

Refused to other servers: what would show them a room that does not federate: its alias, its name, its
place in a space. The list itself is Synapse's ``allow_public_rooms_over_federation: false``.

Refused to insured persons' clients: the room directory altogether, before authentication (A_28587).
Refused to other clients: entries of the directory without a token (A_26518), and listing a room
in which other servers may take part (A_26515-01). Refused to all without a token: aliases and summaries of
rooms, here or, through this server, elsewhere.
"""

from collections.abc import Mapping

from synapse.module_api import EventBase, ModuleApi, SynapseRequest
from synapse.module_api.errors import Codes, SynapseError

from synapse_tim.adapter.answers import Answer, Proceed, count_denied, reject
from synapse_tim.adapter.client_api import ClientGuard
from synapse_tim.adapter.federation_requests import FederationRequest
from synapse_tim.adapter.homeserver import Homeserver
from synapse_tim.core.matrix import CREATE, PUBLIC
from synapse_tim.core.products import Product
from synapse_tim.rooms.denials import NO_ROOM_DIRECTORY, PUBLISHED_FEDERATING, ROOM_NOT_FOUND
from synapse_tim.rooms.rules import PublicRooms, RoomRules, may_federate
from synapse_tim.rooms.views import RoomStates

_LIST = "directory.ClientDirectoryListServer"
_APPSERVICE_LIST = "directory.ClientAppserviceDirectoryListServer"
_ALIAS = "directory.ClientDirectoryServer"
_SUMMARY = "room.RoomSummaryRestServlet"
_PUBLIC_ROOMS = "room.PublicRoomListRestServlet"


class RoomDirectory:
    """Guards the room directory in one Synapse process."""

    def __init__(
        self, api: ModuleApi, homeserver: Homeserver, product: Product, rooms: RoomStates, rules: RoomRules
    ) -> None:
        self._api = api
        self._rooms = rooms
        self._is_closed = rules.public is PublicRooms.NEVER
        self._client_api = homeserver.client_api
        closed: dict[tuple[str, str], ClientGuard] = {
            (_PUBLIC_ROOMS, "GET"): self.closed,
            (_PUBLIC_ROOMS, "POST"): self.closed,
            (_LIST, "GET"): self.closed,
            (_LIST, "PUT"): self.closed,
            (_APPSERVICE_LIST, "PUT"): self.closed,
            (_APPSERVICE_LIST, "DELETE"): self.closed,
        }
        of_users: dict[tuple[str, str], ClientGuard] = {(_LIST, "GET"): self.for_users}
        for_users: dict[tuple[str, str], ClientGuard] = {
            (_SUMMARY, "GET"): self.for_users,
            (_ALIAS, "GET"): self.for_users,
        }
        self._client_api.guard({**for_users, **(closed if product is Product.EPA else of_users)})
        api.register_third_party_rules_callbacks(
            check_visibility_can_be_modified=self.check_visibility_can_be_modified
        )
        homeserver.federation_requests.guard("FederationQueryServlet", "GET", self.query)
        homeserver.federation_requests.guard("FederationRoomHierarchyServlet", "GET", self.hierarchy)

    async def closed(self, request: SynapseRequest, proceed: Proceed, path: Mapping[str, str]) -> Answer:
        """Refuse the room directory to all clients (A_28587)."""
        reject(NO_ROOM_DIRECTORY)

    async def for_users(self, request: SynapseRequest, proceed: Proceed, path: Mapping[str, str]) -> Answer:
        """Demand an access token (A_26518); 401 without one."""
        await self._client_api.user_of(request)
        return await proceed()

    async def check_visibility_can_be_modified(
        self, room_id: str, state: Mapping[tuple[str, str], EventBase], visibility: str
    ) -> bool:
        """Refuse to list a room in which other servers may take part, or any where none are to be public.

        Called for each room that is created, without state, when the request has been judged; and when a room
        is put into the directory later, by its users, by application services or by administrators.
        """
        created = state.get((CREATE, ""))
        if visibility != PUBLIC or created is None:
            return True
        if not may_federate(created.content) and not self._is_closed:
            return True
        count_denied(PUBLISHED_FEDERATING)
        return False

    async def query(self, request: FederationRequest, proceed: Proceed) -> Answer:
        """Hide the aliases of rooms that do not federate from other servers."""
        status, body = await proceed()
        if request.path.get("query_type") == "directory":
            state = await self._api.get_room_state(body["room_id"], [(CREATE, "")])
            created = state.get((CREATE, ""))
            if created is not None and not may_federate(created.content):
                # As Synapse says it of an alias that does not exist.
                count_denied(ROOM_NOT_FOUND)
                alias = request.query.get("room_alias", "")
                raise SynapseError(404, f"Room alias {alias} not found", Codes.NOT_FOUND)
        return status, body

    async def hierarchy(self, request: FederationRequest, proceed: Proceed) -> Answer:
        """Hide rooms that do not federate, and public ones, from other servers: in a space.

        By themselves, those that do not federate are hidden at all endpoints (``views``).
        """
        status, body = await proceed()
        children = body.get("children", [])
        rooms = [child["room_id"] for child in children]
        hidden = await self._rooms.not_federating(rooms)
        hidden.update(child["room_id"] for child in children if child.get("join_rule") == PUBLIC)
        if body.get("room", {}).get("join_rule") == PUBLIC:
            # As Synapse says it of a room that does not exist.
            count_denied(ROOM_NOT_FOUND)
            raise SynapseError(404, f"Unknown room: {request.path['room_id']}")
        shown = [child for child in children if child["room_id"] not in hidden]
        inaccessible = [*body.get("inaccessible_children", []), *(r for r in rooms if r in hidden)]
        return status, {**body, "children": shown, "inaccessible_children": inaccessible}
