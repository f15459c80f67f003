"""Ways into a room, beside the invitee's permission (requirement R3.11, A_26515-01, A_26515, A_25996).

Refused: joins of rooms of other servers without an invitation, or of public ones at all; joins of this
server's rooms, and knocks at them, that a user of another server has opened; users of other servers in public
and in unencrypted rooms, whether they are invited or come by themselves; invitations to public rooms of other
servers, and if so configured to unencrypted ones.
Administrators are judged like other users, so this is not left to ``user_may_join_room``, which they bypass.
Views into rooms from outside: ``views``.
"""

from typing import Literal

from synapse.module_api import NOT_SPAM, EventBase, ModuleApi

from synapse_tim.adapter.answers import Answer, Proceed, enforce, reject
from synapse_tim.adapter.events import StateBefore
from synapse_tim.adapter.federation_requests import FederationRequest
from synapse_tim.adapter.homeserver import Homeserver
from synapse_tim.core.denial import Denial
from synapse_tim.core.matrix import MEMBER
from synapse_tim.core.server_name import of_matrix_id
from synapse_tim.core.text import is_storable
from synapse_tim.rooms import entry_rules
from synapse_tim.rooms.denials import JOIN_WITHOUT_INVITE, REMOTE_USER_IN_PUBLIC_ROOM
from synapse_tim.rooms.views import ENTRY, RoomStates, State, content


class RoomEntry:
    """Watches the ways into rooms in one Synapse process."""

    def __init__(
        self, api: ModuleApi, homeserver: Homeserver, rooms: RoomStates, *, refuses_unencrypted: bool
    ) -> None:
        self._api = api
        self._rooms = rooms
        self._events = homeserver.events
        self._refuses_unencrypted = refuses_unencrypted
        api.register_spam_checker_callbacks(federated_user_may_invite=self.federated_user_may_invite)
        homeserver.events.add_check(self.check_local_event, [MEMBER])
        homeserver.remote_joins.add_check(self.before_remote_join, self.after_remote_join)
        for servlet in ("FederationV1SendJoinServlet", "FederationV2SendJoinServlet"):
            homeserver.federation_requests.guard(servlet, "PUT", self.send_join)

    async def check_local_event(self, event: EventBase, state_before: StateBefore) -> None:
        """Judge joins, knocks and invitations that are made here.

        Also the templates that other servers get for joins and knocks, and the knocks that they deliver.
        ``createRoom`` gets here, too: the creator joins before there is a join rule.
        """
        subject, membership = event.get_state_key(), event.content.get("membership")
        if subject is None or membership not in ("join", "invite", "knock"):
            return
        is_local = self._api.is_mine(subject)
        if is_local and membership == "invite":
            return  # the invitee's permission is judged elsewhere
        state = await state_before([*ENTRY, (MEMBER, subject)])
        room = self._rooms.of(state)
        before = _membership(state, subject)
        if membership == "knock":
            _enforce(entry_rules.check_knock(room))
        elif is_local:
            is_withheld = False
            if before == "invite" or (before != "join" and (room.is_opened or not room.is_own)):
                # What counts is the invitation that was accepted here: a room's state may be made by others,
                # and get here later, or never take effect.
                is_invited = await self._events.is_invited(subject, event.room_id)
                is_withheld = before == "invite" and not is_invited
                before = "invite" if is_invited else None
            _enforce(
                entry_rules.check_local_join(
                    room, before, is_withheld=is_withheld, refuses_unencrypted=self._refuses_unencrypted
                )
            )
        else:
            enforce(
                entry_rules.check_remote_entry(room, "invite" if membership == "invite" else before),
                JOIN_WITHOUT_INVITE,
            )

    async def federated_user_may_invite(self, event: EventBase) -> Literal["NOT_SPAM"]:
        """Refuse an invitation to a public room of another server, or to one that is not encrypted."""
        shown = event.unsigned.get("invite_room_state")
        enforce(entry_rules.check_stripped_state(shown, refuses_unencrypted=self._refuses_unencrypted))
        return NOT_SPAM

    async def before_remote_join(self, user_id: str, room_id: str) -> None:
        """Refuse to join a room through another server without an invitation.

        But one of this server's, if it is known here and not opened by others: its rules may admit users that
        only a user of another server can vouch for.
        """
        room = self._rooms.of(await self._api.get_room_state(room_id, ENTRY))
        if (not room.is_own or room.is_opened) and not await self._events.is_invited(user_id, room_id):
            reject(JOIN_WITHOUT_INVITE)

    async def after_remote_join(self, user_id: str, room_id: str, state: State) -> None:
        """Refuse to store a room that was joined through another server, and is not what it seemed.

        The invitation may have said otherwise, or may be older than this policy; what was known here of one
        of this server's own may be old.
        """
        invited = await self._events.is_invited(user_id, room_id)
        enforce(
            entry_rules.check_local_join(
                self._rooms.of(state),
                "invite" if invited else None,
                refuses_unencrypted=self._refuses_unencrypted,
            ),
            JOIN_WITHOUT_INVITE,
        )

    async def send_join(self, request: FederationRequest, proceed: Proceed) -> Answer:
        """Judge a join that another server delivers without having asked for the template."""
        subject = request.content.get("state_key")
        members = []
        # Nothing of the event is verified yet: the answer must not show whether other servers' users are
        # members.
        if isinstance(subject, str) and is_storable(subject) and of_matrix_id(subject) == request.origin:
            members = [(MEMBER, subject)]
        state = await self._api.get_room_state(request.path["room_id"], [*ENTRY, *members])
        if not state:
            reject(REMOTE_USER_IN_PUBLIC_ROOM)  # none, or one that is hidden: the same answer for both
        enforce(
            entry_rules.check_remote_entry(self._rooms.of(state), _membership(state, str(subject))),
            JOIN_WITHOUT_INVITE,
        )
        return await proceed()


def _membership(state: State, user_id: str) -> object:
    return content(state, MEMBER, user_id).get("membership")


def _enforce(denial: Denial | None) -> None:
    enforce(denial, JOIN_WITHOUT_INVITE)
