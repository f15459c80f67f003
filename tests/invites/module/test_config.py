"""``invites`` in the block of ``synapse_tim.InvitePolicy``: what is taken, and what is said of the rest."""

import pytest
from synapse.module_api.errors import ConfigError

from synapse_tim.adapter.config_block import parse_block
from synapse_tim.invites.config import InvitePolicyConfig
from synapse_tim.invites.rules import InviteSwitches


def read(product="pro", **invites):
    block = {"product": product, "spec_version": "1.2", "invites": invites}
    return parse_block(InvitePolicyConfig, block).invites.switches


def test_everything_is_allowed_by_default():
    assert read() == read(outgoing="allow", insured="allow") == InviteSwitches(insured=True, outgoing=None)


def test_what_is_allowed_less():
    assert read(insured="refuse") == InviteSwitches(insured=False)
    assert read("epa", outgoing="refuse") == InviteSwitches(outgoing=frozenset())
    named = {"members_of": ["a.example", "b.example:8448"]}
    assert read(outgoing=named) == InviteSwitches(outgoing=frozenset(named["members_of"]))


@pytest.mark.parametrize(
    "outgoing",
    [
        "members",
        None,
        ["a.example"],
        {},
        {"members_of": []},
        {"members_of": ["A.example"]},
        {"members_of": [5]},
        {"members_of": "a.example"},
        {"members_of": ["a.example"], "more": 1},
    ],
)
def test_whom_one_may_invite_is_said_in_one_of_three_ways(outgoing):
    with pytest.raises(ConfigError, match=r"invites\.outgoing: expected 'allow', 'refuse', or members_of"):
        read(outgoing=outgoing)


def test_a_25704_insured_persons_have_nobody_else():
    with pytest.raises(ConfigError, match=r"invites\.insured: is for pro"):
        read("epa", insured="refuse")
