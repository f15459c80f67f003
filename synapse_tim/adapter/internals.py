"""The one place that touches parts of Synapse outside its module API.

Synapse's callbacks leave gaps: there is none for federation, server administrators pass by the spam checker,
a rule for events loads the whole state of a room for each message, most of the client API cannot be changed.
The gaps are closed here, each after asserting the shape of what is touched. If a new Synapse release looks
different, start-up fails with a message that says so; nothing silently stops enforcing.

- The federation allow-list is a dictionary that Synapse reads at every request, in and out.
- Two federation endpoints are served to strangers; they are made to demand a signature (A_26331).
- Joins through another server fetch the complete state of the room, and can be refused.
- Every event made here can be checked with just the state that the check needs, administrators' included.
- Requests to the client API and to the federation API can be guarded.
- Events that arrive from other servers are judged where they take effect: ``synapse_arrivals``.
- Messages to devices can be left out, wherever they come from.
- Users can be made to leave a room beyond the rate at which they may act themselves.
- Resources can be served beside the client API, and beside the well-known documents.
- A few things are looked up: options, invitations, OpenID tokens, whether a user may see an event.
"""

from __future__ import annotations

import functools
import inspect
from collections.abc import Awaitable, Callable, Collection, Iterable, Mapping, Sequence
from importlib import import_module
from typing import Any

import attr
import attrs
from synapse import rest as client_rest
from synapse.events import EventBase
from synapse.events.utils import FilteredEvent
from synapse.federation.transport.server import _base as federation_base
from synapse.federation.transport.server import federation as federation_servlets
from synapse.http import server as synapse_server
from synapse.http.site import SynapseRequest
from synapse.logging.context import ContextRequest, current_context
from synapse.module_api import ModuleApi
from synapse.module_api.errors import Codes, ConfigError, SynapseError
from synapse.rest import well_known as well_knowns
from synapse.storage.databases.main.openid import OpenIdStore
from synapse.types import UserID, create_requester
from synapse.types.state import StateFilter
from twisted.web.resource import Resource

from synapse_tim.adapter import denied_servers, shape
from synapse_tim.adapter.config import SynapseConfig
from synapse_tim.adapter.denied_destinations import DeniedDestinations
from synapse_tim.adapter.device_inbox import DeviceInbox
from synapse_tim.adapter.whitelist import Whitelist

Answer = tuple[int, Any]
#: Goes on with a request as if there were no guard.
Proceed = Callable[[], Awaitable[Answer]]
#: Guards a route of the client API: request, how to go on, the parts of the path by their names.
ClientGuard = Callable[[SynapseRequest, Proceed, Mapping[str, str]], Awaitable[Answer]]
#: Some of the state before an event: types and state keys in, events out.
StateBefore = Callable[[Iterable[tuple[str, str]]], Awaitable[Mapping[tuple[str, str], EventBase]]]
#: Judges an event that is being made here; raises to refuse it.
LocalEventCheck = Callable[[EventBase, StateBefore], Awaitable[None]]


@attrs.frozen
class FederationRequest:
    """A signed request of another server.

    Attributes:
        origin: who signed.
        query: the query, decoded; the first value of each name.
        path: the parts of the path by their names.
        content: the JSON object of the body; empty if there is none.
    """

    origin: str
    query: Mapping[str, str]
    path: Mapping[str, str]
    content: Mapping[str, Any] = attrs.field(factory=dict)


FederationGuard = Callable[[FederationRequest, Proceed], Awaitable[Answer]]


class SynapseInternals(SynapseConfig):
    """Asserts the shape of the internals that are needed, and hands them out.

    Args:
        api: Synapse's module API.

    Raises:
        ConfigError: this Synapse is not the one that the assertions describe.
    """

    def __init__(self, api: ModuleApi) -> None:
        self._api = api
        self._hs = shape.attribute(api, "_hs", "ModuleApi._hs")
        super().__init__(shape.attribute(self._hs, "config", "HomeServer.config"), api.server_name)
        self._federation_config = shape.attribute(self._config, "federation", "config.federation")
        shape.attribute(
            self._federation_config, "federation_domain_whitelist", "federation.federation_domain_whitelist"
        )
        self.clock = shape.attribute(api, "_clock", "ModuleApi._clock")

    @property
    def config_files(self) -> Sequence[str]:
        """The files that this process was configured with, in their order."""
        files: list[str] = shape.attribute(self._config, "config_files", "config.config_files")
        return files

    def ignore_auto_join_rooms(self) -> None:
        """Have nobody joined to rooms when their account is made."""
        self.option("registration", "auto_join_rooms")
        self._config.registration.auto_join_rooms = []

    # Accounts --------------------------------------------------------------------------------------------

    @property
    def shared_secret(self) -> bytes:
        """A secret that all processes of this server share: that of Synapse's own tokens."""
        secret = self.option("key", "macaroon_secret_key")
        return secret if isinstance(secret, bytes) else str(secret).encode()

    async def user_by_external_id(self, provider: str, subject: str) -> str | None:
        """The user id that is linked to a person at an identity provider."""
        user_id: str | None = await self._store().get_user_by_external_id(provider, subject)
        return user_id

    async def register_user(self, localpart: str, password_hash: str, display_name: str | None) -> None:
        """Make an account, as the module API does, which lacks the hash.

        Raises:
            SynapseError: the name is taken or kept for others.
        """
        await self._hs.get_registration_handler().register_user(
            localpart=localpart, password_hash=password_hash, default_display_name=display_name
        )

    def mark_registrations(self, mark: Callable[[str, str], str | None]) -> None:
        """Give accounts that single sign-on makes a password hash.

        Args:
            mark: called with the provider's id and the localpart; the hash, or ``None`` for none.

        Raises:
            ConfigError: Synapse does not make accounts as expected.
        """

        async def register(proceed: Callable[[], Awaitable[Any]], arguments: dict[str, Any]) -> Any:
            provider, localpart = arguments.get("auth_provider_id"), arguments.get("localpart")
            if provider is not None and localpart is not None and not arguments.get("password_hash"):
                arguments["password_hash"] = mark(provider, localpart)
            return await proceed()

        handler = self._hs.get_registration_handler()
        shape.around(handler, "register_user", ("localpart", "password_hash", "auth_provider_id"), register)

    async def is_locked(self, user_id: str) -> bool:
        """Whether an administrator has locked an account."""
        return bool(await self._store().get_user_locked_status(user_id))

    async def user_of_open_id_token(self, token: str) -> str | None:
        """Whom an OpenID token was given to, or ``None`` if it is none or has expired.

        Synapse's own look-up, which the stores of generic workers lack.
        """
        now_ms = self.clock.time_msec()
        user_id: str | None = await OpenIdStore.get_user_id_for_open_id_token(self._store(), token, now_ms)
        return user_id

    def assert_open_id_tokens(self) -> None:
        """Assert that OpenID tokens can be looked up.

        Raises:
            ConfigError: they cannot.
        """
        look_up = shape.attribute(OpenIdStore, "get_user_id_for_open_id_token", "OpenIdStore")
        if list(inspect.signature(look_up).parameters) != ["self", "token", "ts_now_ms"]:
            raise shape.incompatible("OpenIdStore.get_user_id_for_open_id_token(token, ts_now_ms)")
        shape.attribute(self._store(), "db_pool", "DataStore.db_pool")
        shape.attribute(self.clock, "time_msec", "Clock.time_msec")

    async def end_sessions(self, user_id: str, device_ids: Iterable[str]) -> None:
        """Delete devices of a user, and with them their access tokens, on all workers."""
        await self._hs.get_device_handler().delete_devices(user_id, list(device_ids))

    def membership_ends(self) -> Callable[[str, str, str], Awaitable[None]]:
        """What ends somebody's membership, called with who does it, whose it is, and the room.

        Users of this server leave or decline by themselves; others are kicked, or their invitation is taken
        back. What users do themselves is limited in its rate, and the module API counts this as theirs: they
        could not leave many rooms, nor write a message after it.

        Raises:
            ConfigError: Synapse has no such thing.
        """
        members = shape.attribute(self._hs, "get_room_member_handler", "HomeServer.get_room_member_handler")()
        update = shape.attribute(members, "update_membership", "RoomMemberHandler.update_membership")
        if not {"ratelimit", "require_consent"} <= inspect.signature(update).parameters.keys():
            raise shape.incompatible("RoomMemberHandler.update_membership(ratelimit, require_consent)")

        async def end(sender: str, user_id: str, room_id: str) -> None:
            action = "leave" if sender == user_id else "kick"
            requester, target = create_requester(sender), UserID.from_string(user_id)
            await update(requester, target, room_id, action, ratelimit=False, require_consent=False)

        return end

    def may_reach(self, server_name: str) -> bool:
        """Whether this server may talk to another one, now or soon.

        While there is no list that may be used, nobody knows, and the answer is yes.
        """
        allowed = self._federation_config.federation_domain_whitelist
        if not allowed:
            return True
        return allowed.allows(server_name) if isinstance(allowed, Whitelist) else server_name in allowed

    def after_each_purge(self, run: Callable[[], Awaitable[None]]) -> None:
        """Have something done each time Synapse has purged a room in this process, whoever asked for it.

        Clean-up, administrators, and rooms that everybody has forgotten all end here.

        Args:
            run: called after the purge.

        Raises:
            ConfigError: purges do not look as expected.
        """
        what = "HomeServer.get_storage_controllers"
        controllers = shape.attribute(self._hs, "get_storage_controllers", what)()
        purging = shape.attribute(controllers, "purge_events", "StorageControllers.purge_events")

        async def purge(proceed: Callable[[], Awaitable[Any]], arguments: dict[str, Any]) -> Any:
            purged = await proceed()
            await run()
            return purged

        shape.around(purging, "purge_room", ("room_id",), purge)

    def modules_api(self) -> ModuleApi:
        """The module API that all modules have; a user mapping provider gets one of its own.

        Raises:
            ConfigError: Synapse has none that is shared.
        """
        api: ModuleApi = shape.attribute(self._hs, "get_module_api", "HomeServer.get_module_api")()
        return api

    def loads_module(self, names: Collection[str]) -> bool:
        """Whether ``modules:`` names one of some classes of this project.

        Raises:
            ConfigError: the configuration does not look as expected.
        """
        modules = shape.attribute(self._config, "modules", "config.modules")
        loaded = shape.attribute(modules, "loaded_modules", "config.modules.loaded_modules")
        return any(
            kind.__name__ in names and kind.__module__.startswith("synapse_tim.") for kind, _ in loaded
        )

    def assert_accounts(self) -> None:
        """Assert that what is needed to log people in is there.

        Raises:
            ConfigError: something is not.
        """
        for name in ("get_user_by_external_id", "get_user_locked_status"):
            shape.attribute(self._store(), name, f"DataStore.{name}")
        registration = shape.attribute(
            self._hs, "get_registration_handler", "HomeServer.get_registration_handler"
        )()
        register = shape.attribute(registration, "register_user", "RegistrationHandler.register_user")
        if (
            not {"localpart", "password_hash", "default_display_name"}
            <= inspect.signature(register).parameters.keys()
        ):
            raise shape.incompatible(
                "RegistrationHandler.register_user(localpart, password_hash, default_display_name)"
            )
        if "requester" not in attr.fields_dict(ContextRequest):
            raise shape.incompatible("ContextRequest.requester")
        handler = shape.attribute(self._hs, "get_device_handler", "HomeServer.get_device_handler")()
        delete = shape.attribute(handler, "delete_devices", "DeviceHandler.delete_devices")
        if list(inspect.signature(delete).parameters)[:2] != ["user_id", "device_ids"]:
            raise shape.incompatible("DeviceHandler.delete_devices(user_id, device_ids)")

    # Messages to devices ---------------------------------------------------------------------------------

    def device_inbox(self) -> DeviceInbox:
        """Where all messages to devices pass.

        Raises:
            ConfigError: it does not look as expected.
        """
        return DeviceInbox(self._hs, self._store())

    async def joined_rooms(self, user_ids: Collection[str]) -> Mapping[str, frozenset[str]]:
        """The rooms of this server that users are in, out of a cache that all processes keep up to date.

        Args:
            user_ids: of any server, each of them once.
        """
        rooms: Mapping[str, frozenset[str]] = await self._store().get_rooms_for_users(user_ids)
        return rooms

    def assert_joined_rooms(self) -> None:
        """Assert that the rooms of users can be looked up.

        Raises:
            ConfigError: they cannot.
        """
        look_up = shape.attribute(self._store(), "get_rooms_for_users", "DataStore.get_rooms_for_users")
        if list(inspect.signature(look_up).parameters) != ["user_ids"]:
            raise shape.incompatible("DataStore.get_rooms_for_users(user_ids)")

    # Federation ------------------------------------------------------------------------------------------

    def install_whitelist(self, on_denied: Callable[[str], None]) -> Whitelist:
        """Put a dictionary that can be changed in the place of the configured, empty one.

        Called before Synapse opens its listeners, whose parts keep a reference to it. Should the module
        never get to fill it, everything stays denied.

        Raises:
            ConfigError: ``federation_domain_whitelist: []`` is not configured.
        """
        configured = self._federation_config.federation_domain_whitelist
        if isinstance(configured, Whitelist):
            raise ConfigError(
                "synapse_tim: the federation allow-list is loaded twice; synapse_tim.TiMessenger "
                "already contains synapse_tim.FederationAllowList",
                path=("modules",),
            )
        if type(configured) is not dict or configured:
            raise ConfigError(
                "federation_domain_whitelist has to be configured as an empty list, "
                "'federation_domain_whitelist: []', so that Synapse denies all federation until "
                "synapse_tim has verified the federation list",
                path=("federation_domain_whitelist",),
            )
        whitelist = Whitelist(on_denied)
        self._federation_config.federation_domain_whitelist = whitelist
        return whitelist

    def require_signed_requests(self) -> None:
        """Let ``/_matrix/federation/v1/version`` and ``3pid/onbind`` demand a valid signature (A_26331).

        ``openid/userinfo``, the key endpoints and the well-knowns stay open, as requirement R1.19 demands.

        Raises:
            ConfigError: the endpoints are not where they were.
        """
        shape.attribute(
            federation_base.BaseFederationServlet, "REQUIRE_AUTH", "BaseFederationServlet.REQUIRE_AUTH"
        )
        for name in ("FederationVersionServlet", "On3pidBindServlet"):
            servlet = shape.attribute(federation_servlets, name, f"federation servlet {name}")
            if getattr(servlet, "REQUIRE_AUTH", None) not in (True, False):
                raise shape.incompatible(f"{name}.REQUIRE_AUTH")
            servlet.REQUIRE_AUTH = True

    def tell_of_denied_servers(
        self,
        why_denied: Callable[[str | None], SynapseError],
        require_one: Callable[[Iterable[str]], None],
    ) -> None:
        """See ``denied_servers``."""
        denied_servers.tell_of_denied_servers(self._hs, why_denied, require_one)

    def denied_destinations(self, allows: Callable[[str], bool]) -> DeniedDestinations:
        """See ``denied_destinations``."""
        return DeniedDestinations(self._hs, allows)

    def guard_federation(self, servlet_name: str, method: str, guard: FederationGuard) -> None:
        """Have signed requests of other servers pass a guard.

        Args:
            servlet_name: Synapse's class for the endpoint.
            method: of HTTP.
            guard: called once the signature and the membership of the other server are verified.

        Raises:
            ConfigError: the endpoint is not where it was.
        """
        servlet = shape.attribute(federation_servlets, servlet_name, f"federation servlet {servlet_name}")
        name = f"on_{method}"
        original = shape.attribute(servlet, name, f"{servlet_name}.{name}")
        if list(inspect.signature(original).parameters)[:4] != ["self", "origin", "content", "query"]:
            raise shape.incompatible(f"{servlet_name}.{name}(origin, content, query)")

        @functools.wraps(original)
        async def guarded(
            endpoint: Any, origin: str, content: Any, query: Mapping[bytes, Any], **path: str
        ) -> Answer:
            try:
                decoded = {key.decode(): values[0].decode() for key, values in query.items()}
            except UnicodeDecodeError:
                raise SynapseError(400, "The query is not UTF-8", Codes.INVALID_PARAM) from None
            proceed = functools.partial(original, endpoint, origin, content, query, **path)
            return await guard(FederationRequest(origin, decoded, path, content or {}), proceed)

        setattr(servlet, name, guarded)

    # Joins through other servers -------------------------------------------------------------------------

    def join_with_complete_state(self) -> None:
        """Fetch the complete state of a room when joining it through another server.

        By default Synapse joins with a part of the state and fetches the rest behind the user's back. If the
        room has members on a server that may not be talked to and whose key is unknown, that never ends:
        the room stays incomplete and requests for its members hang. With the complete state the join itself
        verifies what can be verified, leaves out the rest, and either succeeds or fails at once.

        Raises:
            ConfigError: the federation client does not look as expected.
        """

        async def complete(proceed: Callable[[], Awaitable[Any]], arguments: dict[str, Any]) -> Any:
            arguments["partial_state"] = False
            joined = await proceed()
            if joined.partial_state:
                raise SynapseError(502, "The other server withheld a part of the room's state")
            return joined

        shape.around(self._federation_client(), "send_join", ("partial_state",), complete)

    def check_remote_joins(
        self,
        before: Callable[[str, str], Awaitable[None]],
        after: Callable[[str, str, Mapping[tuple[str, str], EventBase]], Awaitable[None]],
    ) -> None:
        """Have joins through other servers checked, administrators' included.

        Args:
            before: called with user id and room id before the other server hears of it; raises to refuse.
            after: called with user id, room id and the state of the room before anything of it is stored;
                raises to refuse.

        Raises:
            ConfigError: the federation client does not look as expected.
        """

        async def make(proceed: Callable[[], Awaitable[Any]], arguments: dict[str, Any]) -> Any:
            if arguments["membership"] == "join":
                await before(arguments["user_id"], arguments["room_id"])
            return await proceed()

        async def send(proceed: Callable[[], Awaitable[Any]], arguments: dict[str, Any]) -> Any:
            joined = await proceed()
            pdu = arguments["pdu"]
            state = {(event.type, event.state_key): event for event in joined.state if event.is_state()}
            await after(pdu.state_key, pdu.room_id, state)
            return joined

        client = self._federation_client()
        shape.around(client, "make_membership_event", ("membership", "user_id", "room_id"), make)
        shape.around(client, "send_join", ("pdu",), send)

    def _federation_client(self) -> Any:
        return shape.attribute(self._hs, "get_federation_client", "HomeServer.get_federation_client")()

    # Events ----------------------------------------------------------------------------------------------

    def check_local_events(self, check: LocalEventCheck) -> None:
        """Have every event checked that is made here, whoever makes it and by whatever request.

        Unlike the module API's ``check_event_allowed`` this loads no state that the check does not ask for.
        It comes before Synapse's own check of permissions, and also sees the templates that other servers
        are given for joins, knocks and leaves.

        Raises:
            ConfigError: Synapse's callbacks do not look as expected.
        """
        callbacks = shape.attribute(
            self._hs, "get_module_api_callbacks", "HomeServer.get_module_api_callbacks"
        )()
        rules = shape.attribute(
            callbacks, "third_party_event_rules", "ModuleApiCallbacks.third_party_event_rules"
        )
        original = shape.attribute(
            rules, "check_event_allowed", "third_party_event_rules.check_event_allowed"
        )
        if list(inspect.signature(original).parameters) != ["event", "context"]:
            raise shape.incompatible("third_party_event_rules.check_event_allowed(event, context)")
        store = self._store()

        @functools.wraps(original)
        async def checked(event: EventBase, context: Any) -> Any:
            async def state_before(
                wanted: Iterable[tuple[str, str]],
            ) -> Mapping[tuple[str, str], EventBase]:
                ids = await context.get_prev_state_ids(StateFilter.from_types(wanted))
                events = await store.get_events(ids.values())
                return {key: events[event_id] for key, event_id in ids.items() if event_id in events}

            await check(event, state_before)
            return await original(event, context)

        rules.check_event_allowed = checked

    def allow_redactions_by_send(self) -> None:
        """Let ``send/m.room.redaction`` work in rooms of the versions 9 and 10, too (MSC4169).

        Synapse has this as an experimental feature; without it such a request ends in an error of its own.

        Raises:
            ConfigError: there is no such feature.
        """
        self.option("experimental", "msc4169_enabled")
        self._config.experimental.msc4169_enabled = True

    async def visible_event(self, user_id: str, room_id: str, event_id: str) -> EventBase | None:
        """An event of a room as a local user sees it; ``None`` if there is none that the user may see."""
        handler = self._hs.get_event_handler()
        try:
            found = await handler.get_event(UserID.from_string(user_id), room_id, event_id)
        except SynapseError:
            return None
        event: EventBase | None = None if found is None else found.event
        return event

    async def is_invited(self, user_id: str, room_id: str) -> bool:
        """Whether a local user has an invitation to a room for now."""
        membership, _ = await self._store().get_local_current_membership_for_user_in_room(user_id, room_id)
        return bool(membership == "invite")

    def is_application_service(self, user_id: str) -> bool:
        """Whether a user id is that of an application service itself, which has no account."""
        return self._store().get_app_service_by_user_id(user_id) is not None

    @staticmethod
    def current_request() -> object:
        """What stands for the request that is being served, the same for all that belongs to it."""
        return current_context().request

    @staticmethod
    def current_requester() -> str | None:
        """Who makes the request that is being served, as far as Synapse knows by now."""
        request = current_context().request
        return None if request is None else request.requester

    def assert_lookups(self) -> None:
        """Assert that what is looked up while the homeserver runs is there.

        Raises:
            ConfigError: something is not.
        """
        handler = shape.attribute(self._hs, "get_event_handler", "HomeServer.get_event_handler")()
        parameters = list(
            inspect.signature(shape.attribute(handler, "get_event", "EventHandler.get_event")).parameters
        )
        if parameters[:3] != ["user", "room_id", "event_id"]:
            raise shape.incompatible("EventHandler.get_event(user, room_id, event_id)")
        if "event" not in attr.fields_dict(FilteredEvent):
            raise shape.incompatible("FilteredEvent.event")
        for name in (
            "get_event",
            "get_events",
            "get_local_current_membership_for_user_in_room",
            "get_app_service_by_user_id",
        ):
            shape.attribute(self._store(), name, f"DataStore.{name}")

    async def search_users(self, user_id: str, term: str, limit: int) -> dict[str, Any]:
        """Search the user directory for more hits than the client API returns.

        Args:
            user_id: who searches.
            term: to look for.
            limit: of hits.
        """
        found = await self._hs.get_user_directory_handler().search_users(user_id, term, limit)
        return dict(found)

    def assert_user_directory(self) -> None:
        """Assert that the user directory can be searched.

        Raises:
            ConfigError: it cannot.
        """
        handler = shape.attribute(self._hs, "get_user_directory_handler", "HomeServer")()
        what = "UserDirectoryHandler.search_users"
        parameters = inspect.signature(shape.attribute(handler, "search_users", what)).parameters
        if list(parameters)[:3] != ["user_id", "search_term", "limit"]:
            raise shape.incompatible(f"{what}(user_id, search_term, limit)")

    def _store(self) -> Any:
        stores = shape.attribute(self._hs, "get_datastores", "HomeServer.get_datastores")()
        return shape.attribute(stores, "main", "Databases.main")

    # The client API --------------------------------------------------------------------------------------

    async def user_of(self, request: SynapseRequest, *, allow_guest: bool = False) -> str:
        """Who makes a request, before Synapse asks the same.

        Synapse asks just once for each request, and takes a second time for a mistake of its own.

        Raises:
            SynapseError: 401, if that does not show.
        """
        requester = await self._api.get_user_by_req(request, allow_guest=allow_guest)
        request._requester = None
        return requester.user.to_string()

    def serve_with_client_api(
        self,
        resources: Mapping[str, Resource],
        well_known: Mapping[str, Resource],
        part: str = "InformationServices",
    ) -> None:
        """Serve resources on the listeners that serve the client API, and on no others.

        What the module API registers is served on every HTTP listener, that of replication included; and
        below ``/.well-known/matrix`` it cannot register anything without replacing what is there.

        Args:
            resources: by their paths.
            well_known: by their names below ``/.well-known/matrix``.
            part: that serves them, for messages.

        Raises:
            ConfigError: Synapse's listeners do not look as expected; also later, when they are opened, if
                another module has taken a path.
        """
        served = dict(resources)
        if well_known:
            served["/.well-known"] = self._well_known_with(well_known)
        name = "_listen_http" if hasattr(self._hs, "_listen_http") else "_listener_http"
        listen = shape.attribute(self._hs, name, f"HomeServer.{name}")
        signature = inspect.signature(listen)
        if "listener_config" not in signature.parameters:
            raise shape.incompatible(f"HomeServer.{name}(listener_config)")
        shape.attribute(self._hs, "_module_web_resources", "HomeServer._module_web_resources")

        @functools.wraps(listen)
        def listen_with(*args: Any, **kwargs: Any) -> Any:
            listener = signature.bind(*args, **kwargs).arguments["listener_config"]
            options = shape.attribute(listener, "http_options", "ListenerConfig.http_options")
            if not any("client" in each.names for each in options.resources):
                return listen(*args, **kwargs)
            others = self._hs._module_web_resources
            taken = sorted(served.keys() & others.keys())
            if taken:
                raise ConfigError(
                    f"synapse_tim.{part} needs {', '.join(taken)}, which another module serves",
                    path=("modules",),
                )
            self._hs._module_web_resources = {**others, **served}
            try:
                return listen(*args, **kwargs)
            finally:
                self._hs._module_web_resources = others

        setattr(self._hs, name, listen_with)

    def allow_request_header(self, path: str, name: str) -> None:
        """Let pages in browsers send a header of an interface to it, which is not among those of Matrix.

        Synapse answers their preflights itself, at all paths of a listener.

        Args:
            path: of the interface.
            name: of the header.

        Raises:
            ConfigError: preflights are not answered as expected.
        """
        what = "synapse.http.server.OptionsResource.render_OPTIONS"
        options = shape.attribute(synapse_server, "OptionsResource", what)
        original = shape.attribute(options, "render_OPTIONS", what)
        if list(inspect.signature(original).parameters) != ["self", "request"]:
            raise shape.incompatible(f"{what}(request)")
        prefix = path.encode()

        @functools.wraps(original)
        def answer(resource: Any, request: SynapseRequest) -> Any:
            answered = original(resource, request)
            asked = request.path or b""
            if asked == prefix or asked.startswith(prefix + b"/"):
                allowed = request.responseHeaders.getRawHeaders(b"Access-Control-Allow-Headers") or []
                value = b", ".join([*allowed, name.encode()])
                request.responseHeaders.setRawHeaders(b"Access-Control-Allow-Headers", [value])
            return answered

        options.render_OPTIONS = answer

    def _well_known_with(self, documents: Mapping[str, Resource]) -> Resource:
        """Synapse's own well-known documents, and others beside them."""
        what = "synapse.rest.well_known.well_known_resource"
        tree: Resource = shape.attribute(well_knowns, "well_known_resource", what)(self._hs)
        matrix: Any = tree.children.get(b"matrix") if isinstance(tree, Resource) else None
        if not isinstance(matrix, Resource) or matrix.children.keys() != {b"client", b"server"}:
            raise shape.incompatible(what)
        for name, resource in documents.items():
            matrix.children[name.encode()] = resource
        return tree

    def guard_client_api(
        self, guards: Mapping[tuple[str, str], ClientGuard], replaced: Collection[str] = ()
    ) -> None:
        """Have requests to the client API pass guards.

        Args:
            guards: by servlet, as ``module.Class`` below ``synapse.rest.client``, and method of HTTP.
            replaced: servlets that may be missing, because others stand in their place.

        Raises:
            ConfigError: an endpoint is not where it was; also later, when the listeners are opened.
        """
        setter = getattr(
            shape.attribute(SynapseRequest, "requester", "SynapseRequest.requester"), "fset", None
        )
        if "_requester" not in getattr(getattr(setter, "__code__", None), "co_names", ()):
            raise shape.incompatible("SynapseRequest._requester")
        wanted: dict[tuple[str, bytes], ClientGuard] = {}
        for (servlet, method), guard in guards.items():
            module_name, name = servlet.split(".")
            try:
                module = import_module(f"synapse.rest.client.{module_name}")
            except ImportError:
                raise shape.incompatible(f"servlet {servlet}") from None
            shape.attribute(
                shape.attribute(module, name, f"servlet {servlet}"), f"on_{method}", f"{servlet}.on_{method}"
            )
            wanted[name, method.encode()] = guard

        may_be_missing = {servlet.partition(".")[2] for servlet in replaced}

        def wrap_routes(hs: Any, resource: Any) -> None:
            found = set()
            for methods in shape.attribute(resource, "_routes", "ClientRestResource._routes").values():
                for method, entry in list(methods.items()):
                    guard = wanted.get((entry.servlet_classname, method))
                    if guard is not None:
                        methods[method] = attr.evolve(entry, callback=_guarded(entry.callback, guard))
                        found.add((entry.servlet_classname, method))
            # Workers serve a part of the client API only; what is not there needs no guard.
            missing = [key for key in wanted.keys() - found if key[0] not in may_be_missing]
            if hs.config.worker.worker_app is None and missing:
                names = sorted(f"{name} {method.decode()}" for name, method in missing)
                raise shape.incompatible(f"client API: {', '.join(names)}")

        groups = shape.attribute(client_rest, "SERVLET_GROUPS", "synapse.rest.SERVLET_GROUPS")
        if "client" not in groups:
            raise shape.incompatible("synapse.rest.SERVLET_GROUPS['client']")
        groups["client"] = (*groups["client"], wrap_routes)


def _guarded(callback: Callable[..., Awaitable[Answer] | Answer], guard: ClientGuard) -> Callable[..., Any]:
    @functools.wraps(callback)
    async def guarded(request: SynapseRequest, **path: str) -> Answer:
        async def proceed() -> Answer:
            answer = callback(request, **path)  # a few of Synapse's endpoints do not wait for anything
            return await answer if inspect.isawaitable(answer) else answer

        return await guard(request, proceed, path)

    return guarded
