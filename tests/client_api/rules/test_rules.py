"""A_25641-01, A_26203: what clients are told of the server."""

import copy

import pytest
from hypothesis import given
from hypothesis import strategies as st

from synapse_tim.client_api.rules import newest_version, versions
from synapse_tim.core.products import Product, SpecVersion
from synapse_tim.rooms.rules import RoomRules

RULES = RoomRules(Product.PRO, SpecVersion.V1_2)


def named(*names):
    return versions({"versions": list(names)}, None)["versions"]


@pytest.mark.parametrize("name", ["r0.0.1", "r0.6.1", "v1.1", "v1.2", "v1.9", "v1.10", "v1.11", "v0.99"])
def test_a_25641_01_versions_up_to_1_11_stay(name):
    assert name in named(name, "v1.11")


@pytest.mark.parametrize("name", ["v1.12", "v1.13", "v1.20", "v1.100", "v1.110", "v2.0", "v2.11", "v10.1"])
def test_a_25641_01_newer_versions_are_left_out(name):
    assert named(name, "v1.2", "v1.11") == ["v1.2", "v1.11"]


def test_a_25641_01_1_11_is_spoken_in_any_case():
    assert named() == ["v1.11"]
    assert versions({}, None) == {"versions": ["v1.11"], "unstable_features": {}}
    assert named("v1.10", "v1.12") == ["v1.10", "v1.11"]
    assert named("v1.11", "v1.10") == ["v1.11", "v1.10"]


def test_a_25641_01_versions_are_numbers_not_text():
    before = ["r0.6.1", *(f"v1.{minor}" for minor in range(1, 17))]
    assert named(*before) == before[:12]


@pytest.mark.parametrize(
    ("spec_version", "last"),
    [
        (SpecVersion.LEGACY_1_1, "v1.3"),
        (SpecVersion.V1_1, "v1.11"),
        (SpecVersion.V1_2, "v1.11"),
        (SpecVersion.DRAFT_1_15, "v1.15"),
    ],
)
def test_a_25641_01_each_generation_has_a_newest_version(spec_version, last):
    before = ["r0.6.1", *(f"v1.{minor}" for minor in range(1, 17))]
    answer = versions({"versions": before}, None, newest_version(spec_version))["versions"]
    assert answer == before[: before.index(last) + 1]


@pytest.mark.parametrize(
    ("wanted", "stays"),
    [(None, {"a", "b", "c"}), (["a", "c", "x"], {"a", "c"}), ([], set())],
)
def test_a_25641_01_unstable_features_are_those_that_the_operator_wants(wanted, stays):
    features = {"a": True, "b": True, "c": False}
    body = {"versions": ["v1.11"], "unstable_features": features, "other": 1}
    before = copy.deepcopy(body)
    answer = versions(body, wanted)
    assert answer == {**body, "unstable_features": {name: features[name] for name in stays}}
    assert body == before


@given(st.lists(st.from_regex(r"[rv][0-9]{1,2}\.[0-9]{1,3}", fullmatch=True) | st.text() | st.integers()))
def test_the_other_versions_stay_in_their_order(names):
    answer = versions({"versions": names}, None)["versions"]
    assert "v1.11" in answer
    rest = iter(names)
    assert all(name in rest for name in answer[: len(answer) - ("v1.11" not in names)])
    assert [name for name in names if name not in answer] == [name for name in names if is_newer(name)]


def is_newer(name):
    if not isinstance(name, str) or not name.startswith("v"):
        return False
    numbers = name[1:].split(".")
    if len(numbers) != 2 or not all(each.isascii() and each.isdecimal() for each in numbers):
        return False
    return [int(each) for each in numbers] > [1, 11]


ALL_STABLE = {str(version): "stable" for version in range(1, 13)}


def test_a_26203_room_versions_are_those_that_are_created_here():
    body = {
        "capabilities": {
            "m.room_versions": {"default": "12", "available": {**ALL_STABLE, "9": "unstable"}},
            "m.change_password": {"enabled": False},
        },
        "other": 1,
    }
    before = copy.deepcopy(body)
    answer = RULES.capabilities(body)
    assert answer == {
        "capabilities": {
            "m.room_versions": {"default": "10", "available": {"9": "unstable", "10": "stable"}},
            "m.change_password": {"enabled": False},
        },
        "other": 1,
    }
    assert body == before


@pytest.mark.parametrize("body", [{}, {"capabilities": {}}, {"capabilities": {"m.room_versions": {}}}])
def test_a_26203_room_versions_are_told_in_any_case(body):
    rules = RoomRules(Product.EPA, SpecVersion.V1_1, ("11", "9"), "9")
    told = rules.capabilities(body)["capabilities"]["m.room_versions"]
    assert told == {"default": "9", "available": {"11": "stable", "9": "stable"}}
