"""The options of homeserver.yaml: complete, and possible to fulfil."""

import json
import re

import pytest

from synapse_tim.core.checks import VIOLATION, WARNING
from synapse_tim.core.homeserver_options import OPTIONS, options_for
from synapse_tim.core.products import Product
from tests.support.helpers import for_each

PARTS = ("rooms", "client_api", "login", "cleanup")
REQUIREMENT = re.compile(r"(A_[0-9]{5}(-[0-9]{2})?|AF_[0-9]{5}(-[0-9]{2})?|R[0-9]\.[0-9]{1,2})")
each_option = for_each(OPTIONS, lambda option: option.key)


@each_option
def test_an_option_says_what_for_and_why(option):
    assert all(REQUIREMENT.fullmatch(each) for each in option.requirement.split(", "))
    assert re.fullmatch(r"[a-z].+[^.]", option.reason), "a part of a sentence"
    assert option.severity in (VIOLATION, WARNING)
    assert option.part in PARTS
    assert option.products <= frozenset(Product) and option.products


@each_option
def test_an_option_is_named_as_in_the_file_and_as_in_synapse(option):
    assert re.fullmatch(r"[a-z0-9_]+(\.[a-z0-9_]+)?", option.key)
    assert option.judge.section.isidentifier() and option.judge.attribute.isidentifier()
    assert json.loads(option.wanted.removesuffix(", 26w at most")) == json.loads(json.dumps(option.value))


@pytest.mark.parametrize("product", Product)
def test_no_product_needs_two_values_of_an_option(product):
    options = [option for part in PARTS for option in options_for(part, product)]
    for names in (
        [option.key for option in options],
        [(option.judge.section, option.judge.attribute) for option in options],
    ):
        assert len(set(names)) == len(names)
    assert len(options) == sum(product in option.products for option in OPTIONS)


def test_options_are_found_by_part_and_product():
    assert not list(options_for("events", Product.PRO))
    for part in PARTS:
        found = list(options_for(part, Product.EPA))
        assert found == [each for each in OPTIONS if each.part == part and Product.EPA in each.products]
        assert found


def wanted(product, severity):
    return {
        option.key: bool(option.value)
        for part in PARTS
        for option in options_for(part, product)
        if option.severity is severity
    }


FOR_BOTH = {
    "forget_rooms_on_leave": False,
    "allow_public_rooms_over_federation": False,
    "allow_public_rooms_without_auth": False,
    "require_auth_for_profile_requests": True,
    "url_preview_enabled": False,
    "enable_registration": False,
    "allow_guest_access": False,
    "enable_set_displayname": False,
    "allow_per_room_profiles": False,
    "enable_3pid_changes": False,
    "login_via_existing_session.enabled": False,
    "refreshable_access_token_lifetime": True,
    "refresh_token_lifetime": True,
    "nonrefreshable_access_token_lifetime": True,
    "cas_config": False,
}
FOR_INSURED = {
    "limit_profile_requests_to_users_who_share_rooms": True,
    "user_directory.search_all_users": False,
    "experimental_features.msc3720_enabled": False,
    "password_config.enabled": False,
    "jwt_config": False,
    "saml2_config": False,
}


def test_nobody_starts_with_options_that_violate_a_requirement():
    assert wanted(Product.PRO, VIOLATION) == FOR_BOTH
    assert wanted(Product.EPA, VIOLATION) == FOR_BOTH | FOR_INSURED


def test_what_merely_makes_something_unavailable_is_a_warning():
    media = {"enable_authenticated_media": False}
    assert wanted(Product.EPA, WARNING) == media | {"auto_join_rooms": False}
    assert wanted(Product.PRO, WARNING) == media | {
        "room_list_publication_rules": True,
        "user_directory.search_all_users": True,
    }


def test_r3_27_logging_in_by_another_session_is_its_own_requirement():
    (option,) = (each for each in OPTIONS if each.key == "login_via_existing_session.enabled")
    assert option.requirement == "R3.27"
