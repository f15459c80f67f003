"""Every refusal carries a reference to one line in the log, which names the rule and nobody (A_22817)."""

import pytest

from synapse_tim.core.refusal import REFERENCE
from synapse_tim.testing import wait_for
from tests.support.world import allow, block, code, error_text, refusals

pytestmark = pytest.mark.servers


def referred(answer, server, *private):
    """The line that the reference of a refusal leads to, which names none of what is private."""
    reference = answer.json()[REFERENCE]
    assert answer.json()["error"].endswith(f"[Reference: {reference}]")
    (refusal,) = wait_for(lambda: refusals(server, reference), what="the line in the log")
    assert not any(text in str(refusal) for text in private)
    return refusal.rule, refusal.denial, refusal.server, refusal.other


def test_a_22817_an_invitation_to_a_server_outside_the_federation(world):
    doctor = world.user(world.hospital)
    answer = doctor.try_create_room(invite=["@friend:stranger.example"])
    own = world.hospital.server_name
    expected = ("AF_10064-02", "not_a_member", own, "stranger.example")
    assert referred(answer, world.hospital, doctor.user_id, "friend") == expected


@pytest.mark.parametrize("inviters", ["practice", "lax"])
def test_a_22817_an_invitation_that_the_other_server_refuses(world, inviters):
    """The inviter is told the reference by which the invitee's helpdesk finds the rule."""
    doctor, inviter = world.user(world.hospital), world.user(getattr(world, inviters))
    room = inviter.create_room()
    block(doctor)
    answer = inviter.invite(room, doctor.user_id)
    assert code(answer) == (403, "M_FORBIDDEN")
    expected = ("A_26021-01", "invitee_refuses", world.hospital.server_name, inviter.server_name)
    assert referred(answer, world.hospital, doctor.user_id, inviter.user_id, room) == expected
    allow(doctor)
    assert inviter.invite(room, doctor.user_id).status_code == 200


def test_two_refusals_have_different_references_and_the_same_text_otherwise(world):
    doctor, nobody = world.user(world.hospital), f"@nobody:{world.practice.server_name}"
    refusing = world.user(world.practice)
    block(refusing)
    answers = [doctor.try_create_room(invite=[user]) for user in (refusing.user_id, nobody, nobody)]
    assert len({answer.json()[REFERENCE] for answer in answers}) == 3
    assert len({error_text(answer) for answer in answers}) == 1
    assert {code(answer) for answer in answers} == {(403, "M_FORBIDDEN")}


def test_what_is_answered_in_synapses_words_has_none(world):
    doctor = world.user(world.hospital)
    room = doctor.create_room(creation_content={"m.federate": False})
    path = f"/_matrix/federation/v1/state_ids/{room}?event_id=$any"
    answer = world.lax.federation_request("GET", path, to=world.hospital)
    assert answer.status_code >= 400
    assert REFERENCE not in answer.json()
