"""R3.11, A_26515-01: which rooms are entered."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from synapse_tim.rules.denials import JOIN_WITHOUT_INVITE, REMOTE_USER_IN_PUBLIC_ROOM
from synapse_tim.rules.joins import local_user_joins, remote_user_enters, stripped_state_is_public

OWN = "own.example"
MINE, THEIRS = f"@a:{OWN}", "@b:other.example"
BEFORE = (None, "leave", "ban", "knock", "invite", "join")


@pytest.mark.parametrize("membership", BEFORE)
@pytest.mark.parametrize("join_rule", ["public", "invite", "knock", "restricted", None])
def test_synapse_knows_the_join_rules_of_rooms_of_the_own_server(join_rule, membership):
    assert local_user_joins(OWN, MINE, join_rule, membership) is None


@pytest.mark.parametrize("creator", [THEIRS, f"@a:{OWN}:8448", "@a", "", None])
@pytest.mark.parametrize("membership", BEFORE)
@pytest.mark.parametrize("join_rule", ["invite", "knock", "restricted", "Public", None, ["public"]])
def test_r3_11_rooms_of_others_are_entered_by_invitation(creator, join_rule, membership):
    allowed = membership in ("invite", "join")
    assert local_user_joins(OWN, creator, join_rule, membership) is (None if allowed else JOIN_WITHOUT_INVITE)


@pytest.mark.parametrize("membership", BEFORE)
def test_a_26515_01_public_rooms_of_others_are_not_entered_with_an_invitation_either(membership):
    expected = None if membership == "join" else JOIN_WITHOUT_INVITE
    assert local_user_joins(OWN, THEIRS, "public", membership) is expected


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
    assert remote_user_enters(join_rule, federates=federates) is denial


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
    assert stripped_state_is_public(stripped_state) is is_public


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
    found = stripped_state_is_public(stripped_state)
    assert found is (isinstance(stripped_state, list) and any(shows_public(each) for each in stripped_state))


def shows_public(event):
    match event:
        case {"type": "m.room.join_rules", "content": {"join_rule": "public"}}:
            return True
    return False
