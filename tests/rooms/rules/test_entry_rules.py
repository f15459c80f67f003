"""R3.11, A_26515-01, A_25996: which rooms are entered, knocked at, and seen from outside."""

import itertools

import pytest
from hypothesis import given
from hypothesis import strategies as st

from synapse_tim.core.products import Product
from synapse_tim.rooms.denials import JOIN_WITHOUT_INVITE, REMOTE_USER_IN_PUBLIC_ROOM
from synapse_tim.rooms.entry_rules import (
    Room,
    check_knock,
    check_local_join,
    check_remote_entry,
    check_stripped_state,
)

BEFORE = (None, "leave", "ban", "knock", "invite", "join")
OPEN = ("public", "knock", "restricted", "knock_restricted", "org.example.open", ["public"], 5)
CLOSED = ("invite", "private", None)


def own(join_rule, *, product=Product.PRO, federates=True, is_rule_own=True, world_readable=False):
    return Room(product, True, federates, join_rule, is_rule_own, world_readable)


def of_others(join_rule, *, product=Product.PRO, world_readable=False):
    return Room(product, False, True, join_rule, False, world_readable)


def test_synapse_knows_about_invitations_into_rooms_of_the_own_server():
    for product, join_rule, membership in itertools.product(Product, CLOSED, BEFORE):
        assert check_local_join(own(join_rule, product=product), membership) is None


@pytest.mark.parametrize("join_rule", [*CLOSED, *OPEN])
def test_an_invitation_that_does_not_count_lets_nobody_into_a_room_of_the_own_server(join_rule):
    for membership in (None, "leave"):
        denial = check_local_join(own(join_rule, federates=False), membership, is_withheld=True)
        assert denial is (None if join_rule == "public" else JOIN_WITHOUT_INVITE)


@pytest.mark.parametrize("join_rule", OPEN)
def test_r3_11_colleagues_enter_rooms_that_do_not_federate_as_their_rules_say(join_rule):
    for is_rule_own, membership in itertools.product((True, False), BEFORE):
        room = own(join_rule, federates=False, is_rule_own=is_rule_own)
        assert check_local_join(room, membership) is None
        assert check_knock(room) is None


@pytest.mark.parametrize("join_rule", [rule for rule in OPEN if rule != "public"])
def test_r3_11_and_those_that_do_if_no_guest_has_opened_them(join_rule):
    opened = own(join_rule, is_rule_own=False)
    assert check_knock(own(join_rule)) is None
    assert check_knock(opened) is JOIN_WITHOUT_INVITE
    for membership in BEFORE:
        assert check_local_join(own(join_rule), membership) is None
        assert check_remote_entry(own(join_rule), membership) is None
        expected = None if membership in ("invite", "join") else JOIN_WITHOUT_INVITE
        assert check_local_join(opened, membership) is expected
        assert check_remote_entry(opened, membership) is expected


@pytest.mark.parametrize("join_rule", OPEN)
def test_a_25996_rooms_of_insured_persons_are_entered_by_invitation(join_rule):
    for federates, is_rule_own in itertools.product((True, False), (True, False)):
        room = own(join_rule, product=Product.EPA, federates=federates, is_rule_own=is_rule_own)
        assert room.is_opened
        assert check_local_join(room, "leave") is JOIN_WITHOUT_INVITE
        assert check_local_join(room, "invite") is (JOIN_WITHOUT_INVITE if join_rule == "public" else None)
        assert check_local_join(room, "join") is None
        assert check_knock(room) is JOIN_WITHOUT_INVITE


@pytest.mark.parametrize("join_rule", ["invite", "knock", "restricted", "Public", None, ["public"]])
def test_r3_11_rooms_of_others_are_entered_by_invitation(join_rule):
    for product, membership in itertools.product(Product, BEFORE):
        allowed = membership in ("invite", "join")
        room = of_others(join_rule, product=product)
        assert check_local_join(room, membership) is (None if allowed else JOIN_WITHOUT_INVITE)
        assert check_knock(room) is None


@pytest.mark.parametrize("membership", BEFORE)
def test_a_26515_01_public_rooms_that_federate_are_not_entered_with_an_invitation_either(membership):
    expected = None if membership == "join" else JOIN_WITHOUT_INVITE
    for room in (of_others("public"), own("public"), own("public", is_rule_own=False)):
        assert check_local_join(room, membership) is expected


@pytest.mark.parametrize(
    ("join_rule", "federates", "denial"),
    [
        ("invite", True, None),
        ("knock", True, None),
        (None, True, None),
        ("public", True, REMOTE_USER_IN_PUBLIC_ROOM),
        ("public", False, REMOTE_USER_IN_PUBLIC_ROOM),
        ("invite", False, REMOTE_USER_IN_PUBLIC_ROOM),
    ],
)
def test_a_26515_01_users_of_other_servers_enter_no_public_room(join_rule, federates, denial):
    for membership in BEFORE:
        assert check_remote_entry(own(join_rule, federates=federates), membership) is denial


def test_a_26515_01_only_rooms_of_professionals_that_do_not_federate_are_read_from_outside():
    assert own("public", federates=False).is_for_readers
    assert not own("public").is_for_readers
    assert not own("invite", federates=False, product=Product.EPA).is_for_readers
    assert not of_others("public").is_for_readers


@pytest.mark.parametrize(
    ("room", "shown"),
    [
        (own("public", federates=False), True),
        (own("invite", federates=False, world_readable=True), True),
        (own("knock"), True),
        (own("knock", world_readable=True), True),
        (own("restricted"), True),
        (own("restricted", world_readable=True), False),
        (own("invite", world_readable=True), False),
        (own("public"), False),
        (own("knock", is_rule_own=False), False),
        (own("knock", product=Product.EPA), False),
        (of_others("knock"), True),
        (of_others("restricted"), True),
        (of_others("public"), False),
        (of_others("invite", world_readable=True), False),
    ],
)
def test_a_26515_01_which_rooms_are_shown_to_whom_they_may_concern(room, shown):
    assert room.is_shown is shown


def rule(name):
    return {"type": "m.room.join_rules", "state_key": "", "content": {"join_rule": name}}


TOPIC = {"type": "m.room.topic", "state_key": "", "content": {"join_rule": "public"}}


@pytest.mark.parametrize(
    ("stripped_state", "is_public"),
    [
        ([rule("public")], True),
        ((rule("public"),), True),
        ([TOPIC, rule("invite"), rule("public")], True),
        ([None, "m.room.join_rules", {}, {"type": "m.room.join_rules"}, rule("public")], True),
        ([{"type": "m.room.join_rules", "content": ["public"]}, rule("public")], True),
        ([], False),
        ([TOPIC, rule("invite")], False),
        ([rule(["public"])], False),
        (None, False),
        ({"0": rule("public")}, False),
        ("public", False),
    ],
)
def test_r3_12_an_invitation_may_show_that_the_room_is_public(stripped_state, is_public):
    assert check_stripped_state(stripped_state) is (REMOTE_USER_IN_PUBLIC_ROOM if is_public else None)


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(max_size=5),
    lambda x: st.lists(x, max_size=3) | st.dictionaries(st.text(max_size=5), x, max_size=3),
    max_leaves=6,
)
EVENT = st.fixed_dictionaries(
    {"type": st.just("m.room.join_rules") | JSON},
    optional={"content": JSON | st.dictionaries(st.just("join_rule"), st.just("public") | JSON)},
)


@given(JSON | st.lists(EVENT | JSON, max_size=4))
def test_whatever_another_server_sends_with_an_invitation_is_read(stripped_state):
    found = check_stripped_state(stripped_state) is not None
    assert found is (isinstance(stripped_state, list) and any(shows_public(each) for each in stripped_state))


def shows_public(event):
    match event:
        case {"type": "m.room.join_rules", "content": {"join_rule": "public"}}:
            return True
    return False
