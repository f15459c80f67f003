"""Values of homeserver.yaml, read where Synapse has them."""

from unittest.mock import Mock

import pytest
from synapse.module_api.errors import ConfigError

from synapse_tim.adapter.homeserver import Homeserver


def test_an_option_that_is_not_there_is_refused(api):
    del api._hs.config.server.gone
    del api._hs.config.nowhere
    with pytest.raises(ConfigError, match=r"config\.server\.gone"):
        Homeserver.of(api).config.option("server", "gone")
    with pytest.raises(ConfigError, match=r"config\.nowhere"):
        Homeserver.of(api).config.option("nowhere", "gone")


@pytest.mark.parametrize("loads_media", [True, False])
def test_only_processes_with_media_need_the_options_of_media(api, loads_media):
    api._hs.config.media = Mock(spec=["can_load_media_repo"], can_load_media_repo=loads_media)
    config = Homeserver.of(api).config
    if not loads_media:
        assert config.option("media", "url_preview_enabled") is None
        return
    with pytest.raises(ConfigError, match=r"config\.media\.url_preview_enabled"):
        config.option("media", "url_preview_enabled")


def test_whether_rooms_may_be_listed_is_asked_for_a_user_of_this_server(api):
    api.server_name = "hospital.example"
    allowed = api._hs.config.roomdirectory.is_publishing_room_allowed
    allowed.return_value = False
    assert Homeserver.of(api).config.option("roomdirectory", "is_publishing_room_allowed") is False
    allowed.assert_called_once_with("@user:hospital.example", "!room", [])


@pytest.mark.parametrize("user", [None, "@notices:hospital.example"])
def test_server_notices_have_a_user_or_none(api, user):
    api._hs.config.servernotices.server_notices_mxid = user
    assert Homeserver.of(api).config.server_notices_user == user


def test_redactions_by_send_are_a_feature_of_synapse(api):
    api._hs.config.experimental.msc4169_enabled = False
    Homeserver.of(api).config.allow_redactions_by_send()
    assert api._hs.config.experimental.msc4169_enabled is True
    del api._hs.config.experimental.msc4169_enabled
    with pytest.raises(ConfigError, match="msc4169_enabled"):
        Homeserver.of(api).config.allow_redactions_by_send()
