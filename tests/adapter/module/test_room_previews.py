"""Views of rooms are closed, or an incompatible Synapse fails at start, with a message that says so."""

from unittest.mock import AsyncMock

import pytest
from synapse.module_api.errors import ConfigError

from synapse_tim.adapter.homeserver import Homeserver


@pytest.mark.parametrize(
    ("owner", "name"),
    [
        ("get_auth", "check_user_in_room_or_world_readable"),
        ("get_notifier", "_is_world_readable"),
    ],
)
def test_a_synapse_that_lets_rooms_be_read_otherwise_is_rejected(api, hs, owner, name):
    delattr(getattr(hs, owner).return_value, name)
    with pytest.raises(ConfigError, match=name):
        Homeserver.of(api).room_previews.close_histories(AsyncMock())


def test_a_synapse_that_shows_rooms_otherwise_is_rejected(api, hs):
    hs.get_room_summary_handler.return_value._is_local_room_accessible = AsyncMock(spec=lambda room: None)
    with pytest.raises(ConfigError, match="_is_local_room_accessible"):
        Homeserver.of(api).room_previews.close_summaries(AsyncMock())


def test_a_store_without_what_is_looked_up_is_rejected(api, hs):
    del hs.get_datastores.return_value.main.is_host_invited
    with pytest.raises(ConfigError, match="is_host_invited"):
        _ = Homeserver.of(api).room_previews
