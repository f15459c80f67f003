"""AF_10061-01, A_26021-01: invitations that other servers slip in; what is refused stays so."""

from unittest.mock import AsyncMock, Mock

import pytest
from synapse.events import EventBase

from synapse_tim.adapter.arriving_events import ArrivingEvents, LocalMembership
from synapse_tim.invites import arriving_memberships
from synapse_tim.invites.arriving_memberships import ArrivingMemberships
from synapse_tim.invites.denials import APPROVAL_UNAVAILABLE, INVITEE_NOT_APPROVED, INVITEE_REFUSES
from synapse_tim.invites.stranger_memberships import StrangerMemberships

ROOM = "!room:other.example"


def membership(event_id, kind="invite", target="@a:own.example", **content):
    event = Mock(spec=EventBase, event_id=event_id, room_id=ROOM, sender="@b:other.example")
    event.content, event.get_state_key = {"membership": kind, **content}, lambda: target
    return event


@pytest.fixture
def arrivals():
    return Mock(
        spec=ArrivingEvents,
        local_membership=AsyncMock(return_value=None),
        is_answered=AsyncMock(return_value=False),
    )


@pytest.fixture
def invitation():
    return AsyncMock(return_value=None)


@pytest.fixture
def strangers():
    return Mock(spec=StrangerMemberships, check_arriving=AsyncMock(return_value=INVITEE_REFUSES))


@pytest.fixture
def refuses(arrivals, invitation, strangers, run):
    api = Mock(is_mine=lambda user_id: user_id.endswith(":own.example"))
    memberships = ArrivingMemberships(api, arrivals, invitation, strangers)
    arrivals.judge_memberships.assert_called_once_with(memberships.refuses)
    return lambda event: run(memberships.refuses(event))


@pytest.mark.parametrize("denial", [INVITEE_NOT_APPROVED, APPROVAL_UNAVAILABLE, INVITEE_REFUSES])
def test_a_refused_invitation_stays_refused_and_is_judged_once(invitation, refuses, denial):
    invitation.return_value = denial
    assert refuses(membership("$refused"))
    invitation.return_value = None
    for _ in range(3):
        assert refuses(membership("$refused"))
    invitation.assert_awaited_once_with("@b:other.example", "@a:own.example")
    assert not refuses(membership("$another")), "who means well invites again"


def test_an_invitation_that_was_let_through_is_judged_whenever_it_takes_effect(invitation, refuses):
    assert not refuses(membership("$invite"))
    invitation.return_value = INVITEE_REFUSES
    assert refuses(membership("$invite"))


def test_a_refused_invitation_counts_once_it_was_delivered(arrivals, invitation, refuses):
    invitation.return_value = INVITEE_REFUSES
    assert refuses(membership("$invite"))
    arrivals.local_membership.return_value = LocalMembership("invite", "$invite")
    assert not refuses(membership("$invite"))


def test_only_so_many_refused_invitations_are_remembered(invitation, refuses, monkeypatch):
    monkeypatch.setattr(arriving_memberships, "MAX_REFUSED", 2)
    invitation.return_value = INVITEE_REFUSES
    for event_id in ("$1", "$2", "$3"):
        assert refuses(membership(event_id))
    invitation.return_value = None
    assert not refuses(membership("$1")), "the oldest is forgotten"
    assert refuses(membership("$2")) and refuses(membership("$3"))


def test_an_invitation_that_was_answered_has_had_its_effect(arrivals, invitation, refuses):
    arrivals.local_membership.return_value = LocalMembership("leave", "$left")
    arrivals.is_answered.return_value = True
    assert refuses(membership("$invite"))
    invitation.assert_not_awaited()


def test_an_invitation_by_address_needs_no_judgement(invitation, refuses):
    assert refuses(membership("$invite", third_party_invite={}))
    invitation.assert_not_awaited()


@pytest.mark.parametrize(("kind", "refused"), [("invite", True), ("ban", False), ("leave", False)])
def test_what_cannot_be_judged_now(arrivals, invitation, refuses, kind, refused):
    arrivals.local_membership.side_effect = RuntimeError("gone")
    assert refuses(membership("$event", kind)) is refused
    arrivals.local_membership.side_effect = None
    assert not refuses(membership("$event")), "nobody has refused it"


@pytest.mark.parametrize(
    ("now", "asked"), [(None, True), ("leave", True), ("join", False), ("invite", False), ("knock", False)]
)
def test_bans_and_removals_are_judged_of_those_who_are_not_in_the_room(
    arrivals, strangers, refuses, now, asked
):
    arrivals.local_membership.return_value = None if now is None else LocalMembership(now, "$now")
    assert refuses(membership("$ban", "ban")) is asked
    assert bool(strangers.check_arriving.await_count) is asked


@pytest.mark.parametrize("target", ["@a:other.example", None])
def test_users_of_other_servers_are_their_own_servers_concern(invitation, refuses, target):
    assert not refuses(membership("$invite", target=target))
    invitation.assert_not_awaited()
