"""Where Synapse makes, joins and receives: checked there, and only if it looks as expected."""

import asyncio
from unittest.mock import AsyncMock, Mock

import pytest
from synapse.module_api.errors import ConfigError, SynapseError

from synapse_tim.adapter.homeserver import Homeserver

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
    Homeserver.of(api).remote_joins.add_check(before, after)
    run(client.make_membership_event([], "!r", "@a:x", "leave", {}, None))
    before.assert_not_awaited()
    with pytest.raises(SynapseError):
        run(client.make_membership_event([], "!r", "@a:x", "join", {}, None))
    before.assert_awaited_once_with("@a:x", "!r")
    assert calls == ["leave"]
    run(client.send_join([], Mock(state_key="@a:x", room_id="!r"), None))
    after.assert_awaited_once_with("@a:x", "!r", {("m.room.create", ""): create})


@pytest.mark.parametrize("method", ["make_membership_event", "send_join"])
def test_a_federation_client_that_joins_otherwise_is_rejected(api, hs, method):
    delattr(hs.get_federation_client.return_value, method)
    with pytest.raises(ConfigError, match=method):
        _ = Homeserver.of(api).remote_joins


def test_a_federation_client_without_partial_state_is_rejected(api, hs):
    def send_join(destinations, pdu, room_version):
        pass

    hs.get_federation_client.return_value.send_join = send_join
    with pytest.raises(ConfigError, match="partial_state"):
        _ = Homeserver.of(api).remote_joins


@pytest.mark.parametrize("is_partial", [True, False])
def test_the_complete_state_is_fetched_by_one_hook(api, hs, run, is_partial):
    asked = []

    async def send_join(destinations, pdu, room_version, partial_state=True):
        asked.append(partial_state)
        return Mock(state=[], partial_state=is_partial)

    client, joins = hs.get_federation_client.return_value, Homeserver.of(api)
    client.send_join = send_join
    after = AsyncMock()
    joins.remote_joins.add_check(AsyncMock(), after)
    joins.remote_joins.fetch_complete_state()
    assert client.send_join.__wrapped__ is send_join
    if is_partial:
        with pytest.raises(SynapseError, match="withheld"):
            run(client.send_join([], Mock(), None))
        after.assert_not_awaited()
    else:
        run(client.send_join([], Mock(), None))
        after.assert_awaited_once()
    assert asked == [False]


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

    Homeserver.of(api).events.add_check(check, ["m.room.topic"])
    event = Mock(type="m.room.topic")
    assert run(event_rules.check_event_allowed(event, context)) == (True, None)
    assert found == [{("m.room.create", ""): create}]
    assert event_rules.asked == [event]
    (wanted,) = context.get_prev_state_ids.await_args.args
    assert set(wanted.concrete_types()) == set(ids)


def test_a_local_event_that_is_refused_goes_no_further_and_nothing_is_loaded(api, run, event_rules):
    Homeserver.of(api).events.add_check(AsyncMock(side_effect=SynapseError(403, "no")), None)
    context = Mock()
    with pytest.raises(SynapseError):
        run(event_rules.check_event_allowed(Mock(), context))
    assert event_rules.asked == []
    context.get_prev_state_ids.assert_not_called()


def test_a_message_passes_one_hook_that_asks_nobody(api, run, event_rules):
    original, events = event_rules.check_event_allowed, Homeserver.of(api).events
    checks = [AsyncMock() for _ in range(6)]
    for check in checks:
        events.add_check(check, ["m.room.member", "m.room.topic"])
    assert event_rules.check_event_allowed.__wrapped__ is original
    context = Mock()
    for kind in ("m.room.message", "m.room.encrypted"):
        assert run(event_rules.check_event_allowed(Mock(type=kind), context)) == (True, None)
    assert context.mock_calls == []
    assert not any(check.await_count for check in checks)
    run(event_rules.check_event_allowed(Mock(type="m.room.member"), context))
    assert [check.await_count for check in checks] == [1] * 6


def test_the_check_that_registered_last_is_asked_first(api, run, event_rules):
    asked, events = [], Homeserver.of(api).events

    def note(name):
        async def check(event, state_before):
            asked.append(name)

        return check

    events.add_check(note("member"), ["m.room.member"])
    events.add_check(note("all"), None)
    events.add_check(note("member and topic"), ["m.room.member", "m.room.topic"])
    for kind, expected in (
        ("m.room.member", ["member and topic", "all", "member"]),
        ("m.room.topic", ["member and topic", "all"]),
        ("m.room.message", ["all"]),
    ):
        asked.clear()
        run(event_rules.check_event_allowed(Mock(type=kind), Mock()))
        assert asked == expected


@pytest.mark.parametrize(
    "changed",
    [lambda event: None, lambda event, context, more: None, lambda context, event: None, None],
)
def test_callbacks_with_another_signature_are_rejected(api, event_rules, changed):
    if changed is None:
        del event_rules.check_event_allowed
    else:
        event_rules.check_event_allowed = changed
    with pytest.raises(ConfigError, match=r"check_event_allowed\(event, context\)"):
        _ = Homeserver.of(api).events


def test_what_is_looked_up_later_is_asserted_at_the_start(api, hs):
    handler = hs.get_event_handler.return_value
    real, handler.get_event = handler.get_event, lambda room_id, event_id: None
    with pytest.raises(ConfigError, match=r"get_event\(user, room_id, event_id, …\)"):
        _ = Homeserver.of(api).events
    handler.get_event = real
    del hs.get_datastores.return_value.main.get_events
    with pytest.raises(ConfigError, match=r"DataStore\.get_events"):
        _ = Homeserver.of(api).events


@pytest.mark.parametrize("answer", [SynapseError(404, "no"), SynapseError(403, "no"), [None]])
def test_an_event_that_is_not_there_looks_like_one_that_may_not_be_seen(api, hs, run, answer):
    asked = AsyncMock(side_effect=answer)

    async def get_event(user, room_id, event_id):
        return await asked(user.to_string(), room_id, event_id)

    hs.get_event_handler.return_value.get_event = get_event
    events = Homeserver.of(api).events
    assert run(events.visible_event("@a:x", "!r", "$e")) is None
    asked.side_effect = None
    assert run(events.visible_event("@a:x", "!r", "$e")) is asked.return_value.event
    asked.assert_awaited_with("@a:x", "!r", "$e")


# Administrators with Matrix Authentication Service ----------------------------------------------------------


def test_who_makes_an_event_is_told_apart_by_the_session_and_not_by_the_database(api, hs):
    hs.config.mas.enabled = True
    found = {}

    async def create_new_client_event(builder, requester=None):
        await asyncio.sleep(0)
        found[builder] = await Homeserver.of(api).events.is_made_by_admin(Mock(sender="@a:here"))

    async def is_server_admin(requester):
        await asyncio.sleep(0)
        return requester == "admin"

    api.is_user_admin = AsyncMock(return_value=True)
    creation = hs.get_event_creation_handler.return_value
    creation.create_new_client_event = create_new_client_event
    hs.get_auth.return_value.is_server_admin = is_server_admin
    assert Homeserver.of(api).events

    async def at_the_same_time():
        make = creation.create_new_client_event
        await asyncio.gather(make("1", requester="admin"), make("2", requester="user"), make("3"))
        return await Homeserver.of(api).events.is_made_by_admin(Mock(sender="@a:here"))

    assert asyncio.run(at_the_same_time()) is False
    assert found == {"1": True, "2": False, "3": False}
    api.is_user_admin.assert_not_awaited()


def test_without_it_the_database_says_who_is_an_administrator(api, hs, run):
    hs.config.mas.enabled = False
    api.is_user_admin = AsyncMock(return_value=True)
    assert run(Homeserver.of(api).events.is_made_by_admin(Mock(sender="@a:here"))) is True
    api.is_user_admin.assert_awaited_once_with("@a:here")
