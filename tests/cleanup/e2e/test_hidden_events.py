"""What nobody sees keeps no room: messages of a server that left the federation, relayed by a member."""

import pytest

from synapse_tim.testing import SynapseServer, wait_for
from tests.cleanup.e2e.world import WEEK_MS, cleaning, exists, is_deleted, rounds, rows, wait_long
from tests.support.world import PRIVATE, invited, versions_at

pytestmark = pytest.mark.servers

EXTRA = {"federation_domain_whitelist": [], "background_updates": {"sleep_enabled": False}}


def settle(ti, server):
    wait_for(lambda: versions_at(server) == {ti.version}, timeout=30, what="the list")


@pytest.mark.requirement("A_25319", "AF_10064-02")
def test_a_25318_a_relayed_message_of_a_former_member_keeps_no_room(ti, start, tmp_path):
    clinic = SynapseServer(
        "clinic", tmp_path / "clinic", ti.world, modules=[cleaning(ti, "pro", "1.1")], extra=EXTRA
    )
    lax, former = (SynapseServer(name, tmp_path / name, ti.world) for name in ("lax", "former"))
    for server in (clinic, lax, former):
        start(server)
        ti.add(server.server_name)
    settle(ti, clinic)
    doctor, friend, fred = clinic.register("doctor"), lax.register("friend"), former.register("fred")
    rooms = [friend.create_room(**PRIVATE) for _ in range(2)]
    for room in rooms:
        for guest in (doctor, fred):
            friend.invite(room, guest.user_id).raise_for_status()
            invited(guest, room)
            guest.join(room, via=[lax.server_name]).raise_for_status()
        friend.send(room, "hello").raise_for_status()
    ti.remove(former.server_name)
    settle(ti, clinic)
    for room in rooms:
        fred.send(room, "after leaving").raise_for_status()
        wait_for(lambda room=room: "after leaving" in friend.texts(room), timeout=15)
        friend.send(room, "of a member").raise_for_status()
        wait_for(lambda room=room: "of a member" in doctor.texts(room), timeout=15)
    relayed = "SELECT COUNT(*) FROM events WHERE room_id = ? AND state_key IS NULL AND sender = ?"
    goes, stays = rooms
    for room in rooms:
        assert rows(clinic, relayed, (room, fred.user_id)) == [(1,)]
    wait_long(clinic, goes, 27 * WEEK_MS, f"sender <> '{fred.user_id}' OR state_key IS NOT NULL")
    wait_long(clinic, stays, 27 * WEEK_MS, f"sender <> '{friend.user_id}' OR state_key IS NOT NULL")
    assert is_deleted(clinic, goes)
    rounds(clinic)
    assert exists(clinic, stays)
    assert "of a member" in doctor.texts(stays)
