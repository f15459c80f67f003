"""Options of homeserver.yaml that are not as the policies need them."""

import logging
from unittest.mock import Mock

import pytest
from synapse.module_api.errors import ConfigError

from synapse_tim.adapter.config import SynapseConfig
from synapse_tim.adapter.start_up import check_options, refuse_wrong_options
from synapse_tim.core.checks import Verdict
from synapse_tim.core.homeserver_options import options_for
from synapse_tim.core.products import Product

PRO, EPA = Product.PRO, Product.EPA
PARTS = ("rooms", "client_api")


@pytest.fixture
def values():
    """Of the options, by section and attribute, where they are not what is wanted."""
    return {}


@pytest.fixture
def config(values):
    options = [o for product in (EPA, PRO) for part in PARTS for o in options_for(part, product)]
    wanted = {(o.judge.section, o.judge.attribute): o.judge.right(True) for o in options}
    wanted["media", "can_load_media_repo"] = True
    config = Mock(spec=SynapseConfig)
    config.option = lambda section, attribute: {**wanted, **values}[section, attribute]
    return config


def make_wrong(values, product, *parts):
    options = [option for part in parts for option in options_for(part, product)]
    values |= {(o.judge.section, o.judge.attribute): not o.judge.right(True) for o in options}
    return options


def logged(caplog):
    return [record.getMessage() for record in caplog.records if record.levelno == logging.WARNING]


@pytest.mark.parametrize("part", PARTS)
def test_nothing_is_said_when_all_is_well(config, caplog, part):
    check_options(config, part, PRO)
    assert logged(caplog) == []


@pytest.mark.parametrize("product", Product)
@pytest.mark.parametrize("part", PARTS)
def test_all_wrong_options_are_named_at_once_with_what_to_write(config, values, caplog, part, product):
    options = make_wrong(values, product, part)
    with pytest.raises(ConfigError) as caught:
        check_options(config, part, product)
    errors = [option for option in options if option.severity is Verdict.VIOLATION]
    assert errors
    lines = caught.value.msg.splitlines()[1:]
    for option, line in zip(errors, lines, strict=True):
        value = "true" if option.value else "false"
        assert line == f"set {option.key}: {value}, because {option.reason} ({option.requirement})"
    assert list(caught.value.path) == errors[0].key.split(".")
    assert len(logged(caplog)) == len(options) - len(errors)


def test_the_options_of_several_parts_are_refused_together(config, values, caplog):
    options = make_wrong(values, EPA, *PARTS)
    with pytest.raises(ConfigError) as caught:
        refuse_wrong_options(config, PARTS, EPA)
    for option in options:
        assert (f"set {option.key}: " in caught.value.msg) is (option.severity is Verdict.VIOLATION)
    assert logged(caplog) == []


def test_a_warning_is_logged_and_stops_nothing(config, values, caplog):
    values["roomdirectory", "is_publishing_room_allowed"] = False
    check_options(config, "rooms", PRO)
    (warning,) = logged(caplog)
    assert warning.startswith(
        'homeserver.yaml: set room_list_publication_rules: [{"action": "allow"}], because '
    )
    refuse_wrong_options(config, PARTS, PRO)


def test_options_of_one_product_are_left_alone_in_the_other(config, values, caplog):
    values["server", "limit_profile_requests_to_users_who_share_rooms"] = False
    check_options(config, "client_api", PRO)
    assert logged(caplog) == []
    with pytest.raises(ConfigError, match="limit_profile_requests_to_users_who_share_rooms: true"):
        check_options(config, "client_api", EPA)


def test_a_worker_without_media_does_not_know_the_options_of_media(config, values, caplog):
    values["media", "url_preview_enabled"] = values["media", "enable_authenticated_media"] = None
    values["media", "can_load_media_repo"] = False
    check_options(config, "client_api", PRO)
    assert logged(caplog) == []
    values["server", "require_auth_for_profile_requests"] = None
    with pytest.raises(ConfigError, match="require_auth_for_profile_requests: true"):
        check_options(config, "client_api", PRO)
