"""One adapter per homeserver: what the parts use of Synapse beyond its module API, by capability.

Synapse's callbacks leave gaps: there is none for federation, server administrators pass by the spam checker,
a rule for events loads the whole state of a room for each message, most of the client API cannot be changed.
Each capability closes one gap. It is made when the first part asks for it; then it asserts all that it uses
and patches each function of Synapse once, however many parts register something with it. What no part uses is
not patched.
"""

from __future__ import annotations

import functools
import weakref
from typing import Any, Final

from synapse.module_api import ModuleApi

from synapse_tim.adapter.accounts import SynapseAccounts
from synapse_tim.adapter.arriving_events import ArrivingEvents
from synapse_tim.adapter.client_api import ClientApi
from synapse_tim.adapter.config import HomeserverConfig
from synapse_tim.adapter.current_request import assert_shape
from synapse_tim.adapter.device_inbox import DeviceInbox
from synapse_tim.adapter.events import LocalEvents, NewRooms, ReceivedEvents
from synapse_tim.adapter.federation import SynapseFederation
from synapse_tim.adapter.federation_requests import FederationRequests
from synapse_tim.adapter.listeners import Listeners
from synapse_tim.adapter.openid import OpenIdTokens
from synapse_tim.adapter.remote_joins import RemoteJoins
from synapse_tim.adapter.room_previews import RoomPreviews
from synapse_tim.adapter.rooms import Purges, Rooms
from synapse_tim.adapter.shape import Touches
from synapse_tim.adapter.users import LocalUsers, UserDirectory

_SYNAPSE: Final = Touches("homeserver")
_HS: Final = _SYNAPSE.reads("synapse.module_api.ModuleApi._hs", "everything else is reached through it")
_CLOCK: Final = _SYNAPSE.reads("synapse.module_api.ModuleApi._clock", "Synapse's cache descriptor needs it")
_MODULE_API: Final = _SYNAPSE.getter("get_module_api", "ModuleApi that all modules share")

_HOMESERVERS: Final[weakref.WeakKeyDictionary[Any, Homeserver]] = weakref.WeakKeyDictionary()


class Homeserver:
    """What parts use of one Synapse process; get it with ``of``.

    Attributes:
        config: values of ``homeserver.yaml``.
    """

    def __init__(self, api: ModuleApi) -> None:
        assert_shape()
        self.api = api
        self._hs = _HS.of(api)
        self.clock = _CLOCK.of(api)
        self.config = HomeserverConfig(self._hs, api.server_name)

    @classmethod
    def of(cls, api: ModuleApi) -> Homeserver:
        """The adapter of the homeserver that a module API belongs to; user mapping providers have their own.

        Raises:
            ConfigError: this is an unknown Synapse.
        """
        hs = _HS.of(api)
        if hs not in _HOMESERVERS:
            _HOMESERVERS[hs] = cls(api)
        return _HOMESERVERS[hs]

    @property
    def modules_api(self) -> ModuleApi:
        """The module API that all modules share; ``ConfigError`` if Synapse has none."""
        api: ModuleApi = _MODULE_API.of(self._hs)()
        return api

    @functools.cached_property
    def accounts(self) -> SynapseAccounts:
        """Accounts, sessions, and who makes a request."""
        return SynapseAccounts(self._hs)

    @functools.cached_property
    def arrivals(self) -> ArrivingEvents:
        """Events that arrive from other servers."""
        return ArrivingEvents(self._hs, self.api.is_mine)

    @functools.cached_property
    def client_api(self) -> ClientApi:
        """Requests of clients."""
        return ClientApi(self._hs, self.api)

    @functools.cached_property
    def device_inbox(self) -> DeviceInbox:
        """Messages to devices."""
        return DeviceInbox(self._hs)

    @functools.cached_property
    def events(self) -> LocalEvents:
        """Events that are made here."""
        delegated = self.config.delegates_authentication
        return LocalEvents(self._hs, self.api, delegates_authentication=delegated)

    @functools.cached_property
    def federation(self) -> SynapseFederation:
        """Which servers are talked to."""
        return SynapseFederation(self._hs)

    @functools.cached_property
    def federation_requests(self) -> FederationRequests:
        """Requests of other servers."""
        return FederationRequests(self.config.shared_secret)

    @functools.cached_property
    def listeners(self) -> Listeners:
        """Resources beside the client API."""
        return Listeners(self._hs)

    @functools.cached_property
    def local_users(self) -> LocalUsers:
        """Which users there are."""
        return LocalUsers(self._hs, self.api)

    @functools.cached_property
    def new_rooms(self) -> NewRooms:
        """Rooms before they are created."""
        return NewRooms(self.api)

    @functools.cached_property
    def open_id_tokens(self) -> OpenIdTokens:
        """OpenID tokens of users."""
        return OpenIdTokens(self._hs, self.clock)

    @functools.cached_property
    def purges(self) -> Purges:
        """Rooms that Synapse purges."""
        return Purges(self._hs)

    @functools.cached_property
    def received_events(self) -> ReceivedEvents:
        """Events of users of other servers, as they arrive."""
        return ReceivedEvents(self.api)

    @functools.cached_property
    def remote_joins(self) -> RemoteJoins:
        """Joins through other servers."""
        return RemoteJoins(self._hs)

    @functools.cached_property
    def room_previews(self) -> RoomPreviews:
        """What those see of rooms who are not in them."""
        return RoomPreviews(self._hs)

    @functools.cached_property
    def rooms(self) -> Rooms:
        """Who is in rooms, and leaving them."""
        return Rooms(self._hs)

    @functools.cached_property
    def user_directory(self) -> UserDirectory:
        """Synapse's user directory."""
        return UserDirectory(self._hs)
