"""``synapse_tim.ClientApiPolicy``: versions, profiles, user directory and registration.

Most of it is Synapse's configuration, which is checked at start-up (``core.homeserver_options``). Guarded
are: the versions of the Matrix specification (A_25641-01); registration (requirement R4.3); display names
(R4.15); e-mail addresses and telephone numbers (R4.10); the user directory, which shows colleagues and those
one knows (for insured persons: only those, A_26375); profiles of insured persons for other servers
(A_26290); and, if the operator wants it, keys of strangers.
"""

import logging
from collections.abc import Mapping
from typing import Any, Final

from synapse.module_api import ModuleApi, SynapseRequest
from synapse.module_api.errors import SynapseError

from synapse_tim.adapter import registry
from synapse_tim.adapter.answers import Answer, Proceed, looked_up, reject
from synapse_tim.adapter.client_api import ClientGuard, read_json, replace_json
from synapse_tim.adapter.config_block import parse_block
from synapse_tim.adapter.federation_requests import FederationRequest
from synapse_tim.adapter.homeserver import Homeserver
from synapse_tim.adapter.shared_rooms import SharedRooms
from synapse_tim.adapter.start_up import check_options
from synapse_tim.client_api import rules as client_api
from synapse_tim.client_api.config import ClientApiPolicyConfig
from synapse_tim.client_api.denials import (
    DISPLAY_NAME,
    LOOKUP_UNAVAILABLE,
    PROFILE_HIDDEN,
    REGISTRATION,
    SEARCH_MALFORMED,
    THIRD_PARTY_ID,
)

logger = logging.getLogger(__name__)
_PROFILE_FIELD: Final = "profile.ProfileFieldRestServlet"
#: Served if MSC3983 is switched on.
_UNSTABLE_CLAIM: Final = "keys.UnstableOneTimeKeyServlet"

#: How many hits Synapse returns at most, and how many it is asked for until enough of them may be shown.
_MOST_HITS: Final = 50
_ASKED_FOR: Final = (500, 5_000)

#: Endpoints that add, bind or remove an e-mail address or telephone number, or send something to one.
_THIRD_PARTY_IDS: Final = (
    ("account.ThreepidRestServlet", "POST"),
    ("account.ThreepidBindRestServlet", "POST"),
    ("account.ThreepidUnbindRestServlet", "POST"),
)
#: The same, of endpoints that Synapse leaves to Matrix Authentication Service if it has one.
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
    """Guards the client API in one Synapse process."""

    def __init__(self, config: ClientApiPolicyConfig, api: ModuleApi) -> None:
        homeserver = Homeserver.of(api)
        check_options(homeserver.config, "client_api", config.product)
        self._api = api
        self._client_api = homeserver.client_api
        self._user_directory = homeserver.user_directory
        self._config = config.client_api
        self._insured_persons = config.insured_persons
        self._newest_version = client_api.newest_version(config.spec_version)
        self._shared = SharedRooms(api)
        # With MSC4133 the unstable servlet takes over the stable one's paths.
        unstable = homeserver.config.option("experimental", "msc4133_enabled")
        replaced = [_PROFILE_FIELD, _UNSTABLE_CLAIM] if unstable else [_UNSTABLE_CLAIM]
        self._client_api.guard(self._guards(homeserver), replaced)
        if config.insured_persons:
            homeserver.federation_requests.guard("FederationQueryServlet", "GET", self.federation_query)
        registry.register(api, self, config)

    @staticmethod
    def parse_config(config: dict[str, Any]) -> ClientApiPolicyConfig:
        """Check the block of ``homeserver.yaml``; the ``ConfigError`` names the key and what is expected."""
        return parse_block(ClientApiPolicyConfig, config)

    def _guards(self, homeserver: Homeserver) -> dict[tuple[str, str], ClientGuard]:
        guards: dict[tuple[str, str], ClientGuard] = {
            ("versions.VersionsRestServlet", "GET"): self.versions,
            ("user_directory.UserDirectorySearchRestServlet", "POST"): self.search,
            (_PROFILE_FIELD, "PUT"): self.change_profile,
            (_PROFILE_FIELD, "DELETE"): self.change_profile,
            **dict.fromkeys(_THIRD_PARTY_IDS, self.third_party_ids),
        }
        if homeserver.config.delegates_authentication:
            guards["register.RegisterAppServiceOnlyRestServlet", "POST"] = self.register
        else:
            guards["register.RegisterRestServlet", "POST"] = self.register
            guards.update(dict.fromkeys(_THIRD_PARTY_IDS_OF_ACCOUNTS, self.third_party_ids))
        if homeserver.config.option("experimental", "msc4133_enabled"):
            guards["profile.UnstableProfileFieldRestServlet", "PUT"] = self.change_profile
            guards["profile.UnstableProfileFieldRestServlet", "DELETE"] = self.change_profile
        if self._config.hide_keys_of_strangers:
            guards["keys.KeyQueryServlet", "POST"] = self.query_keys
            guards["keys.OneTimeKeyServlet", "POST"] = self.claim_keys
            guards[_UNSTABLE_CLAIM, "POST"] = self.claim_keys
            guards["keys.SignaturesUploadServlet", "POST"] = self.sign_keys
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
        """Refuse e-mail addresses, telephone numbers and identity servers."""
        reject(THIRD_PARTY_ID)

    async def register(self, request: SynapseRequest, proceed: Proceed, path: Mapping[str, str]) -> Answer:
        """Refuse registration, except by application services."""
        try:
            return await proceed()
        except SynapseError as error:
            if error.code == 403:
                reject(REGISTRATION)
            raise

    async def change_profile(
        self, request: SynapseRequest, proceed: Proceed, path: Mapping[str, str]
    ) -> Answer:
        """Refuse to change one's display name, the first one and taking it away included."""
        if path["field_name"] == "displayname" and not await self._client_api.is_admin(request):
            reject(DISPLAY_NAME)
        return await proceed()

    async def search(self, request: SynapseRequest, proceed: Proceed, path: Mapping[str, str]) -> Answer:
        """Show colleagues, and others only if they share a room; insured persons have no colleagues.

        The answer is that of a directory without those who are not shown, ``limited`` included; it would tell
        their names letter by letter otherwise. Synapse is asked for more hits than it would return, and for
        more again while too many of them are hidden.

        Raises:
            SynapseError: 400 if the search cannot be read; 503 if it cannot be looked up who shares a room.
        """
        own = await self._client_api.user_of(request)
        wanted = read_json(request)
        if type(wanted.get("search_term")) is not str or type(wanted.get("limit", 0)) is not int:
            reject(SEARCH_MALFORMED)
        limit = max(0, min(wanted.get("limit", 10), _MOST_HITS))
        replace_json(request, {**wanted, "limit": _MOST_HITS})
        status, body = await proceed()
        hits = await self._shown(own, body["results"])
        more = iter(_ASKED_FOR)
        while body["limited"] and len(hits) <= limit and (size := next(more, None)) is not None:
            body = await self._user_directory.search(own, wanted["search_term"], size)
            hits = await self._shown(own, body["results"])
        return status, {**body, "limited": len(hits) > limit, "results": hits[:limit]}

    async def _shown(self, own: str, hits: list[dict[str, Any]]) -> list[dict[str, Any]]:
        """Those hits that the user may see, in their order."""
        users = [hit["user_id"] for hit in hits]
        unsure = [user for user in users if self._insured_persons or not self._api.is_mine(user)]
        hidden = (
            set(unsure) - await looked_up(self._shared.joined_with(own, unsure), LOOKUP_UNAVAILABLE) - {own}
        )
        return [hit for hit in hits if hit["user_id"] not in hidden]

    async def query_keys(self, request: SynapseRequest, proceed: Proceed, path: Mapping[str, str]) -> Answer:
        """Query keys only of users who share a room with the caller; others have none.

        Raises:
            SynapseError: 503 if it cannot be looked up who shares a room.
        """
        return await self._only_known(request, proceed, "device_keys")

    async def claim_keys(self, request: SynapseRequest, proceed: Proceed, path: Mapping[str, str]) -> Answer:
        """Claim one-time keys only of users who share a room with the caller.

        Raises:
            SynapseError: 503 if it cannot be looked up who shares a room.
        """
        return await self._only_known(request, proceed, "one_time_keys")

    async def _only_known(self, request: SynapseRequest, proceed: Proceed, member: str) -> Answer:
        own = await self._client_api.user_of(request, allow_guest=True)
        body = read_json(request)
        known = await self._known(own, body.get(member))
        if known is not None:
            replace_json(request, {**body, member: known})
        return await proceed()

    async def sign_keys(self, request: SynapseRequest, proceed: Proceed, path: Mapping[str, str]) -> Answer:
        """Sign only keys of users who share a room with the caller; others have none.

        Synapse says which of the keys do not exist, and so who has one.

        Raises:
            SynapseError: 503 if it cannot be looked up who shares a room.
        """
        own = await self._client_api.user_of(request, allow_guest=True)
        body = read_json(request)
        known = await self._known(own, body)
        if known is None:
            return await proceed()
        replace_json(request, known)
        status, answer = await proceed()
        none = {"status": 404, "errcode": "M_NOT_FOUND", "message": "No such key"}
        failures = {user: dict.fromkeys(keys, none) for user, keys in body.items() if user not in known}
        return status, {**answer, "failures": {**answer.get("failures", {}), **failures}}

    async def _known(self, own: str, asked: object) -> dict[str, Any] | None:
        """The part of a request about users who share a room with the caller.

        ``None`` if it cannot be read, which is Synapse's to say.
        """
        if not isinstance(asked, Mapping) or not all(
            isinstance(each, Mapping | list) for each in asked.values()
        ):
            return None
        known = {own} | await looked_up(self._shared.known_to(own, asked.keys()), LOOKUP_UNAVAILABLE)
        return {user: each for user, each in asked.items() if user in known}

    async def federation_query(self, request: FederationRequest, proceed: Proceed) -> Answer:
        """Show profiles of insured persons to other servers only with a room in common (A_26290).

        Raises:
            SynapseError: 403 ``M_FORBIDDEN``; 503 if it cannot be looked up who shares a room.
        """
        if request.path.get("query_type") == "profile":
            user_id = request.query.get("user_id", "")
            if not await looked_up(self._shared.server_shares(request.origin, user_id), LOOKUP_UNAVAILABLE):
                reject(PROFILE_HIDDEN)
        return await proceed()
