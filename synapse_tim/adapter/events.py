"""Events that are made here or received, and rooms before they are created: one hook of each kind.

The hook for events that are made here is in front of Synapse's own check, and asks only those checks that
registered for the type of the event. For all others, messages above all, it costs one look into a dictionary.
"""

import functools
from collections.abc import Awaitable, Callable, Iterable, Mapping
from contextvars import ContextVar
from typing import Any, Final, Literal

from synapse.events.snapshot import EventContext
from synapse.events.utils import FilteredEvent
from synapse.module_api import NOT_SPAM, EventBase, ModuleApi
from synapse.module_api.errors import Codes, SynapseError
from synapse.types import UserID
from synapse.types.state import StateFilter

from synapse_tim.adapter.shape import Touches
from synapse_tim.adapter.stores import main_store
from synapse_tim.core.create_room import CreateRoom

_SYNAPSE: Final = Touches("events")
_CALLBACKS: Final = _SYNAPSE.getter("get_module_api_callbacks", "ModuleApiCallbacks")
_RULES: Final = _SYNAPSE.reads(
    "synapse.module_api.callbacks.ModuleApiCallbacks.third_party_event_rules",
    "`check_event_allowed` is called there",
)
_CHECK: Final = _SYNAPSE.wraps(
    "synapse.module_api.callbacks.third_party_event_rules_callbacks."
    "ThirdPartyEventRulesModuleApiCallbacks.check_event_allowed(event, context)",
    "the callback of that name loads the whole state of the room for each event",
)
_STATE: Final = _SYNAPSE.calls(
    "synapse.events.snapshot.EventContext.get_prev_state_ids(state_filter)", "the state that a check asks for"
)
_EVENTS: Final = _SYNAPSE.getter("get_event_handler", "EventHandler")
_GET_EVENT: Final = _SYNAPSE.calls(
    "synapse.handlers.events.EventHandler.get_event(user, room_id, event_id, …)",
    "whether a user may see the event that is to be redacted",
)
_FILTERED: Final = _SYNAPSE.reads("synapse.events.utils.FilteredEvent.event", "`get_event` returns it")
_STORE: Final = "synapse.storage.databases.main.DataStore"
_GET_EVENTS: Final = _SYNAPSE.calls(f"{_STORE}.get_events", "the state that a check asks for")
_MEMBERSHIP: Final = _SYNAPSE.calls(
    f"{_STORE}.get_local_current_membership_for_user_in_room", "whether a user is invited at the moment"
)

_CREATION: Final = _SYNAPSE.getter("get_event_creation_handler", "EventCreationHandler")
_CREATE: Final = _SYNAPSE.wraps(
    "synapse.handlers.message.EventCreationHandler.create_new_client_event(…, requester)",
    "with Matrix Authentication Service, whether an administrator makes an event depends on the session",
)
_AUTH: Final = _SYNAPSE.getter("get_auth", "Auth")
_IS_ADMIN: Final = _SYNAPSE.calls(
    "synapse.api.auth.base.BaseAuth.is_server_admin(requester)", "likewise: the scope of its token says so"
)

#: Who makes the event that is being made, with the scope of their token.
_REQUESTER: ContextVar[Any] = ContextVar("synapse_tim_requester", default=None)

#: Some of the state before an event: types and state keys in, events out.
StateBefore = Callable[[Iterable[tuple[str, str]]], Awaitable[Mapping[tuple[str, str], EventBase]]]
#: Judges an event that is being made here; raises to refuse it.
LocalEventCheck = Callable[[EventBase, StateBefore], Awaitable[None]]
#: Judges an event of a user of another server; anything but ``NOT_SPAM`` hides it. Must not raise.
ReceivedCheck = Callable[[EventBase], Awaitable[Literal["NOT_SPAM"] | Codes]]
#: Called with the creator's user id and what is asked for; raises to refuse it, and returns members of the
#: body that have to be put in the place of the client's.
NewRoomCheck = Callable[[str, CreateRoom], Awaitable[Mapping[str, Any]]]


class LocalEvents:
    """Has events checked that are made here, and looks up stored ones.

    Args:
        delegates_authentication: whether Matrix Authentication Service says who is an administrator.
    """

    def __init__(self, hs: Any, api: ModuleApi, *, delegates_authentication: bool) -> None:
        store = main_store(hs)
        self._is_user_admin = api.is_user_admin
        self._is_admin: Callable[[Any], Awaitable[bool]] | None = None
        if delegates_authentication:
            self._is_admin = _IS_ADMIN.of(_AUTH.of(hs)())
            _CREATE.wrap(_CREATION.of(hs)(), self._with_requester)
        self._get_events = _GET_EVENTS.of(store)
        self._membership = _MEMBERSHIP.of(store)
        self._get_event = _GET_EVENT.of(_EVENTS.of(hs)())
        _FILTERED.of(FilteredEvent)
        _STATE.of(EventContext)
        self._all: tuple[LocalEventCheck, ...] = ()
        self._checks: dict[str, tuple[LocalEventCheck, ...]] = {}
        rules = _RULES.of(_CALLBACKS.of(hs)())
        rules.check_event_allowed = self._hook(_CHECK.of(rules))

    def add_check(self, check: LocalEventCheck, types: Iterable[str] | None) -> None:
        """Check events that are made here, for every sender and every kind of request.

        Unlike the module API's ``check_event_allowed`` this loads no state that the check does not ask for.
        It comes before Synapse's own check of permissions, and also sees the templates that other servers
        are given for joins, knocks and leaves. Synapse calls it once for each event, in the process that
        makes it.

        Args:
            check: called with those events; the last one that registered is asked first.
            types: of the events; ``None`` for all there are, messages as well.
        """
        if types is None:
            self._all = (check, *self._all)
            self._checks = {kind: (check, *checks) for kind, checks in self._checks.items()}
            return
        for kind in types:
            self._checks[kind] = (check, *self._checks.get(kind, self._all))

    async def is_made_by_admin(self, event: EventBase) -> bool:
        """Whether a server administrator makes the event that is being checked."""
        if self._is_admin is None:
            return await self._is_user_admin(event.sender)
        requester = _REQUESTER.get()
        return requester is not None and await self._is_admin(requester)

    async def _with_requester(self, proceed: Callable[[], Awaitable[Any]], arguments: dict[str, Any]) -> Any:
        before = _REQUESTER.set(arguments.get("requester"))
        try:
            return await proceed()
        finally:
            _REQUESTER.reset(before)

    def _hook(self, original: Callable[[EventBase, Any], Awaitable[Any]]) -> Callable[..., Awaitable[Any]]:
        @functools.wraps(original)
        async def checked(event: EventBase, context: Any) -> Any:
            checks = self._checks.get(event.type, self._all)
            if checks:

                async def state_before(
                    wanted: Iterable[tuple[str, str]],
                ) -> Mapping[tuple[str, str], EventBase]:
                    ids = await context.get_prev_state_ids(StateFilter.from_types(wanted))
                    events = await self._get_events(ids.values())
                    return {key: events[event_id] for key, event_id in ids.items() if event_id in events}

                for check in checks:
                    await check(event, state_before)
            return await original(event, context)

        return checked

    async def visible_event(self, user_id: str, room_id: str, event_id: str) -> EventBase | None:
        """An event of a room as a local user sees it, or ``None`` if the user may not see one."""
        try:
            found = await self._get_event(UserID.from_string(user_id), room_id, event_id)
        except SynapseError:
            return None
        event: EventBase | None = None if found is None else found.event
        return event

    async def is_invited(self, user_id: str, room_id: str) -> bool:
        """Whether a local user has an invitation to a room for now."""
        membership, _ = await self._membership(user_id, room_id)
        return bool(membership == "invite")


class ReceivedEvents:
    """Hides events of users of other servers.

    Synapse asks about every event that arrives, old ones and whole states included, and about those that are
    made here but for memberships, which pass at once. It does not ask about an event whose content does not
    match its hash. What is hidden loses its text, and is in effect once another event follows.
    """

    def __init__(self, api: ModuleApi) -> None:
        self._is_mine = api.is_mine
        self._checks: list[ReceivedCheck] = []
        api.register_spam_checker_callbacks(check_event_for_spam=self.check_event_for_spam)

    def add_check(self, check: ReceivedCheck) -> None:
        """Have events checked; the first check that hides one decides."""
        self._checks.append(check)

    async def check_event_for_spam(self, event: EventBase) -> Literal["NOT_SPAM"] | Codes:
        """Ask the checks."""
        if not self._is_mine(event.sender):
            for check in self._checks:
                verdict = await check(event)
                if verdict != NOT_SPAM:
                    return verdict
        return NOT_SPAM


class NewRooms:
    """Has rooms checked before anything of them exists."""

    def __init__(self, api: ModuleApi) -> None:
        self._checks: list[NewRoomCheck] = []
        api.register_third_party_rules_callbacks(on_create_room=self._on_create_room)

    def add_check(self, check: NewRoomCheck) -> None:
        """Have rooms checked by one part more, after those that asked for it before.

        Asked about ``createRoom``, administrators' included, and about rooms that Synapse and modules make
        (server notices, rooms that new users join, the room left after a shutdown); not about upgrades.
        """
        self._checks.append(check)

    async def _on_create_room(self, requester: Any, config: dict[str, Any], is_requester_admin: bool) -> None:
        room = CreateRoom.parse(config, by_admin=is_requester_admin)
        creator = requester.user.to_string()
        for check in self._checks:
            config.update(await check(creator, room))
