"""Contact in the legacy generation: approvals and the directory are asked about invitations only."""

import pytest

from synapse_tim.testing import wait_for
from tests.invites.e2e.test_contact_by_membership import ban
from tests.invites.e2e.test_contact_without_invitation import KEY, Inbox, write
from tests.legacy.e2e.world import approve
from tests.support.world import code, invited, together

pytestmark = pytest.mark.servers


def test_af_10061_01_users_of_other_servers_need_a_room_or_an_invitation(world):
    doctor, physician, insured = world.user(), world.user(world.practice), world.user(world.insurer)
    colleague = world.user()
    inbox, asked = Inbox(doctor), world.asked()
    refused = [write(sender, doctor) for sender in (physician, insured)]
    approve(doctor, physician)
    refused.append(write(physician, doctor))
    inbox.gets(write(colleague.at(world.clinic.client_url), doctor))
    assert world.asked() == asked
    assert set(refused).isdisjoint(inbox.texts)
    room = physician.create_room(invite=[doctor.user_id])
    invited(doctor, room)
    inbox.gets(write(physician, doctor, kind=KEY))
    doctor.join(room, via=[physician.server_name]).raise_for_status()
    inbox.gets(write(physician, doctor, kind=KEY))
    assert refused[1] not in inbox.texts  # the physician's may follow now: keys can overtake an invitation


def test_af_10061_01_a_ban_is_judged_as_an_invitation(world):
    doctor, physician, colleague = world.user(), world.user(world.practice), world.user()
    # By stage 1 here; the other server does what it likes, and it has no effect.
    assert ban(doctor, doctor.create_room(), colleague).status_code == 200
    approve(colleague, physician)
    room = together(physician, colleague)
    doctor.sync()
    ban(physician, room, doctor).raise_for_status()
    physician.send(room, "after it").raise_for_status()
    wait_for(lambda: "after it" in colleague.texts(room), what="the message")
    assert code(colleague.state(room, "m.room.member", doctor.user_id))[0] == 404
    assert "leave" not in doctor.sync().get("rooms", {})
    # Members are banned as ever.
    ban(physician, room, colleague).raise_for_status()
    wait_for(lambda: room not in colleague.joined_rooms(), what="the ban")
