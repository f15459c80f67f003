"""A_28271, A_26015-02, requirement R3.8: what local users may change in a room."""

import attrs
import pytest
from hypothesis import given
from hypothesis import strategies as st

from synapse_tim.core.products import Product, SpecVersion
from synapse_tim.rooms.denials import JOIN_RULE, STATE_MALFORMED, WORLD_READABLE
from synapse_tim.rooms.rules import RoomRules

PRO = RoomRules(Product.PRO, SpecVersion.V1_2)
EPA = RoomRules(Product.EPA, SpecVersion.V1_2)
HISTORY, JOIN_RULES = "m.room.history_visibility", "m.room.join_rules"


def change(rules, kind, content, creation=None, join_rule=None):
    """Judge a change, in a room that federates unless its creation says otherwise."""
    before = None if join_rule is None else {"join_rule": join_rule}
    return rules.check_change(kind, content, creation or {}, before)


def opened(rules, creation):
    return change(rules, HISTORY, {"history_visibility": "world_readable"}, creation)


@pytest.mark.parametrize("spec_version", SpecVersion)
@pytest.mark.parametrize("product", Product)
def test_a_28271_no_room_becomes_public(product, spec_version):
    rules = RoomRules(product, spec_version)
    assert change(rules, JOIN_RULES, {"join_rule": "public"}) == JOIN_RULE


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
    denial = change(rules, JOIN_RULES, {"join_rule": "public"}, creation, join_rule)
    assert denial is (None if expected else JOIN_RULE)


@pytest.mark.parametrize("name", ["knock", "restricted", "knock_restricted", "Public", ""])
def test_a_26015_02_rooms_of_insured_persons_stay_private(name):
    assert change(EPA, JOIN_RULES, {"join_rule": name}) == JOIN_RULE
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
    assert attrs.evolve(refused, detail="") == STATE_MALFORMED
    assert kind in refused.detail


@pytest.mark.parametrize("visibility", ["invited", "joined", "shared", "world_readable"])
def test_a_25481_the_history_visibility_may_be_changed_if_not_for_the_world(visibility):
    expected = WORLD_READABLE if visibility == "world_readable" else None
    assert change(EPA, HISTORY, {"history_visibility": visibility}) is expected


def test_only_the_history_visibility_opens_the_history():
    visibility = {"history_visibility": "world_readable"}
    assert change(EPA, JOIN_RULES, {"join_rule": "invite", **visibility}) is None
    assert change(PRO, HISTORY, {"history_visibility": "shared", "join_rule": "world_readable"}) is None


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
    assert opened(PRO, creation) is (None if stays_here else WORLD_READABLE)
    assert opened(EPA, creation) is WORLD_READABLE


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(max_size=5),
    lambda x: st.lists(x, max_size=3) | st.dictionaries(st.text(max_size=5), x, max_size=3),
    max_leaves=6,
)
NAMES = st.sampled_from(["join_rule", "history_visibility", "m.federate"])


CONTENTS = st.dictionaries(NAMES, JSON)


@given(st.sampled_from([PRO, EPA]), st.sampled_from([JOIN_RULES, HISTORY]), CONTENTS, CONTENTS, JSON)
def test_any_content_is_judged(rules, kind, content, creation, join_rule):
    denial = change(rules, kind, content, creation, join_rule)
    if denial is not None:
        plain = attrs.evolve(denial, detail="")
        assert plain in (STATE_MALFORMED, JOIN_RULE, WORLD_READABLE)
        assert (plain == STATE_MALFORMED) is bool(denial.detail)
