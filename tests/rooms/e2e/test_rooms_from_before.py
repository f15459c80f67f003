"""Unencrypted rooms that were there before the modules, in all products and generations.

A_25324-01, A_25996: they go no further from their server until they are encrypted; A_25323-01: new ones are.
What an invitation from before shows of a room does not count, but the room does.
"""

import contextlib

import attrs
import pytest

from synapse_tim.testing import MatrixUser, SynapseServer, TiSimulator, wait_for
from synapse_tim.testing.merge import deep_merge
from synapse_tim.testing.servers.homeserver_config import needed_options
from tests.legacy.e2e.world import approve, legacy
from tests.support.world import CLIENT, GENERATIONS, code, invited, module, together, versions_at

pytestmark = [
    pytest.mark.servers,
    pytest.mark.one_process,
    pytest.mark.requirement("A_25323-01", "A_25324-01", "A_25996", "A_26015-02"),
]

ENCRYPTION = "m.room.encryption"
MEGOLM = {"algorithm": "m.megolm.v1.aes-sha2"}
FORBIDDEN, ROOM_STATE = (403, "M_FORBIDDEN"), (400, "M_INVALID_ROOM_STATE")
UNENCRYPTED = {"room_version": "10", "preset": "private_chat"}
LOCAL = {"m.federate": False}


@attrs.frozen
class Before:
    """What was there before the modules."""

    product: str
    user: MatrixUser
    guest: MatrixUser  #: on a server that enforces nothing
    waiting: MatrixUser  #: on a third server, which is in none of the rooms; has an invitation
    room: str  #: of the user, with the guest in it, unencrypted
    moderated: str  #: the same, in which the guest may do what the user may
    knocked: str  #: of the user, unencrypted, with the join rule ``knock``
    local: str  #: of the user, unencrypted, only for users of this server
    elsewhere: str  #: of the guest, unencrypted; the user has an invitation


def prepare(server, other, third, product):
    user = server.register("user")
    guest, waiting = other.register(f"guest-{server.name}"), third.register(f"waiting-{server.name}")
    room, moderated = together(user, guest, **UNENCRYPTED), together(user, guest, **UNENCRYPTED)
    user.invite(room, waiting.user_id).raise_for_status()
    invited(waiting, room)
    levels = user.state(moderated, "m.room.power_levels").json()
    levels["users"][guest.user_id] = 100
    user.put_state(moderated, "m.room.power_levels", levels).raise_for_status()
    wait_for(lambda: guest.state(moderated, "m.room.power_levels").json() == levels, what="the power")
    knock = {"type": "m.room.join_rules", "state_key": "", "content": {"join_rule": "knock"}}
    knocked = user.create_room(**UNENCRYPTED, initial_state=[knock])
    local = user.create_room(**UNENCRYPTED, creation_content=LOCAL)
    elsewhere = guest.create_room(**UNENCRYPTED)
    guest.invite(elsewhere, user.user_id).raise_for_status()
    invited(user, elsewhere)
    return Before(product, user, guest, waiting, room, moderated, knocked, local, elsewhere)


@pytest.fixture(scope="module")
def befores(tmp_path_factory):
    """What was there, by product and generation; the modules are there by now."""
    directory = tmp_path_factory.mktemp("before")
    with contextlib.ExitStack() as stack:
        ti = stack.enter_context(TiSimulator())

        def run(*servers):
            for server in servers:
                server.start()
            for server in servers:
                server.wait()

        other, third = (SynapseServer(name, directory / name, ti.world) for name in ("other", "third"))
        servers = {
            name: SynapseServer(name.replace(" ", "-"), directory / name.replace(" ", "_"), ti.world)
            for name in GENERATIONS
        }
        for server in (other, third, *servers.values()):
            stack.callback(server.stop)
        run(other, third, *servers.values())
        found = {
            name: prepare(server, other, third, GENERATIONS[name][0]) for name, server in servers.items()
        }
        for name, server in servers.items():
            product, version = GENERATIONS[name]
            entry = legacy(ti, ti) if name == "legacy" else module(ti, product, version)
            with_modules = deep_merge({**server.config, "modules": [entry]}, needed_options([entry]))
            server.config = {**with_modules, "federation_domain_whitelist": []}
            ti.add(server.server_name, insurance=product == "epa")
            server.stop()
        for server in (other, third):
            ti.add(server.server_name)
        run(*servers.values())
        for name, server in servers.items():
            wait_for(lambda server=server: versions_at(server) == {ti.version}, what="the list")
            if name == "legacy":
                approve(found[name].user, found[name].guest)
        yield found


@pytest.fixture(params=GENERATIONS)
def before(request, befores):
    return befores[request.param]


def upgrade(user, room):
    return user.request("POST", f"{CLIENT}/rooms/{room}/upgrade", {"new_version": "9"})


def test_a_25323_01_new_rooms_are_encrypted(before):
    user = before.user
    for body in ({}, {"creation_content": LOCAL}, {"preset": "trusted_private_chat", "is_direct": True}):
        assert user.state(user.create_room(**body), ENCRYPTION).json() == MEGOLM
    space = user.create_room(creation_content={"type": "m.space"})
    assert user.state(space, ENCRYPTION).status_code == 404
    wrong = {"type": ENCRYPTION, "state_key": "", "content": {}}
    assert code(user.try_create_room(initial_state=[wrong])) == ROOM_STATE
    assert code(user.put_state(user.create_room(), ENCRYPTION, {})) == ROOM_STATE


def test_a_26015_02_clear_text_in_encrypted_rooms(before):
    room = before.user.create_room()
    assert before.user.send(room, "hello").status_code == (400 if before.product == "epa" else 200)
    assert before.user.send_event(room, "m.room.encrypted", MEGOLM).status_code == 200


def test_a_25324_01_an_unencrypted_room_goes_no_further_until_it_is_encrypted(before):
    user, room = before.user, before.room
    assert user.send(room, "among us").status_code == 200  # its members can talk on
    newcomer = before.waiting
    answer = user.invite(before.moderated, newcomer.user_id)
    assert code(answer) == FORBIDDEN
    assert "A_25324-01" in answer.json()["error"]
    assert "encryption" in answer.json()["error"]
    assert newcomer.join(room, via=[user.server_name]).status_code == 403
    assert newcomer.user_id not in user.members(room)
    assert code(upgrade(user, room)) == ROOM_STATE
    new_name = {"membership": "join", "displayname": "Guest"}
    assert before.guest.put_state(room, "m.room.member", new_name, before.guest.user_id).status_code == 200

    user.put_state(room, ENCRYPTION, MEGOLM).raise_for_status()
    assert newcomer.join(room, via=[user.server_name]).status_code == 200
    answer = upgrade(user, room)
    assert answer.status_code == 200, answer.text
    new = answer.json()["replacement_room"]
    assert user.state(new, ENCRYPTION).json() == MEGOLM


def test_a_25324_01_also_where_a_guest_turns_encryption_on(before):
    user, guest, room = before.user, before.guest, before.moderated
    assert user.send(room, "in the clear").status_code == 200
    guest.put_state(room, ENCRYPTION, MEGOLM).raise_for_status()
    wait_for(lambda: user.state(room, ENCRYPTION).status_code == 200, what="the encryption")
    assert user.send(room, "in the clear").status_code == (400 if before.product == "epa" else 200)
    assert user.invite(room, before.waiting.user_id).status_code == 200


def test_a_25324_01_nor_after_a_knock(before):
    user, guest, room = before.user, before.guest, before.knocked
    answer = guest.knock(room, via=[user.server_name])
    if before.product == "epa":
        assert answer.status_code == 403  # by its join rule
        return
    answer.raise_for_status()
    wait_for(lambda: guest.user_id in user.members(room, "knock"), what="the knock")
    assert code(user.invite(room, guest.user_id)) == FORBIDDEN
    user.put_state(room, ENCRYPTION, MEGOLM).raise_for_status()
    assert user.invite(room, guest.user_id).status_code == 200


def test_a_25324_01_what_stays_on_its_server_may_be_unencrypted_for_professionals(before):
    answer = upgrade(before.user, before.local)
    assert answer.status_code == (400 if before.product == "epa" else 200), answer.text


def test_a_25996_an_invitation_from_before_to_an_unencrypted_room(before):
    user, guest, room = before.user, before.guest, before.elsewhere
    answer = user.join(room, via=[guest.server_name])
    if before.product == "epa":
        assert code(answer) == FORBIDDEN
        assert "A_25996" in answer.json()["error"]
        guest.put_state(room, ENCRYPTION, MEGOLM).raise_for_status()
        answer = user.join(room, via=[guest.server_name])
    assert answer.status_code == 200, answer.text
