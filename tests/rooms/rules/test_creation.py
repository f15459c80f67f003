"""A_26202, A_26203, A_28596, A_25481, A_25325-01, A_26515-01, A_25996: what new rooms may be."""

import attrs
import pytest

from synapse_tim.core.create_room import CreateRoom, validate_state
from synapse_tim.core.denial import Denial
from synapse_tim.core.products import Product, SpecVersion
from synapse_tim.rooms.denials import (
    PUBLIC_ROOM_OF_INSURED,
    PUBLIC_ROOM_UPGRADE,
    REMOTE_USER_IN_PUBLIC_ROOM,
    ROOM_MALFORMED,
    ROOM_TYPE_V2,
    ROOM_VERSION,
    WORLD_READABLE,
)
from synapse_tim.rooms.rules import ROOM_TYPE_V2_NAME, RoomRules

OWN = "own.example"
PRO = RoomRules(Product.PRO, SpecVersion.V1_2)
EPA = RoomRules(Product.EPA, SpecVersion.V1_2)
ENCRYPTED = {"type": "m.room.encryption", "state_key": "", "content": {"algorithm": "m.megolm.v1.aes-sha2"}}
HISTORY, JOIN_RULES = "m.room.history_visibility", "m.room.join_rules"
JOIN_RULE_NAMES = ("public", "invite", "private", "knock", "restricted", "knock_restricted")


def state(kind, state_key="", **content):
    return {"type": kind, "state_key": state_key, "content": content}


def history(visibility, **more):
    return state(HISTORY, history_visibility=visibility, **more)


def join_rule(name, **more):
    return state(JOIN_RULES, join_rule=name, **more)


def create(rules=PRO, /, **request):
    room = CreateRoom.parse(request)
    return rules.check_new(room, OWN) or rules.complete(room)


PUBLIC_WAYS = {
    "visibility": {"visibility": "public"},
    "preset": {"preset": "public_chat"},
    "join rule": {"initial_state": [join_rule("public")]},
    "join rule without key": {"initial_state": [{"type": JOIN_RULES, "content": {"join_rule": "public"}}]},
    "one of two join rules": {"initial_state": [join_rule("public"), join_rule("invite")]},
    "preset only": {"preset": "public_chat", "visibility": "private"},
    "visibility only": {"preset": "private_chat", "visibility": "public"},
    "join rule only": {"preset": "private_chat", "initial_state": [join_rule("public")]},
    "all": {"visibility": "public", "preset": "public_chat", "initial_state": [join_rule("public")]},
}
public_ways = pytest.mark.parametrize("way", PUBLIC_WAYS.values(), ids=PUBLIC_WAYS)


def test_a_26203_a_room_gets_the_default_version():
    assert create()["room_version"] == "10"
    assert create(RoomRules(Product.PRO, SpecVersion.V1_1, ("9",), "9"))["room_version"] == "9"


@pytest.mark.parametrize("version", ["9", "10"])
def test_a_26202_rooms_of_two_versions_are_created(version):
    assert create(room_version=version)["room_version"] == version


@pytest.mark.parametrize("version", ["1", "8", "11", "12", "010", "10 ", "", "org.matrix.msc3757.10"])
def test_a_26203_rooms_of_other_versions_are_not_created(version):
    assert create(room_version=version) == ROOM_VERSION


@pytest.mark.parametrize("spec_version", SpecVersion)
def test_a_28596_the_room_type_of_the_next_generation_is_not_created_in_1_2(spec_version):
    rules = RoomRules(Product.PRO, spec_version)
    made = create(rules, creation_content={"type": ROOM_TYPE_V2_NAME})
    assert (made == ROOM_TYPE_V2) is (spec_version in (SpecVersion.V1_2, SpecVersion.DRAFT_1_15))
    assert isinstance(create(rules, creation_content={"type": "m.space"}), dict)


@public_ways
def test_a_26515_01_a_public_room_does_not_federate_however_it_is_public(way):
    for creation in ({}, {"m.federate": True}, {"m.federate": False}, {"type": "m.space"}):
        made = create(**way, creation_content=creation)
        assert made == {"room_version": "10", "creation_content": {**creation, "m.federate": False}}
    assert create(**way)["creation_content"] == {"m.federate": False}


@public_ways
def test_a_26515_01_a_public_room_is_for_users_of_its_own_server(way):
    assert isinstance(create(**way, invite=[f"@a:{OWN}"]), dict)
    for invite in ([f"@a:{OWN}", "@b:other.example"], [f"@a:{OWN}:8448"], ["nobody"], [""]):
        assert create(**way, invite=invite) == REMOTE_USER_IN_PUBLIC_ROOM


@public_ways
def test_a_25996_insured_persons_create_no_public_room_however_it_is_public(way):
    for creation in ({}, {"m.federate": False}):
        assert create(EPA, **way, creation_content=creation) == PUBLIC_ROOM_OF_INSURED


@pytest.mark.parametrize("name", JOIN_RULE_NAMES)
def test_a_25996_rooms_of_insured_persons_are_entered_by_invitation(name):
    made = create(EPA, initial_state=[join_rule(name)])
    assert isinstance(made, dict) is (name in ("invite", "private"))
    if isinstance(made, Denial):
        assert made is PUBLIC_ROOM_OF_INSURED


@pytest.mark.parametrize("rules", [PRO, EPA])
def test_a_25481_a_private_room_shows_its_history_from_the_invitation_on(rules):
    invited = history("invited")
    assert create(rules)["initial_state"] == [ENCRYPTED, invited]
    topic = state("m.room.topic", topic="x")
    assert create(rules, initial_state=[topic])["initial_state"] == [ENCRYPTED, invited, topic]
    for visibility in ("shared", "joined", "invited"):
        assert create(rules, initial_state=[ENCRYPTED, history(visibility)]) == {"room_version": "10"}


def test_a_25481_a_history_under_another_key_is_none():
    elsewhere = history("shared", state_key="elsewhere")
    assert create(initial_state=[elsewhere])["initial_state"] == [ENCRYPTED, history("invited"), elsewhere]


@pytest.mark.parametrize("visibility", ["shared", "world_readable"])
def test_r3_8_the_history_of_a_public_room_is_as_its_creator_wants(visibility):
    made = create(preset="public_chat", initial_state=[history(visibility)])
    assert made == {"room_version": "10", "creation_content": {"m.federate": False}}


def test_r3_8_a_history_for_the_world_stays_on_the_server():
    opened = [ENCRYPTED, history("invited"), history("world_readable")]
    refused = WORLD_READABLE
    assert create(initial_state=opened) == refused
    assert create(initial_state=opened, creation_content={"m.federate": True}) == refused
    assert create(initial_state=opened, creation_content={"m.federate": False}) == {"room_version": "10"}
    assert create(EPA, initial_state=opened, creation_content={"m.federate": False}) == refused


def nested(levels):
    return {"a": nested(levels - 1)} if levels else {}


@pytest.mark.parametrize(
    "request_body",
    [
        {"room_version": 10},
        {"room_version": None},
        {"visibility": None},
        {"visibility": "Public"},
        {"visibility": ["public"]},
        {"preset": None},
        {"preset": "public"},
        {"preset": {}},
        {"room_alias_name": None},
        {"room_alias_name": 1},
        {"name": None},
        {"topic": ["x"]},
        {"power_level_content_override": {"users": []}},
        {"invite": None},
        {"invite": f"@a:{OWN}"},
        {"invite": [None]},
        {"creation_content": None},
        {"creation_content": []},
        {"creation_content": {"m.federate": "false"}},
        {"creation_content": {"m.federate": 0}},
        {"creation_content": {"m.federate": None}},
        {"creation_content": {"type": None}},
        {"creation_content": nested(100)},
        {"initial_state": None},
        {"initial_state": {}},
        {"initial_state": [None]},
        {"initial_state": [{}]},
        {"initial_state": [{"type": "m.room.topic"}]},
        {"initial_state": [{"type": "m.room.topic", "content": []}]},
        {"initial_state": [{"type": "m.room.topic", "content": {}, "state_key": None}]},
        {"initial_state": [state("m.room.topic", **nested(100))]},
        {"initial_state": [state("m.room.create")]},
        {"initial_state": [state(JOIN_RULES)]},
        {"initial_state": [join_rule(["public"])]},
        {"initial_state": [history(None)]},
    ],
)
def test_a_body_that_cannot_be_read_is_refused_before_there_is_a_room(request_body):
    refused = create(**request_body)
    assert attrs.evolve(refused, detail="") == ROOM_MALFORMED
    assert refused.detail


def test_contents_have_up_to_a_hundred_levels():
    assert isinstance(create(creation_content=nested(99)), dict)
    assert isinstance(create(initial_state=[state("m.room.topic", **nested(99))]), dict)


@pytest.mark.parametrize(
    ("kind", "content", "is_fault"),
    [
        (JOIN_RULES, {"join_rule": "anything"}, False),
        (JOIN_RULES, {}, True),
        (JOIN_RULES, {"join_rule": None}, True),
        (JOIN_RULES, {"history_visibility": "shared"}, True),
        (HISTORY, {"history_visibility": ""}, False),
        (HISTORY, {"history_visibility": ["world_readable"]}, True),
        ("m.room.topic", {"topic": 1}, False),
    ],
)
def test_state_that_has_a_rule_has_to_be_readable(kind, content, is_fault):
    assert bool(validate_state(kind, content)) is is_fault


# Upgrades -------------------------------------------------------------------------------------------------

FEDERATES = {"m.federate": True}
STAYS = {"m.federate": False}


@pytest.mark.parametrize(
    ("rules", "arguments", "denial"),
    [
        (PRO, ("10", {}), None),
        (PRO, ("9", FEDERATES, "invite", "shared"), None),
        (PRO, ("11", {}), ROOM_VERSION),
        (PRO, (None, {}), ROOM_VERSION),
        (PRO, (10, {}), ROOM_VERSION),
        (PRO, (["10"], {}), ROOM_VERSION),
        (PRO, ("10", {"type": ROOM_TYPE_V2_NAME}), ROOM_TYPE_V2),
        (PRO, ("10", STAYS, "public", "world_readable"), None),
        (PRO, ("10", {}, "public"), PUBLIC_ROOM_UPGRADE),
        (PRO, ("10", {"m.federate": "false"}, "public"), PUBLIC_ROOM_UPGRADE),
        (PRO, ("10", {}, "knock", "world_readable"), WORLD_READABLE),
        (EPA, ("10", {}), None),
        (EPA, ("10", {}, "invite", "joined"), None),
        (EPA, ("10", STAYS, "public"), PUBLIC_ROOM_OF_INSURED),
        (EPA, ("10", {}, "knock"), PUBLIC_ROOM_OF_INSURED),
        (EPA, ("10", STAYS, "invite", "world_readable"), WORLD_READABLE),
    ],
)
def test_a_26203_a_room_is_upgraded_to_what_could_be_created(rules, arguments, denial):
    assert rules.check_upgrade(*arguments) is denial
