"""Where Synapse makes, joins and receives: checked there, and only if it looks as expected."""

from unittest.mock import AsyncMock, Mock

import pytest
from synapse.federation.federation_client import FederationClient
from synapse.handlers.events import EventHandler
from synapse.module_api.callbacks.third_party_event_rules_callbacks import (
    ThirdPartyEventRulesModuleApiCallbacks,
)
from synapse.module_api.errors import ConfigError, SynapseError
from synapse_tim.adapter.internals import SynapseInternals


@pytest.fixture
def api():
    api = Mock()
    api._hs.config.federation.federation_domain_whitelist = {}
    return api


# Joins through other servers ------------------------------------------------------------------------------


def test_joins_through_other_servers_are_checked_before_and_after(api, run):
    create = Mock(type="m.room.create", state_key="")
    message = Mock(**{"is_state.return_value": False})
    calls = []

    async def make_membership_event(destinations, room_id, user_id, membership, content, params):
        calls.append(membership)

    async def send_join(destinations, pdu, room_version, partial_state=True):
        return Mock(state=[create, message])

    client = api._hs.get_federation_client.return_value
    client.make_membership_event, client.send_join = make_membership_event, send_join
    before, after = AsyncMock(side_effect=SynapseError(403, "no")), AsyncMock()
    SynapseInternals(api).check_remote_joins(before, after)
    run(client.make_membership_event([], "!r", "@a:x", "leave", {}, None))
    before.assert_not_awaited()
    with pytest.raises(SynapseError):
        run(client.make_membership_event([], "!r", "@a:x", "join", {}, None))
    before.assert_awaited_once_with("@a:x", "!r")
    assert calls == ["leave"]
    run(client.send_join([], Mock(state_key="@a:x", room_id="!r"), None))
    after.assert_awaited_once_with("@a:x", "!r", {("m.room.create", ""): create})


@pytest.mark.parametrize("method", ["make_membership_event", "send_join"])
def test_a_federation_client_that_joins_otherwise_is_refused(api, method):
    client = Mock(spec=FederationClient)
    for name in ("make_membership_event", "send_join"):
        setattr(client, name, getattr(FederationClient, name).__get__(client))
    api._hs.get_federation_client.return_value = client
    SynapseInternals(api).check_remote_joins(AsyncMock(), Mock())
    delattr(client, method)
    with pytest.raises(ConfigError, match=method):
        SynapseInternals(api).check_remote_joins(AsyncMock(), Mock())


# Events ---------------------------------------------------------------------------------------------------


@pytest.fixture
def event_rules(api):
    rules = api._hs.get_module_api_callbacks.return_value.third_party_event_rules = Mock()
    rules.asked = []

    async def check_event_allowed(event, context):
        rules.asked.append(event)
        return True, None

    rules.check_event_allowed = check_event_allowed
    return rules


def test_a_local_event_is_checked_with_just_the_state_that_is_asked_for(api, run, event_rules):
    create = Mock()
    ids = {("m.room.create", ""): "$create", ("m.room.join_rules", ""): "$not stored"}
    context = Mock(get_prev_state_ids=AsyncMock(return_value=ids))
    store = api._hs.get_datastores.return_value.main
    store.get_events = AsyncMock(return_value={"$create": create})
    found = []

    async def check(event, state_before):
        assert event_rules.asked == []
        found.append(await state_before(ids))

    SynapseInternals(api).check_local_events(check)
    assert run(event_rules.check_event_allowed("event", context)) == (True, None)
    assert found == [{("m.room.create", ""): create}]
    assert event_rules.asked == ["event"]
    (wanted,) = context.get_prev_state_ids.await_args.args
    assert set(wanted.concrete_types()) == set(ids)


def test_a_local_event_that_is_refused_goes_no_further_and_nothing_is_loaded(api, run, event_rules):
    SynapseInternals(api).check_local_events(AsyncMock(side_effect=SynapseError(403, "no")))
    context = Mock()
    with pytest.raises(SynapseError):
        run(event_rules.check_event_allowed("event", context))
    assert event_rules.asked == []
    context.get_prev_state_ids.assert_not_called()


def test_callbacks_with_another_signature_are_refused(api, event_rules):
    check = ThirdPartyEventRulesModuleApiCallbacks.check_event_allowed
    event_rules.check_event_allowed = check.__get__(Mock())
    SynapseInternals(api).check_local_events(AsyncMock())
    for changed in (lambda event: None, lambda event, context, more: None, lambda context, event: None):
        event_rules.check_event_allowed = changed
        with pytest.raises(ConfigError, match=r"check_event_allowed\(event, context\)"):
            SynapseInternals(api).check_local_events(AsyncMock())
    del event_rules.check_event_allowed
    with pytest.raises(ConfigError, match="check_event_allowed"):
        SynapseInternals(api).check_local_events(AsyncMock())


def test_what_is_looked_up_later_is_asserted_at_the_start(api):
    handler = api._hs.get_event_handler.return_value
    handler.get_event = EventHandler.get_event.__get__(handler)
    SynapseInternals(api).assert_lookups()
    handler.get_event = lambda room_id, event_id: None
    with pytest.raises(ConfigError, match=r"get_event\(user, room_id, event_id\)"):
        SynapseInternals(api).assert_lookups()
    handler.get_event = EventHandler.get_event.__get__(handler)
    del api._hs.get_datastores.return_value.main.get_events
    with pytest.raises(ConfigError, match=r"DataStore\.get_events"):
        SynapseInternals(api).assert_lookups()


@pytest.mark.parametrize("answer", [SynapseError(404, "no"), SynapseError(403, "no"), [None]])
def test_an_event_that_is_not_there_looks_like_one_that_may_not_be_seen(api, run, answer):
    get_event = api._hs.get_event_handler.return_value.get_event = AsyncMock(side_effect=answer)
    assert run(SynapseInternals(api).visible_event("@a:x", "!r", "$e")) is None
    get_event.side_effect = None
    assert run(SynapseInternals(api).visible_event("@a:x", "!r", "$e")) is get_event.return_value.event
