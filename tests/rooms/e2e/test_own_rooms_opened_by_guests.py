"""Rooms of one's own that a guest from another server opens: A_25996, A_26515-01, R3.11.

What counts is the room as it is now. Members stay and talk on; nobody enters, reads, or knocks who was not
invited, and nobody learns of the room.
"""

import time

import pytest

from synapse_tim.testing import MatrixUser, wait_for
from tests.rooms.e2e.test_creation import join_rule
from tests.support.world import CLIENT, allow, code, heard, invited, say, together, without_reference

pytestmark = [pytest.mark.servers, pytest.mark.requirement("A_25996", "A_26515-01")]

FORBIDDEN = (403, "M_FORBIDDEN")
OPEN = ["public", "knock", "knock_restricted", "restricted"]


def change(guest, member, room, kind, content):
    """Have a guest change a room, and wait until it arrives."""
    guest.put_state(room, kind, content).raise_for_status()
    wait_for(lambda: member.state(room, kind).json() == content, what=f"the new {kind}")


def opened(world, member, guest, rule, history="world_readable", **body):
    """A room of a member that a guest has opened, with a message in it."""
    room = member.create_room(preset="trusted_private_chat", invite=[guest.user_id], name="Befund", **body)
    invited(guest, room)
    guest.join(room, via=[member.server_name]).raise_for_status()
    content = {"join_rule": rule}
    if "restricted" in rule:
        space = guest.create_room(preset="public_chat", creation_content={"type": "m.space"})
        content["allow"] = [{"type": "m.room_membership", "room_id": space}]
    change(guest, member, room, "m.room.join_rules", content)
    if history:
        change(guest, member, room, "m.room.history_visibility", {"history_visibility": history})
    say(member, room, "secret of the member").raise_for_status()
    guest.send(room, "secret of the guest").raise_for_status()
    wait_for(lambda: "secret of the guest" in heard(member, room), what="the guest's message")
    return room


def views(room, event, since):
    """Requests that show something of a room to those who are not in it."""
    rooms = f"{CLIENT}/rooms/{room}"
    return {
        "messages": f"{rooms}/messages?dir=b&limit=50",
        "messages forwards": f"{rooms}/messages?dir=f&limit=50",
        "initialSync": f"{rooms}/initialSync",
        "state": f"{rooms}/state",
        "name": f"{rooms}/state/m.room.name/",
        "members": f"{rooms}/members",
        "joined_members": f"{rooms}/joined_members",
        "aliases": f"{rooms}/aliases",
        "event": f"{rooms}/event/{event}",
        "context": f"{rooms}/context/{event}",
        "relations": f"/_matrix/client/v1/rooms/{room}/relations/{event}",
        "threads": f"/_matrix/client/v1/rooms/{room}/threads",
        "timestamp": f"/_matrix/client/v1/rooms/{room}/timestamp_to_event?ts={since}&dir=f",
        "summary": f"/_matrix/client/v1/room_summary/{room}",
        "unstable summary": f"/_matrix/client/unstable/im.nheko.summary/summary/{room}",
        "other unstable summary": f"/_matrix/client/unstable/im.nheko.summary/rooms/{room}/summary",
        "hierarchy": f"/_matrix/client/v1/rooms/{room}/hierarchy",
        "events": f"{CLIENT}/events?room_id={room}&timeout=0",
        "old events": f"/_matrix/client/r0/events?room_id={room}&timeout=0",
        "old initialSync": f"/_matrix/client/r0/rooms/{room}/initialSync",
    }


def shows_nothing(world, stranger, room, event, like):
    """All views of a room are those of a private room that the stranger is not in either."""
    since = int(time.time() * 1000) - 3_600_000
    like_room, like_event = like
    others = views(like_room, like_event, since)
    for name, path in views(room, event, since).items():
        answer, other = stranger.request("GET", path), stranger.request("GET", others[name])
        # Administrators see the aliases of any room, of which these have none.
        assert answer.status_code >= 400 or (name, answer.json()) == ("aliases", {"aliases": []})
        assert "secret" not in answer.text
        plain = without_reference(answer).replace(room, like_room).replace(event, like_event)
        assert (answer.status_code, plain) == (other.status_code, without_reference(other)), name


def newest(user, room):
    return user.messages(room)[0]["event_id"]


def private(user):
    """A private room with a message in it, to compare with."""
    room = user.create_room(name="Befund")
    say(user, room, "secret of another room").raise_for_status()
    return room, newest(user, room)


@pytest.mark.parametrize("admin", [False, True])
@pytest.mark.parametrize("rule", OPEN)
@pytest.mark.parametrize("which", ["hospital", "insurer"])
def test_a_25996_an_own_room_that_a_guest_opens_is_entered_by_invitation(world, which, rule, admin):
    server = getattr(world, which)
    member, guest = world.user(server), world.user(world.lax)
    stranger, colleague = world.user(server, admin=admin), world.user(server)
    room = opened(world, member, guest, rule)
    for via in ([], [world.lax.server_name]):
        assert code(stranger.join(room, via=via)) == FORBIDDEN
        assert code(stranger.knock(room, via=via)) == FORBIDDEN
    member_event = {"membership": "join"}
    assert code(stranger.put_state(room, "m.room.member", member_event, stranger.user_id)) == FORBIDDEN
    knock = {"membership": "knock", "reason": "Call me"}
    assert code(stranger.put_state(room, "m.room.member", knock, stranger.user_id)) == FORBIDDEN
    assert stranger.user_id not in member.request("GET", f"{CLIENT}/rooms/{room}/members").text
    shows_nothing(world, stranger, room, newest(member, room), like=private(member))
    # Members stay and talk on, and whoever is invited comes in, if the room is not public.
    say(member, room, "still here").raise_for_status()
    wait_for(lambda: "still here" in heard(guest, room), what="the message")
    if which == "hospital":
        member.invite(room, colleague.user_id).raise_for_status()
    else:
        allow(colleague, "de.gematik.tim.account.permissionconfig.epa.v1")
        guest.invite(room, colleague.user_id)
        if rule == "public":
            return
        # As the invitation and as an event of the room, which may come later.
        invited(colleague, room)
        wait_for(lambda: colleague.user_id in member.members(room, "invite"), timeout=20, what="the event")
    answer = colleague.join(room)
    assert answer.status_code == (403 if rule == "public" else 200), answer.text
    # Closed again, it is an ordinary room.
    change(guest, member, room, "m.room.join_rules", {"join_rule": "invite"})
    assert stranger.join(room).status_code == 403
    assert colleague.join(room).status_code == 200


@pytest.mark.parametrize("which", ["hospital", "insurer"])
def test_a_26515_01_who_left_reads_nothing_that_came_later(world, which):
    server = getattr(world, which)
    member, guest, former = world.user(server), world.user(world.lax), world.user(server)
    room = member.create_room(preset="trusted_private_chat", invite=[guest.user_id])
    invited(guest, room)
    guest.join(room, via=[member.server_name]).raise_for_status()
    if which == "hospital":
        member.invite(room, former.user_id).raise_for_status()
    else:
        guest.invite(room, former.user_id).raise_for_status()
        invited(former, room)
        wait_for(lambda: former.user_id in member.members(room, "invite"), timeout=20, what="the event")
    former.join(room).raise_for_status()
    before = say(member, room, "before").raise_for_status().json()["event_id"]
    former.leave(room).raise_for_status()
    change(guest, member, room, "m.room.history_visibility", {"history_visibility": "world_readable"})
    after = say(member, room, "after").raise_for_status().json()["event_id"]
    rooms = f"{CLIENT}/rooms/{room}"
    # What was there before stays readable (A_28342).
    assert former.request("GET", f"{rooms}/event/{before}").json()["content"]["ciphertext"] == "before"
    assert "before" in heard(former, room)
    assert code(former.request("GET", f"{rooms}/event/{after}")) == (404, "M_NOT_FOUND")
    for path in (f"context/{before}?limit=50", f"context/{after}", "messages?dir=b&limit=50", "initialSync"):
        assert '"after"' not in former.request("GET", f"{rooms}/{path}").text, path
    former.request("POST", f"{rooms}/forget", {}).raise_for_status()
    assert code(former.request("GET", f"{rooms}/messages?dir=b")) == FORBIDDEN
    # Also once the room is closed again, what was said while it was open is not shown.
    change(guest, member, room, "m.room.history_visibility", {"history_visibility": "invited"})
    stranger = world.user(server)
    for who in (former, stranger):
        assert code(who.request("GET", f"{rooms}/event/{after}")) == (404, "M_NOT_FOUND")
        assert who.request("GET", f"{rooms}/context/{after}").status_code in (403, 404)


@pytest.mark.parametrize("rule", OPEN)
@pytest.mark.parametrize("which", ["hospital", "insurer"])
def test_a_25996_nor_do_users_of_other_servers_enter_here(world, which, rule):
    server = getattr(world, which)
    member, guest, outsider = world.user(server), world.user(world.lax), world.user(world.practice)
    leo = world.user(world.lax)
    room = opened(world, member, guest, rule)
    name = server.server_name
    for verb in ("make_join", "make_knock"):
        path = f"/_matrix/federation/v1/{verb}/{room}/{leo.user_id}?ver=10"
        answer = world.lax.federation_request("GET", path, to=server)
        assert answer.status_code == 403, (verb, answer.text)
    assert outsider.join(room, via=[name]).status_code in (403, 404, 502)
    assert outsider.knock(room, via=[name]).status_code in (403, 404, 502)
    assert outsider.joined_rooms() == set()
    nowhere = f"!nowhere:{name}"

    def from_outside(path):
        return world.practice.federation_request("GET", f"/_matrix/federation/{path}", to=server)

    for path in ("v1/hierarchy/{}", "unstable/rooms/{}/complexity", "v1/state/{}?event_id=$x"):
        there, not_there = from_outside(path.format(room)), from_outside(path.format(nowhere))
        assert there.text.replace(room, nowhere) == not_there.text, path
        assert there.status_code == not_there.status_code >= 400


def test_r3_11_own_rooms_that_no_guest_opened_stay_open_to_colleagues(world):
    doctor, guest = world.user(world.hospital), world.user(world.lax)
    inside, outside = (world.user(world.hospital) for _ in range(2))
    space = together(doctor, inside)
    for rule, content in (
        ("restricted", {"allow": [{"type": "m.room_membership", "room_id": space}]}),
        ("knock_restricted", {"allow": [{"type": "m.room_membership", "room_id": space}]}),
        ("knock", {}),
    ):
        rules = {"type": "m.room.join_rules", "state_key": "", "content": {"join_rule": rule, **content}}
        room = together(doctor, guest, initial_state=[rules], name="Station")
        if rule != "knock":
            summary = inside.request("GET", f"/_matrix/client/v1/room_summary/{room}")
            assert summary.json()["name"] == "Station"
            assert inside.join(room).status_code == 200
        if rule != "restricted":
            assert outside.knock(room).status_code == 200
        else:
            assert outside.join(room).status_code == 403


def test_r3_11_public_rooms_of_colleagues_stay_open_to_them(world):
    doctor, nurse = world.user(world.hospital), world.user(world.hospital)
    history = {"type": "m.room.history_visibility", "content": {"history_visibility": "world_readable"}}
    room = doctor.create_room(preset="public_chat", name="Kantine", initial_state=[history])
    event = say(doctor, room, "hello").raise_for_status().json()["event_id"]
    for name, path in views(room, event, 0).items():
        if name not in ("joined_members", "aliases"):
            assert nurse.request("GET", path).status_code == 200, name
    assert nurse.join(room).status_code == 200
    knocking = doctor.create_room(
        creation_content={"m.federate": False}, initial_state=[join_rule("knock")], name="Vorstand"
    )
    assert nurse.request("GET", f"/_matrix/client/v1/room_summary/{knocking}").status_code == 200
    assert nurse.knock(knocking).status_code == 200


def test_r3_11_an_opened_room_is_not_upgraded_into_an_open_one(world):
    doctor, guest = world.user(world.hospital), world.user(world.lax)
    room = opened(world, doctor, guest, "knock", history="")
    upgrade = f"{CLIENT}/rooms/{room}/upgrade"
    before = doctor.joined_rooms()
    assert code(doctor.request("POST", upgrade, {"new_version": "10"})) == (400, "M_INVALID_ROOM_STATE")
    assert doctor.joined_rooms() == before
    # A colleague who may do so decides that it is open, or closes it.
    doctor.put_state(room, "m.room.join_rules", {"join_rule": "knock"})
    assert doctor.put_state(room, "m.room.join_rules", {"join_rule": "invite"}).status_code == 200
    assert doctor.request("POST", upgrade, {"new_version": "10"}).status_code == 200


@pytest.mark.parametrize("which", ["hospital", "insurer"])
def test_r3_11_administrators_and_application_services_add_nobody(world, which):
    server = getattr(world, which)
    member, guest, stranger = world.user(server), world.user(world.lax), world.user(server)
    admin = world.user(server, admin=True)
    room = opened(world, member, guest, "public")
    body = {"user_id": stranger.user_id}
    assert code(admin.request("POST", f"/_synapse/admin/v1/join/{room}", body)) == FORBIDDEN
    if which == "hospital":
        answer = stranger.request("POST", f"{CLIENT}/rooms/{room}/join", {})
        assert code(answer) == FORBIDDEN
        bot = f"?user_id=@past:{server.server_name}"
        service = MatrixUser(f"@past:{server.server_name}", world.past.token, stranger.base_url)
        assert code(service.request("POST", f"{CLIENT}/join/{room}{bot}", {})) == FORBIDDEN
    assert stranger.joined_rooms() == set()


def test_r3_11_an_own_room_that_all_have_left_is_entered_by_invitation(world):
    """It is known here no longer, and joined through the guest's server."""
    doctor, guest, stranger = world.user(world.hospital), world.user(world.lax), world.user(world.hospital)
    room = opened(world, doctor, guest, "public")
    doctor.leave(room).raise_for_status()
    wait_for(lambda: doctor.user_id not in guest.members(room), what="the departure")
    assert code(stranger.join(room, via=[world.lax.server_name])) == FORBIDDEN
    assert stranger.user_id not in guest.members(room)
    assert code(stranger.request("GET", f"{CLIENT}/rooms/{room}/messages?dir=b")) == FORBIDDEN


def test_r3_11_rooms_of_others_are_not_read_from_outside_either(world):
    leo, doctor, stranger = world.user(world.lax), world.user(world.hospital), world.user(world.hospital)
    room = together(leo, doctor, room_version="10", preset="private_chat", name="Befund")
    change(leo, doctor, room, "m.room.history_visibility", {"history_visibility": "world_readable"})
    change(leo, doctor, room, "m.room.join_rules", {"join_rule": "public"})
    leo.send(room, "secret").raise_for_status()
    wait_for(lambda: "secret" in heard(doctor, room), what="the message")
    shows_nothing(world, stranger, room, newest(doctor, room), like=private(doctor))
    assert "Befund" in doctor.request("GET", f"/_matrix/client/v1/room_summary/{room}").text
