"""AF_10064-02: what a server outside the federation made is not shown and changes nothing, whoever relays it.

The practice is taken off the list. ``lax``, a member that enforces nothing, goes on talking to it and hands
its events on to the hospital.
"""

import contextlib

import attrs
import pytest

from synapse_tim.testing import wait_for
from tests.support.pdus import send
from tests.support.world import PRIVATE, MatrixUser, heard, listed_as, say, together

pytestmark = pytest.mark.servers

VERSIONS = ["9", "10", "11", "12"]
removal = pytest.mark.parametrize("removed", [True, False], ids=["removed", "member"])


@attrs.frozen
class Room:
    """A room at ``lax`` with a doctor of the hospital and a user of the practice with the power to redact."""

    world: object
    id: str
    leo: MatrixUser
    doctor: MatrixUser
    nurse: MatrixUser

    def hospital_has(self, text):
        """Have ``lax`` write, and wait until the hospital has this and everything before it."""
        self.leo.send(self.id, text).raise_for_status()
        wait_for(lambda: text in self.doctor.texts(self.id), what=text)

    def lax_has(self, predicate, what):
        wait_for(predicate, what=f"{what} at lax")


def room_of_three(world, version="10", **body):
    leo, doctor, nurse = (world.user(server) for server in (world.lax, world.hospital, world.practice))
    room = leo.create_room(**{**PRIVATE, "room_version": version, **body})
    for guest in (doctor, nurse):
        leo.invite(room, guest.user_id).raise_for_status()
        wait_for(lambda guest=guest: room in guest.invited_to(), what="the invitation")
        guest.join(room, via=[world.lax.server_name]).raise_for_status()
    levels = leo.state(room, "m.room.power_levels").json()
    powers = {**levels, "users": {**levels["users"], nurse.user_id: 50}, "state_default": 50}
    leo.put_state(room, "m.room.power_levels", powers).raise_for_status()
    made = Room(world, room, leo, doctor, nurse)
    nurse.send(room, "from the nurse").raise_for_status()
    wait_for(lambda: "from the nurse" in leo.texts(room), what="the nurse's message")
    made.hospital_has("ready")
    wait_for(lambda: "ready" in nurse.texts(room), what="the message at the practice")
    return made


def off_the_list(world, removed):
    return listed_as(world, world.practice) if removed else contextlib.nullcontext()


@removal
@pytest.mark.parametrize("version", VERSIONS)
def test_af_10064_02_a_redaction_in_every_version_of_rooms(world, version, removed):
    room = room_of_three(world, version)
    event = room.doctor.send(room.id, "what the doctor said").json()["event_id"]
    wait_for(lambda: "what the doctor said" in room.nurse.texts(room.id), what="the message")
    with off_the_list(world, removed):
        path = f"/_matrix/client/v3/rooms/{room.id}/redact/{event}/1"
        room.nurse.request("PUT", path, {"reason": "said by the nurse"}).raise_for_status()
        room.lax_has(lambda: "what the doctor said" not in room.leo.texts(room.id), "the redaction")
        room.hospital_has("and so on")
        shown = room.doctor.messages(room.id)
        assert ("what the doctor said" in room.doctor.texts(room.id)) is removed
        reasons = [each["content"].get("reason") for each in shown]
        assert ("said by the nurse" in reasons) is not removed


@removal
def test_af_10064_02_an_event_whose_content_does_not_match_its_hash(world, removed):
    """Synapse stores what is left of it, and asks no module."""
    room = room_of_three(world)
    with off_the_list(world, removed):
        event_id = room.nurse.send(room.id, "unseen").json()["event_id"]
        room.lax_has(lambda: "unseen" in room.leo.texts(room.id), "the message")
        path = f"/_matrix/federation/v1/event/{event_id}"
        (pdu,) = world.hospital.federation_request("GET", path, to=world.lax).json()["pdus"]
        tampered = {**pdu, "content": {**pdu["content"], "added": "by the relay"}}
        assert send(world.lax, world.hospital, tampered) == {event_id: {}}
        room.hospital_has("and so on")
        assert (event_id in [each["event_id"] for each in room.doctor.messages(room.id)]) is not removed


@removal
def test_af_10064_02_messages_and_reactions(world, removed):
    room = room_of_three(world)
    target = room.doctor.send(room.id, "a question").json()["event_id"]
    wait_for(lambda: "a question" in room.nurse.texts(room.id), what="the question")
    with off_the_list(world, removed):
        relation = {"rel_type": "m.annotation", "event_id": target, "key": "\N{THUMBS UP SIGN}"}
        room.nurse.send_event(room.id, "m.reaction", {"m.relates_to": relation}).raise_for_status()
        room.nurse.send(room.id, "an answer").raise_for_status()
        room.lax_has(lambda: "an answer" in room.leo.texts(room.id), "the answer")
        room.hospital_has("and so on")
        assert ("an answer" in room.doctor.texts(room.id)) is not removed
        path = f"/_matrix/client/v1/rooms/{room.id}/relations/{target}"
        assert bool(room.doctor.request("GET", path).json()["chunk"]) is not removed


@removal
def test_af_10064_02_state_that_is_shown(world, removed):
    """Names, topics and the like; who is in the room is known, whoever says so, but nothing else of it."""
    room = room_of_three(world)
    room.leo.put_state(room.id, "m.room.topic", {"topic": "before"}).raise_for_status()
    wait_for(lambda: room.nurse.state(room.id, "m.room.topic").is_success, what="the topic")
    with off_the_list(world, removed):
        room.nurse.put_state(room.id, "m.room.topic", {"topic": "call 0900"}).raise_for_status()
        room.lax_has(
            lambda: room.leo.state(room.id, "m.room.topic").json() == {"topic": "call 0900"}, "the topic"
        )
        room.hospital_has("and so on")
        topic = "before" if removed else "call 0900"
        assert room.doctor.state(room.id, "m.room.topic").json() == {"topic": topic}
        path = f"/_matrix/client/v3/rooms/{room.id}/leave"
        room.nurse.request("POST", path, {"reason": "call 0900"}).raise_for_status()
        room.lax_has(lambda: room.nurse.user_id not in room.leo.members(room.id), "the leave")
        room.hospital_has("goodbye")
        left = room.doctor.state(room.id, "m.room.member", room.nurse.user_id).json()
        assert left["membership"] == "leave"
        assert left.get("reason") == (None if removed else "call 0900")


@removal
def test_af_10064_02_state_of_a_room_that_is_joined(world, removed):
    room = room_of_three(world)
    room.nurse.put_state(room.id, "m.room.topic", {"topic": "call 0900"}).raise_for_status()
    room.leo.put_state(room.id, "m.room.name", {"name": "ward"}).raise_for_status()
    room.lax_has(lambda: room.leo.state(room.id, "m.room.topic").is_success, "the topic")
    newcomer = world.user(world.insurer)
    together(room.nurse, world.user(world.insurer))  # so that the practice's key is known there
    with off_the_list(world, removed):
        room.leo.invite(room.id, newcomer.user_id).raise_for_status()
        wait_for(lambda: room.id in newcomer.invited_to(), what="the invitation")
        newcomer.join(room.id, via=[world.lax.server_name]).raise_for_status()
        assert newcomer.state(room.id, "m.room.name").json() == {"name": "ward"}
        assert newcomer.state(room.id, "m.room.topic").is_success is not removed
        assert room.nurse.user_id in newcomer.members(room.id)
        say(newcomer, room.id, "hello").raise_for_status()
        wait_for(lambda: "hello" in heard(room.leo, room.id), what="the newcomer's message")
        # The history has what members said, and no gap where the others did.
        texts = newcomer.texts(room.id)
        assert "ready" in texts
        assert ("from the nurse" in texts) is not removed


def test_af_10064_02_a_room_goes_on_after_a_gap_full_of_it(world):
    """The hospital was down meanwhile and fetches the state of the room."""
    room = room_of_three(world)
    with off_the_list(world, removed=True):
        world.hospital.stop()
        try:
            room.nurse.put_state(room.id, "m.room.topic", {"topic": "call 0900"}).raise_for_status()
            for number in range(25):
                room.nurse.send(room.id, f"unseen {number}").raise_for_status()
            room.lax_has(lambda: "unseen 24" in room.leo.texts(room.id), "the last message")
            for number in range(15):
                room.leo.send(room.id, f"seen {number}").raise_for_status()
        finally:
            world.hospital.start().wait()
            world.settle()
        room.hospital_has("and so on")
        assert not [text for text in room.doctor.texts(room.id) if text.startswith("unseen")]
        assert room.doctor.state(room.id, "m.room.topic").status_code == 404
        room.doctor.send(room.id, "from here").raise_for_status()
        wait_for(lambda: "from here" in room.leo.texts(room.id), what="the answer")
