"""A_28271, A_26015-02, requirement R3.8: what local users may change in a room."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from synapse_tim.core.products import Product, SpecVersion
from synapse_tim.rooms.creation import Refused, RoomRules
from synapse_tim.rooms.denials import JOIN_RULE, STATE_MALFORMED, WORLD_READABLE
from synapse_tim.rooms.state import change, is_public, makes_world_readable, world_readable

PRO = RoomRules(Product.PRO, SpecVersion.V1_2)
EPA = RoomRules(Product.EPA, SpecVersion.V1_2)
HISTORY, JOIN_RULES = "m.room.history_visibility", "m.room.join_rules"


@pytest.mark.parametrize("spec_version", SpecVersion)
@pytest.mark.parametrize("product", Product)
def test_a_28271_no_room_becomes_public(product, spec_version):
    rules = RoomRules(product, spec_version)
    assert change(rules, JOIN_RULES, {"join_rule": "public"}) == Refused(JOIN_RULE)


@pytest.mark.parametrize(
    ("rules", "creation", "join_rule", "expected"),
    [
        (PRO, {"m.federate": False}, "public", True),
        (PRO, {"m.federate": False}, "invite", False),
        (PRO, {"m.federate": False}, None, False),
        (PRO, {}, "public", False),
        (PRO, {"m.federate": "false"}, "public", False),
        (EPA, {"m.federate": False}, "public", False),
    ],
)
def test_a_28271_only_a_public_room_that_may_be_one_counts_as_public(rules, creation, join_rule, expected):
    assert is_public(rules, creation, {"join_rule": join_rule}) is expected


@pytest.mark.parametrize("name", ["knock", "restricted", "knock_restricted", "Public", ""])
def test_a_26015_02_rooms_of_insured_persons_stay_private(name):
    assert change(EPA, JOIN_RULES, {"join_rule": name}) == Refused(JOIN_RULE)
    assert change(PRO, JOIN_RULES, {"join_rule": name}) is None


@pytest.mark.parametrize("rules", [PRO, EPA])
@pytest.mark.parametrize("name", ["invite", "private"])
def test_everybody_may_ask_for_invitations(rules, name):
    assert change(rules, JOIN_RULES, {"join_rule": name}) is None


@pytest.mark.parametrize("rules", [PRO, EPA])
@pytest.mark.parametrize(
    ("kind", "content"),
    [
        (JOIN_RULES, {}),
        (JOIN_RULES, {"join_rule": None}),
        (JOIN_RULES, {"join_rule": ["public"]}),
        (HISTORY, {}),
        (HISTORY, {"history_visibility": {"world_readable": True}}),
    ],
)
def test_state_that_cannot_be_read_is_refused(rules, kind, content):
    refused = change(rules, kind, content)
    assert refused.denial is STATE_MALFORMED
    assert kind in refused.fault


@pytest.mark.parametrize("visibility", ["invited", "joined", "shared", "world_readable"])
def test_a_25481_the_history_visibility_may_be_changed_if_not_for_the_world(visibility):
    assert change(EPA, HISTORY, {"history_visibility": visibility}) is None
    assert makes_world_readable(HISTORY, {"history_visibility": visibility}) is (
        visibility == "world_readable"
    )


def test_only_the_history_visibility_opens_the_history():
    assert not makes_world_readable(JOIN_RULES, {"history_visibility": "world_readable"})
    assert not makes_world_readable(HISTORY, {"join_rule": "world_readable"})


@pytest.mark.parametrize(
    ("creation", "stays_here"),
    [
        ({"m.federate": False}, True),
        ({"m.federate": True}, False),
        ({}, False),
        ({"m.federate": "false"}, False),
        ({"m.federate": 0}, False),
        ({"m.federate": None}, False),
    ],
)
def test_r3_8_a_history_for_the_world_stays_on_the_server(creation, stays_here):
    assert world_readable(PRO, creation) == (None if stays_here else Refused(WORLD_READABLE))
    assert world_readable(EPA, creation) == Refused(WORLD_READABLE)


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(max_size=5),
    lambda x: st.lists(x, max_size=3) | st.dictionaries(st.text(max_size=5), x, max_size=3),
    max_leaves=6,
)
NAMES = st.sampled_from(["join_rule", "history_visibility", "m.federate"])


@given(st.sampled_from([PRO, EPA]), st.sampled_from([JOIN_RULES, HISTORY]), st.dictionaries(NAMES, JSON))
def test_any_content_is_judged(rules, kind, content):
    judged = change(rules, kind, content)
    if judged is not None:
        assert (judged.denial is STATE_MALFORMED) is bool(judged.fault)
    assert makes_world_readable(kind, content) in (True, False)
    assert world_readable(rules, content) in (None, Refused(WORLD_READABLE))
