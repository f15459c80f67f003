"""``synapse_tim.RoomPolicy``: creation of rooms, entering them, and finding them.

- Creation and upgrade: versions (A_26202, A_26203), room types (A_28596), history (A_25481), public rooms
  that do not federate (A_25325-01, A_26515-01), private rooms for insured persons (A_25996). Judged before
  anything is stored.
- Private rooms are encrypted (A_25323-01, A_25324-01, A_25996).
- Later changes of join rule (A_28271), history visibility and encryption.
- Ways in, views from outside, and what is left of refused rooms: ``entry``, ``views``,
  ``directory``, ``rollback``.

Server administrators are judged like other users.
"""

from collections.abc import Mapping
from typing import Any, Final

from synapse.module_api import EventBase, ModuleApi, SynapseRequest

from synapse_tim.adapter import registry
from synapse_tim.adapter.answers import Answer, Proceed, enforce, reject
from synapse_tim.adapter.client_api import read_json
from synapse_tim.adapter.config_block import parse_block
from synapse_tim.adapter.events import StateBefore
from synapse_tim.adapter.homeserver import Homeserver
from synapse_tim.adapter.start_up import check_options
from synapse_tim.core.create_room import CreateRoom
from synapse_tim.core.matrix import CREATE, ENCRYPTION, HISTORY_VISIBILITY, JOIN_RULES, MEMBER
from synapse_tim.core.products import Product
from synapse_tim.rooms.config import RoomPolicyConfig
from synapse_tim.rooms.denials import ENCRYPTION_CHANGE, JOIN_RULE, ROOM_VERSION
from synapse_tim.rooms.entry import RoomEntry
from synapse_tim.rooms.rollback import RoomRollback
from synapse_tim.rooms.room_directory import RoomDirectory
from synapse_tim.rooms.views import ENTRY, RoomStates, RoomViews, content

_CHANGED: Final = frozenset({JOIN_RULES, HISTORY_VISIBILITY, ENCRYPTION})
_REDACTION: Final = "m.room.redaction"


class RoomPolicy:
    """Judges rooms in one Synapse process."""

    def __init__(self, config: RoomPolicyConfig, api: ModuleApi) -> None:
        homeserver = Homeserver.of(api)
        check_options(homeserver.config, "rooms", config.product)
        if config.product is Product.EPA:
            homeserver.config.ignore_auto_join_rooms()  # each of them would fail, with a stack trace
        self._api = api
        self._client_api = homeserver.client_api
        self._server_notices_user = homeserver.config.server_notices_user
        self._rules = config.room_rules
        RoomRollback(api, homeserver)
        self._rooms = RoomStates(api, config.product, never_world_readable=self._rules.never_world_readable)
        RoomEntry(api, homeserver, self._rooms, refuses_unencrypted=config.refuses_unencrypted)
        RoomDirectory(api, homeserver, config.product, self._rooms, self._rules)
        RoomViews(api, homeserver, self._rooms)
        homeserver.new_rooms.add_check(self.check_new_room)
        homeserver.events.add_check(self.check_local_event, _CHANGED)
        homeserver.events.add_check(self.check_redaction, [_REDACTION])
        self._client_api.guard(
            {
                ("room_upgrade_rest_servlet.RoomUpgradeRestServlet", "POST"): self.upgrade,
                ("capabilities.CapabilitiesRestServlet", "GET"): self.capabilities,
            }
        )
        registry.register(api, self, config)

    @staticmethod
    def parse_config(config: dict[str, Any]) -> RoomPolicyConfig:
        """Check the block of ``homeserver.yaml``; the ``ConfigError`` names the key and what is expected."""
        return parse_block(RoomPolicyConfig, config)

    async def check_new_room(self, creator: str, room: CreateRoom) -> Mapping[str, Any]:
        """Judge a new room, and put in what the client left to the server; upgrades are for ``upgrade``."""
        enforce(self._rules.check_new(room, self._api.server_name), ROOM_VERSION)
        return self._rules.complete(room, is_exempt=creator == self._server_notices_user)

    async def upgrade(self, request: SynapseRequest, proceed: Proceed, path: Mapping[str, str]) -> Answer:
        """Judge the upgrade of a room before Synapse begins with it.

        Raises:
            SynapseError: 400 ``M_UNSUPPORTED_ROOM_VERSION``, or as the denial says.
        """
        user_id = await self._client_api.user_of(request)
        body = read_json(request)
        if "new_version" not in body:
            return await proceed()  # Synapse says so
        state = await self._api.get_room_state(path["room_id"], (*ENTRY, (MEMBER, user_id)))
        if content(state, MEMBER, user_id).get("membership") == "join":
            denial = self._rules.check_upgrade(
                body["new_version"],
                content(state, CREATE),
                content(state, JOIN_RULES).get("join_rule"),
                content(state, HISTORY_VISIBILITY).get("history_visibility"),
                content(state, ENCRYPTION),
                is_opened=self._rooms.of(state).is_opened,
                by_admin=await self._client_api.is_admin(request),
            )
        else:
            # Nothing is said about a room that the user is not in; Synapse refuses it.
            denial = self._rules.check_upgrade(body["new_version"], {})
        enforce(denial, ROOM_VERSION)
        return await proceed()

    async def capabilities(
        self, request: SynapseRequest, proceed: Proceed, path: Mapping[str, str]
    ) -> Answer:
        """Tell clients which room versions there are."""
        status, body = await proceed()
        return status, self._rules.capabilities(body)

    async def check_local_event(self, event: EventBase, state_before: StateBefore) -> None:
        """Judge a change of join rule, history visibility or encryption by a local user.

        Called for every event that is built here. The first join rule and the first history visibility of a
        room are part of its creation or upgrade, which has been judged as a whole; encryption may come later,
        and is judged always. Events that arrive do not get here: what a local user changed elsewhere, or
        before this policy, comes back and has to be stored.

        Raises:
            SynapseError: 400 ``M_INVALID_ROOM_STATE`` or ``M_BAD_JSON``.
        """
        if event.type not in _CHANGED or not event.is_state() or not self._api.is_mine(event.sender):
            return
        state = await state_before([(CREATE, ""), (event.type, "")])
        creation, before = state.get((CREATE, "")), state.get((event.type, ""))
        is_creation = creation is not None and creation.sender == event.sender
        if is_creation and before is None and event.type != ENCRYPTION:
            return
        denial = self._rules.check_change(
            event.type,
            event.content,
            creation.content if creation is not None else {},
            None if before is None else before.content,
        )
        enforce(denial, ENCRYPTION_CHANGE if event.type == ENCRYPTION else JOIN_RULE)

    async def check_redaction(self, event: EventBase, state_before: StateBefore) -> None:
        """Refuse to take away the encryption of a room by redacting the event that says so.

        Called for every redaction that is built here, by administrators as well.

        Raises:
            SynapseError: 400 ``M_INVALID_ROOM_STATE``.
        """
        if self._api.is_mine(event.sender):
            encryption = (await state_before([(ENCRYPTION, "")])).get((ENCRYPTION, ""))
            if encryption is not None and encryption.event_id == event.redacts:
                reject(ENCRYPTION_CHANGE)
