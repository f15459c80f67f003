"""A_26021-01, AF_10233: membership events are no way to write to somebody whom one may not invite.

Bans, removals and knocks with reasons; beside each refusal the nearest thing that goes on.
"""

import secrets

import pytest

from synapse_tim.testing import wait_for
from tests.support.pdus import signed
from tests.support.world import (
    CLIENT,
    EPA,
    PRIVATE,
    allow,
    block,
    code,
    error_text,
    invite_silently,
    invited,
    together,
    without_reference,
)

pytestmark = pytest.mark.servers

FORBIDDEN = (403, "M_FORBIDDEN")


def ban(sender, room, target, action="ban", **more):
    body = {"user_id": target.user_id, "reason": f"Call {secrets.token_hex(4)}", **more}
    return sender.request("POST", f"{CLIENT}/rooms/{room}/{action}", body)


def put_membership(sender, room, target, membership):
    content = {"membership": membership, "reason": "Call 0123"}
    return sender.put_state(room, "m.room.member", content, target.user_id)


def is_told_nothing(user):
    """The user learns of no room."""
    rooms = user.sync().get("rooms", {})
    assert not {"leave", "invite", "join", "knock"} & rooms.keys(), rooms
    limit = 1 + secrets.randbelow(1000)
    filter_ = f'{{"room":{{"include_leave":true,"timeline":{{"limit":{limit}}}}}}}'
    answer = user.request("GET", f"{CLIENT}/sync", params={"filter": filter_})
    assert not answer.raise_for_status().json().get("rooms", {}).get("leave")


def test_af_10233_a_ban_is_no_way_to_write_to_an_insured_person(world):
    anna, berta, fred = world.user(world.insurer), world.user(world.insurer), world.user(world.fund)
    doctor = world.user(world.hospital)
    together(anna, doctor)  # a room as insured persons have them
    room = anna.create_room()
    berta.sync()
    for target in (berta, fred):
        invitation = anna.invite(room, target.user_id)
        assert code(invitation) == FORBIDDEN
        for answer in (
            ban(anna, room, target),
            ban(anna, room, target, "unban"),
            put_membership(anna, room, target, "ban"),
            put_membership(anna, room, target, "leave"),
        ):
            assert answer.status_code == 403
            assert without_reference(answer) == without_reference(invitation)
        assert code(ban(anna, room, target, "kick")) == FORBIDDEN
    is_told_nothing(berta)


def test_a_26021_01_a_ban_is_no_way_to_write_to_somebody_who_blocks_all(world):
    doctor, colleague = world.user(world.hospital), world.user(world.hospital)
    admin = world.user(world.hospital, admin=True)
    block(colleague)
    colleague.sync()
    for sender in (doctor, admin):
        room = sender.create_room()
        invitation = sender.invite(room, colleague.user_id)
        for answer in (
            ban(sender, room, colleague),
            put_membership(sender, room, colleague, "ban"),
            put_membership(sender, room, colleague, "leave"),
        ):
            assert answer.status_code == 403
            assert without_reference(answer) == without_reference(invitation)
        assert code(ban(sender, room, colleague, "kick")) == FORBIDDEN
        assert code(ban(sender, room, colleague, "unban")) == FORBIDDEN
    is_told_nothing(colleague)
    # Before anything happens, whoever may be invited may be banned.
    allow(colleague)
    assert ban(doctor, doctor.create_room(), colleague).status_code == 200


def test_a_26021_01_a_delayed_ban_is_judged_when_it_is_made(world):
    doctor, colleague = world.user(world.hospital), world.user(world.hospital)
    room = doctor.create_room()

    def put_delayed(target):
        path = f"{CLIENT}/rooms/{room}/state/m.room.member/{target.user_id}"
        content = {"membership": "ban", "reason": "Call 0123"}
        params = {"org.matrix.msc4140.delay": 100}
        return doctor.request("PUT", path, content, params=params).raise_for_status()

    block(colleague)
    colleague.sync()
    put_delayed(colleague)
    other = world.user(world.hospital)
    put_delayed(other)
    wait_for(lambda: other.user_id in doctor.members(room, "ban"))
    is_told_nothing(colleague)


def test_a_26021_01_members_are_moderated_with_reasons(world):
    """Also those who refuse every invitation of who moderates."""
    host = world.user(world.hospital)
    for guest in (world.user(world.hospital), world.user(world.practice), world.user(world.insurer)):
        kind = EPA if guest.server_name == world.insurer.server_name else None
        room = together(host, guest)
        block(guest, *([kind] if kind else []))
        for action in ("kick", "ban", "unban", "ban", "unban"):
            assert ban(host, room, guest, action).status_code == 200, action
        # Somebody who has only been invited, and one who has declined.
        for decline in (False, True):
            allow(guest, *([kind] if kind else []))
            room = host.create_room(invite=[guest.user_id])
            invited(guest, room)
            block(guest, *([kind] if kind else []))
            if decline:
                guest.leave(room).raise_for_status()
                wait_for(lambda room=room, guest=guest: guest.user_id in host.members(room, "leave"))
            else:
                assert ban(host, room, guest, "kick").status_code == 200
            for action in ("ban", "unban", "ban"):
                assert ban(host, room, guest, action).status_code == 200, (decline, action)


def test_a_26021_01_a_ban_that_was_allowed_does_not_open_the_way_for_others(world):
    """Somebody banned before anything happened was never in the room, whatever follows."""
    doctor, colleague = world.user(world.hospital), world.user(world.hospital)
    room = doctor.create_room()
    ban(doctor, room, colleague).raise_for_status()
    block(colleague)
    assert code(ban(doctor, room, colleague)) == FORBIDDEN
    assert code(ban(doctor, room, colleague, "unban")) == FORBIDDEN
    allow(colleague)
    assert ban(doctor, room, colleague, "unban").status_code == 200


def test_a_26021_01_a_room_with_banned_members_can_be_upgraded(world):
    host, guest, other = (world.user(world.hospital) for _ in range(3))
    room = together(host, guest, other)
    ban(host, room, guest).raise_for_status()
    block(guest)
    answer = host.request("POST", f"{CLIENT}/rooms/{room}/upgrade", {"new_version": "10"})
    new_room = answer.raise_for_status().json()["replacement_room"]
    assert guest.user_id in host.members(new_room, "ban")
    # A room of which one only says so is none that it replaces.
    stranger = world.user(world.hospital)
    made_up = stranger.create_room(creation_content={"predecessor": {"room_id": room, "event_id": "$x"}})
    assert code(ban(stranger, made_up, guest)) == FORBIDDEN


def test_a_26021_01_a_ban_by_another_server_does_not_reach_who_was_never_in_the_room(world):
    leo, lea = world.user(world.lax), world.user(world.lax)
    victim, colleague = world.user(world.hospital), world.user(world.hospital)
    block(victim)
    victim.sync()

    def settled(room):
        text = secrets.token_hex(8)
        leo.send(room, text).raise_for_status()
        wait_for(lambda: text in colleague.texts(room), what="the message")

    # In a room with a colleague; in its state before the colleague joins; in one that is not here.
    room = together(leo, colleague, **PRIVATE)
    for action in ("ban", "unban", "ban"):
        ban(leo, room, victim, action).raise_for_status()
        settled(room)
    is_told_nothing(victim)
    before = leo.create_room(**PRIVATE)
    ban(leo, before, victim).raise_for_status()
    leo.send(before, "read this").raise_for_status()
    leo.invite(before, colleague.user_id).raise_for_status()
    invited(colleague, before)
    colleague.join(before, via=[leo.server_name]).raise_for_status()
    settled(before)
    is_told_nothing(victim)
    ban(leo, leo.create_room(**PRIVATE), victim).raise_for_status()
    # The room goes on, and who was in it is banned as ever.
    leo.invite(room, lea.user_id).raise_for_status()
    lea.join(room).raise_for_status()
    settled(room)
    ban(leo, room, colleague).raise_for_status()
    wait_for(lambda: room not in colleague.joined_rooms(), what="the ban")
    is_told_nothing(victim)


def test_a_26021_01_a_ban_by_another_server_that_follows_a_refused_invitation_does_not_reach_anybody(world):
    leo, victim, colleague = world.user(world.lax), world.user(world.hospital), world.user(world.hospital)
    block(victim)
    victim.sync()
    room = together(leo, colleague, **PRIVATE)
    assert code(leo.invite(room, victim.user_id)) == FORBIDDEN
    invite_silently(leo, room, victim)
    for action in ("kick", "ban", "unban"):
        ban(leo, room, victim, action).raise_for_status()
        text = secrets.token_hex(8)
        leo.send(room, text).raise_for_status()
        wait_for(lambda text=text: text in colleague.texts(room), what="the message")
        is_told_nothing(victim)


def test_a_26021_01_a_ban_by_another_server_does_not_build_on_an_invitation_in_history(world):
    leo, victim, colleague = world.user(world.lax), world.user(world.hospital), world.user(world.hospital)
    block(victim)
    victim.sync()
    room = leo.create_room(**PRIVATE)
    leo.put_state(room, "m.room.history_visibility", {"history_visibility": "shared"}).raise_for_status()
    invite_silently(leo, room, victim)
    ban(leo, room, victim, "kick").raise_for_status()
    for number in range(30):
        leo.send(room, f"message {number}").raise_for_status()
    leo.invite(room, colleague.user_id).raise_for_status()
    invited(colleague, room)
    colleague.join(room, via=[leo.server_name]).raise_for_status()
    wait_for(lambda: "message 0" in colleague.texts(room), what="the history")
    ban(leo, room, victim).raise_for_status()
    leo.send(room, "after it").raise_for_status()
    wait_for(lambda: "after it" in colleague.texts(room), what="the message")
    is_told_nothing(victim)


def test_a_26021_01_another_server_removes_whom_it_has_invited(world):
    leo, doctor = world.user(world.lax), world.user(world.hospital)
    room = leo.create_room(**PRIVATE, invite=[doctor.user_id])
    invited(doctor, room)
    block(doctor)
    ban(leo, room, doctor, "kick").raise_for_status()
    wait_for(lambda: room not in doctor.invited_to(), what="the removal")


def test_a_26021_01_a_pre_emptive_ban_by_another_server_is_seen_by_who_may_be_invited(world):
    leo, doctor, colleague = world.user(world.lax), world.user(world.hospital), world.user(world.hospital)
    room = together(leo, colleague, **PRIVATE)
    ban(leo, room, doctor).raise_for_status()
    wait_for(lambda: doctor.user_id in colleague.members(room, "ban"), what="the ban")


# Knocks


def knocking(host, *members):
    """A room at which one may knock."""
    room = together(host, *members)
    host.put_state(room, "m.room.join_rules", {"join_rule": "knock"}).raise_for_status()
    return room


def knock(user, room, reason=None, via=()):
    query = "&".join(f"via={server}" for server in via)
    return user.request("POST", f"{CLIENT}/knock/{room}?{query}", {"reason": reason} if reason else {})


@pytest.mark.parametrize("server", ["hospital", "practice", "lax"])
def test_a_26021_01_whoever_knocks_says_nothing_to_strangers(world, server):
    host, guest = world.user(world.hospital), world.user(world.hospital)
    visitor = world.user(getattr(world, server))
    room = knocking(host, guest)
    block(guest)
    via = [host.server_name]
    assert code(knock(visitor, room, "Call 0123", via)) == FORBIDDEN
    if server == "hospital":
        for more in ({"reason": "Call 0123"}, {"reason": ["Call"]}, {"de.example": "Call 0123"}):
            content = {"membership": "knock", **more}
            answer = visitor.put_state(room, "m.room.member", content, visitor.user_id)
            assert code(answer) == FORBIDDEN, more
    assert visitor.user_id not in host.members(room, "knock")
    allow(guest)
    knock(visitor, room, "Call 0123", via).raise_for_status()
    content = host.state(room, "m.room.member", visitor.user_id).json()
    assert (content["membership"], content["reason"]) == ("knock", "Call 0123")


@pytest.mark.parametrize("server", ["hospital", "lax"])
def test_a_26021_01_whoever_knocks_without_a_word_may_knock_at_strangers(world, server):
    host, visitor = world.user(world.hospital), world.user(getattr(world, server))
    room = knocking(host)
    block(host)
    knock(visitor, room, via=[host.server_name]).raise_for_status()
    assert visitor.user_id in host.members(room, "knock")
    # And is turned away with a reason.
    assert ban(host, room, visitor, "kick").status_code == 200


def test_a_26021_01_a_knock_elsewhere_says_nothing_to_strangers_here(world):
    """In a room of another server, at which a user of a third one knocks."""
    leo, doctor, nurse = world.user(world.lax), world.user(world.hospital), world.user(world.practice)
    room = leo.create_room(**PRIVATE, invite=[doctor.user_id])
    invited(doctor, room)
    doctor.join(room, via=[leo.server_name]).raise_for_status()
    leo.put_state(room, "m.room.join_rules", {"join_rule": "knock"}).raise_for_status()
    lea = world.user(world.lax)
    block(doctor)
    for visitor in (lea, nurse):
        knock(visitor, room, "Call 0123", [leo.server_name]).raise_for_status()
    leo.send(room, "somebody is knocking").raise_for_status()
    wait_for(lambda: "somebody is knocking" in doctor.texts(room), what="the message")
    reasons = [event["content"].get("reason") for event in doctor.messages(room)]
    assert not any(reasons)
    assert "reason" not in doctor.state(room, "m.room.member", lea.user_id).json()


def test_a_28590_a_knock_in_somebody_elses_name_tells_nothing(world):
    """Nor does one at a room without knocks; Synapse refuses both, whoever is in the room."""
    leo, doctor = world.user(world.lax), world.user(world.hospital)
    patient, other = world.user(world.hospital), world.user(world.hospital)
    closed = together(leo, doctor, **PRIVATE)
    open_ = together(leo, doctor, **PRIVATE)
    leo.put_state(open_, "m.room.join_rules", {"join_rule": "knock"}).raise_for_status()
    wait_for(
        lambda: doctor.state(open_, "m.room.join_rules").json() == {"join_rule": "knock"},
        what="the join rule",
    )
    together(doctor, patient)
    block(doctor)
    for room in (closed, open_):
        answers = set()
        for sender in (patient, other):
            content = {"membership": "knock", "reason": "Call 0123"}
            pdu = {"type": "m.room.member", "room_id": room, "state_key": sender.user_id, "content": content}
            pdu, event_id = signed(world.lax, {**pdu, "sender": sender.user_id})
            path = f"/_matrix/federation/v1/send_knock/{room}/{event_id}"
            answer = world.lax.federation_request("PUT", path, to=world.hospital, content=pdu)
            text = error_text(answer).replace(event_id, "EVENT").replace(sender.user_id, "SENDER")
            answers.add((answer.status_code, text))
        assert len(answers) == 1, answers
    # In one's own name it is judged where the room takes knocks, and by Synapse where it does not.
    otto = world.user(world.lax)
    for room, told in ((open_, True), (closed, False)):
        content = {"membership": "knock", "reason": "Call 0123"}
        pdu = {"type": "m.room.member", "room_id": room, "state_key": otto.user_id, "content": content}
        pdu, event_id = signed(world.lax, {**pdu, "sender": otto.user_id})
        path = f"/_matrix/federation/v1/send_knock/{room}/{event_id}"
        answer = world.lax.federation_request("PUT", path, to=world.hospital, content=pdu)
        assert answer.status_code == 403
        assert ("may not invite" in answer.json()["error"]) is told, answer.text


def test_a_28590_whoever_is_not_in_a_room_learns_nothing_by_a_ban_or_a_knock(world):
    outsider, host, member, refusing = (world.user(world.hospital) for _ in range(4))
    room = together(host, member)
    block(refusing)
    answers = {
        (
            answer.status_code,
            error_text(answer).replace(outsider.user_id, "OUTSIDER").replace(room, "ROOM"),
        )
        for target in (member, refusing)
        for answer in (ban(outsider, room, target), put_membership(outsider, room, target, "ban"))
    }
    assert len(answers) == 1, answers
    block(host)
    assert "may not invite" not in knock(outsider, room, "Call 0123").text
