"""A_26015-02, A_25996: insured persons send no messages in clear text where messages are encrypted."""

import secrets

import pytest

from synapse_tim.events.rules import MESSAGE_TYPES
from synapse_tim.testing import wait_for
from tests.support.world import CLIENT, ENCRYPTED, code, error_text, invited, together

pytestmark = [pytest.mark.servers, pytest.mark.requirement("A_26015-02", "A_25996")]

REFUSED = (400, "M_FORBIDDEN")
TEXT = {"msgtype": "m.text", "body": "in the clear"}
CIPHERTEXT = {
    "algorithm": "m.megolm.v1.aes-sha2",
    "ciphertext": "AwgAEnACgAkLmt6qF84IK++J7UDH2Za1YVchHyprqTqsg",
    "device_id": "D",
    "sender_key": "k",
    "session_id": "s",
}
UNENCRYPTED = {"room_version": "10", "preset": "private_chat"}


def test_a_26015_02_messages_are_encrypted(world):
    user, admin = world.user(world.insurer), world.user(world.insurer, admin=True)
    for sender in (user, admin):
        room = sender.create_room()
        answer = sender.send_event(room, "m.room.message", TEXT)
        assert code(answer) == REFUSED
        assert "m.room.encrypted" in error_text(answer)
        event = sender.send_event(room, "m.room.encrypted", CIPHERTEXT).raise_for_status().json()["event_id"]
        # What clients do not encrypt.
        about = {"rel_type": "m.annotation", "event_id": event, "key": "👍"}
        assert sender.send_event(room, "m.reaction", {"m.relates_to": about}).status_code == 200
        assert sender.put_state(room, "m.room.topic", {"topic": "shown to all"}).status_code == 200
        assert (
            sender.put_state(room, "im.vector.modular.widgets", {"type": "m.custom"}, "w").status_code == 200
        )
        assert sender.send_event(room, "org.example.any", {}).status_code == 200
        receipt = f"{CLIENT}/rooms/{room}/receipt/m.read/{event}"
        main = sender.at(getattr(sender, "main_url", sender.base_url))  # writes receipts
        assert main.request("POST", receipt, {}).status_code == 200
        redaction = f"{CLIENT}/rooms/{room}/redact/{event}/{secrets.token_hex(4)}"
        assert sender.request("PUT", redaction, {}).status_code == 200


@pytest.mark.one_process
def test_a_26015_02_of_whatever_kind(world):
    user = world.user(world.insurer)
    room = user.create_room()
    for kind in sorted(MESSAGE_TYPES):
        assert code(user.send_event(room, kind, TEXT)) == REFUSED, kind


def test_a_26015_02_nor_as_state_nor_later(world):
    user = world.user(world.insurer)
    room = user.create_room()
    assert code(user.put_state(room, "m.room.message", TEXT, "x")) == REFUSED
    path = f"{CLIENT}/rooms/{room}/send/m.room.message/{secrets.token_hex(4)}"
    answer = user.request("PUT", path, TEXT, params={"org.matrix.msc4140.delay": 1})
    if answer.status_code == 200:  # otherwise it is refused at once, which is just as well
        pending = "/_matrix/client/unstable/org.matrix.msc4140/delayed_events"
        wait_for(
            lambda: (
                not (
                    (listed := user.request("GET", pending).json()).get("delayed_events")
                    or listed.get("scheduled")
                )
            ),
            what="the delayed event",
        )
    assert not user.texts(room)


def test_a_26015_02_a_space_is_no_place_for_messages(world):
    user = world.user(world.insurer)
    space = user.create_room(creation_content={"type": "m.space"})
    assert code(user.send_event(space, "m.room.message", TEXT)) == REFUSED
    assert user.put_state(space, "m.space.child", {"via": ["x"]}, "!x:x").status_code == 200


def test_a_26015_02_wherever_the_room_is_and_whoever_encrypted_it(world):
    """A room of another server, in which its moderator turns encryption on while they talk."""
    leo, guest, doctor = world.user(world.lax), world.user(world.insurer), world.user(world.hospital)
    room = together(leo, guest, doctor, room_version="10", preset="private_chat", initial_state=[ENCRYPTED])
    assert code(guest.send_event(room, "m.room.message", TEXT)) == REFUSED
    assert doctor.send_event(room, "m.room.message", TEXT).status_code == 200  # professionals may, by default
    assert leo.send_event(room, "m.room.message", TEXT).status_code == 200
    # What other servers' users send arrives.
    wait_for(lambda: len(guest.texts(room)) == 2, what="the messages")
    assert guest.send_event(room, "m.room.encrypted", CIPHERTEXT).status_code == 200


def test_a_26015_02_only_where_messages_are_encrypted(start, ti, tmp_path):
    """Who allows unencrypted rooms of other servers can talk there; professionals can be bound as well."""
    from synapse_tim.testing import SynapseServer
    from tests.support.world import module, versions_at

    closed = {"federation_domain_whitelist": []}
    strict = module(ti, "pro", events={"require_encryption": True}, rooms={"unencrypted_remote": "refuse"})
    open_ = module(ti, "epa", events={"require_encryption": True}, rooms={"unencrypted_remote": "allow"})
    clinic = SynapseServer("clinic", tmp_path / "clinic", ti.world, modules=[strict], extra=closed)
    fund = SynapseServer("fund", tmp_path / "fund", ti.world, modules=[open_], extra=closed)
    lax = SynapseServer("lax", tmp_path / "lax", ti.world)
    for server in (clinic, fund, lax):
        start(server)
        ti.add(server.server_name, insurance=server is fund)
    for server in (clinic, fund):
        wait_for(lambda server=server: versions_at(server) == {ti.version}, what="the list")
    doctor, guest, leo = clinic.register("doctor"), fund.register("guest"), lax.register("leo")
    assert code(doctor.send(doctor.create_room(), "hello")) == REFUSED
    canteen = doctor.create_room(preset="public_chat")
    assert doctor.send(canteen, "hello").status_code == 200
    room = leo.create_room(**UNENCRYPTED)
    assert code(leo.invite(room, doctor.user_id)) == (403, "M_FORBIDDEN")
    leo.invite(room, guest.user_id).raise_for_status()
    invited(guest, room)
    guest.join(room, via=[leo.server_name]).raise_for_status()
    assert guest.send(room, "hello").status_code == 200
    leo.put_state(room, "m.room.encryption", ENCRYPTED["content"]).raise_for_status()
    wait_for(lambda: guest.state(room, "m.room.encryption").status_code == 200, what="the encryption")
    assert code(guest.send(room, "hello")) == REFUSED
