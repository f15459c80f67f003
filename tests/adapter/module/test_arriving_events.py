"""Where Synapse stores what arrives: wrapped there, and only if it looks as expected."""

from unittest.mock import AsyncMock, Mock

import pytest
from synapse.events import utils
from synapse.module_api.errors import ConfigError
from synapse.storage.databases.main.events import DeltaState

from synapse_tim.adapter import arriving_events
from synapse_tim.adapter.arriving_events import LocalMembership
from synapse_tim.adapter.homeserver import Homeserver
from synapse_tim.core.effect import Effect

HANDLER = ["persist_events_and_notify", "process_remote_join", "_check_for_soft_fail"]
STORE = ["_calculate_sliding_sync_table_changes"]
CONTROLLER = ["_get_new_state_after_events"]


@pytest.mark.parametrize(
    ("method", "capability"),
    [
        ("persist_events_and_notify", "limit_effect"),
        ("process_remote_join", "limit_effect"),
        ("_get_state_ids_after_missing_prev_event", "limit_effect"),
        ("_check_for_soft_fail", "judge_memberships"),
        ("_get_new_state_after_events", "limit_effect"),
        ("_calculate_sliding_sync_table_changes", "judge_memberships"),
        ("get_membership_changes_for_user", "judge_memberships"),
    ],
)
def test_a_synapse_that_stores_what_arrives_elsewhere_is_refused(api, method, capability):
    owner = api._hs.get_federation_event_handler.return_value
    owner = api._hs.get_datastores.return_value.persist_events if method in STORE else owner
    owner = api._hs.get_storage_controllers.return_value.persistence if method in CONTROLLER else owner
    owner = api._hs.get_datastores.return_value.main if method.startswith("get_") else owner
    delattr(owner, method)
    arrivals = Homeserver.of(api).arrivals
    arguments = (Mock(), Mock()) if capability == "limit_effect" else (AsyncMock(),)
    with pytest.raises(ConfigError, match=method):
        getattr(arrivals, capability)(*arguments)


def test_soft_failed_memberships_are_shown_only_if_they_count(api, run):
    store = api._hs.get_datastores.return_value.main
    shown, hidden, counts = (Mock(event_id=name) for name in ("$shown", "$hidden", "$counts"))
    shown.internal_metadata.is_soft_failed.return_value = False

    async def changes(user_id, from_key, to_key, excluded_rooms=None):
        return [shown, hidden, counts]

    store.get_membership_changes_for_user = changes
    store.get_local_current_membership_for_user_in_room = AsyncMock(return_value=("leave", "$counts"))
    Homeserver.of(api).arrivals.judge_memberships(AsyncMock())
    assert run(store.get_membership_changes_for_user("@user:here", 1, 2)) == [shown, counts]


def test_a_process_that_stores_no_events_has_nothing_to_hold_back(api):
    api._hs.get_datastores.return_value.persist_events = None
    api._hs.get_storage_controllers.return_value.persistence = None
    Homeserver.of(api).arrivals.judge_memberships(AsyncMock())
    Homeserver.of(api).arrivals.limit_effect(Mock(), Mock())


def test_only_refused_invitations_of_local_users_are_held_back(api, run):
    persister = api._hs.get_datastores.return_value.persist_events
    seen = []

    async def calculate(room_id, events_and_contexts, delta_state):
        seen.append(dict(delta_state.to_insert))

    persister._calculate_sliding_sync_table_changes = calculate
    store = api._hs.get_datastores.return_value.main
    known = {name: Mock(event_id=name) for name in ("$refused", "$allowed")}
    store.get_events = AsyncMock(side_effect=lambda ids: {each: known[each] for each in ids & known.keys()})
    refused = AsyncMock(side_effect=lambda event: event.event_id != "$allowed")
    Homeserver.of(api).arrivals.judge_memberships(refused)
    delta = DeltaState(
        [],
        {
            ("m.room.member", "@a:here"): "$refused",
            ("m.room.member", "@b:here"): "$allowed",
            ("m.room.member", "@c:here"): "$new",
            ("m.room.member", "@d:there"): "$refused",
            ("m.room.member", "@e:here"): "$rejected",
            ("m.room.member", "@f:here"): "$new and refused",
            ("m.room.topic", ""): "$topic",
        },
    )
    new, soft_failed = Mock(event_id="$new"), Mock(event_id="$new and refused")
    new.internal_metadata.is_soft_failed.return_value = False
    batch = [(each, Mock(rejected=None)) for each in (new, soft_failed)]
    batch.append((Mock(event_id="$rejected"), Mock(rejected="auth_error")))
    run(persister._calculate_sliding_sync_table_changes("!r", batch, delta))
    assert seen == [
        {
            ("m.room.member", "@b:here"): "$allowed",
            ("m.room.member", "@c:here"): "$new",
            ("m.room.member", "@d:there"): "$refused",
            ("m.room.topic", ""): "$topic",
        }
    ]
    asked = {call.args[0].event_id for call in refused.await_args_list}
    assert asked == {"$refused", "$allowed", "$new and refused"}


@pytest.mark.parametrize(
    ("latest", "answered"),
    [(None, False), (["$create", "$invite"], True), (["$create"], False)],
)
def test_an_invitation_is_answered_by_what_it_permitted(api, run, latest, answered):
    event = None if latest is None else Mock(**{"auth_event_ids.return_value": latest})
    api._hs.get_datastores.return_value.main.get_event = AsyncMock(return_value=event)
    now = LocalMembership("leave", "$leave")
    assert run(Homeserver.of(api).arrivals.is_answered(Mock(event_id="$invite"), now)) is answered


@pytest.mark.parametrize(
    ("url", "judged"),
    [
        (None, True),
        ("/_matrix/federation/v1/send/1", True),
        ("/_synapse/replication/remote_join/!r/@a:here", True),
        ("/_synapse/replication/fed_send_events/1", False),
    ],
)
def test_what_another_process_has_taken_is_not_judged_again(api, run, monkeypatch, url, judged):
    handler = api._hs.get_federation_event_handler.return_value
    stored = []

    async def persist(room_id, event_and_contexts, backfilled=False):
        stored.extend(event_and_contexts)

    handler.persist_events_and_notify = persist
    Homeserver.of(api).arrivals.limit_effect(lambda event: Effect.NONE, Mock())
    request = None if url is None else Mock(url=url)
    monkeypatch.setattr(arriving_events, "current_context", lambda: Mock(request=request))
    monkeypatch.setattr(utils, "prune_event", lambda event: f"pruned {event}")
    context = Mock(rejected=None)
    run(handler.persist_events_and_notify("!r", [("event", context)]))
    assert stored == [("pruned event" if judged else "event", context)]
    assert bool(context.rejected) is judged


def test_rejected_events_change_no_state_that_synapse_computes(api, run):
    controller = api._hs.get_storage_controllers.return_value.persistence
    seen = []

    async def compute(room_id, events_context, old_latest_event_ids, new_latest_event_ids, should_prune=True):
        seen.extend(events_context)

    controller._get_new_state_after_events = compute
    Homeserver.of(api).arrivals.limit_effect(Mock(), Mock())
    accepted, rejected = (Mock(), Mock(rejected=None)), (Mock(), Mock(rejected="auth_error"))
    run(controller._get_new_state_after_events("!r", [accepted, rejected], set(), set()))
    assert seen == [accepted]
