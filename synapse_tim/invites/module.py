"""``synapse_tim.InvitePolicy``: who may invite whom (AF_10064-02, AF_10233, A_26021-01, A_25368-01).

The invitee has a say: by a permission configuration (``permission_documents``), or in the legacy generation
by an approval list and the directory, which ``synapse_tim.ContactManagement`` asks.

Every way to invite a user ends in a membership event that is made here or arrives here, and both are
watched: local requests of any kind, administrators' and delayed ones included; invitations that another
server delivers as such; and those that it slips in among the events or into the state of a room in which
this server takes part, which are judged when they take effect: ``arriving_memberships``. ``createRoom`` is
judged before there is a room. Server notices are exempt.

Users who may not invite another user cannot contact them otherwise either: ``device_messages`` and
``stranger_memberships``.

Users read and write their permission configuration as account data: ``permission_routes``.
"""

from collections.abc import Mapping
from typing import Any, Literal, Protocol

from synapse.module_api import NOT_SPAM, EventBase, ModuleApi, SynapseRequest

from synapse_tim.adapter import registry
from synapse_tim.adapter.answers import Answer, Proceed, count_denied, enforce, reject
from synapse_tim.adapter.client_api import read_json
from synapse_tim.adapter.config_block import parse_block
from synapse_tim.adapter.events import StateBefore
from synapse_tim.adapter.federation_requests import FederationRequest
from synapse_tim.adapter.homeserver import Homeserver
from synapse_tim.adapter.users import LocalUsers
from synapse_tim.core.create_room import CreateRoom, is_user_id, names_address
from synapse_tim.core.denial import Denial
from synapse_tim.core.matrix import MEMBER, THIRD_PARTY_INVITE
from synapse_tim.core.server_name import of_matrix_id
from synapse_tim.federation.federation_members import Federation
from synapse_tim.invites.arriving_memberships import ArrivingMemberships
from synapse_tim.invites.config import InvitePolicyConfig
from synapse_tim.invites.default_documents import DefaultDocuments
from synapse_tim.invites.denials import INVITE_BY_ADDRESS, INVITEE_MALFORMED
from synapse_tim.invites.device_messages import DeviceMessages
from synapse_tim.invites.direct_chats import check_third_person
from synapse_tim.invites.leftover_approvals import tell_of_leftover_approvals
from synapse_tim.invites.permission_documents import PermissionDocuments
from synapse_tim.invites.permission_routes import PermissionRoutes
from synapse_tim.invites.rules import Consent, InviteRules, check_new_room
from synapse_tim.invites.stranger_memberships import StrangerMemberships
from synapse_tim.invites.strangers import Strangers


class ConsentProvider(Protocol):
    """The part that knows what local users of the legacy generation want."""

    def consent(self, users: LocalUsers) -> Consent:
        """What says whether a local user wants an invitation.

        Raises:
            ConfigError: a part that it needs is not loaded.
        """


class InvitePolicy:
    """Judges invitations in one Synapse process.

    Raises:
        ConfigError: ``synapse_tim.FederationAllowList`` is not loaded, or for the legacy generation
            ``synapse_tim.Directory`` or ``synapse_tim.ContactManagement``, or this is an unknown Synapse.
    """

    def __init__(self, config: InvitePolicyConfig, api: ModuleApi) -> None:
        homeserver = self._homeserver = Homeserver.of(api)
        self._federation: Federation = registry.require(api, "FederationAllowList", "InvitePolicy")
        self._api = api
        self._client_api = homeserver.client_api
        self._product = config.product
        self._switches = config.invites.switches
        self._into_direct_chats = config.invites.into_direct_chats == "allow"
        self._one_invitation = not config.spec_version.is_legacy
        self._consent = self._consent_of(config)
        self._allowed = self._consent.denial
        self._server_notices_user = homeserver.config.server_notices_user
        api.register_spam_checker_callbacks(
            user_may_invite=self.user_may_invite, federated_user_may_invite=self.federated_user_may_invite
        )
        api.register_third_party_rules_callbacks(
            check_threepid_can_be_invited=self.check_threepid_can_be_invited
        )
        homeserver.new_rooms.add_check(self.check_new_room)
        homeserver.events.add_check(self.check_local_event, [MEMBER, THIRD_PARTY_INVITE])
        homeserver.federation_requests.guard(
            "FederationThirdPartyInviteExchangeServlet", "PUT", self.exchange
        )
        strangers = Strangers(api, homeserver.rooms, self._rules, self._consent)
        DeviceMessages(api, homeserver.device_inbox, strangers)
        memberships = StrangerMemberships(api, homeserver, strangers, self._check, self._allowed)
        ArrivingMemberships(api, homeserver.arrivals, self._check, memberships)
        servlet = "room.RoomMembershipRestServlet"
        self._client_api.guard({(servlet, method): self.check_invitee for method in ("POST", "PUT")})
        registry.register(api, self, config)

    @staticmethod
    def parse_config(config: dict[str, Any]) -> InvitePolicyConfig:
        """Check the block of ``homeserver.yaml``; the ``ConfigError`` names the key and what is expected."""
        return parse_block(InvitePolicyConfig, config)

    def _consent_of(self, config: InvitePolicyConfig) -> Consent:
        """What the generation has for the invitee's say."""
        api, users = self._api, self._homeserver.local_users
        if config.spec_version.is_legacy:
            contacts: ConsentProvider = registry.require(api, "ContactManagement", "InvitePolicy")
            return contacts.consent(users)
        documents = PermissionDocuments(api, users, config.product, config.default)
        PermissionRoutes(self._homeserver, documents)
        if config.permissions.store_default:
            DefaultDocuments(api, documents)
        tell_of_leftover_approvals(api, postgresql=self._homeserver.config.uses_postgresql)
        return documents

    async def check_new_room(self, creator: str, room: CreateRoom) -> Mapping[str, Any]:
        """Judge the invitations of a room before there is one (A_25368-01); administrators', too.

        What passes gets to ``check_local_event`` later.

        Raises:
            SynapseError: 400 ``M_FORBIDDEN`` for more than one (not in the legacy generation), or for other
                ways to name people; as ``check_local_event`` for each.
        """
        if creator != self._server_notices_user:
            enforce(
                check_new_room(
                    room, one_invitation=self._one_invitation, into_direct_chats=self._into_direct_chats
                )
            )
            for invitee in room.invite:
                enforce(await self._check(creator, invitee))
        return {}

    async def check_invitee(
        self, request: SynapseRequest, proceed: Proceed, path: Mapping[str, str]
    ) -> Answer:
        """Refuse to invite by address, or something that is no user id, which Synapse would trip over.

        Raises:
            SynapseError: 403 ``M_FORBIDDEN``; 400 ``M_BAD_JSON``.
        """
        if path["membership_action"] == "invite":
            await self._client_api.user_of(request)
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

        Not counted if it may be: it comes by ``check_local_event`` next, as those of administrators do:
        Synapse does not call this for them.
        """
        if self._api.is_mine(inviter) and inviter != self._server_notices_user:
            enforce(await self._check(inviter, invitee))
        return NOT_SPAM

    async def check_local_event(self, event: EventBase, state_before: StateBefore) -> None:
        """Judge an invitation that is made here, by any request.

        Called for every event that is built here: by requests of clients, administrators, application
        services and modules, delayed events included; when other servers exchange an invitation by address;
        for events of rooms that are created or upgraded; and for the templates of joins, knocks and leaves
        that other servers are given, none of which is an invitation.
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
        if not self._into_direct_chats and self._api.is_mine(event.sender):
            enforce(await check_third_person(self._api, event.room_id, invitee))
        enforce(await self._check(event.sender, invitee), self._allowed)

    async def federated_user_may_invite(self, event: EventBase) -> Literal["NOT_SPAM"]:
        """Judge an invitation that another server delivers.

        Called for both versions of ``PUT /invite`` and for nothing else: before anything of the event is
        verified but its signature. What arrives in another way is for ``arriving_memberships``.
        """
        if "third_party_invite" in event.content:
            reject(INVITE_BY_ADDRESS)
        enforce(await self._check(event.sender, event.state_key or ""), self._allowed)
        return NOT_SPAM

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
        count_denied(INVITE_BY_ADDRESS)
        return False

    async def _check(self, inviter: str, invitee: str) -> Denial | None:
        denial = await self._judge(inviter, invitee)
        other = of_matrix_id(invitee if self._api.is_mine(inviter) else inviter)
        return None if denial is None else denial.about(other)

    async def _judge(self, inviter: str, invitee: str) -> Denial | None:
        rules = self._rules()
        denial = rules.check(inviter, invitee)
        if denial is not None:
            self._federation.ask_about_users((inviter, invitee))
            return denial
        if not self._api.is_mine(invitee):
            return None  # the invitee's own server knows what the invitee wants
        return await self._consent.check(inviter, invitee, inviter_is_insured=rules.is_insured(inviter))

    def _rules(self) -> InviteRules:
        return InviteRules(self._federation.members, self._product, self._switches)
