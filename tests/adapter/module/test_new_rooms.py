"""Rooms that are about to be created: one callback, one reading of the body, every part asked in its turn."""

from unittest.mock import Mock

import pytest
from synapse.module_api import ModuleApi

from synapse_tim.adapter.answers import reject
from synapse_tim.adapter.events import NewRooms
from synapse_tim.invites.denials import TOO_MANY_INVITES

ALICE = "@alice:own.example"


@pytest.fixture
def api():
    return Mock(spec=ModuleApi)


@pytest.fixture
def rooms(api):
    return NewRooms(api)


@pytest.fixture
def create(api, rooms, run):
    """Have Synapse ask whether Alice may create a room."""

    def ask(body):
        callbacks = api.register_third_party_rules_callbacks.call_args_list
        assert [call.kwargs.keys() for call in callbacks] == [{"on_create_room"}]
        requester = Mock(**{"user.to_string.return_value": ALICE})
        run(callbacks[0].kwargs["on_create_room"](requester, body, False))
        return body

    return ask


def test_every_part_gets_the_same_reading_and_what_it_puts_in_is_put_in(rooms, create):
    asked = []

    def part(**changes):
        async def check(creator, room):
            asked.append((creator, room))
            return changes

        return check

    rooms.add_check(part())
    rooms.add_check(part(room_version="10"))
    rooms.add_check(part(initial_state=["more"]))
    body = create({"name": "Ward", "initial_state": []})
    assert body == {"name": "Ward", "initial_state": ["more"], "room_version": "10"}
    assert [creator for creator, _ in asked] == [ALICE] * 3
    assert len({id(room) for _, room in asked}) == 1


def test_the_first_part_that_refuses_has_the_last_word(rooms, create):
    async def refuse(creator, room):
        reject(TOO_MANY_INVITES)

    async def never(creator, room):
        raise AssertionError("asked although another part has refused")

    rooms.add_check(refuse)
    rooms.add_check(never)
    with pytest.raises(Exception, match="one invitation at most") as caught:
        create({"name": "Ward"})
    assert (caught.value.code, caught.value.errcode) == (400, "M_FORBIDDEN")
