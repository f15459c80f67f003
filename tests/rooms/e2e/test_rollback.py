"""R2.17: a room whose guest is refused, or that fails half-way, is gone again."""

import secrets
import socket
from concurrent.futures import ThreadPoolExecutor

import pytest

from synapse_tim.testing import wait_for
from tests.support.world import EPA, at_worker, block, code

pytestmark = pytest.mark.servers

FORBIDDEN = (403, "M_FORBIDDEN")


@pytest.mark.parametrize("body", [{}, {"preset": "trusted_private_chat", "is_direct": True}])
@pytest.mark.parametrize("admin", [False, True])
def test_r2_17_a_room_is_gone_when_the_other_server_refuses_its_guest(world, body, admin):
    doctor, insured = world.user(world.hospital, admin=admin), world.user(world.insurer)
    block(insured, EPA)
    assert code(doctor.try_create_room(invite=[insured.user_id], **body)) == FORBIDDEN
    assert doctor.joined_rooms() == set()
    wait_for(lambda: not rooms_of(world.hospital, doctor), what="the room to be purged")
    block(insured, EPA, userExceptions={doctor.user_id: {}})
    assert doctor.try_create_room(invite=[insured.user_id], **body).status_code == 200
    assert len(rooms_of(world.hospital, doctor)) == 1


def rooms_of(server, creator):
    """The rooms of a user that a server has anything of."""
    admin = at_worker(server, server.register(f"admin{secrets.token_hex(4)}", admin=True))
    rooms = admin.request("GET", "/_synapse/admin/v1/rooms?limit=1000").raise_for_status().json()["rooms"]
    return [room["room_id"] for room in rooms if room["creator"] == creator.user_id]


@pytest.mark.parametrize(
    "body",
    [
        {"initial_state": [{"type": "m.room.redaction", "state_key": "", "content": {"redacts": "$x"}}]},
        {
            "initial_state": [
                {"type": "m.room.canonical_alias", "state_key": "", "content": {"alias": "#x:y"}}
            ]
        },
        {"initial_state": [{"type": "x" * 300, "state_key": "", "content": {}}]},
        {"initial_state": [{"type": "org.example", "state_key": "", "content": {"n": 2**60}}]},
        {"initial_state": [{"type": "org.example", "state_key": "", "content": {"n": 1.5}}]},
        {"name": "x" * 70000},
        {"power_level_content_override": {"users_default": "x"}},
        {"power_level_content_override": {"events_default": 2**60}},
    ],
)
def test_r2_17_whatever_synapse_trips_over_half_way(world, body):
    doctor = world.user(world.hospital)
    assert doctor.try_create_room(**body).status_code >= 400
    assert doctor.joined_rooms() == set()
    wait_for(lambda: not rooms_of(world.hospital, doctor), what="the room to be purged")


def test_r2_17_several_rooms_at_once_do_not_get_mixed_up(world):
    doctor, refusing, willing = (
        world.user(world.hospital),
        world.user(world.insurer),
        world.user(world.insurer),
    )
    block(refusing, EPA)
    guests = [refusing.user_id, willing.user_id] * 5
    with ThreadPoolExecutor(10) as pool:
        answers = list(pool.map(lambda guest: doctor.try_create_room(invite=[guest]), guests))
    assert [answer.status_code for answer in answers] == [403, 200] * 5
    made = {answer.json()["room_id"] for answer in answers if answer.status_code == 200}
    assert doctor.joined_rooms() == made


@pytest.fixture
def silent_server(world):
    """The name of a member that takes connections and never answers."""
    with socket.socket() as silent:
        silent.bind(("127.0.0.1", 0))
        silent.listen()
        name = f"localhost:{silent.getsockname()[1]}"
        world.ti.add(name)
        world.settle()
        yield name
        world.ti.remove(name)


def test_r2_17_a_room_goes_when_the_guests_server_does_not_answer(world, silent_server):
    doctor = world.user(world.hospital)
    assert doctor.try_create_room(invite=[f"@guest:{silent_server}"]).status_code >= 400
    assert doctor.joined_rooms() == set()
    wait_for(lambda: not rooms_of(world.hospital, doctor), what="the room to be purged")


def test_r2_17_but_not_if_somebody_else_is_in_it_by_then(world, silent_server):
    if not hasattr(world.hospital, "workers"):
        pytest.skip("within one process nobody gets in before the answer: run with --with-workers")
    doctor, colleague = world.user(world.hospital), world.user(world.hospital)
    elsewhere = doctor.at(world.hospital.client_url)
    with ThreadPoolExecutor(1) as aside:
        answer = aside.submit(doctor.try_create_room, invite=[f"@guest:{silent_server}"])
        wait_for(lambda: elsewhere.joined_rooms(), what="the room")
        (room,) = elsewhere.joined_rooms()
        wait_for(lambda: elsewhere.invite(room, colleague.user_id).status_code == 200)
        colleague = colleague.at(world.hospital.client_url)
        colleague.join(room).raise_for_status()
        colleague.send(room, "already here").raise_for_status()
        assert not answer.done()
        assert answer.result().status_code >= 400
    assert doctor.joined_rooms() == colleague.joined_rooms() == {room}
    assert "already here" in doctor.texts(room)
