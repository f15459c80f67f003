"""A directory that fails opens no invitation, and keeps nobody waiting (AF_10061-01).

The ward asks a directory of its own about everybody; nobody else does.
"""

from concurrent.futures import ThreadPoolExecutor

import pytest

from synapse_tim.testing import wait_for
from synapse_tim.testing.paths import LOCALIZATION
from tests.legacy.e2e.world import approve
from tests.support.world import PRIVATE, code, decisions, invite_silently, invited, together

pytestmark = [pytest.mark.servers, pytest.mark.one_process]  # the ward is one process

#: One of each kind; every reason there is has its test at the client of the directory.
FAULTS = {
    "is down": {"drop_connection": True},
    "wants fewer requests": {"status": 429, "retry_after": 2},
    "says something else": {"owner_type": "ORG"},
}


@pytest.fixture
def listed(world):
    """A user of the ward whom everybody may invite, and another one's physician who does."""
    nurse, physician = world.user(world.ward), world.user(world.practice)
    world.list_in_directory(nurse, "org", ti=world.failing)
    world.failing.faults.paths = (LOCALIZATION,)
    yield nurse, physician
    world.failing.faults.reset()


def works_again(world, physician, nurse):
    """After a failure, the directory is left alone for some seconds."""
    world.failing.faults.reset()
    world.failing.faults.paths = (LOCALIZATION,)
    room = physician.create_room()
    wait_for(lambda: physician.invite(room, nurse.user_id).status_code == 200, what="the directory")
    invited(nurse, room)


@pytest.mark.parametrize("fault", FAULTS)
def test_af_10061_01_a_directory_that_fails_opens_no_invitation(world, listed, fault):
    nurse, physician = listed
    room = physician.create_room()
    for name, value in FAULTS[fault].items():
        setattr(world.failing.faults, name, value)
    before = decisions(world.ward, "invite", "AF_10061-01", "denied")
    answer = physician.invite(room, nurse.user_id)
    assert answer.status_code in (502, 503)  # what the practice's Synapse makes of 503
    assert nurse.invited_to() == set()
    assert physician.members(room, "invite") == set()
    assert decisions(world.ward, "invite", "AF_10061-01", "denied") == before + 1
    works_again(world, physician, nurse)


def test_af_10061_01_other_invitations_need_no_directory(world, listed):
    nurse, physician = listed
    colleague = world.user(world.ward)
    world.failing.faults.status = 500
    approve(nurse, physician)
    room = physician.create_room()
    physician.invite(room, nurse.user_id).raise_for_status()
    invited(nurse, room)
    room = colleague.create_room(invite=[nurse.user_id])
    invited(nurse, room)
    works_again(world, physician, colleague_of(world))


def colleague_of(world):
    """Somebody else of the ward whom everybody may invite."""
    other = world.user(world.ward)
    world.list_in_directory(other, "org", ti=world.failing)
    return other


def test_af_10061_01_approvals_outlive_a_restart(world, listed):
    _, physician = listed
    willing, refusing = world.user(world.ward), world.user(world.ward)
    approve(willing, physician)
    world.ward.stop()
    world.ward.start().wait()
    world.settle()
    room = physician.create_room()
    wait_for(lambda: physician.invite(room, willing.user_id).status_code == 200, what="the ward")
    invited(willing, room)
    assert code(physician.invite(room, refusing.user_id)) == (403, "M_FORBIDDEN")


def test_af_10061_01_nobody_waits_while_the_directory_is_slow(world, listed):
    nurse, physician = listed
    colleague = world.user(world.ward)
    room, chat = physician.create_room(), colleague.create_room()
    world.failing.faults.slow_headers = 0.5
    with ThreadPoolExecutor(1) as pool:
        pending = pool.submit(physician.invite, room, nurse.user_id)
        wait_for(lambda: not pending.running() or is_waiting(world), what="a look-up")
        sent = 0  # meanwhile
        while not pending.done():
            colleague.send(chat, f"meanwhile {sent}").raise_for_status()
            sent += not pending.done()
        assert sent
        assert code(pending.result())[0] in (502, 503)
    works_again(world, physician, nurse)


def test_af_10061_01_an_invitation_that_cannot_be_judged_does_not_stop_a_room(world, listed):
    """Somebody over whom the directory stumbles would otherwise end the conversation of all others."""
    nurse, colleague, leo = world.user(world.ward), world.user(world.ward), world.user(world.lax)
    world.list_in_directory(nurse, "pract", ti=world.failing)
    approve(colleague, leo)
    room = together(leo, colleague, **PRIVATE)
    localpart = leo.user_id[1:].split(":")[0]
    world.failing.faults.paths = (f"{LOCALIZATION}?mxid=matrix%3Au%2F{localpart}",)
    world.failing.faults.status = 403
    invite_silently(leo, room, nurse)
    leo.send(room, "after it").raise_for_status()
    wait_for(lambda: "after it" in colleague.texts(room), what="the message")
    assert any(status == 403 for *_, status in world.failing.requests)
    assert room not in nurse.invited_to()
    assert nurse.user_id not in colleague.members(room, "invite")
    assert nurse.join(room, via=[leo.server_name]).status_code >= 400
    world.failing.faults.reset()
    approve(nurse, leo)
    again = {"membership": "invite", "reason": "again"}
    leo.put_state(room, "m.room.member", again, nurse.user_id).raise_for_status()
    invited(nurse, room)


def is_waiting(world):
    """Whether a look-up of the ward is under way."""
    return any(LOCALIZATION in path for _, path, _ in world.failing.requests[-1:])
