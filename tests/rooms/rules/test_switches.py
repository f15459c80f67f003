"""``rooms.public`` and ``rooms.world_readable``: what an operator allows less of than gematik."""

import attrs
import pytest

from synapse_tim.core.create_room import CreateRoom
from synapse_tim.core.products import Product, SpecVersion
from synapse_tim.rooms.denials import PUBLIC_ROOM_OF_INSURED, PUBLIC_SWITCHED_OFF, WORLD_READABLE
from synapse_tim.rooms.entry_rules import Room
from synapse_tim.rooms.rules import PublicRooms, RoomRules

OWN = "own.example"
PRO = RoomRules(Product.PRO, SpecVersion.V1_2)
LOCAL = {"m.federate": False}


def create(rules, by_admin=False, **body):
    return rules.check_new(CreateRoom.parse(body, by_admin=by_admin), OWN)


def of_history(visibility):
    content = {"history_visibility": visibility}
    return [{"type": "m.room.history_visibility", "state_key": "", "content": content}]


@pytest.mark.parametrize(("public", "makers"), [("allow", 2), ("administrators", 1), ("never", 0)])
def test_a_25325_01_public_rooms_are_made_by_those_who_may(public, makers):
    rules = attrs.evolve(PRO, public=PublicRooms(public))
    rule = {"type": "m.room.join_rules", "state_key": "", "content": {"join_rule": "public"}}
    for body in ({"preset": "public_chat"}, {"visibility": "public"}, {"initial_state": [rule]}):
        found = [create(rules, by_admin, **body) for by_admin in (True, False)]
        assert found == [None] * makers + [PUBLIC_SWITCHED_OFF] * (2 - makers)
    assert create(rules) is None
    made = [
        rules.check_upgrade("10", LOCAL, "public", "shared", {}, by_admin=by_admin)
        for by_admin in (True, False)
    ]
    assert made == [None] * makers + [PUBLIC_SWITCHED_OFF] * (2 - makers)


def test_a_25996_insured_persons_make_none_whoever_may():
    assert (
        create(RoomRules(Product.EPA, SpecVersion.V1_2), True, preset="public_chat") is PUBLIC_ROOM_OF_INSURED
    )


def test_r3_8_no_room_is_read_from_outside_if_the_operator_does_not_want_it():
    closed = attrs.evolve(PRO, never_world_readable=True)
    for body in ({"preset": "public_chat"}, {"creation_content": LOCAL}):
        assert create(PRO, initial_state=of_history("world_readable"), **body) is None
        assert create(closed, initial_state=of_history("world_readable"), **body) is WORLD_READABLE
        assert create(closed, initial_state=of_history("shared"), **body) is None
    change = {"history_visibility": "world_readable"}
    assert PRO.check_change("m.room.history_visibility", change, LOCAL) is None
    assert closed.check_change("m.room.history_visibility", change, LOCAL) is WORLD_READABLE
    assert closed.check_upgrade("10", LOCAL, "public", "world_readable", {}) is WORLD_READABLE
    room = Room(Product.PRO, True, False, "invite", True, world_readable=True)
    assert room.is_for_readers
    assert not attrs.evolve(room, never_world_readable=True).is_for_readers
