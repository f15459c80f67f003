"""R3.1 to R3.8: whatever a client asks for, no room breaks the rules."""

import copy

import attrs
from hypothesis import example, given
from hypothesis import strategies as st

from synapse_tim.compliance.denials import CATALOGUE
from synapse_tim.core.create_room import CreateRoom
from synapse_tim.core.matrix import MEGOLM, SPACE
from synapse_tim.core.products import Product, SpecVersion
from synapse_tim.rooms.denials import ROOM_MALFORMED
from synapse_tim.rooms.rules import ROOM_TYPE_V2_NAME, RoomRules

OWN = "own.example"
PRO = RoomRules(Product.PRO, SpecVersion.V1_2)
EPA = RoomRules(Product.EPA, SpecVersion.V1_2)
ENCRYPTED = {"type": "m.room.encryption", "state_key": "", "content": {"algorithm": MEGOLM}}
HISTORY, JOIN_RULES = "m.room.history_visibility", "m.room.join_rules"
JOIN_RULE_NAMES = ("public", "invite", "private", "knock", "restricted", "knock_restricted")


def state(kind, state_key="", **content):
    return {"type": kind, "state_key": state_key, "content": content}


def history(visibility):
    return state(HISTORY, history_visibility=visibility)


def join_rule(name):
    return state(JOIN_RULES, join_rule=name)


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(max_size=5),
    lambda x: st.lists(x, max_size=3) | st.dictionaries(st.text(max_size=5), x, max_size=3),
    max_leaves=6,
)
VISIBILITIES = ("invited", "joined", "shared", "world_readable")
STATE = (
    st.sampled_from(JOIN_RULE_NAMES).map(join_rule)
    | st.sampled_from(VISIBILITIES).map(history)
    | st.just({"type": JOIN_RULES, "content": {"join_rule": "public"}})
    | st.just(ENCRYPTED)
    | st.builds(state, st.just("m.room.encryption"), algorithm=JSON)
    | st.builds(state, st.just("m.room.topic"), st.text(max_size=3), topic=JSON)
)
NEARLY = st.fixed_dictionaries(
    {},
    optional={
        "visibility": st.sampled_from(["public", "private"]),
        "preset": st.sampled_from(["private_chat", "trusted_private_chat", "public_chat"]),
        "room_version": st.sampled_from(["9", "10", "11", "12"]),
        "creation_content": st.fixed_dictionaries(
            {},
            optional={"m.federate": st.booleans(), "type": st.sampled_from([ROOM_TYPE_V2_NAME, SPACE, "x"])},
        ),
        "initial_state": st.lists(STATE, max_size=3),
        "invite": st.lists(st.sampled_from([f"@a:{OWN}", "@b:other.example"]), max_size=2),
        "name": st.text(max_size=3),
        "future": JSON,
    },
)
MEMBERS = ["visibility", "preset", "room_version", "creation_content", "initial_state", "invite", "topic"]
WILD = st.dictionaries(st.sampled_from(MEMBERS), JSON)
RULES = st.builds(RoomRules, st.sampled_from(Product), st.sampled_from(SpecVersion))


@given(RULES, NEARLY | WILD | st.builds(lambda one, other: {**one, **other}, NEARLY, WILD))
@example(PRO, {"preset": "public_chat", "creation_content": {"m.federate": True}})
@example(EPA, {"initial_state": [join_rule("invite"), join_rule("knock")]})
def test_whatever_is_asked_for_no_room_breaks_the_rules(rules, body):
    before = copy.deepcopy(body)
    room = CreateRoom.parse(body)
    denial = rules.check_new(room, OWN)
    if denial is not None:
        assert attrs.evolve(denial, detail="") in CATALOGUE.values()
        assert bool(denial.detail) is (denial.name == ROOM_MALFORMED.name)
        assert body == before
        return
    changes = rules.complete(room)
    assert body == before
    check_room(rules, {**body, **changes})
    check_changes(body, changes)


def check_room(rules, room):
    events = room.get("initial_state", [])
    join_rules = [event["content"]["join_rule"] for event in events if event["type"] == JOIN_RULES]
    visibilities = [event["content"]["history_visibility"] for event in events if event["type"] == HISTORY]
    encryptions = [event["content"] for event in events if event["type"] == "m.room.encryption"]
    federates = room.get("creation_content", {}).get("m.federate", True)
    public = "public" in (room.get("visibility"), *join_rules) or room.get("preset") == "public_chat"
    assert room["room_version"] in rules.versions
    if public:
        assert federates is False
        assert all(user.endswith(f":{OWN}") for user in room.get("invite", []))
    else:
        assert visibilities
        assert encryptions or room.get("creation_content", {}).get("type") == SPACE
    assert all(content["algorithm"] == MEGOLM for content in encryptions)
    if rules.product is Product.EPA:
        assert not public and set(join_rules) <= {"invite", "private"}
    if "world_readable" in visibilities:
        assert rules.product is Product.PRO and federates is False
    if rules.spec_version in (SpecVersion.V1_2, SpecVersion.DRAFT_1_15):
        assert room.get("creation_content", {}).get("type") != ROOM_TYPE_V2_NAME


def check_changes(body, changes):
    """Nothing is put in but what the rules say, and nothing of the client's is lost."""
    assert changes.keys() <= {"room_version", "creation_content", "initial_state"}
    assert changes["room_version"] == body.get("room_version", "10")
    if "creation_content" in changes:
        assert changes["creation_content"] == {**body.get("creation_content", {}), "m.federate": False}
    if "initial_state" in changes:
        asked = body.get("initial_state", [])
        added = changes["initial_state"][: len(changes["initial_state"]) - len(asked)]
        assert changes["initial_state"] == [*added, *asked]
        assert added in ([ENCRYPTED], [history("invited")], [ENCRYPTED, history("invited")])


CREATION = st.dictionaries(st.sampled_from(["m.federate", "type", "x"]), JSON)


@given(
    RULES,
    st.sampled_from(["9", "10", "11"]) | JSON,
    CREATION,
    st.sampled_from(JOIN_RULE_NAMES) | JSON,
    st.sampled_from(VISIBILITIES) | JSON,
)
def test_no_upgrade_breaks_the_rules(rules, version, creation, rule, visibility):
    denial = rules.check_upgrade(version, creation, rule, visibility)
    if denial is not None:
        assert denial in CATALOGUE.values()
        return
    assert version in ("9", "10")
    if rule == "public":
        assert creation["m.federate"] is False
    if visibility == "world_readable":
        assert rules.product is Product.PRO and creation["m.federate"] is False
    if rules.product is Product.EPA:
        assert rule in ("invite", "private", None)
