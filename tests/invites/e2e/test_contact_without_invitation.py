"""A_26021-01, AF_10233: messages to devices are no way to write to somebody whom one may not invite.

Beside each refusal the nearest thing that goes on: keys, verification, calls.
"""

import secrets
import time

import pytest

from synapse_tim.adapter.shape import installed_synapse
from synapse_tim.testing import MatrixUser, wait_for
from tests.support.pdus import now_ms
from tests.support.world import (
    CLIENT,
    EPA,
    PRIVATE,
    allow,
    block,
    code,
    decisions,
    invited,
    together,
)

pytestmark = pytest.mark.servers

FORBIDDEN = (403, "M_FORBIDDEN")
KEY = "m.room.encrypted"
REQUEST = "m.key.verification.request"


def put_message(sender, messages, kind=REQUEST):
    """Send messages to devices: texts by user id, for all devices of each."""
    body = {"messages": {user: {"*": {"text": text}} for user, text in messages.items()}}
    path = f"{CLIENT}/sendToDevice/{kind}/{secrets.token_hex(8)}"
    return sender.request("PUT", path, body)


def write(sender, *recipients, kind=REQUEST):
    """Send the same to several users at once, which is always answered alike; returns the text."""
    text = secrets.token_hex(8)
    answer = put_message(sender, {user.user_id: text for user in recipients}, kind)
    assert (answer.status_code, answer.json()) == (200, {})
    return text


class Inbox:
    """What arrives at the device of a user from now on."""

    def __init__(self, user):
        self._user = user
        self.texts = []
        self.look()

    def look(self):
        events = self._user.sync().get("to_device", {}).get("events", [])
        self.texts += [event["content"].get("text") for event in events]
        return self.texts

    def gets(self, text):
        wait_for(lambda: text in self.look(), what="the message")

    def gets_not(self, text, later):
        """Whatever comes later is there, and this is not."""
        self.gets(later)
        assert text not in self.texts


def edu(sender, kind, *recipients):
    """A message to devices as another server delivers it, and its text."""
    text = secrets.token_hex(8)
    content = {
        "sender": sender.user_id,
        "type": kind,
        "message_id": secrets.token_hex(8),
        "messages": {user.user_id: {"*": {"text": text}} for user in recipients},
    }
    return {"edu_type": "m.direct_to_device", "content": content}, text


def deliver(server, to, *edus):
    body = {"origin": server.server_name, "origin_server_ts": now_ms(), "pdus": [], "edus": list(edus)}
    path = f"/_matrix/federation/v1/send/{secrets.token_hex(8)}"
    for _ in range(100):
        answer = server.federation_request("PUT", path, to=to, content=body)
        if answer.status_code != 429:  # a transaction that the server makes itself is being handled
            break
        time.sleep(0.1)
    return answer


def arrives(server, to, sender, *recipients, kind=REQUEST):
    """Have another server deliver a message; returns its text."""
    message, text = edu(sender, kind, *recipients)
    deliver(server, to, message).raise_for_status()
    return text


def test_af_10233_insured_persons_of_one_server_send_no_messages_to_devices(world):
    anna, berta = world.user(world.insurer), world.user(world.insurer)
    doctor = world.user(world.hospital)
    inbox = Inbox(berta)
    before = decisions(world.insurer, "contact", "A_26021-01", "denied")
    texts = [write(anna, berta, kind=kind) for kind in (REQUEST, KEY, "m.room_key_request", "de.example")]
    assert decisions(world.insurer, "contact", "A_26021-01", "denied") == before + 4
    later = write(doctor, berta)
    for text in texts:
        inbox.gets_not(text, later)


def test_af_10233_insured_persons_in_a_room_of_a_professional_exchange_keys(world):
    doctor = world.user(world.hospital)
    anna, berta, fred = world.user(world.insurer), world.user(world.insurer), world.user(world.fund)
    room = together(doctor, anna, berta, fred)
    wait_for(lambda: len(anna.members(room)) == 4 == len(fred.members(room)))
    for sender, recipient in ((anna, berta), (berta, anna), (anna, fred), (fred, berta), (doctor, anna)):
        inbox = Inbox(recipient)
        inbox.gets(write(sender, recipient, kind=KEY))
    # And no longer than that.
    inbox = Inbox(berta)
    anna.leave(room).raise_for_status()
    text = write(anna, berta, kind=KEY)
    inbox.gets_not(text, write(doctor, berta))


def test_af_10233_insured_persons_of_two_servers_send_no_messages_to_devices(world):
    anna, fred, doctor = world.user(world.insurer), world.user(world.fund), world.user(world.hospital)
    for sender, recipient in ((anna, fred), (fred, anna)):
        inbox = Inbox(recipient)
        text = write(sender, recipient)
        inbox.gets_not(text, write(doctor, recipient))


def test_af_10233_another_insurer_that_lets_messages_pass_does_not_get_them_delivered(world):
    anna, fred, doctor = world.user(world.insurer), world.user(world.fund), world.user(world.hospital)
    inbox = Inbox(anna)
    text = arrives(world.fund, world.insurer, fred, anna)
    inbox.gets_not(text, write(doctor, anna))


def test_a_26021_01_whoever_is_blocked_sends_no_messages_to_devices(world):
    leo, doctor = world.user(world.lax), world.user(world.hospital)
    colleague, nurse = world.user(world.hospital), world.user(world.practice)
    inbox = Inbox(doctor)
    block(doctor, userExceptions={nurse.user_id: {}})
    refused = [write(sender, doctor) for sender in (leo, colleague)]
    refused.append(arrives(world.lax, world.hospital, leo, doctor, kind=KEY))
    later = write(nurse, doctor)
    for text in refused:
        inbox.gets_not(text, later)
    block(doctor, userExceptions={leo.user_id: {}}, serverExceptions={doctor.server_name: {}})
    for sender in (leo, colleague):
        inbox.gets(write(sender, doctor))
    block(doctor)
    text = write(colleague, doctor)
    allow(doctor)
    inbox.gets_not(text, write(colleague, doctor))


def test_a_26021_01_colleagues_need_no_room_for_messages_to_devices(world):
    doctor, colleague = world.user(world.hospital), world.user(world.hospital)
    nurse = world.user(world.practice)
    inbox = Inbox(doctor)
    for sender in (colleague, nurse):
        inbox.gets(write(sender, doctor))


def test_a_26021_01_one_request_to_several_users_reaches_those_who_may_be_reached(world):
    doctor, friend, stranger = (world.user(world.hospital) for _ in range(3))
    nurse, leo = world.user(world.practice), world.user(world.lax)
    block(stranger)
    block(nurse)
    reached, unreached, far = Inbox(friend), Inbox(stranger), Inbox(leo)
    text = write(doctor, stranger, friend, nurse, leo)
    reached.gets(text)
    far.gets(text)
    allow(stranger)
    unreached.gets_not(text, write(doctor, stranger))


def test_a_26021_01_members_and_invitees_of_a_room_exchange_keys(world):
    host, guest = world.user(world.hospital), world.user(world.hospital)
    other = world.user(world.practice)
    room = host.create_room()
    for invitee in (guest, other):
        host.invite(room, invitee.user_id).raise_for_status()
        invited(invitee, room)
    for user in (host, guest, other):
        block(user)
    # From the invitation on, also between two who are both invited, in rooms that are here.
    for sender, recipient in ((host, guest), (guest, host), (host, other), (other, host), (other, guest)):
        inbox = Inbox(recipient)
        inbox.gets(write(sender, recipient, kind=KEY))
    guest.join(room).raise_for_status()
    other.join(room, via=[host.server_name]).raise_for_status()
    wait_for(lambda: len(guest.members(room)) == 3 == len(other.members(room)))
    for sender, recipient in ((host, guest), (other, guest), (guest, other)):
        inbox = Inbox(recipient)
        inbox.gets(write(sender, recipient))


def test_a_26021_01_an_invitation_that_is_declined_or_withdrawn_connects_no_longer(world):
    host = world.user(world.hospital)
    for ends in ("declined", "withdrawn"):
        guest = world.user(world.hospital)
        inbox = Inbox(guest)
        room = host.create_room(invite=[guest.user_id])
        block(guest)
        inbox.gets(write(host, guest))
        if ends == "declined":
            guest.leave(room).raise_for_status()
        else:
            body = {"user_id": guest.user_id, "reason": "a mistake"}
            host.request("POST", f"{CLIENT}/rooms/{room}/kick", body).raise_for_status()
        text = write(host, guest)
        allow(guest)
        inbox.gets_not(text, write(host, guest))


def test_a_26021_01_verification_in_a_room_of_two_goes_on_when_one_of_them_blocks_all(world):
    doctor, insured = world.user(world.hospital), world.user(world.insurer)
    together(doctor, insured, is_direct=True)
    block(doctor)
    block(insured, EPA)
    kinds = [f"m.key.verification.{step}" for step in ("request", "ready", "start", "accept", "key", "mac")]
    inboxes = [(insured, Inbox(doctor), doctor), (doctor, Inbox(insured), insured)]
    for sender, inbox, recipient in inboxes:
        for kind in [*kinds, "m.room_key_request", "m.room_key.withheld", "m.call.encryption_keys"]:
            inbox.gets(write(sender, recipient, kind=kind))


def test_a_26021_01_a_key_right_after_joining_arrives(world):
    """The pair was refused a moment before, in every process that looked."""
    host, guest, late = (world.user(world.hospital) for _ in range(3))
    room = together(host, guest)
    block(guest)
    block(late)
    inbox = Inbox(late)
    for _ in range(5):
        write(guest, late, kind=KEY)
        host_allowed = {"userExceptions": {host.user_id: {}}}
        block(late, **host_allowed)
        host.invite(room, late.user_id).raise_for_status()
        inbox.gets(write(guest, late, kind=KEY))
        late.join(room).raise_for_status()
        inbox.gets(write(guest, late, kind=KEY))
        late.leave(room).raise_for_status()


def test_a_26021_01_a_key_that_overtakes_the_event_that_lets_its_sender_in_arrives_later(world):
    """Servers handle the events and the messages of a transaction at the same time."""
    leo, lea = world.user(world.lax), world.user(world.lax)
    doctor = world.user(world.hospital)
    room = together(leo, doctor, **PRIVATE)
    block(doctor)
    inbox = Inbox(doctor)
    first = arrives(world.lax, world.hospital, lea, doctor, kind=KEY)
    second = arrives(world.lax, world.hospital, lea, doctor, kind=KEY)
    leo.invite(room, lea.user_id).raise_for_status()
    lea.join(room).raise_for_status()
    wait_for(lambda: lea.user_id in doctor.members(room))
    third = arrives(world.lax, world.hospital, lea, doctor, kind=KEY)
    inbox.gets(third)
    inbox.gets(first)
    # In order, and once.
    assert [text for text in inbox.texts if text in (first, second, third)] == [first, second, third]
    inbox.gets(arrives(world.lax, world.hospital, lea, doctor))
    assert inbox.texts.count(first) == 1


def test_a_26021_01_a_key_that_comes_too_early_is_delivered_without_another_one(world):
    leo, lea = world.user(world.lax), world.user(world.lax)
    doctor = world.user(world.hospital)
    room = together(leo, doctor, **PRIVATE)
    block(doctor)
    inbox = Inbox(doctor)
    text = arrives(world.lax, world.hospital, lea, doctor, kind=KEY)
    leo.invite(room, lea.user_id).raise_for_status()
    wait_for(lambda: lea.user_id in doctor.members(room, "invite"))
    inbox.gets(text)


def test_a_26021_01_members_of_a_room_that_is_elsewhere_send_keys_to_whom_is_invited(world):
    leo, doctor = world.user(world.lax), world.user(world.hospital)
    member, stranger = world.user(world.lax), world.user(world.hospital)
    room = leo.create_room(**PRIVATE, invite=[doctor.user_id])
    invited(doctor, room)
    block(doctor)
    inbox = Inbox(doctor)
    plain = write(member, doctor)
    own = write(stranger, doctor, kind=KEY)
    inbox.gets(write(leo, doctor))
    inbox.gets(write(member, doctor, kind=KEY))
    assert {plain, own}.isdisjoint(inbox.look())
    doctor.leave(room).raise_for_status()
    text = write(member, doctor, kind=KEY)
    block(doctor, userExceptions={leo.user_id: {}})
    inbox.gets_not(text, write(leo, doctor))


def test_a_26021_01_ones_own_devices_are_reached(world):
    for server, kind in ((world.hospital, "m.secret.request"), (world.insurer, "m.room_key_request")):
        user = world.user(server)
        block(user, EPA if server is world.insurer else "de.gematik.tim.account.permissionconfig.pro.v1")
        inbox = Inbox(user)
        inbox.gets(write(user, user, kind=kind))
        text = secrets.token_hex(8)
        body = {"messages": {user.user_id: {user.device_id: {"text": text}}}}
        path = f"{CLIENT}/sendToDevice/{kind}/{secrets.token_hex(8)}"
        user.request("PUT", path, body).raise_for_status()
        inbox.gets(text)


def test_a_26021_01_administrators_and_application_services_are_judged_like_everybody(world):
    admin = world.user(world.hospital, admin=True)
    doctor, colleague = world.user(world.hospital), world.user(world.hospital)
    block(doctor)
    service = MatrixUser(colleague.user_id, world.past.token, colleague.base_url)
    inbox = Inbox(doctor)

    def by_service():
        text = secrets.token_hex(8)
        body = {"messages": {doctor.user_id: {"*": {"text": text}}}}
        path = f"{CLIENT}/sendToDevice/{KEY}/{secrets.token_hex(8)}"
        params = {"user_id": colleague.user_id}
        answer = service.request("PUT", path, body, params=params)
        assert (answer.status_code, answer.json()) == (200, {})
        return text

    refused = [write(admin, doctor), by_service()]
    block(doctor, serverExceptions={doctor.server_name: {}})
    allowed = [write(admin, doctor), by_service()]
    for text in allowed:
        inbox.gets(text)
    assert set(refused).isdisjoint(inbox.texts)


def test_a_26021_01_the_answer_does_not_tell_who_is_reached(world):
    doctor, friend, stranger = (world.user(world.hospital) for _ in range(3))
    block(stranger)
    too_long = "x" * 70_000
    answers = [
        [code(put_message(doctor, {user: text}, kind)) for text in ("x", too_long)]
        for kind in (REQUEST, KEY)
        for user in (friend.user_id, stranger.user_id, f"@nobody:{doctor.server_name}")
    ]
    assert all(answer == answers[0] for answer in answers)
    limited = installed_synapse() >= (1, 155)
    assert [status for status, _ in answers[0]] == [200, 413 if limited else 200]
    path = f"{CLIENT}/sendToDevice/{KEY}/{secrets.token_hex(8)}"
    for user in ("nobody", "@nul\\u0000:HERE", "@half\\ud800:HERE", "@nul\\u0000:example.org", "@:HERE"):
        user = user.replace("HERE", doctor.server_name)
        content = '{"messages": {"USER": {"*": {"text": "x"}}}}'.replace("USER", user)
        answer = doctor.request("PUT", f"{path}{len(user)}", content=content.encode())
        assert answer.status_code < 500, (user, answer.text)


def test_a_26021_01_messages_that_cannot_be_read_are_answered_as_before(world):
    leo, doctor = world.user(world.lax), world.user(world.hospital)
    block(doctor)
    inbox = Inbox(doctor)
    message, text = edu(leo, KEY, doctor)
    message["content"]["sender"] = "@nul\0:" + world.lax.server_name
    deliver(world.lax, world.hospital, message)
    spoofed, other = edu(doctor, KEY, doctor)
    deliver(world.lax, world.hospital, spoofed)
    inbox.gets(write(doctor, doctor))
    assert {text, other}.isdisjoint(inbox.texts)
