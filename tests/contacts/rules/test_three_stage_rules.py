"""AF_10061-01: what the directory lets through in the legacy generation (requirements §2.5)."""

import itertools

import pytest

from synapse_tim.contacts.three_stage_rules import decided_by_invitee, stage_three
from synapse_tim.directory.owner_types import OwnerType
from synapse_tim.invites.denials import INVITEE_NOT_APPROVED

ORG, PRACT, BOTH, NONE = OwnerType.ORG, OwnerType.PRACT, OwnerType.ORG_PRACT, OwnerType.NONE
#: Invitee and inviter.
LET_THROUGH = {
    *itertools.product([ORG, BOTH], OwnerType),
    (PRACT, PRACT),
    (PRACT, BOTH),
}


@pytest.mark.parametrize(("invitee", "inviter"), itertools.product(OwnerType, OwnerType))
def test_af_10061_01_stage_three_is_a_table(invitee, inviter):
    expected = None if (invitee, inviter) in LET_THROUGH else INVITEE_NOT_APPROVED
    assert stage_three(invitee, inviter) is expected


@pytest.mark.parametrize("invitee", OwnerType)
def test_af_10061_01_the_inviter_is_asked_about_only_if_it_matters(invitee):
    answers = {stage_three(invitee, inviter) for inviter in OwnerType}
    assert decided_by_invitee(invitee) is (len(answers) == 1)
    if decided_by_invitee(invitee):
        assert answers == {stage_three(invitee)}
