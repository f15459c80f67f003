"""Messages to devices: where they pass, what is kept for later, and what happens if nobody can tell."""

from unittest.mock import AsyncMock, Mock, create_autospec

import pytest
from synapse.module_api.errors import ConfigError, SynapseError
from synapse.notifier import Notifier
from synapse.storage.databases.main import DataStore

from synapse_tim.adapter import shape
from synapse_tim.adapter.device_inbox import DeviceInbox
from synapse_tim.adapter.shape import installed_synapse
from synapse_tim.core.products import Product
from synapse_tim.federation.federation_members import FederationMembers
from synapse_tim.invites import device_messages
from synapse_tim.invites.denials import INVITEE_REFUSES, PERMISSION_UNAVAILABLE
from synapse_tim.invites.device_messages import DeviceMessages
from synapse_tim.invites.rules import InviteRules
from synapse_tim.invites.strangers import Strangers

LEO, DOCTOR, NURSE = "@leo:lax.example", "@doctor:own.example", "@nurse:own.example"
ARRIVING = "add_messages_from_remote_to_device_inbox"
LOCAL = "add_local_messages_from_client_to_device_inbox"
OUTGOING = "add_remote_messages_from_client_to_device_inbox"
BOTH = "add_messages_to_device_inbox"
#: By the first release of Synapse that has them.
METHODS = {(1, 153): (BOTH, ARRIVING), (1, 155): (LOCAL, OUTGOING, ARRIVING)}
OF_THIS_SYNAPSE = METHODS[max(release for release in METHODS if release <= installed_synapse())]


class Store:
    """What was stored, with Synapse's signatures."""

    def __init__(self):
        self.stored = []

    async def add_messages_to_device_inbox(
        self, local_messages_by_user_then_device, remote_messages_by_destination
    ):
        self.stored += [local_messages_by_user_then_device, remote_messages_by_destination]
        return 1

    async def add_local_messages_from_client_to_device_inbox(self, local_messages_by_user_then_device):
        self.stored.append(local_messages_by_user_then_device)
        return 1

    async def add_remote_messages_from_client_to_device_inbox(self, remote_messages_by_destination):
        self.stored.append(remote_messages_by_destination)
        return 1

    async def add_messages_from_remote_to_device_inbox(
        self, origin, message_id, local_messages_by_user_then_device
    ):
        self.stored.append((message_id, local_messages_by_user_then_device))
        return 1


@pytest.fixture
def hs(store):
    hs = Mock()
    hs.get_datastores.return_value.main = store
    hs.get_notifier.return_value = create_autospec(Notifier, instance=True)
    return hs


@pytest.fixture
def later(api):
    """What was to be called in the background."""
    calls = []
    api.delayed_background_call = lambda ms, function, *args, desc: calls.append((ms, function, args))
    api.is_mine = lambda user: user.endswith(":own.example")
    return calls


@pytest.fixture(params=METHODS, ids=str)
def store(request, monkeypatch):
    """That of a release of Synapse, which is what is installed."""
    monkeypatch.setattr(shape, "installed_synapse", lambda: request.param)
    for method in {LOCAL, OUTGOING, BOTH} - set(METHODS[request.param]):
        monkeypatch.delattr(Store, method)
    return Store()


def send(store, local, remote):
    """As Synapse stores what a user sends."""
    if hasattr(store, BOTH):
        yield store.add_messages_to_device_inbox(local, remote)
    else:
        yield store.add_local_messages_from_client_to_device_inbox(local)
        yield store.add_remote_messages_from_client_to_device_inbox(remote)


@pytest.fixture
def strangers():
    return AsyncMock(spec=Strangers, **{"among.return_value": {}, "share.return_value": False})


@pytest.fixture
def messages(api, later, hs, strangers):
    return DeviceMessages(api, DeviceInbox(hs), strangers)


def to(*users, sender=LEO, kind="m.room.encrypted", text="x"):
    content = {"text": text}
    return {user: {"*": {"content": content, "type": kind, "sender": sender}} for user in users}


def test_the_store_of_this_synapse_is_accepted():
    hs = Mock(**{"get_notifier.return_value": create_autospec(Notifier, instance=True)})
    real = {name: getattr(DataStore, name).__get__(hs) for name in OF_THIS_SYNAPSE}
    hs.get_datastores.return_value.main = Mock(**real, spec=[*real])
    assert DeviceInbox(hs)


@pytest.mark.parametrize("store", METHODS, indirect=True, ids=str)
def test_a_store_that_looks_different_is_refused(hs, store, monkeypatch):
    methods = [method for method in (LOCAL, OUTGOING, BOTH, ARRIVING) if hasattr(store, method)]
    assert DeviceInbox(hs)
    for method in methods:
        with monkeypatch.context() as patch:
            patch.setattr(Store, method, lambda self, messages: None)
            with pytest.raises(ConfigError, match=method):
                DeviceInbox(hs)
            patch.delattr(Store, method)
            with pytest.raises(ConfigError, match=method):
                DeviceInbox(hs)


def test_a_notifier_that_looks_different_is_refused(hs):
    hs.get_notifier.return_value = Mock(on_new_event=lambda stream, token: None)
    with pytest.raises(ConfigError, match="on_new_event"):
        DeviceInbox(hs)


def test_what_goes_to_strangers_is_left_out_everywhere(messages, strangers, store, run):
    strangers.among.return_value = {NURSE: INVITEE_REFUSES}
    edu = {"sender": LEO, "type": "x", "message_id": "1", "messages": {DOCTOR: {}, NURSE: {}}}
    only = {**edu, "messages": {NURSE: {}}}
    for sent in send(store, to(DOCTOR, NURSE), {"own.example": edu, "b.example": only}):
        run(sent)
    run(store.add_messages_from_remote_to_device_inbox("lax.example", "2", to(DOCTOR, NURSE)))
    for sent in send(store, {}, {}):
        run(sent)
    assert store.stored == [
        to(DOCTOR),
        {"own.example": {**edu, "messages": {DOCTOR: {}}}},
        ("2", to(DOCTOR)),
        {},
        {},
    ]


def test_what_a_server_sends_in_the_name_of_others_is_left_out(messages, store, later, run):
    run(store.add_messages_from_remote_to_device_inbox("lax.example", "1", to(DOCTOR, sender=NURSE)))
    assert store.stored == [("1", {})]
    assert not later


def test_what_is_left_out_is_judged_three_times_more_and_then_forgotten(
    messages, strangers, store, later, run
):
    strangers.among.return_value = {DOCTOR: INVITEE_REFUSES}
    run(store.add_messages_from_remote_to_device_inbox("lax.example", "1", to(DOCTOR)))
    for expected in (2_000, 10_000, 48_000):
        ((ms, function, arguments),) = later
        assert ms == expected
        later.clear()
        run(function(*arguments))
    assert not later
    strangers.among.return_value = {}
    run(store.add_messages_from_remote_to_device_inbox("lax.example", "2", to(DOCTOR)))
    assert store.stored == [("1", {}), ("2", to(DOCTOR))]


def test_a_database_that_fails_meanwhile_loses_nothing(messages, strangers, store, later, run):
    strangers.among.return_value = {DOCTOR: INVITEE_REFUSES}
    run(store.add_messages_from_remote_to_device_inbox("lax.example", "1", to(DOCTOR)))
    strangers.share.side_effect = SynapseError(503, "later")
    _, function, arguments = later.pop()
    run(function(*arguments))
    strangers.share.side_effect, strangers.share.return_value = None, True
    _, function, arguments = later.pop()
    run(function(*arguments))
    assert store.stored == [("1", {}), (f"1 {DOCTOR}", to(DOCTOR))]


def test_what_synapse_would_fail_on_is_not_kept(messages, strangers, store, later, run):
    strangers.among.return_value = {DOCTOR: INVITEE_REFUSES}
    malformed = {DOCTOR: {"*": {"content": "text", "type": ["m.x"], "sender": LEO}}}
    run(store.add_messages_from_remote_to_device_inbox("lax.example", "1", malformed))
    assert store.stored == [("1", {})]
    assert not later


def test_what_is_kept_is_limited(messages, strangers, store, later, run, monkeypatch):
    monkeypatch.setattr(device_messages, "MAX_KEPT_OF_A_SERVER", 3)
    monkeypatch.setattr(device_messages, "MAX_KEPT", 5)
    strangers.among.return_value = {DOCTOR: INVITEE_REFUSES}

    def arrive(origin, **message):
        sender = f"@somebody:{origin}"
        arrived = to(DOCTOR, sender=sender, **message)
        run(store.add_messages_from_remote_to_device_inbox(origin, str(len(later)), arrived))
        return len(later)

    assert arrive("a.example", text="x" * 70_000) == 0
    assert [arrive("a.example") for _ in range(5)] == [1, 2, 3, 3, 3]
    assert [arrive("b.example") for _ in range(4)] == [4, 5, 5, 5]
    # There is room again once something is forgotten.
    while later:
        _, function, arguments = later.pop(0)
        run(function(*arguments))
    assert arrive("a.example") == 1


def test_only_keys_from_elsewhere_count_for_invitations_to_rooms_elsewhere(messages, strangers, run):
    for sender, kind, expected in (
        (LEO, "m.room.encrypted", True),
        (LEO, "m.room_key_request", False),
        (NURSE, "m.room.encrypted", False),
    ):
        run(messages.permitted(sender, [DOCTOR], kind))
        assert strangers.among.await_args.kwargs == {"invited_elsewhere": expected}


# Who is a stranger


@pytest.fixture
def tell(api, later):
    """Strangers with caches that know of no common room, and a database that fails."""
    consent, rooms = AsyncMock(), AsyncMock()
    consent.check_contact.return_value = INVITEE_REFUSES
    rooms.joined.side_effect = lambda users: dict.fromkeys(users, frozenset())
    api.run_db_interaction = AsyncMock(side_effect=RuntimeError)
    rules = InviteRules(FederationMembers("own.example"), Product.PRO)
    strangers = Strangers(api, rooms, lambda: rules, consent)
    strangers.consent, strangers.rooms = consent, rooms
    return strangers


def test_without_a_database_nobody_is_taken_for_a_stranger(tell, run):
    with pytest.raises(SynapseError) as refused:
        run(tell.among(NURSE, [DOCTOR]))
    assert (refused.value.code, refused.value.headers) == (503, {"Retry-After": "30"})
    tell.rooms.joined.side_effect = RuntimeError
    with pytest.raises(SynapseError) as refused:
        run(tell.among(NURSE, [DOCTOR]))
    assert refused.value.code == 503


def test_without_a_permission_configuration_nobody_is_taken_for_a_stranger(tell, api, run):
    tell.consent.check_contact.return_value = PERMISSION_UNAVAILABLE
    api.run_db_interaction = AsyncMock(return_value=Mock(sharing=frozenset(), invited_elsewhere=frozenset()))
    with pytest.raises(SynapseError) as refused:
        run(tell.among(NURSE, [DOCTOR]))
    assert refused.value.code == 503


def test_members_of_a_room_cost_no_query(tell, api, run):
    tell.rooms.joined.side_effect = lambda users: dict.fromkeys(users, frozenset({"!room"}))
    assert run(tell.among(NURSE, [DOCTOR, NURSE])) == {}
    tell.consent.check_contact.assert_not_awaited()
    api.run_db_interaction.assert_not_awaited()


def test_whoever_allows_it_costs_no_query(tell, api, run):
    tell.consent.check_contact.return_value = None
    assert run(tell.among(NURSE, [DOCTOR])) == {}
    api.run_db_interaction.assert_not_awaited()


def test_ones_own_devices_are_looked_up_nowhere(tell, run):
    assert run(tell.among(NURSE, [NURSE])) == {}
    tell.rooms.joined.assert_not_awaited()
