"""AF_10061-01: which of approval list and directory is asked, and what their failures are worth."""

import asyncio
from concurrent.futures import Future
from unittest.mock import AsyncMock, Mock

import pytest

from synapse_tim.adapter.users import LocalUsers
from synapse_tim.contacts.module import ContactManagement
from synapse_tim.contacts.three_stage_check import MAX_WAITING_OF_A_SERVER, ThreeStageCheck
from synapse_tim.directory.failures import DirectoryError, DirectoryFailure
from synapse_tim.directory.module import Directory
from synapse_tim.directory.owner_types import OwnerType
from synapse_tim.invites.denials import APPROVAL_UNAVAILABLE, INVITEE_NOT_APPROVED, INVITEE_NOT_REGISTERED
from synapse_tim.invites.rules import InviteRules

DOCTOR, NURSE, STRANGER = "@doctor:hospital.example", "@nurse:hospital.example", "@a:other.example"
RULES = Mock(spec=InviteRules)


@pytest.fixture
def users():
    return Mock(spec=LocalUsers, may_be_invited=AsyncMock(return_value=True))


@pytest.fixture
def contacts():
    return Mock(spec=ContactManagement, permits=AsyncMock(return_value=False))


@pytest.fixture
def directory():
    return Mock(spec=Directory, owner_type=AsyncMock(return_value=OwnerType.NONE), deadline=lambda: 7.0)


@pytest.fixture
def refuses(api, users, contacts, directory, run):
    api.is_mine = lambda user_id: user_id.endswith(f":{api.server_name}")
    check = ThreeStageCheck(api, users, contacts.permits, directory)
    return lambda inviter=STRANGER: run(check.check(inviter, DOCTOR, inviter_is_insured=False))


def test_who_is_not_there_is_refused_before_anything_is_asked(users, contacts, directory, refuses):
    users.may_be_invited.return_value = False
    assert refuses() is INVITEE_NOT_REGISTERED
    assert refuses(NURSE) is INVITEE_NOT_REGISTERED
    contacts.permits.assert_not_awaited()
    directory.owner_type.assert_not_awaited()


def test_colleagues_need_no_approval(contacts, directory, refuses):
    assert refuses(NURSE) is None
    contacts.permits.assert_not_awaited()
    directory.owner_type.assert_not_awaited()


def test_the_approved_need_no_directory(contacts, directory, refuses):
    contacts.permits.return_value = True
    assert refuses() is None
    assert contacts.permits.await_args.args[:2] == (DOCTOR, STRANGER)
    directory.owner_type.assert_not_awaited()


def test_the_inviter_is_looked_up_only_for_a_practitioner(directory, refuses):
    directory.owner_type.return_value = OwnerType.ORG
    assert refuses() is None
    directory.owner_type.assert_awaited_once_with(DOCTOR, 7.0)
    directory.owner_type.side_effect = [OwnerType.PRACT, OwnerType.PRACT]
    assert refuses() is None
    assert directory.owner_type.await_args.args == (STRANGER, 7.0), "one deadline for both"
    directory.owner_type.side_effect = [OwnerType.NONE]
    assert refuses() is INVITEE_NOT_APPROVED


@pytest.mark.parametrize("asked", ["users", "contacts"])
def test_a_database_that_fails_refuses_for_the_moment(asked, users, contacts, directory, refuses):
    {"users": users.may_be_invited, "contacts": contacts.permits}[asked].side_effect = RuntimeError("gone")
    assert refuses() is APPROVAL_UNAVAILABLE
    directory.owner_type.assert_not_awaited()


def test_an_inviter_that_no_database_can_hold_is_on_nobodys_list(contacts, refuses):
    contacts.permits.side_effect = ValueError("A string literal cannot contain NUL (0x00) characters.")
    assert refuses("@a\0:other.example") is INVITEE_NOT_APPROVED


def test_one_server_does_not_take_the_time_of_all(api, users, contacts, directory):
    api.is_mine = lambda user_id: user_id.endswith(f":{api.server_name}")
    check = ThreeStageCheck(api, users, contacts.permits, directory)
    answers = Future()

    async def wait(user_id, ends):
        return await asyncio.wrap_future(answers)

    directory.owner_type.side_effect = wait

    async def scenario():
        refusals = [
            asyncio.ensure_future(check.check(f"@a{n}:other.example", DOCTOR, inviter_is_insured=False))
            for n in range(MAX_WAITING_OF_A_SERVER)
        ]
        while directory.owner_type.await_count < MAX_WAITING_OF_A_SERVER:
            await asyncio.sleep(0)
        assert await check.check("@b:other.example", DOCTOR, inviter_is_insured=False) is APPROVAL_UNAVAILABLE
        elsewhere = asyncio.ensure_future(check.check("@a:third.example", DOCTOR, inviter_is_insured=False))
        while directory.owner_type.await_count == MAX_WAITING_OF_A_SERVER:
            await asyncio.sleep(0)
        answers.set_result(OwnerType.ORG)
        assert set(await asyncio.gather(elsewhere, *refusals)) == {None}
        assert await check.check("@b:other.example", DOCTOR, inviter_is_insured=False) is None

    asyncio.run(scenario())


@pytest.mark.parametrize("reason", DirectoryFailure)
@pytest.mark.parametrize("known", [[], [OwnerType.PRACT]])
def test_no_failure_of_the_directory_is_an_answer(directory, refuses, reason, known):
    directory.owner_type.side_effect = [*known, DirectoryError(reason)]
    never = reason is DirectoryFailure.NOT_AN_ID
    assert refuses() is (INVITEE_NOT_APPROVED if never else APPROVAL_UNAVAILABLE)
