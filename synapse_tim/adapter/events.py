"""Events that are made here: one hook in front of Synapse's own check, and looking up what is stored.

The hook asks only those checks that registered for the type of the event. For all others, messages above all,
it costs one look into a dictionary.
"""

import functools
from collections.abc import Awaitable, Callable, Iterable, Mapping
from typing import Any, Final

from synapse.events.snapshot import EventContext
from synapse.events.utils import FilteredEvent
from synapse.module_api import EventBase
from synapse.module_api.errors import SynapseError
from synapse.types import UserID
from synapse.types.state import StateFilter

from synapse_tim.adapter.shape import Touches
from synapse_tim.adapter.stores import main_store

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

#: Some of the state before an event: types and state keys in, events out.
StateBefore = Callable[[Iterable[tuple[str, str]]], Awaitable[Mapping[tuple[str, str], EventBase]]]
#: Judges an event that is being made here; raises to refuse it.
LocalEventCheck = Callable[[EventBase, StateBefore], Awaitable[None]]


class LocalEvents:
    """Has events checked that are made here, and looks up stored ones."""

    def __init__(self, hs: Any) -> None:
        store = main_store(hs)
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
        """Have events checked that are made here, whoever makes them and by whatever request.

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
