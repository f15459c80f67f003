"""A_25323-01, A_25324-01, A_25996, A_26015-02: which rooms are encrypted, and what becomes of others."""

import itertools

import pytest
from hypothesis import given
from hypothesis import strategies as st

from synapse_tim.core.create_room import CreateRoom
from synapse_tim.core.matrix import ENCRYPTION, MEGOLM
from synapse_tim.core.products import Product, SpecVersion
from synapse_tim.rooms.denials import (
    ENCRYPTION_ALGORITHM,
    ENCRYPTION_CHANGE,
    REMOTE_USER_IN_UNENCRYPTED_ROOM,
    UNENCRYPTED_REMOTE_ROOM,
    UNENCRYPTED_UPGRADE,
)
from synapse_tim.rooms.entry_rules import Room, check_local_join, check_remote_entry, check_stripped_state
from synapse_tim.rooms.rules import RoomRules

OWN = "own.example"
SPACE = {"type": "m.space"}
STAYS = {"m.federate": False}
ENCRYPTED = {"algorithm": MEGOLM}
ROTATING = {"algorithm": MEGOLM, "rotation_period_msgs": 10}
#: Contents that do not say that a room is encrypted, as it has to be.
OTHERS = ({}, {"algorithm": ""}, {"algorithm": "m.olm.v1"}, {"algorithm": [MEGOLM]}, {"Algorithm": MEGOLM})
RULES = [RoomRules(product, version) for product, version in itertools.product(Product, SpecVersion)]
PRO, EPA = RoomRules(Product.PRO, SpecVersion.V1_2), RoomRules(Product.EPA, SpecVersion.V1_2)


def encryption(content, **more):
    return {"type": ENCRYPTION, "content": content, **more}


def create(rules, is_exempt=False, **body):
    room = CreateRoom.parse(body)
    return rules.check_new(room, OWN) or rules.complete(room, is_exempt=is_exempt)


def added(rules, **body):
    """The encryption of a room that is made."""
    made = create(rules, **body)
    state = made.get("initial_state", body.get("initial_state", []))
    return [event["content"] for event in state if event["type"] == ENCRYPTION]


@pytest.mark.parametrize("rules", RULES)
@pytest.mark.parametrize(
    "body",
    [
        {},
        {"preset": "trusted_private_chat", "is_direct": True},
        {"creation_content": STAYS},
        {"creation_content": {"type": "de.gematik.tim.roomtype.default.v1"}},
        {"creation_content": {"type": "m.Space"}},
        {"initial_state": [encryption(ENCRYPTED, state_key="elsewhere")]},
    ],
)
def test_a_25323_01_a_private_room_is_encrypted_if_its_client_says_nothing(rules, body):
    assert added(rules, **body)[0] == ENCRYPTED


@pytest.mark.parametrize("rules", RULES)
def test_a_25323_01_and_as_its_client_wants_if_that_is_how_rooms_are_encrypted(rules):
    assert added(rules, initial_state=[encryption(ROTATING)]) == [ROTATING]
    for other in OTHERS:
        for more in ({}, {"creation_content": STAYS}, {"creation_content": SPACE}):
            assert create(rules, initial_state=[encryption(other)], **more) is ENCRYPTION_ALGORITHM
        both = [encryption(ENCRYPTED), encryption(other, state_key="x")]
        assert create(rules, initial_state=both) is ENCRYPTION_ALGORITHM


def test_a_25325_01_public_rooms_are_not_encrypted_unless_their_client_wants_it():
    assert added(PRO, preset="public_chat") == []
    assert added(PRO, preset="public_chat", initial_state=[encryption(ENCRYPTED)]) == [ENCRYPTED]
    assert create(PRO, preset="public_chat", initial_state=[encryption({})]) is ENCRYPTION_ALGORITHM


@pytest.mark.parametrize("rules", [PRO, EPA])
def test_spaces_and_server_notices_are_not_encrypted(rules):
    assert added(rules, creation_content=SPACE) == []
    assert added(rules, is_exempt=True) == []


@pytest.mark.parametrize("rules", [PRO, EPA])
def test_a_25324_01_encryption_is_turned_on_once_and_stays(rules):
    for before in (None, *OTHERS):
        assert rules.check_change(ENCRYPTION, ENCRYPTED, {}, before) is None
    assert rules.check_change(ENCRYPTION, ROTATING, {}, ROTATING) is None
    assert rules.check_change(ENCRYPTION, ROTATING, {}, ENCRYPTED) is ENCRYPTION_CHANGE
    for before, other in itertools.product((None, ENCRYPTED, *OTHERS), OTHERS):
        assert rules.check_change(ENCRYPTION, other, {}, before) is ENCRYPTION_ALGORITHM


def upgrade(rules, creation, encryption, join_rule="invite"):
    return rules.check_upgrade("10", creation, join_rule, "invited", encryption)


@pytest.mark.parametrize("rules", [PRO, EPA])
def test_a_25323_01_what_is_not_encrypted_is_not_made_anew(rules):
    for creation in ({}, STAYS, SPACE):
        assert upgrade(rules, creation, ENCRYPTED) is None
        for other in OTHERS[1:]:
            assert upgrade(rules, creation, other) is UNENCRYPTED_UPGRADE
    assert upgrade(rules, {}, {}) is UNENCRYPTED_UPGRADE
    assert upgrade(rules, SPACE, {}) is None
    assert upgrade(rules, STAYS, {}) is (UNENCRYPTED_UPGRADE if rules is EPA else None)
    assert rules.check_upgrade("10", {}) is None  # of a room about which nothing is to be said


def test_a_25325_01_a_public_room_is_upgraded_as_it_is():
    assert upgrade(PRO, STAYS, {}, "public") is None


@pytest.mark.parametrize("product", Product)
@pytest.mark.parametrize("is_own", [True, False])
def test_a_25324_01_no_user_of_another_server_enters_what_is_not_encrypted(product, is_own):
    for join_rule in ("invite", "knock", None):
        room = Room(product, is_own, True, join_rule, False, is_in_clear=True)
        for membership in (None, "leave", "knock"):
            assert check_remote_entry(room, membership) is not None
        assert check_remote_entry(room, "invite") is REMOTE_USER_IN_UNENCRYPTED_ROOM
        assert check_remote_entry(room, "join") is None  # a new name or picture


def test_a_25996_local_users_enter_unencrypted_rooms_of_others_if_that_is_configured():
    for product, refuses in itertools.product(Product, (True, False)):
        in_clear = Room(product, False, True, "invite", False, is_in_clear=True)
        denial = check_local_join(in_clear, "invite", refuses_unencrypted=refuses)
        assert denial is (UNENCRYPTED_REMOTE_ROOM if refuses else None)
        assert check_local_join(in_clear, "join", refuses_unencrypted=refuses) is None
        own = Room(product, True, True, "invite", True, is_in_clear=True)
        assert check_local_join(own, "invite", refuses_unencrypted=refuses) is None
        encrypted = Room(product, False, True, "invite", False)
        assert check_local_join(encrypted, "invite", refuses_unencrypted=refuses) is None


CREATE = {"type": "m.room.create", "content": {}}
JOIN_RULE = {"type": "m.room.join_rules", "content": {"join_rule": "invite"}}


@pytest.mark.parametrize(
    ("shown", "is_refused"),
    [
        ([CREATE, JOIN_RULE], True),
        ([CREATE, encryption(ENCRYPTED), JOIN_RULE], False),
        ((CREATE, encryption(ROTATING)), False),
        *(([CREATE, encryption(other)], True) for other in OTHERS),
        ([CREATE, encryption([MEGOLM])], True),
        ([{"type": "m.room.topic", "content": ENCRYPTED}], True),
        ([{"type": "m.room.create", "content": SPACE}, JOIN_RULE], False),
        ([], False),
        (None, False),
        ("nothing that can be read", True),
    ],
)
def test_a_25996_an_invitation_shows_whether_its_room_is_encrypted(shown, is_refused):
    denial = check_stripped_state(shown, refuses_unencrypted=True)
    assert denial is (UNENCRYPTED_REMOTE_ROOM if is_refused else None)
    assert check_stripped_state(shown) is None


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(max_size=5),
    lambda x: st.lists(x, max_size=3) | st.dictionaries(st.text(max_size=5), x, max_size=3),
    max_leaves=6,
)
KINDS = st.sampled_from([ENCRYPTION, "m.room.create", "m.room.join_rules"]) | JSON
EVENT = st.fixed_dictionaries(
    {"type": KINDS}, optional={"content": JSON | st.just(ENCRYPTED) | st.just(SPACE)}
)


@given(JSON | st.lists(EVENT | JSON, max_size=4))
def test_whatever_another_server_sends_with_an_invitation_is_read(shown):
    denial = check_stripped_state(shown, refuses_unencrypted=True)
    if denial is None and shown:
        found = [event.get("content") for event in shown if isinstance(event, dict)]
        assert ENCRYPTED in found or SPACE in found
