"""``synapse_tim.FederationAllowList``: federation with members only (AF_10064-02).

Synapse itself refuses every request from and to a server outside its whitelist, for media, too (A_26328).
This module keeps that whitelist in step with the verified list and closes what it leaves open:

- a client that invites a user of an unlisted server, or creates a room with one, is told so with 403 before
  anything exists; one that asks for anything else of such a server gets the same answer (``denied_servers``);
- what a server outside the federation made, relayed by a member, is not shown and changes nothing but who is
  in a room and who may do what there (``relayed``);
- two endpoints that Synapse serves to strangers demand a signature (A_26331);
- joining a room with members of an unlisted server does not leave it incomplete for ever;
- what a server misses while it is not a member is sent when it is one again (``denied_destinations``).
"""

import logging
from collections.abc import Iterable, Mapping
from typing import Any, Final, Literal

from synapse.module_api import NOT_SPAM, EventBase, ModuleApi
from synapse.module_api.errors import Codes

from synapse_tim.adapter import registry
from synapse_tim.adapter.answers import count_allowed, count_denied, reject
from synapse_tim.adapter.config_block import parse_block
from synapse_tim.adapter.homeserver import Homeserver
from synapse_tim.adapter.start_up import check_files
from synapse_tim.core.create_room import CreateRoom
from synapse_tim.core.denial import Denial
from synapse_tim.core.effect import Effect
from synapse_tim.core.server_name import normalise, of_matrix_id
from synapse_tim.directory.config import SharedLogIn
from synapse_tim.federation.assembly import build_list, read_files
from synapse_tim.federation.config import AllowListConfig
from synapse_tim.federation.denials import (
    INVITES_BY_ADDRESS,
    INVITES_MALFORMED,
    NO_USABLE_LIST,
    NOT_A_MEMBER,
    RELAYED_FOR_NON_MEMBER,
)
from synapse_tim.federation.federation_members import FederationMembers
from synapse_tim.federation.list import FederationList
from synapse_tim.federation.relayed import ROOM_FRAME, effect_of_relayed
from synapse_tim.federation.schedule import UnknownDomains

logger = logging.getLogger(__name__)

_JUDGE_MS: Final = 1000


class FederationAllowList:
    """Enforces the federation list in one Synapse process."""

    def __init__(self, config: AllowListConfig, api: ModuleApi) -> None:
        files = read_files(config.federation_list)
        homeserver = Homeserver.of(api)
        federation = homeserver.federation
        allow_list = federation.install_allow_list(self._denied)
        federation.require_signed_requests()
        federation.tell_of_denied_servers(self._why_denied, self._require_one)
        missed = federation.denied_destinations(allow_list.allows)
        homeserver.remote_joins.fetch_complete_state()
        self._own_server_name = api.server_name
        self._unknown = UnknownDomains(config.federation_list.refresh_interval / 1000)
        running = build_list(config, files, api, homeserver, allow_list, on_applied=missed.resume)
        self._in_force, self._driver = running.in_force, running.driver
        api.register_spam_checker_callbacks(user_may_invite=self.user_may_invite)
        homeserver.new_rooms.add_check(self.check_new_room)
        homeserver.received_events.add_check(self.check_received_event)
        homeserver.arrivals.limit_effect(self.effect_of, ROOM_FRAME.__contains__)
        registry.register(api, self, config)
        registry.register(api, SharedLogIn(config.federation_list, running.session))
        check_files(api, homeserver.config)
        self._driver.start()
        api.looping_background_call(
            self._in_force.judge, _JUDGE_MS, desc="synapse_tim_judge", run_on_all_instances=True
        )

    @property
    def members(self) -> FederationMembers:
        """The federation as it is at the moment."""
        return self._in_force.members

    @property
    def known_list(self) -> FederationList | None:
        """The last verified list, also when it is stale."""
        return self._in_force.known_list

    @staticmethod
    def parse_config(config: dict[str, Any]) -> AllowListConfig:
        """Check the block of ``homeserver.yaml``.

        Raises:
            ConfigError: naming the key and what is expected.
        """
        return parse_block(AllowListConfig, config)

    async def user_may_invite(self, inviter: str, invitee: str, room_id: str) -> Literal["NOT_SPAM"]:
        """Refuse an invitation from or to a user of a server that is no member.

        Synapse asks about invitations that local users send and about those that come in: a member may
        deliver one that a user of a former member has signed (requirement R1.15).

        Raises:
            SynapseError: 403 ``M_FORBIDDEN``; 503 if there is no list that may be used.
        """
        self._require_members((of_matrix_id(inviter), of_matrix_id(invitee)))
        return NOT_SPAM

    async def check_new_room(self, creator: str, room: CreateRoom) -> Mapping[str, Any]:
        """Refuse to create a room with a user of a server that is no member; administrators, too.

        The invitations of an upgrade are made one by one.

        Raises:
            SynapseError: 403 ``M_FORBIDDEN``; 503 if there is no list that may be used; 400 if the
                invitations cannot be read.
        """
        if room.servers is None:
            reject(INVITES_MALFORMED)
        if room.invites_by_address:
            reject(INVITES_BY_ADDRESS)
        self._require_members(room.servers)
        return {}

    def ask_about_users(self, user_ids: Iterable[str]) -> None:
        """Find out whether the servers of some users have joined the federation recently (A_25537)."""
        for user_id in user_ids:
            server = of_matrix_id(user_id)
            if server is not None:
                self._ask_about(server)

    async def check_received_event(self, event: EventBase) -> Literal["NOT_SPAM"] | Codes:
        """Hide what a server outside the federation made, whoever delivers it.

        This only keeps the content out of the database and spares users the notification; ``effect_of``
        decides.
        """
        return Codes.FORBIDDEN if self.effect_of(event) is Effect.NONE else NOT_SPAM

    def effect_of(self, event: EventBase) -> Effect:
        """How much of an event that arrives takes effect (AF_10064-02, AF_10062-03).

        Asked about every event of another server that is stored: live, history, state and auth chains.

        Judged by the last verified list, also when it is stale: what is hidden once stays hidden, and a
        message of a member that arrives while the list goes stale must not be lost for ever. Before there is
        a list nothing arrives, but what was accepted before a restart is stored after it.
        """
        sender, known = of_matrix_id(event.sender), self._in_force.known_list
        if known is None or FederationMembers(self._own_server_name, known).check(sender) is None:
            return Effect.FULL
        if sender is not None:
            self._ask_about(sender)
        effect = effect_of_relayed(event.type, is_state=event.is_state())
        if effect is Effect.NONE:
            count_denied(RELAYED_FOR_NON_MEMBER)
        return effect

    def _require_members(self, servers: Iterable[str | None]) -> None:
        for server in servers:
            denial = self._in_force.members.check(server)
            if denial is not None:
                if server is not None:
                    self._ask_about(server)
                reject(denial.about(server))
        count_allowed(NOT_A_MEMBER)

    def _require_one(self, servers: Iterable[str]) -> None:
        """Refuse to ask servers none of which is a member."""
        others = [server for server in servers if server != self._own_server_name]
        if others and all(self._in_force.members.check(server) for server in others):
            self._require_members(others)

    def _why_denied(self, server: str | None) -> Denial:
        """Why Synapse's whitelist denied a server."""
        return (self._in_force.members.check(server) or NO_USABLE_LIST).about(server)

    def _denied(self, server: str) -> None:
        """Count what Synapse's whitelist denied, and find out whether the server has joined recently."""
        count_denied(self._why_denied(server))
        self._ask_about(server)

    def _ask_about(self, server: str) -> None:
        if server == self._own_server_name or normalise(server) != server:
            return
        if self._in_force.members.check(server) and self._unknown.is_new(server):
            self._driver.force()
