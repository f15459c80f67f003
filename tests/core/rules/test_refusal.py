"""Refusals in the log, and the names of denials."""

import pytest

from synapse_tim.compliance.denials import CATALOGUE, SUBJECTS
from synapse_tim.core.denial import Denial
from synapse_tim.core.refusal import Refusal, is_reference, new_reference

REFUSAL = Refusal("abcd2345", "AF_10064-02", "not_a_member", "here.example", "there.example")


@pytest.mark.parametrize("refusal", [REFUSAL, Refusal("zzzz7777", "R4.10", "registration", "h:8448", None)])
def test_a_refusal_is_read_out_of_a_log(refusal):
    line = f"2026-11-30 10:00:00,000 - synapse_tim.adapter.answers - 49 - INFO - POST-7 - {refusal}\n"
    assert Refusal.parse(line) == refusal


@pytest.mark.parametrize(
    "line",
    [
        "",
        "Refused",
        str(REFUSAL).replace("abcd2345", "abcd2348"),
        str(REFUSAL).replace(" denial=", " "),
        str(REFUSAL).replace("not_a_member", "Not a member"),
    ],
)
def test_another_line_is_none(line):
    assert Refusal.parse(line) is None


def test_references_are_short_and_differ():
    references = {new_reference() for _ in range(1000)}
    assert len(references) == 1000
    assert all(map(is_reference, references))
    assert not any(map(is_reference, ["", "abcd234", "abcd23456", "ABCD2345", "abcd2340", "abcd2345\n"]))


def test_denials_have_the_names_of_their_constants():
    named = {
        name.lower(): value.name
        for subject in SUBJECTS
        for name, value in vars(subject).items()
        if isinstance(value, Denial)
    }
    assert named == {name: name for name in CATALOGUE}
