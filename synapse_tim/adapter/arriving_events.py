"""Events that arrive from other servers, and what they change here.

Synapse's callbacks can hide an event that arrives. That does not keep it out of the state of the room once
another event refers to it, does not stop a redaction whose target is named in its content (room version 11),
and is not asked about events whose content does not match their hash. What is wrapped here sees every
event that arrives: by ``/send``, in the state and the auth chain of a join, a gap, history.

Nothing that is done here raises, so nothing that arrives makes the rest of a batch fail.
"""

from collections.abc import Awaitable, Callable, Collection
from typing import Any, Final

import attrs
from synapse.api.constants import RejectedReason
from synapse.events import utils as event_utils
from synapse.logging.context import ContextRequest, current_context
from synapse.module_api import EventBase
from synapse.replication.http import REPLICATION_PREFIX
from synapse.replication.http.federation import ReplicationFederationSendEventsRestServlet
from synapse.storage.databases.main.events import DeltaState
from synapse.synapse_rust.events import EventInternalMetadata

from synapse_tim.adapter.shape import Touches
from synapse_tim.adapter.stores import datastores, main_store
from synapse_tim.core.effect import Effect
from synapse_tim.core.matrix import MEMBER

_SYNAPSE: Final = Touches("arriving events")
_HANDLER: Final = _SYNAPSE.getter("get_federation_event_handler", "FederationEventHandler")
_HANDLES: Final = "synapse.handlers.federation_event.FederationEventHandler"
_STORING: Final = _SYNAPSE.wraps(
    f"{_HANDLES}.persist_events_and_notify(…, event_and_contexts)",
    "events of servers outside the federation have a limited effect",
)
_JOINING: Final = _SYNAPSE.wraps(
    f"{_HANDLES}.process_remote_join(…, state)", "so have those in the state of a room that is joined"
)
_GAP: Final = _SYNAPSE.wraps(
    f"{_HANDLES}._get_state_ids_after_missing_prev_event", "so have those in the state after a gap"
)
_SOFT_FAIL: Final = _SYNAPSE.wraps(
    f"{_HANDLES}._check_for_soft_fail(…, event)", "memberships that must not be are soft-failed"
)
_CONTROLLERS: Final = _SYNAPSE.getter("get_storage_controllers", "StorageControllers")
_PERSISTENCE: Final = _SYNAPSE.reads(
    "synapse.storage.controllers.StorageControllers.persistence", "`None` where no events are stored"
)
_STATE_AFTER: Final = _SYNAPSE.wraps(
    "synapse.storage.controllers.persist_events.EventsPersistenceStorageController."
    "_get_new_state_after_events(…, events_context)",
    "Synapse trips over rejected events here, which it seldom stores together with others",
)
_PERSISTER: Final = _SYNAPSE.reads(
    "synapse.storage.databases.Databases.persist_events", "`None` where no events are stored"
)
_DELTA: Final = _SYNAPSE.wraps(
    "synapse.storage.databases.main.events.PersistEventsStore."
    "_calculate_sliding_sync_table_changes(…, events_and_contexts, delta_state)",
    "every change of a room's current state passes here right before it is stored",
)
_STORE: Final = "synapse.storage.databases.main.DataStore"
_CHANGES: Final = _SYNAPSE.wraps(
    f"{_STORE}.get_membership_changes_for_user(…, user_id)",
    "`/sync` shows memberships as they come, and not only those that took effect",
)
_GET_EVENT: Final = _SYNAPSE.calls(f"{_STORE}.get_event", "whether an invitation was answered")
_GET_EVENTS: Final = _SYNAPSE.calls(f"{_STORE}.get_events", "events after a gap, and memberships")
_MEMBERSHIP: Final = _SYNAPSE.calls(
    f"{_STORE}.get_local_current_membership_for_user_in_room", "what a local user is in a room at the moment"
)
_FIELDS: Final = (
    (
        EventInternalMetadata,
        _SYNAPSE.changes(
            "synapse.synapse_rust.events.EventInternalMetadata.soft_failed", "nobody is told of such an event"
        ),
    ),
    (
        DeltaState,
        _SYNAPSE.changes(
            "synapse.storage.databases.main.events.DeltaState.to_insert", "memberships are held back"
        ),
    ),
    (
        ContextRequest,
        _SYNAPSE.reads(
            "synapse.logging.context.ContextRequest.url", "what another process forwards was judged there"
        ),
    ),
)
_PRUNE: Final = _SYNAPSE.calls(
    "synapse.events.utils.prune_event(event)", "memberships come without names, pictures and reasons"
)

#: Where one process asks another to store events that arrived. Joins on behalf of workers are not among them.
_FORWARDED: Final = f"{REPLICATION_PREFIX}/{ReplicationFederationSendEventsRestServlet.NAME}/"

#: Goes on with what was wrapped.
_Proceed = Callable[[], Awaitable[Any]]


@attrs.frozen
class LocalMembership:
    """What a local user is in a room at the moment."""

    membership: str  #: ``join``, ``invite`` and so on
    event_id: str  #: of the event that says so


class ArrivingEvents:
    """Judges events of other servers where Synapse stores them; ``is_mine`` recognises local users."""

    def __init__(self, hs: Any, is_mine: Callable[[str], bool]) -> None:
        self._is_mine = is_mine
        self._handler = _HANDLER.of(hs)()
        self._store = main_store(hs)
        #: ``None`` in processes that do not store events, both of them.
        self._persister = _PERSISTER.of(datastores(hs))
        self._persistence = _PERSISTENCE.of(_CONTROLLERS.of(hs)())
        for touched in (_GET_EVENT, _GET_EVENTS, _MEMBERSHIP):
            touched.of(self._store)
        for kind, touched in _FIELDS:
            touched.of(kind)
        _PRUNE.of(event_utils)

    def limit_effect(
        self, effect_of: Callable[[EventBase], Effect], is_always_kept: Callable[[str], bool]
    ) -> None:
        """Let events take only as much effect as they may, by who made them; to be called once.

        Args:
            effect_of: asked about every event of another server that is stored, new or old.
            is_always_kept: types of state that always take some effect, so that the event need not be loaded.

        Raises:
            ConfigError: the handler does not look as expected.
        """

        async def persist(proceed: _Proceed, arguments: dict[str, Any]) -> Any:
            if _is_forwarded():
                return await proceed()
            limited = []
            for event, context in arguments["event_and_contexts"]:
                effect = effect_of(event)
                if effect is Effect.NONE and context.rejected is None:
                    context.rejected = RejectedReason.AUTH_ERROR
                limited.append((event if effect is Effect.FULL else event_utils.prune_event(event), context))
            arguments["event_and_contexts"] = limited
            return await proceed()

        async def join(proceed: _Proceed, arguments: dict[str, Any]) -> Any:
            state = arguments["state"]
            arguments["state"] = [event for event in state if effect_of(event) is not Effect.NONE]
            return await proceed()

        async def close_gap(proceed: _Proceed, arguments: dict[str, Any]) -> Any:
            state = await proceed()
            unsure = [event_id for (kind, _), event_id in state.items() if not is_always_kept(kind)]
            events = await self._store.get_events(unsure, allow_rejected=True)
            without = {event_id for event_id, event in events.items() if effect_of(event) is Effect.NONE}
            return {key: event_id for key, event_id in state.items() if event_id not in without}

        async def accepted(proceed: _Proceed, arguments: dict[str, Any]) -> Any:
            # Synapse trips over rejected events here, which it seldom stores together with others.
            arguments["events_context"] = [
                (event, context) for event, context in arguments["events_context"] if not context.rejected
            ]
            return await proceed()

        if self._persistence is not None:
            _STATE_AFTER.wrap(self._persistence, accepted)
        _STORING.wrap(self._handler, persist)
        _JOINING.wrap(self._handler, join)
        _GAP.wrap(self._handler, close_gap)

    def judge_memberships(self, refused: Callable[[EventBase], Awaitable[bool]]) -> None:
        """Have memberships of local users that others decide judged when they take effect; to be called once.

        A membership takes effect when it becomes that of the user in the current state of the room, which may
        be long after it arrived: it may have been in an auth chain, in the state of a join or a gap, in
        history, or lose and win a state resolution. A new one among the events of a room is soft-failed, and
        Synapse tells no client of it; other servers may build on it, and so may this one.

        Args:
            refused: says of a membership event whether it invites, removes or bans a local user in a way that
                must not be; must not raise.

        Raises:
            ConfigError: the handler or the store does not look as expected.
        """

        async def check(proceed: _Proceed, arguments: dict[str, Any]) -> Any:
            result = await proceed()
            event = arguments["event"]
            if event.type == MEMBER and await refused(event):
                event.internal_metadata.soft_failed = True
            return result

        async def hold_back(proceed: _Proceed, arguments: dict[str, Any]) -> Any:
            await self._hold_back(arguments["delta_state"], arguments["events_and_contexts"], refused)
            return await proceed()

        async def changes(proceed: _Proceed, arguments: dict[str, Any]) -> Any:
            shown = []
            for event in await proceed():
                if event.internal_metadata.is_soft_failed():
                    now = await self.local_membership(arguments["user_id"], event.room_id)
                    if now is None or now.event_id != event.event_id:
                        continue
                shown.append(event)
            return shown

        _SOFT_FAIL.wrap(self._handler, check)
        _CHANGES.wrap(self._store, changes)
        if self._persister is not None:
            _DELTA.wrap(self._persister, hold_back)

    async def _hold_back(
        self,
        delta: Any,
        new: Collection[tuple[EventBase, Any]],
        refused: Callable[[EventBase], Awaitable[bool]],
    ) -> None:
        """Take refused memberships out of a change of a room's current state.

        What is new and not soft-failed was judged a moment ago, where it was made or arrived. A membership
        that was rejected is none; Synapse takes those in the state of a join all the same, and trips over
        them.
        """
        accepted = [event for event, context in new if not context.rejected]
        passed = {event.event_id for event in accepted if not event.internal_metadata.is_soft_failed()}
        unsure = {
            event_id: key
            for key, event_id in delta.to_insert.items()
            if key[0] == MEMBER and self._is_mine(key[1]) and event_id not in passed
        }
        if not unsure:
            return
        events = {event.event_id: event for event in accepted}
        events.update(await self._store.get_events(unsure.keys() - events.keys()))
        held_back = {
            key
            for event_id, key in unsure.items()
            if event_id not in events or await refused(events[event_id])
        }
        if held_back:
            delta.to_insert = {key: value for key, value in delta.to_insert.items() if key not in held_back}

    async def local_membership(self, user_id: str, room_id: str) -> LocalMembership | None:
        """What a local user is in a room at the moment, or ``None`` if never anything.

        An invitation counts if it was delivered as such, or came into force with the state of the room.
        """
        known = await self._store.get_local_current_membership_for_user_in_room(user_id, room_id)
        membership, event_id = known
        return None if membership is None else LocalMembership(membership, event_id)

    async def is_answered(self, invitation: EventBase, now: LocalMembership) -> bool:
        """Whether an invitation was accepted, declined or withdrawn; ``now`` is the current membership."""
        latest = await self._store.get_event(now.event_id, allow_none=True)
        return latest is not None and invitation.event_id in latest.auth_event_ids()


def _is_forwarded() -> bool:
    """Whether another process of this server received the event, judged it, and has it stored here.

    The lists of two processes may differ for a moment. What one has taken must not be lost by the other.
    """
    request = current_context().request
    return request is not None and request.url.startswith(_FORWARDED)
