"""R1.21: what a server misses while it is no member reaches it when it is one again."""

import attrs
import pytest

from synapse_tim.testing import SynapseServer, TiSimulator, wait_for
from tests.federation.e2e.conftest import enforcing

pytestmark = pytest.mark.servers


@attrs.frozen
class Pair:
    """A server that enforces the list, and another one that comes and goes."""

    ti: TiSimulator
    hospital: SynapseServer
    member: SynapseServer

    def settle(self):
        name = "synapse_tim_federation_list_version"
        wait_for(lambda: self.hospital.metrics().get(name, 0) == self.ti.version)

    def remove(self):
        self.ti.remove(self.member.server_name)
        self.settle()

    def add(self):
        self.ti.add(self.member.server_name)
        self.settle()

    def shared_room(self, host, guest):
        room = host.create_room(room_version="10")
        host.invite(room, guest.user_id).raise_for_status()
        wait_for(lambda: room in guest.invited_to(), what="the invitation")
        guest.join(room, via=[host.server_name]).raise_for_status()
        wait_for(lambda: guest.user_id in host.members(room), what="the join")
        return room


@pytest.fixture
def pair(ti, start, tmp_path):
    hospital = enforcing("hospital", tmp_path, ti)
    member = SynapseServer("member", tmp_path / "member", ti.world)
    pair = Pair(ti, start(hospital), start(member))
    ti.add(hospital.server_name)
    pair.add()
    return pair


def test_r1_21_a_user_who_leaves_meanwhile_has_left_for_the_other_server_too(pair):
    """The hospital has sent the other server nothing before, which Synapse would take for nothing to do."""
    alice, bob = pair.hospital.register("alice"), pair.member.register("bob")
    room = pair.shared_room(bob, alice)
    pair.remove()
    assert alice.leave(room).status_code == 200
    assert alice.user_id in bob.members(room)
    pair.add()
    wait_for(lambda: alice.user_id not in bob.members(room), what="the leave")


def test_r1_21_messages_and_who_was_removed_reach_it_over_a_restart(pair):
    alice, bob = pair.hospital.register("alice"), pair.member.register("bob")
    carol = pair.member.register("carol")
    room = pair.shared_room(alice, bob)
    gone = pair.shared_room(alice, carol)
    alice.send(room, "before").raise_for_status()
    wait_for(lambda: "before" in bob.texts(room), what="a message")
    pair.remove()
    for text in ("one", "two"):
        alice.send(room, text).raise_for_status()
    path = f"/_matrix/client/v3/rooms/{gone}/kick"
    alice.request("POST", path, {"user_id": carol.user_id}).raise_for_status()
    assert "one" not in bob.texts(room)
    assert gone in carol.joined_rooms()
    pair.add()
    wait_for(lambda: {"one", "two"} <= set(bob.texts(room)), what="the messages")
    wait_for(lambda: gone not in carol.joined_rooms(), what="the removal")

    pair.remove()
    alice.send(room, "three").raise_for_status()
    pair.hospital.restart()
    pair.add()
    # Synapse looks once a minute whether somebody missed something.
    wait_for(lambda: "three" in bob.texts(room), what="the message from before the restart")
