"""AF_10064-02: whose servers a new room would invite."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from synapse_tim.core.create_room import Malformed, invited_servers, names_address


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
    assert invited_servers(request_body) == servers


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
    assert invited_servers(request_body) == Malformed()


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
    st.none() | st.booleans() | st.integers() | st.text(),
    lambda x: st.lists(x) | st.dictionaries(st.text(), x),
)


@given(st.fixed_dictionaries({}, optional={"invite": JSON, "initial_state": JSON}))
def test_any_request_is_read_or_malformed(request_body):
    assert isinstance(invited_servers(request_body), frozenset | Malformed)
