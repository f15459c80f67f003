"""``synapse_tim.ClientApiPolicy``: what clients are told, and what they learn of whom.

Most of it is Synapse's configuration, which is checked at start-up (``rules.homeserver_options``). Guarded
are: the versions of the Matrix specification (A_25641-01); registration (requirement R4.3); display names
(R4.15); e-mail addresses and telephone numbers (R4.10); the user directory, which shows colleagues and those
one knows (for insured persons: only those, A_26375); profiles of insured persons for other servers
(A_26290); and, if the operator wants it, keys of strangers.
"""

from __future__ import annotations

import logging
from collections.abc import Awaitable, Mapping
from typing import Any, Final, TypeVar

from synapse.http.site import SynapseRequest
from synapse.module_api import ModuleApi
from synapse.module_api.errors import SynapseError

from synapse_tim.modules import parts
from synapse_tim.modules.config import parse_block
from synapse_tim.modules.decisions import refuse
from synapse_tim.modules.options import check_options
from synapse_tim.modules.policy_config import ClientApiPolicyConfig
from synapse_tim.modules.request_body import read_json, replace_json
from synapse_tim.modules.shared_rooms import SharedRooms
from synapse_tim.modules.synapse_internals import (
    Answer,
    ClientGuard,
    FederationRequest,
    Proceed,
    SynapseInternals,
)
from synapse_tim.rules import client_api
from synapse_tim.rules.denials import (
    DISPLAY_NAME,
    LOOKUP_UNAVAILABLE,
    PROFILE_HIDDEN,
    REGISTRATION,
    SEARCH_MALFORMED,
    THIRD_PARTY_ID,
)

logger = logging.getLogger(__name__)
_T = TypeVar("_T")
_PROFILE_FIELD: Final = "profile.ProfileFieldRestServlet"

#: Whatever adds, binds or removes an e-mail address or telephone number, or sends something to one.
_THIRD_PARTY_IDS: Final = (
    ("account.ThreepidRestServlet", "POST"),
    ("account.ThreepidBindRestServlet", "POST"),
    ("account.ThreepidUnbindRestServlet", "POST"),
)
#: The same, of endpoints that Synapse leaves to an authentication service if it has one.
_THIRD_PARTY_IDS_OF_ACCOUNTS: Final = (
    ("account.ThreepidAddRestServlet", "POST"),
    ("account.ThreepidDeleteRestServlet", "POST"),
    ("account.EmailThreepidRequestTokenRestServlet", "POST"),
    ("account.MsisdnThreepidRequestTokenRestServlet", "POST"),
    ("account.EmailPasswordRequestTokenRestServlet", "POST"),
    ("register.EmailRegisterRequestTokenRestServlet", "POST"),
    ("register.MsisdnRegisterRequestTokenRestServlet", "POST"),
)


class ClientApiPolicy:
    """Guards the client API in one Synapse process.

    Args:
        config: the checked block.
        api: Synapse's module API.

    Raises:
        ConfigError: the homeserver is not configured for it, or is an unknown Synapse.
    """

    def __init__(self, config: ClientApiPolicyConfig, api: ModuleApi) -> None:
        internals = SynapseInternals(api)
        check_options(internals, "client_api", config.product)
        self._api = api
        self._internals = internals
        self._config = config.client_api
        self._insured_persons = config.insured_persons
        self._newest_version = client_api.newest_version(config.spec_version)
        self._shared = SharedRooms(api)
        # With MSC4133 the unstable servlet takes over the stable one's paths.
        unstable = internals.option("experimental", "msc4133_enabled")
        internals.guard_client_api(self._guards(internals), [_PROFILE_FIELD] if unstable else [])
        if config.insured_persons:
            internals.guard_federation("FederationQueryServlet", "GET", self.federation_query)
        parts.register(api, self, config)

    @staticmethod
    def parse_config(config: dict[str, Any]) -> ClientApiPolicyConfig:
        """Check the block of ``homeserver.yaml``.

        Raises:
            ConfigError: naming the key and what is expected.
        """
        return parse_block(ClientApiPolicyConfig, config)

    def _guards(self, internals: SynapseInternals) -> dict[tuple[str, str], ClientGuard]:
        guards: dict[tuple[str, str], ClientGuard] = {
            ("versions.VersionsRestServlet", "GET"): self.versions,
            ("user_directory.UserDirectorySearchRestServlet", "POST"): self.search,
            (_PROFILE_FIELD, "PUT"): self.change_profile,
            (_PROFILE_FIELD, "DELETE"): self.change_profile,
            **dict.fromkeys(_THIRD_PARTY_IDS, self.third_party_ids),
        }
        if not internals.option("mas", "enabled"):
            guards["register.RegisterRestServlet", "POST"] = self.register
            guards.update(dict.fromkeys(_THIRD_PARTY_IDS_OF_ACCOUNTS, self.third_party_ids))
        if internals.option("experimental", "msc4133_enabled"):
            guards["profile.UnstableProfileFieldRestServlet", "PUT"] = self.change_profile
            guards["profile.UnstableProfileFieldRestServlet", "DELETE"] = self.change_profile
        if self._config.hide_keys_of_strangers:
            guards["keys.KeyQueryServlet", "POST"] = self.query_keys
        return guards

    async def versions(self, request: SynapseRequest, proceed: Proceed, path: Mapping[str, str]) -> Answer:
        """Name no version after that of the generation, and the unstable features that the operator wants.

        See A_25641-01.
        """
        status, body = await proceed()
        wanted = self._config.unstable_features
        return status, client_api.versions(body, wanted, self._newest_version)

    async def third_party_ids(
        self, request: SynapseRequest, proceed: Proceed, path: Mapping[str, str]
    ) -> Answer:
        """Refuse e-mail addresses, telephone numbers and identity servers.

        Raises:
            SynapseError: 403 ``M_FORBIDDEN``.
        """
        refuse(THIRD_PARTY_ID)

    async def register(self, request: SynapseRequest, proceed: Proceed, path: Mapping[str, str]) -> Answer:
        """Say plainly that nobody registers; application services still do.

        Raises:
            SynapseError: 403 ``M_FORBIDDEN``.
        """
        try:
            return await proceed()
        except SynapseError as error:
            if error.code == 403:
                refuse(REGISTRATION)
            raise

    async def change_profile(
        self, request: SynapseRequest, proceed: Proceed, path: Mapping[str, str]
    ) -> Answer:
        """Refuse to change one's display name, the first one and taking it away included.

        Raises:
            SynapseError: 403 ``M_FORBIDDEN``.
        """
        if path["field_name"] == "displayname":
            user_id = await self._internals.user_of(request)
            if not await self._api.is_user_admin(user_id):
                refuse(DISPLAY_NAME)
        return await proceed()

    async def search(self, request: SynapseRequest, proceed: Proceed, path: Mapping[str, str]) -> Answer:
        """Show colleagues, and others only if they share a room; insured persons have no colleagues.

        Raises:
            SynapseError: 400 if the search cannot be read; 503 if it cannot be looked up who shares a room.
        """
        own = await self._internals.user_of(request)
        wanted = read_json(request)
        if type(wanted.get("search_term")) is not str or type(wanted.get("limit", 0)) is not int:
            refuse(SEARCH_MALFORMED)
        status, body = await proceed()
        hits = [hit["user_id"] for hit in body.get("results", [])]
        unsure = [user for user in hits if self._insured_persons or not self._api.is_mine(user)]
        shown = {own, *hits} - set(unsure) | await _looked_up(self._shared.joined_with(own, unsure))
        results = [hit for hit in body.get("results", []) if hit["user_id"] in shown]
        return status, {**body, "results": results}

    async def query_keys(self, request: SynapseRequest, proceed: Proceed, path: Mapping[str, str]) -> Answer:
        """Ask only for keys of users whom the caller knows from a room; of others there is nothing.

        Raises:
            SynapseError: 503 if it cannot be looked up who shares a room.
        """
        own = await self._internals.user_of(request, allow_guest=True)
        body = read_json(request)
        asked = body.get("device_keys")
        if isinstance(asked, Mapping):
            known = {own} | await _looked_up(self._shared.known_to(own, asked.keys()))
            wanted = {user: devices for user, devices in asked.items() if user in known}
            replace_json(request, {**body, "device_keys": wanted})
        return await proceed()

    async def federation_query(self, request: FederationRequest, proceed: Proceed) -> Answer:
        """Tell other servers about profiles of insured persons only with a room in common (A_26290).

        Raises:
            SynapseError: 403 ``M_FORBIDDEN``; 503 if it cannot be looked up who shares a room.
        """
        if request.path.get("query_type") == "profile":
            user_id = request.query.get("user_id", "")
            if not await _looked_up(self._shared.server_shares(request.origin, user_id)):
                refuse(PROFILE_HIDDEN)
        return await proceed()


async def _looked_up(answer: Awaitable[_T]) -> _T:
    """The answer of the database, or 503 if there is none."""
    try:
        return await answer
    except Exception as error:
        logger.error("Common rooms could not be looked up: %s", type(error).__name__)
        refuse(LOOKUP_UNAVAILABLE)
