"""AF_10064-02: whose servers a new room would invite."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from synapse_tim.core.create_room import CreateRoom, names_address
from synapse_tim.core.server_name import of_matrix_id


def member(state_key, **content):
    return {"type": "m.room.member", "state_key": state_key, "content": {"membership": "invite", **content}}


@pytest.mark.parametrize(
    ("request_body", "servers"),
    [
        ({}, set()),
        ({"invite": []}, set()),
        (
            {"invite": ["@a:one.example", "@b:two.example:8448", "@c:one.example"]},
            {"one.example", "two.example:8448"},
        ),
        ({"initial_state": [member("@a:one.example")]}, {"one.example"}),
        ({"initial_state": [member("@a:one.example", membership="join")]}, {"one.example"}),
        (
            {"invite": ["@a:one.example"], "initial_state": [member("@b:two.example")]},
            {"one.example", "two.example"},
        ),
        ({"initial_state": [{"type": "m.room.topic", "content": {"topic": "@a:one.example"}}]}, set()),
        ({"initial_state": [{**member("@a:one.example"), "type": "m.room.member "}]}, {"one.example"}),
        ({"invite_3pid": []}, set()),
    ],
)
def test_invitations_are_found_in_invite_and_initial_state(request_body, servers):
    assert CreateRoom.parse(request_body).servers == servers


@pytest.mark.parametrize(
    "request_body",
    [
        {"invite": None},
        {"invite": "@a:one.example"},
        {"invite": {"@a:one.example": 1}},
        {"invite": [1]},
        {"invite": [["@a:one.example"]]},
        {"initial_state": None},
        {"initial_state": member("@a:one.example")},
        {"initial_state": [{"type": "m.room.member"}]},
        {"initial_state": [member(1)]},
        {"initial_state": [member("@a")]},
        {"initial_state": [member("")]},
        {"initial_state": ["no event"]},
        {"initial_state": [None]},
        {"initial_state": [{}]},
        {"initial_state": [{"type": "m.room.topic"}]},
        {"initial_state": [{"type": ["m.room.member"], "content": {}}]},
        {"invite_3pid": {}},
    ],
)
def test_invitations_that_cannot_be_read_are_malformed(request_body):
    assert CreateRoom.parse(request_body).servers is None


@pytest.mark.parametrize(
    ("request_body", "expected"),
    [
        ({"medium": "email", "address": "a@example.org", "id_server": "x", "id_access_token": "x"}, True),
        ({"medium": "email", "address": "a@example.org"}, True),
        ({"medium": "msisdn", "address": "4930", "user_id": "@a:one.example"}, True),
        ({"address": "a@example.org"}, True),
        ({"id_server": "x"}, True),
        ({"medium": None, "address": None}, True),
        ({"medium": "email", "user_id": "@a:one.example"}, False),
        ({"user_id": "@a:one.example", "reason": "medium"}, False),
        ({}, False),
    ],
)
def test_r4_10_an_invitation_by_address_is_known_by_what_synapse_looks_at(request_body, expected):
    assert names_address(request_body) is expected


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(max_size=5),
    lambda x: st.lists(x, max_size=3) | st.dictionaries(st.text(max_size=5), x, max_size=3),
    max_leaves=6,
)
USER = st.sampled_from(["@a:one.example", "@b:two.example", "@c", "d", ""])
TYPE = st.sampled_from(["m.room.member", "m.room.join_rules", "m.room.create", "x"])
EVENT = st.fixed_dictionaries({}, optional={"type": TYPE | JSON, "state_key": USER | JSON, "content": JSON})
NAMES = ("room_version", "visibility", "preset", "name", "creation_content", "power_level_content_override")
BODY = st.fixed_dictionaries(
    {},
    optional={
        "invite": st.lists(USER, max_size=2) | JSON,
        "initial_state": st.lists(EVENT, max_size=3) | JSON,
        "invite_3pid": JSON,
        **dict.fromkeys(NAMES, JSON),
    },
)


@given(BODY)
def test_af_10064_02_nobody_is_invited_whose_server_does_not_show(body):
    """Whatever Synapse would make of a body: it is refused, or the servers of all whom it names are known."""
    room = CreateRoom.parse(body)
    if room.servers is None:
        return
    named = {
        *room.invite,
        *(event.state_key for event in room.initial_state if event.type == "m.room.member"),
    }
    assert list(room.invite) == body.get("invite", [])
    assert len(room.initial_state) == len(body.get("initial_state", []))
    assert room.servers >= {of_matrix_id(user) for user in named}


@given(BODY)
def test_what_can_be_read_of_a_room_is_all_that_it_asks_for(body):
    room = CreateRoom.parse(body)
    if room.fault:
        return
    assert room.room_version == body.get("room_version")
    assert room.creation_content == body.get("creation_content", {})
    assert list(room.invite) == body.get("invite", [])
    state = [(event.type, event.state_key, event.content) for event in room.initial_state]
    assert state == [(e["type"], e.get("state_key", ""), e["content"]) for e in body.get("initial_state", [])]
