"""The catalogue of checks, and how findings become lines."""

import re
from unittest.mock import Mock

import attrs
import pytest
from hypothesis import given
from hypothesis import strategies as st

import synapse_tim
from synapse_tim import parts
from synapse_tim.check.catalogue import CHECKS, MAS_CHECKS, ONLINE_CHECKS
from synapse_tim.check.facts import Homeserver, Process
from synapse_tim.check.synapse_config import ReadConfig
from synapse_tim.core.checks import (
    GOOD_PRACTICE,
    START_UP,
    Check,
    Found,
    Verdict,
    option,
    show_duration,
    show_value,
)
from synapse_tim.core.homeserver_options import OPTIONS
from synapse_tim.core.products import Product, SpecVersion
from tests.support.helpers import NOW, for_each

PRO, EPA = Product.PRO, Product.EPA
V1_1, V1_2 = SpecVersion.V1_1, SpecVersion.V1_2
ALL = (*CHECKS, *ONLINE_CHECKS, *MAS_CHECKS)
ID = re.compile(r"(GS-)?AF?_[0-9]{4,5}(-[0-9]{2})?|GSC327-A_[1-4]|R[0-9]\.[0-9]{1,2}")
OK, VIOLATION, WARNING, NOT_APPLICABLE = (
    Verdict.OK,
    Verdict.VIOLATION,
    Verdict.WARNING,
    Verdict.NOT_APPLICABLE,
)


@for_each(ALL, lambda check: check.name)
def test_a_check_says_what_for_and_why(check):
    assert check.requirement in (START_UP, GOOD_PRACTICE) or all(
        ID.fullmatch(each) for each in check.requirement.split(", ")
    )
    assert re.fullmatch(r"\S.*[^.\s]", check.reason), "a part of a sentence"
    assert check.wanted and check.key
    assert check.severity in (VIOLATION, WARNING)
    assert check.products and check.spec_versions


def test_names_are_unique():
    assert len({check.name for check in ALL}) == len(ALL)


def test_every_option_that_is_checked_at_start_up_is_checked_here():
    assert [check for check in CHECKS if check.part is not None] == list(OPTIONS)


def test_every_part_of_this_project_is_asked_for():
    every = set(synapse_tim.__all__) - {"TiMessenger", "OidcMapping", "IdentityGateway", "__version__"}
    assert set(parts.PARTS) == set(parts.of_generation(SpecVersion.LEGACY_1_1)) == every
    assert every - set(parts.of_generation(V1_2)) == {"Directory", "ContactManagement"}
    assert parts.of_generation(None) == parts.of_generation(V1_1) == parts.of_generation(V1_2)


# Lines ------------------------------------------------------------------------------------------------------


def a_check(*found, **more):
    defaults = {
        "name": "name",
        "key": "some.key",
        "requirement": "R1.1",
        "wanted": "that",
        "reason": "because",
        "severity": VIOLATION,
        "judge": lambda facts: list(found),
    }
    return Check(**{**defaults, **more})


def judge(check, *processes, product=PRO, spec_version=V1_2):
    return Homeserver(processes or (Process(),), product, spec_version, NOW).judge([check])


def test_what_is_right_is_one_line():
    (line,) = judge(a_check(Found("a", True, "first"), Found("b", True, "second"), Found("a", True)))
    assert (line.verdict, line.key, line.found) == (OK, "some.key", "a, b")
    (line,) = judge(a_check(Found("a", True, "first")))
    assert line.key == "first"


def test_what_is_wrong_is_a_line_each():
    lines = judge(
        a_check(
            Found("a", True),
            Found("b", False),
            Found("c", False, "there", "for another reason", WARNING),
        )
    )
    assert [(each.verdict, each.key, each.found, each.reason) for each in lines] == [
        (VIOLATION, "some.key", "b", "because"),
        (WARNING, "there", "c", "for another reason"),
    ]


def test_what_nobody_has_read_is_never_right():
    check = option("x", "a.b", lambda value: True, "R1.1", WARNING, "", "")
    assert [each.verdict for each in judge(check)] == [NOT_APPLICABLE]
    assert [each.verdict for each in judge(check, named("main", 1))] == [OK]
    assert [each.verdict for each in judge(a_check())] == [NOT_APPLICABLE]


def test_what_synapse_refuses_is_not_judged_by_its_default():
    process = Process(synapse=ReadConfig(Mock(a=Mock(b=7))))
    check = option("x", "a.b", lambda value: value == 7, "R1.1", WARNING, "", "")
    assert [each.verdict for each in judge(check, process)] == [OK]
    process.synapse.refused.add("a")
    assert [each.verdict for each in judge(check, process)] == [NOT_APPLICABLE]


@pytest.mark.parametrize(
    ("product", "spec_version", "applies"),
    [
        (PRO, V1_2, True),
        (EPA, V1_2, False),
        (PRO, V1_1, False),
        (None, V1_2, False),
        (PRO, None, False),
        (None, None, False),
    ],
)
def test_a_check_of_one_product_and_generation(product, spec_version, applies):
    check = a_check(Found("a", False), products=frozenset({PRO}), spec_versions=frozenset({V1_2}))
    (line,) = judge(check, product=product, spec_version=spec_version)
    assert line.verdict is (VIOLATION if applies else NOT_APPLICABLE)


def test_a_check_of_all_needs_to_know_neither():
    (line,) = judge(a_check(Found("a", False)), product=None, spec_version=None)
    assert line.verdict is VIOLATION


def named(name, found):
    return Process(name, synapse=ReadConfig(known={("a", "b"): found}))


def test_of_other_processes_only_what_differs_is_said():
    def by_value(facts):
        value = facts.option("a", "b")
        yield Found(str(value), value == "right")

    check = a_check(judge=by_value)
    processes = [named("main", "right"), named("w1", "right"), named("w2", "wrong"), named("w3", "wrong")]
    lines = judge(check, *processes)
    assert [(each.process, each.verdict) for each in lines] == [("main", OK), ("w2", VIOLATION)]
    lines = judge(check, named("main", "right"), Process("w1"))
    assert [(each.process, each.verdict) for each in lines] == [("main", OK)]


def test_a_check_of_the_deployment_is_made_once():
    check = a_check(
        judge=lambda process: [Found(str(len(process.homeserver.processes)), False)], of_deployment=True
    )
    (line,) = judge(check, Process("main"), Process("w1"))
    assert line.found == "2"


# What is shown ----------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("value", "shown"),
    [
        (None, "not set"),
        (1, "1ms"),
        (300_000, "5m"),
        (86_400_000, "1d"),
        (26 * 7 * 86_400_000, "26w"),
        (90_000, "90s"),
        (0, "0"),
        (-1, "-1"),
        (True, "true"),
        ("5m", '"5m"'),
    ],
)
def test_durations(value, shown):
    assert show_duration(value) == shown


@given(st.recursive(st.none() | st.booleans() | st.text() | st.floats(), st.lists))
def test_values_are_shown_in_one_short_text(value):
    assert len(show_value(value)) <= 160


def test_a_value_that_leads_to_itself_is_shown():
    value = []
    value.append(value)
    assert show_value(value) == "list"
    assert attrs.asdict(judge(a_check(Found(show_value(value), False)))[0])["found"] == "list"
