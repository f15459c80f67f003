"""Parts that need others, and parts that are there twice."""

from unittest.mock import Mock

import pytest
from synapse.module_api import ModuleApi
from synapse.module_api.errors import ConfigError

from synapse_tim.adapter import registry


class Needed:
    pass


class Special(Needed):
    pass


def test_a_part_finds_another_one_of_the_same_homeserver(api):
    needed = Needed()
    registry.register(api, needed)
    assert registry.require(api, "Needed", "Needy") is needed
    with pytest.raises(ConfigError):
        registry.require(Mock(spec=ModuleApi), "Needed", "Needy")


def test_a_part_that_is_missing_is_named_with_what_to_do(api):
    registry.register(api, Special())
    with pytest.raises(ConfigError) as caught:
        registry.require(api, "Needed", "Needy")
    message = caught.value.msg
    assert message.startswith("synapse_tim.Needy needs synapse_tim.Needed: add it to 'modules' before")
    assert "synapse_tim.TiMessenger" in message
    assert list(caught.value.path) == ["modules"]


def test_a_part_is_there_once(api):
    first = Needed()
    registry.register(api, first)
    registry.register(api, Special())
    with pytest.raises(ConfigError, match=r"synapse_tim\.Needed is loaded twice.*TiMessenger") as caught:
        registry.register(api, Needed())
    assert list(caught.value.path) == ["modules"]
    assert registry.require(api, "Needed", "Needy") is first
    registry.register(Mock(spec=ModuleApi), Needed())
