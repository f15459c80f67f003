"""An invitation is judged when it takes effect, however long it has been stored before.

``lax`` is a real server, so what it signs is genuine. It plants invitations in the auth chain of a join,
where nobody sees them, and has them take effect later. Each way is tried with an invitee who refuses by then,
and with one who does not.
"""

import contextlib

import pytest

from synapse_tim.testing import wait_for
from tests.support.pdus import INVITATION, next_in_room, send
from tests.support.world import PRIVATE, block, code, listed_as, planted, together

pytestmark = pytest.mark.servers

FORBIDDEN = (403, "M_FORBIDDEN")
MESSAGE = [("m.room.create", ""), ("m.room.power_levels", "")]
refusing = pytest.mark.parametrize("refuses", [True, False], ids=["refused", "allowed"])


def invitation(world, inviter, room, invitee):
    """An invitation that follows what is newest in the room, and that no server has yet."""
    content = {"membership": "invite"}
    pdu = {"type": "m.room.member", "state_key": invitee.user_id, "content": content}
    return next_in_room(world.lax, inviter, room, pdu, INVITATION)


def message_after(world, sender, room, *event_ids):
    """A message that follows certain events."""
    pdu = {"type": "m.room.message", "content": {"msgtype": "m.text", "body": "after"}}
    follows = {"prev_events": list(event_ids), "depth": 100}
    return next_in_room(world.lax, sender, room, pdu, MESSAGE, **follows)


def planted_in_a_join(world, server, invitee):
    """A room that a colleague has joined, with an invitation of somebody else in the auth chain.

    Returns:
        The inviter, the colleague, the room, the invitation and its id.
    """
    leo, colleague = world.user(world.lax, admin=True), world.user(server)
    invitee.sync()
    room = leo.create_room(**PRIVATE)
    leo.invite(room, colleague.user_id).raise_for_status()
    wait_for(lambda: room in colleague.invited_to(), what="the colleague's invitation")
    pdu, event_id = invitation(world, leo, room, invitee)
    with planted(world.lax, pdu):
        colleague.join(room, via=[world.lax.server_name]).raise_for_status()
    leo.send(room, "hello").raise_for_status()
    wait_for(lambda: "hello" in colleague.texts(room), what="the message")  # and the history
    assert room not in invitee.invited_to()
    return leo, colleague, room, pdu, event_id


def goes_on(leo, colleague, room):
    """The room works in both directions."""
    colleague.send(room, "from here").raise_for_status()
    wait_for(lambda: "from here" in leo.texts(room), what="the message there")
    leo.send(room, "from there").raise_for_status()
    wait_for(lambda: "from there" in colleague.texts(room), what="the message here")


def is_as_expected(world, user, room, colleague, refuses):
    """The user is not invited and cannot join; or is and can."""
    if refuses:
        assert room not in user.invited_to()
        assert room not in user.sync().get("rooms", {}).get("invite", {})  # what came since the last one
        assert user.user_id not in colleague.members(room, "invite")
        joined = user.join(room, via=[world.lax.server_name])
        assert code(joined) == FORBIDDEN, joined.text
        assert user.join(room).status_code in (403, 404)  # 404 if the room's state does not mention the user
    else:
        wait_for(lambda: room in user.invited_to(), what="the invitation")
        joined = user.join(room, via=[world.lax.server_name])
        assert joined.status_code == 200, joined.text


@refusing
def test_a_26021_01_an_invitation_in_an_auth_chain_is_judged_when_it_is_sent(world, refuses):
    invitee = world.user(world.hospital)
    leo, colleague, room, pdu, event_id = planted_in_a_join(world, world.hospital, invitee)
    if refuses:
        block(invitee)
        assert code(leo.invite(room, invitee.user_id)) == FORBIDDEN
    assert send(world.lax, world.hospital, pdu) == {event_id: {}}
    after, after_id = message_after(world, leo, room, event_id)
    assert send(world.lax, world.hospital, after) == {after_id: {}}
    wait_for(lambda: "after" in colleague.texts(room), what="what follows it")
    is_as_expected(world, invitee, room, colleague, refuses)
    goes_on(leo, colleague, room)


def test_a_membership_in_the_state_of_a_join_that_the_room_forbids(world):
    """Synapse rejects it and takes it for the state of the room all the same."""
    leo, outsider = world.user(world.lax, admin=True), world.user(world.lax)
    colleague, invitee = world.user(world.hospital), world.user(world.hospital)
    room = leo.create_room(**PRIVATE)
    leo.invite(room, colleague.user_id).raise_for_status()
    wait_for(lambda: room in colleague.invited_to(), what="the colleague's invitation")
    content = {"membership": "invite"}
    pdu = {"type": "m.room.member", "state_key": invitee.user_id, "content": content}
    forged, _ = next_in_room(world.lax, leo, room, pdu, INVITATION, sender=outsider.user_id)
    with planted(world.lax, forged, where="state"):
        joined = colleague.join(room, via=[world.lax.server_name])
    assert joined.status_code == 200, joined.text
    assert room not in invitee.invited_to()
    assert invitee.user_id not in colleague.members(room, "invite")
    refused = invitee.join(room, via=[world.lax.server_name])
    assert code(refused) == (404, "M_NOT_FOUND"), refused.text  # Synapse misses the event that it rejected
    goes_on(leo, colleague, room)


@refusing
def test_a_26021_01_an_invitation_slipped_into_a_room_of_this_server(world, refuses):
    """Whose state is then made by others, too."""
    host, invitee = world.user(world.hospital), world.user(world.hospital)
    leo = world.user(world.lax, admin=True)
    invitee.sync()
    room = together(host, leo, preset="private_chat")
    leo.send(room, "hello").raise_for_status()
    wait_for(lambda: "hello" in host.texts(room), what="the message")
    if refuses:
        block(invitee)
    pdu, event_id = invitation(world, leo, room, invitee)
    assert send(world.lax, world.hospital, pdu) == {event_id: {}}
    after, after_id = message_after(world, leo, room, event_id)
    assert send(world.lax, world.hospital, after) == {after_id: {}}
    wait_for(lambda: "after" in host.texts(room), what="what follows it")
    is_as_expected(world, invitee, room, host, refuses)
    goes_on(leo, host, room)


@refusing
def test_af_10233_a_server_that_has_become_an_insurers_in_between(world, refuses):
    invitee = world.user(world.insurer)
    leo, colleague, room, pdu, event_id = planted_in_a_join(world, world.insurer, invitee)
    with listed_as(world, world.lax, insurance=refuses):
        assert send(world.lax, world.insurer, pdu) == {event_id: {}}
        after, after_id = message_after(world, leo, room, event_id)
        assert send(world.lax, world.insurer, after) == {after_id: {}}
        wait_for(lambda: "after" in colleague.texts(room), what="what follows it")
        is_as_expected(world, invitee, room, colleague, refuses)


@refusing
def test_af_10064_02_an_invitation_of_a_server_that_has_left_relayed_by_an_honest_member(world, refuses):
    leo = world.user(world.lax, admin=True)
    colleague, invitee = world.user(world.hospital), world.user(world.hospital)
    member = world.user(world.practice)
    invitee.sync()
    room = together(leo, colleague, member, **PRIVATE)
    member.send(room, "hello").raise_for_status()
    wait_for(lambda: "hello" in colleague.texts(room), what="the member's message")
    wait_for(lambda: "hello" in leo.texts(room), what="the member's message")
    pdu, event_id = invitation(world, leo, room, invitee)
    assert send(world.lax, world.practice, pdu) == {event_id: {}}
    wait_for(lambda: invitee.user_id in member.members(room, "invite"), what="it at the member")
    left = listed_as(world, world.lax) if refuses else contextlib.nullcontext()
    with left:
        member.send(room, "and so on").raise_for_status()
        wait_for(lambda: "and so on" in colleague.texts(room), what="the member's message")
        is_as_expected(world, invitee, room, colleague, refuses)
        colleague.send(room, "from here").raise_for_status()
        wait_for(lambda: "from here" in member.texts(room), what="the message there")


@pytest.mark.parametrize("blocks", [True, False])
def test_a_26021_01_an_invitation_that_was_declined_does_not_come_back_with_the_room(world, blocks):
    """It was declined while its server could not be reached, so that the room's state still has it."""
    leo = world.user(world.lax)
    colleague, invitee = world.user(world.hospital), world.user(world.hospital)
    room = leo.create_room(**PRIVATE)
    leo.invite(room, invitee.user_id).raise_for_status()
    wait_for(lambda: room in invitee.invited_to(), what="the invitation")
    world.lax.stop()
    try:
        invitee.leave(room).raise_for_status()
        wait_for(lambda: room not in invitee.invited_to(), what="the invitation to go")
    finally:
        world.lax.start().wait()
    invitee.sync()
    if blocks:
        block(invitee)
    leo.invite(room, colleague.user_id).raise_for_status()
    wait_for(lambda: room in colleague.invited_to(), what="the colleague's invitation")
    wait_for(lambda: colleague.join(room, via=[world.lax.server_name]).is_success, what="a join")
    is_as_expected(world, invitee, room, colleague, refuses=True)
    goes_on(leo, colleague, room)
    # A new one is judged like any other.
    again = leo.request(
        "POST",
        f"/_matrix/client/v3/rooms/{room}/invite",
        {"user_id": invitee.user_id, "reason": "once more"},
    )
    assert code(again) == (FORBIDDEN if blocks else (200, None))
    if not blocks:
        # Synapse takes no local join between the delivery of a second invitation and its arrival in the room.
        wait_for(lambda: invitee.user_id in colleague.members(room, "invite"), what="it in the room")
        is_as_expected(world, invitee, room, colleague, refuses=False)


@pytest.mark.parametrize(
    ("blocks", "withdrawn_first", "refuses"),
    [(True, False, True), (False, False, False), (False, True, True)],
    ids=["refused", "allowed", "withdrawn here"],
)
def test_a_26021_01_an_invitation_that_wins_a_state_resolution_is_judged(
    world, blocks, withdrawn_first, refuses
):
    """Two branches: in one, a moderator withdraws the invitation; in the other, the moderator's power.

    Resolved, the power goes first, the withdrawal is void, and what it withdrew takes effect.
    """
    invitee = world.user(world.hospital)
    leo, colleague, room, _, invite_id = planted_in_a_join(world, world.hospital, invitee)
    moderator = world.user(world.lax, admin=True)
    leo.invite(room, moderator.user_id).raise_for_status()
    moderator.join(room).raise_for_status()
    levels = leo.state(room, "m.room.power_levels").json()
    promoted = {**levels, "users": {**levels["users"], moderator.user_id: 50}}
    leo.put_state(room, "m.room.power_levels", promoted).raise_for_status()
    leo.send(room, "promoted").raise_for_status()
    wait_for(lambda: "promoted" in colleague.texts(room), what="the message")
    state = leo.request("GET", f"/_matrix/client/v3/rooms/{room}/state").json()
    ids = {(event["type"], event["state_key"]): event["event_id"] for event in state}
    withdrawal, withdrawal_id = next_in_room(
        world.lax,
        moderator,
        room,
        {"type": "m.room.member", "state_key": invitee.user_id, "content": {"membership": "leave"}},
        [],
        auth_events=[
            invite_id,
            ids["m.room.create", ""],
            ids["m.room.power_levels", ""],
            ids["m.room.member", moderator.user_id],
        ],
    )
    demotion, demotion_id = next_in_room(
        world.lax,
        leo,
        room,
        {"type": "m.room.power_levels", "state_key": "", "content": levels},
        MESSAGE,
    )
    if blocks:
        block(invitee)
    branches = [(withdrawal, withdrawal_id), (demotion, demotion_id)]
    for number, (pdu, event_id) in enumerate(branches if withdrawn_first else reversed(branches)):
        assert send(world.lax, world.hospital, pdu) == {event_id: {}}
        leo.send(room, f"seen {number}").raise_for_status()
        wait_for(lambda text=f"seen {number}": text in colleague.texts(room), what="a message")
    after, after_id = message_after(world, leo, room, withdrawal_id, demotion_id)
    assert send(world.lax, world.hospital, after) == {after_id: {}}
    wait_for(lambda: "after" in colleague.texts(room), what="what follows both")
    is_as_expected(world, invitee, room, colleague, refuses)
