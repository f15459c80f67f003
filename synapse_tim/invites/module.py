"""``synapse_tim.InvitePolicy``: who may invite whom (AF_10064-02, AF_10233, A_26021-01, A_25368-01).

The invitee has a say: by a permission configuration (``permission_documents``), or in the legacy generation
by an approval list and the directory (``three_stage_check``).

Every way to invite somebody ends in a membership event that is made here or arrives here, and both are
watched: local requests of any kind, administrators' and delayed ones included; invitations that another
server delivers as such; and those that it slips in among the events or into the state of a room in which
this server takes part, which are judged when they take effect. ``createRoom`` is judged before there is a
room. Server notices are exempt.

Whoever may not invite somebody does not reach them otherwise either: ``device_messages`` and
``stranger_memberships``.

Users read and write their permission configuration as account data: ``permission_routes``.
"""

from __future__ import annotations

import logging
from collections.abc import Mapping
from typing import Any, Literal

from synapse.events import EventBase
from synapse.http.site import SynapseRequest
from synapse.module_api import NOT_SPAM, ModuleApi

from synapse_tim.adapter import metrics, parts
from synapse_tim.adapter.arrivals import ArrivingEvents
from synapse_tim.adapter.config_block import parse_block
from synapse_tim.adapter.decisions import enforce, reject
from synapse_tim.adapter.internals import Answer, FederationRequest, Proceed, StateBefore, SynapseInternals
from synapse_tim.adapter.local_users import LocalUsers
from synapse_tim.adapter.request_body import read_json
from synapse_tim.contacts.leftovers import tell_of_contacts_left
from synapse_tim.contacts.module import ContactManagement
from synapse_tim.contacts.three_stage_check import ThreeStageCheck
from synapse_tim.core.create_room import is_user_id, names_address
from synapse_tim.core.denial import Denial
from synapse_tim.core.matrix import MEMBER, THIRD_PARTY_INVITE
from synapse_tim.directory.module import Directory
from synapse_tim.federation.module import FederationAllowList
from synapse_tim.invites.config import InvitePolicyConfig
from synapse_tim.invites.consent import Consent
from synapse_tim.invites.denials import (
    INVITE_BY_ADDRESS,
    INVITEE_MALFORMED,
    MEMBERSHIP_IN_INITIAL_STATE,
    TOO_MANY_INVITES,
)
from synapse_tim.invites.device_messages import DeviceMessages
from synapse_tim.invites.permission_documents import PermissionDocuments
from synapse_tim.invites.permission_routes import PermissionRoutes
from synapse_tim.invites.rules import Parties
from synapse_tim.invites.stranger_memberships import StrangerMemberships
from synapse_tim.invites.strangers import Strangers

logger = logging.getLogger(__name__)


class InvitePolicy:
    """Judges invitations in one Synapse process.

    Args:
        config: the checked block.
        api: Synapse's module API.

    Raises:
        ConfigError: ``synapse_tim.FederationAllowList`` is not loaded, or for the legacy generation
            ``synapse_tim.Directory`` or ``synapse_tim.ContactManagement``, or this is an unknown Synapse.
    """

    def __init__(self, config: InvitePolicyConfig, api: ModuleApi) -> None:
        internals = SynapseInternals(api)
        internals.assert_lookups()
        internals.assert_joined_rooms()
        self._allow_list = parts.require(api, FederationAllowList, "InvitePolicy")
        self._api = api
        self._internals = internals
        self._product = config.product
        self._one_invitation = not config.spec_version.is_legacy
        self._consent = self._consent_of(config)
        self._allowed = self._consent.denial
        self._server_notices_user = internals.server_notices_user
        api.register_spam_checker_callbacks(
            user_may_invite=self.user_may_invite,
            federated_user_may_invite=self.federated_user_may_invite,
        )
        api.register_third_party_rules_callbacks(
            on_create_room=self.on_create_room,
            check_threepid_can_be_invited=self.check_threepid_can_be_invited,
        )
        internals.check_local_events(self.check_local_event)
        self._arrivals = ArrivingEvents(api)
        internals.guard_federation("FederationThirdPartyInviteExchangeServlet", "PUT", self.exchange)
        strangers = Strangers(api, internals, self._parties, self._consent)
        DeviceMessages(api, internals.device_inbox(), strangers)
        self._memberships = StrangerMemberships(api, internals, strangers, self._denial, self._allowed)
        self._arrivals.judge_memberships(self.refuses_arriving)
        servlet = "room.RoomMembershipRestServlet"
        internals.guard_client_api({(servlet, method): self.check_invitee for method in ("POST", "PUT")})
        parts.register(api, self, config)

    @staticmethod
    def parse_config(config: dict[str, Any]) -> InvitePolicyConfig:
        """Check the block of ``homeserver.yaml``.

        Raises:
            ConfigError: naming the key and what is expected.
        """
        parsed = parse_block(InvitePolicyConfig, config)
        parsed.check()
        return parsed

    def _consent_of(self, config: InvitePolicyConfig) -> Consent:
        """What the generation has for the invitee's say."""
        api, internals = self._api, self._internals
        users = LocalUsers(api, internals)
        if config.spec_version.is_legacy:
            contacts = parts.require(api, ContactManagement, "InvitePolicy")
            directory = parts.require(api, Directory, "InvitePolicy")
            return ThreeStageCheck(api, users, contacts, directory)
        documents = PermissionDocuments(api, users, config.product, config.default)
        PermissionRoutes(internals, documents)
        tell_of_contacts_left(api, internals)
        return documents

    async def on_create_room(self, requester: Any, config: dict[str, Any], is_requester_admin: bool) -> None:
        """Judge the invitations of a room before there is one (A_25368-01); administrators', too.

        Called for ``createRoom`` and for rooms that Synapse and modules make (server notices, rooms that new
        users join); not for upgrades. Whatever passes comes by ``check_local_event`` again.

        Raises:
            SynapseError: 400 ``M_FORBIDDEN`` for more than one (not in the legacy generation), or for other
                ways to name people; as ``check_local_event`` for each.
        """
        inviter = requester.user.to_string()
        if inviter == self._server_notices_user:
            return
        types = [event["type"] for event in config.get("initial_state", [])]
        if MEMBER in types:
            reject(MEMBERSHIP_IN_INITIAL_STATE)
        if THIRD_PARTY_INVITE in types:
            reject(INVITE_BY_ADDRESS)
        invitees = config.get("invite", [])
        if self._one_invitation and len(invitees) > 1:
            reject(TOO_MANY_INVITES)
        for invitee in invitees:
            denial = await self._denial(inviter, invitee)
            if denial is not None:
                reject(denial)

    async def check_invitee(
        self, request: SynapseRequest, proceed: Proceed, path: Mapping[str, str]
    ) -> Answer:
        """Refuse to invite by address, or something that is no user id, which Synapse would trip over.

        Raises:
            SynapseError: 403 ``M_FORBIDDEN``; 400 ``M_BAD_JSON``.
        """
        if path["membership_action"] == "invite":
            await self._internals.user_of(request)
            body = read_json(request)
            if names_address(body):
                reject(INVITE_BY_ADDRESS)
            if "user_id" in body and not is_user_id(body["user_id"]):
                reject(INVITEE_MALFORMED)
        return await proceed()

    async def user_may_invite(self, inviter: str, invitee: str, room_id: str) -> Literal["NOT_SPAM"]:
        """Refuse an invitation of a local user as early as Synapse asks, before its own look-ups.

        Called for invitations by local users who are no administrators, and, after
        ``federated_user_may_invite``, for those that another server delivers, which are not judged twice.

        Not counted if it may be: it comes by ``check_local_event`` next, as those of administrators do,
        about whom Synapse does not ask here.

        Raises:
            SynapseError: 403 ``M_FORBIDDEN``; 503 if it cannot be judged now.
        """
        if self._api.is_mine(inviter) and inviter != self._server_notices_user:
            denial = await self._denial(inviter, invitee)
            if denial is not None:
                reject(denial)
        return NOT_SPAM

    async def check_local_event(self, event: EventBase, state_before: StateBefore) -> None:
        """Judge an invitation that is made here, by whatever request.

        Called for every event that is built here: by requests of clients, administrators, application
        services and modules, delayed events included; when other servers exchange an invitation by address;
        for events of rooms that are created or upgraded; and for the templates of joins, knocks and leaves
        that other servers are given, none of which is an invitation.

        Raises:
            SynapseError: 403 ``M_FORBIDDEN``; 503 if it cannot be judged now.
        """
        if event.type == THIRD_PARTY_INVITE and event.content:
            reject(INVITE_BY_ADDRESS)
        if event.type != MEMBER or event.content.get("membership") != "invite":
            return
        if "third_party_invite" in event.content:
            reject(INVITE_BY_ADDRESS)
        invitee = event.get_state_key()
        if invitee is None or event.sender == self._server_notices_user:
            return
        enforce(await self._denial(event.sender, invitee), self._allowed)

    async def federated_user_may_invite(self, event: EventBase) -> Literal["NOT_SPAM"]:
        """Judge an invitation that another server delivers.

        Called for both versions of ``PUT /invite`` and for nothing else: before anything of the event is
        verified but its signature. What arrives in another way is for ``refuses_arriving``.

        Raises:
            SynapseError: 403 ``M_FORBIDDEN``; 503 if it cannot be judged now.
        """
        if "third_party_invite" in event.content:
            reject(INVITE_BY_ADDRESS)
        enforce(await self._denial(event.sender, event.state_key or ""), self._allowed)
        return NOT_SPAM

    async def refuses_arriving(self, event: EventBase) -> bool:
        """Whether a membership event does to a local user what its sender must not do; never raises.

        Asked whenever a membership takes effect that nobody makes or delivers at the moment: a new one among
        the events of a room, and whatever becomes a local user's membership by the state of a join, of a gap
        or of a room that is resolved anew. Bans and removals are for ``stranger_memberships``.

        An invitation that was delivered as such was judged then, and counts while it is pending. One that was
        answered has had its effect. Invitations of local users are judged like others: they come back after a
        backup was restored or a room was purged.

        An invitation that cannot be judged now is refused, too: put off, it would put off everything after it
        in the room, for everybody there, and whoever means well delivers it. A ban or a removal is not: it
        may be what keeps somebody out.
        """
        invitee = event.get_state_key()
        if invitee is None or not self._api.is_mine(invitee):
            return False
        is_invitation = event.content.get("membership") == "invite"
        try:
            now = await self._arrivals.local_membership(invitee, event.room_id)
            if not is_invitation:
                is_known = now is not None and now.membership in ("join", "invite", "knock")
                return not is_known and await self._memberships.refuses_arriving(event)
            if now is not None and now.event_id == event.event_id:
                return False
            if now is not None and await self._arrivals.is_answered(event, now):
                return True
            by_address = "third_party_invite" in event.content
            denial = INVITE_BY_ADDRESS if by_address else await self._denial(event.sender, invitee)
        except Exception as error:
            logger.error("A membership that arrived could not be judged: %s", type(error).__name__)
            return is_invitation
        if denial is None:
            return False
        metrics.count_denied(denial)
        return True

    async def exchange(self, request: FederationRequest, proceed: Proceed) -> Answer:
        """Refuse to make an invitation of one by address, before the room is looked for (requirement R4.10).

        Raises:
            SynapseError: 403 ``M_FORBIDDEN``.
        """
        reject(INVITE_BY_ADDRESS)

    async def check_threepid_can_be_invited(self, medium: str, address: str, state: object) -> bool:
        """Refuse invitations by e-mail address or telephone number (requirement R4.10).

        Called for ``/invite`` with an address, before an identity server is asked.
        """
        metrics.count_denied(INVITE_BY_ADDRESS)
        return False

    async def _denial(self, inviter: str, invitee: str) -> Denial | None:
        parties = self._parties()
        denial = parties.denies(inviter, invitee)
        if denial is not None:
            self._allow_list.ask_about_users((inviter, invitee))
            return denial
        if not self._api.is_mine(invitee):
            return None  # the invitee's own server knows what the invitee wants
        return await self._consent.refuses(parties, inviter, invitee)

    def _parties(self) -> Parties:
        return Parties(self._allow_list.membership, self._product)
