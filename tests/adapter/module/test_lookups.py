"""What is looked up and called in Synapse is there, or start-up fails with a message that says so."""

from unittest.mock import AsyncMock, Mock

import pytest
from synapse.module_api import NOT_SPAM
from synapse.module_api.errors import Codes, ConfigError
from synapse.storage.databases.main.openid import OpenIdStore

from synapse_tim.adapter.homeserver import Homeserver


def test_open_id_tokens_can_be_looked_up(api, monkeypatch):
    assert Homeserver.of(api).open_id_tokens
    monkeypatch.setattr(OpenIdStore, "get_user_id_for_open_id_token", lambda self, token: None)
    other = Mock(_hs=Mock())
    with pytest.raises(ConfigError, match="OpenIdStore"):
        _ = Homeserver.of(other).open_id_tokens


def test_rooms_are_looked_up_for_those_users_only_who_are_not_in_the_cache(api, hs, run):
    store, asked = hs.get_datastores.return_value.main, []
    cached = {"@a:here": frozenset({"!a"}), "@c:here": frozenset()}

    async def get_rooms_for_users(user_ids):
        asked.append(list(user_ids))
        return {user_id: frozenset({"!b"}) for user_id in user_ids}

    store.get_rooms_for_users = get_rooms_for_users
    store.get_rooms_for_user.cache.get_immediate = lambda key, default: cached.get(key, default)
    rooms = Homeserver.of(api).rooms
    assert run(rooms.joined(["@a:here", "@c:here"])) == cached
    assert asked == []
    assert run(rooms.joined(["@a:here", "@b:here"])) == {"@a:here": {"!a"}, "@b:here": {"!b"}}
    assert asked == [["@b:here"]]


@pytest.mark.parametrize("parameters", ["ratelimit", "require_consent"])
def test_leaving_rooms_that_may_not_go_beyond_the_rate_is_rejected(api, hs, parameters):
    update = {
        "ratelimit": lambda requester, target, room_id, action, ratelimit: None,
        "require_consent": lambda requester, target, room_id, action, require_consent: None,
    }
    hs.get_room_member_handler.return_value.update_membership = update[parameters]
    with pytest.raises(ConfigError, match="update_membership"):
        _ = Homeserver.of(api).rooms


@pytest.mark.parametrize(("sender", "action"), [("@a:here", "leave"), ("@b:here", "kick")])
def test_a_membership_is_ended_beyond_the_rate(api, hs, run, sender, action):
    update = AsyncMock()
    rooms = Homeserver.of(api).rooms
    rooms._update = update
    run(rooms.end_membership(sender, "@a:here", "!r"))
    requester, target, room_id, done = update.await_args.args
    assert (requester.user.to_string(), target.to_string(), room_id, done) == (
        sender,
        "@a:here",
        "!r",
        action,
    )
    assert update.await_args.kwargs == {"ratelimit": False, "require_consent": False}


def test_purges_that_look_different_are_rejected(api, hs):
    hs.get_storage_controllers.return_value.purge_events = object()
    with pytest.raises(ConfigError, match="purge_room"):
        _ = Homeserver.of(api).purges


def test_whoever_registered_is_told_after_each_purge(api, hs, run):
    done = []

    async def purge_room(room_id):
        done.append(room_id)

    purging = hs.get_storage_controllers.return_value.purge_events
    purging.purge_room = purge_room
    for name in ("first", "second"):
        Homeserver.of(api).purges.after_each(AsyncMock(side_effect=lambda name=name: done.append(name)))
    run(purging.purge_room("!r"))
    assert done == ["!r", "first", "second"]
    assert purging.purge_room.__wrapped__ is purge_room


def test_a_registration_of_single_sign_on_is_marked(api, hs, run):
    made = []

    async def register_user(
        localpart=None, password_hash=None, default_display_name=None, auth_provider_id=None
    ):
        made.append((localpart, password_hash))

    registration = hs.get_registration_handler.return_value
    registration.register_user = register_user
    accounts = Homeserver.of(api).accounts
    run(registration.register_user(localpart="early", auth_provider_id="oidc"))
    accounts.mark_registrations(lambda provider, localpart: f"{provider} {localpart}")
    run(registration.register_user(localpart="a", auth_provider_id="oidc"))
    run(registration.register_user(localpart="b"))
    run(registration.register_user(localpart="c", password_hash="own", auth_provider_id="oidc"))
    run(accounts.register("d", "given", None))
    assert made == [("early", None), ("a", "oidc a"), ("b", None), ("c", "own"), ("d", "given")]


def test_events_of_others_are_checked_until_one_check_hides_them(api, run):
    received = Homeserver.of(api).received_events
    api.register_spam_checker_callbacks.assert_called_once_with(
        check_event_for_spam=received.check_event_for_spam
    )
    first, second = AsyncMock(return_value=NOT_SPAM), AsyncMock(return_value=Codes.FORBIDDEN)
    event = Mock(sender="@a:there")
    assert run(received.check_event_for_spam(event)) == NOT_SPAM
    for check in (first, second, first):
        received.add_check(check)
    assert run(received.check_event_for_spam(event)) is Codes.FORBIDDEN
    assert (first.await_count, second.await_count) == (1, 1)
    assert run(received.check_event_for_spam(Mock(sender="@a:here"))) == NOT_SPAM
    assert (first.await_count, second.await_count) == (1, 1)
