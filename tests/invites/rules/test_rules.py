"""AF_10064-02, AF_10233, A_26021-01: who may invite whom, and which reason comes first."""

import pytest

from synapse_tim.core.create_room import CreateRoom
from synapse_tim.core.products import Product
from synapse_tim.federation.denials import NO_USABLE_LIST, NOT_A_MEMBER
from synapse_tim.federation.federation_members import FederationMembers
from synapse_tim.federation.list import parse_payload
from synapse_tim.invites.denials import (
    INSURED_INVITES_INSURED,
    INSURED_SWITCHED_OFF,
    INVITE_SWITCHED_OFF,
    THIRD_PERSON,
    TOO_MANY_INVITES,
)
from synapse_tim.invites.permission_config import parse
from synapse_tim.invites.rules import InviteRules, InviteSwitches, check_new_room
from tests.support.helpers import document, entry

PRO, EPA = Product.PRO, Product.EPA
OWN = "own.example"
DOCTOR, COLLEAGUE, INSURED, OTHER_INSURED = (
    f"@{name}" for name in ("d:clinic.example", "c:clinic.example", "i:fund.example", "j:other.example")
)
LOCAL, NEIGHBOUR, STRANGER = f"@a:{OWN}", f"@b:{OWN}", "@s:stranger.example"
OTHERS = (entry("clinic.example"), entry("fund.example", True), entry("other.example", True))
LISTS = {
    "unlisted": parse_payload(document(*OTHERS)),
    "as pro": parse_payload(document(*OTHERS, entry(OWN))),
    "as epa": parse_payload(document(*OTHERS, entry(OWN, True))),
    "none": None,
}


def rules_of(product=PRO, listed="unlisted", **switches):
    return InviteRules(FederationMembers(OWN, LISTS[listed]), product, InviteSwitches(**switches))


@pytest.mark.parametrize(
    ("product", "inviter", "invitee", "denial"),
    [
        (PRO, LOCAL, NEIGHBOUR, None),
        (PRO, LOCAL, DOCTOR, None),
        (PRO, DOCTOR, LOCAL, None),
        (PRO, DOCTOR, COLLEAGUE, None),
        (PRO, LOCAL, INSURED, None),
        (PRO, INSURED, LOCAL, None),
        (PRO, LOCAL, STRANGER, NOT_A_MEMBER),
        (PRO, STRANGER, LOCAL, NOT_A_MEMBER),
        (PRO, LOCAL, "@nobody", NOT_A_MEMBER),
        (PRO, "", LOCAL, NOT_A_MEMBER),
        (PRO, LOCAL, "@d:clinic.example:8448", NOT_A_MEMBER),
        (EPA, LOCAL, DOCTOR, None),
        (EPA, DOCTOR, LOCAL, None),
        (EPA, LOCAL, NEIGHBOUR, INSURED_INVITES_INSURED),
        (EPA, LOCAL, LOCAL, INSURED_INVITES_INSURED),
        (EPA, LOCAL, INSURED, INSURED_INVITES_INSURED),
        (EPA, INSURED, LOCAL, INSURED_INVITES_INSURED),
        (EPA, INSURED, OTHER_INSURED, INSURED_INVITES_INSURED),
        (EPA, LOCAL, STRANGER, NOT_A_MEMBER),
    ],
)
def test_af_10233_insured_persons_do_not_invite_each_other(product, inviter, invitee, denial):
    assert rules_of(product).check(inviter, invitee) is denial


@pytest.mark.parametrize(
    ("inviter", "invitee", "denial"),
    [
        (LOCAL, DOCTOR, NO_USABLE_LIST),
        (INSURED, LOCAL, NO_USABLE_LIST),
        (LOCAL, "@nobody", NO_USABLE_LIST),
        (LOCAL, NEIGHBOUR, INSURED_INVITES_INSURED),
    ],
)
def test_r1_14_without_a_list_there_is_nobody_else_and_the_insured_stay_insured(inviter, invitee, denial):
    assert rules_of(EPA, "none").check(inviter, invitee) is denial
    if denial is INSURED_INVITES_INSURED:
        assert rules_of(PRO, "none").check(inviter, invitee) is None


@pytest.mark.parametrize("listed", LISTS)
@pytest.mark.parametrize("product", Product)
def test_the_own_server_is_an_insurers_if_configuration_or_list_says_so(product, listed):
    insurer = product is EPA or listed == "as epa"
    assert rules_of(product, listed).is_insurer(OWN) is insurer
    expected = INSURED_INVITES_INSURED if insurer else None
    assert rules_of(product, listed).check(LOCAL, NEIGHBOUR) is expected


@pytest.mark.parametrize("name", ["clinic.example", "stranger.example", "", None])
def test_only_the_list_makes_other_servers_an_insurers(name):
    assert not rules_of(EPA).is_insurer(name)
    assert not rules_of(EPA, "none").is_insurer(name)
    assert not rules_of(EPA, "none").is_insurer("fund.example")
    assert rules_of(PRO).is_insurer("fund.example")


@pytest.mark.parametrize(
    ("config", "refused"),
    [
        ({"defaultSetting": "allow all"}, set()),
        ({"defaultSetting": "block all"}, {DOCTOR, INSURED, NEIGHBOUR}),
        ({"defaultSetting": "allow all", "userExceptions": {DOCTOR: {}}}, {DOCTOR}),
        ({"defaultSetting": "allow all", "serverExceptions": {OWN: {}}}, {NEIGHBOUR}),
        ({"defaultSetting": "block all", "serverExceptions": {"Fund.Example": {}}}, {DOCTOR, NEIGHBOUR}),
        (
            {"defaultSetting": "allow all", "groupExceptions": [{"groupName": "isInsuredPerson"}]},
            {INSURED},
        ),
    ],
)
def test_a_26021_01_the_invitees_configuration_decides_about_everybody(config, refused):
    parsed, rules = parse(config, PRO), rules_of()
    for inviter in (DOCTOR, INSURED, NEIGHBOUR):
        allowed = parsed.allows(inviter, inviter_is_insured=rules.is_insured(inviter))
        assert allowed is (inviter not in refused)


def test_r2_1_an_exception_for_an_insured_person_does_not_help_another():
    """The first reason counts: what the invitee allows is not asked."""
    config = parse({"defaultSetting": "block all", "userExceptions": {INSURED: {}}}, EPA)
    assert config.allows(INSURED, inviter_is_insured=rules_of(EPA).is_insured(INSURED))
    assert rules_of(EPA).check(INSURED, LOCAL) is INSURED_INVITES_INSURED


@pytest.mark.parametrize(
    ("inviter", "invitee", "denial"),
    [
        (LOCAL, INSURED, INSURED_SWITCHED_OFF),
        (INSURED, LOCAL, INSURED_SWITCHED_OFF),
        (LOCAL, NEIGHBOUR, None),
        (LOCAL, DOCTOR, None),
        (DOCTOR, LOCAL, None),
        (INSURED, OTHER_INSURED, INSURED_INVITES_INSURED),
        (LOCAL, STRANGER, NOT_A_MEMBER),
    ],
)
def test_a_25704_conversations_with_insured_persons_can_be_switched_off(inviter, invitee, denial):
    assert rules_of(insured=False).check(inviter, invitee) is denial


@pytest.mark.parametrize(
    ("outgoing", "inviter", "invitee", "is_allowed"),
    [
        ((), LOCAL, NEIGHBOUR, True),
        ((), LOCAL, DOCTOR, False),
        ((), LOCAL, INSURED, False),
        ((), DOCTOR, LOCAL, True),
        (("clinic.example",), LOCAL, DOCTOR, True),
        (("clinic.example",), LOCAL, INSURED, False),
        (("clinic.example",), INSURED, LOCAL, True),
        (None, LOCAL, INSURED, True),
    ],
)
def test_af_10061_04_outgoing_invitations_can_be_limited(outgoing, inviter, invitee, is_allowed):
    rules = rules_of(outgoing=None if outgoing is None else frozenset(outgoing))
    assert rules.check(inviter, invitee) is (None if is_allowed else INVITE_SWITCHED_OFF)
    assert rules.check(LOCAL, STRANGER) is NOT_A_MEMBER


def test_a_25368_01_a_conversation_of_two_can_be_kept_so():
    def check(one_invitation=False, into_direct_chats=False, **body):
        room = CreateRoom.parse({"invite": [NEIGHBOUR, DOCTOR], **body})
        return check_new_room(room, one_invitation=one_invitation, into_direct_chats=into_direct_chats)

    assert check(is_direct=True) is THIRD_PERSON
    assert check(is_direct=True, into_direct_chats=True) is None
    assert check(is_direct=True, one_invitation=True) is TOO_MANY_INVITES
    assert (
        check()
        is check(is_direct=True, invite=[DOCTOR])
        is check(is_direct=True, invite=[DOCTOR, DOCTOR])
        is None
    )
