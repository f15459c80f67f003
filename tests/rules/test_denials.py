"""Requirements §0.4: what a refused client or server is told."""

import re

import pytest

from synapse_tim.rules import denials
from synapse_tim.rules.denials import Denial

ALL = {name: value for name, value in vars(denials).items() if isinstance(value, Denial)}
#: gematik's identifiers: requirements, use cases, epics of the old specification.
RULE = re.compile(r"(A|AF|TIM-A|ML)_?-?[0-9]{5,6}(-[0-9]{2})?")


def test_there_are_denials():
    assert {"NOT_A_MEMBER", "NO_USABLE_LIST"} <= set(ALL)


@pytest.mark.parametrize("name", ALL)
def test_a_denial_is_counted_under_a_rule_of_gematik(name):
    denial = ALL[name]
    assert RULE.fullmatch(denial.rule)
    assert re.fullmatch(r"[a-z][a-z_]*", denial.policy)


@pytest.mark.parametrize("name", [name for name in ALL if ALL[name].status == 403])
def test_a_denial_of_a_policy_names_its_rule(name):
    denial = ALL[name]
    assert denial.rule in denial.text
    assert denial.errcode == "M_FORBIDDEN"


@pytest.mark.parametrize("name", ALL)
def test_a_denial_is_a_sentence_and_an_error_of_a_client(name):
    denial = ALL[name]
    assert 400 <= denial.status < 500
    assert re.fullmatch(r"M_[A-Z_]+", denial.errcode)
    assert len(denial.text) > 20
    assert "{" not in denial.text
    assert "%" not in denial.text


@pytest.mark.parametrize("name", ALL)
def test_a_22813_a_denial_names_no_user_and_no_room(name):
    """Denials are constants, so they cannot; this keeps it so."""
    assert not re.search(r"[@!#][^ ]*:", ALL[name].text)
    assert isinstance(ALL[name].text, str)


def test_af_10064_02_a_server_off_the_list_is_answered_403_m_forbidden():
    for denial in (denials.NOT_A_MEMBER, denials.NO_USABLE_LIST, denials.RELAYED_FOR_NON_MEMBER):
        assert (denial.status, denial.errcode, denial.rule) == (403, "M_FORBIDDEN", "AF_10064-02")
