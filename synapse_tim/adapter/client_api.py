"""Requests of clients: guards of routes, bodies before Synapse reads them, and who makes a request."""

import functools
import inspect
import io
import json
from collections.abc import Awaitable, Callable, Collection, Mapping
from importlib import import_module
from typing import Any, BinaryIO, Final

import attr
from synapse import rest
from synapse.http import server
from synapse.module_api import ModuleApi, SynapseRequest, parse_json_object_from_request

from synapse_tim.adapter.answers import Answer, Proceed
from synapse_tim.adapter.client_routes import ROUTES
from synapse_tim.adapter.shape import Touches, incompatible

_SYNAPSE: Final = Touches("client API")
_GROUPS: Final = _SYNAPSE.changes(
    "synapse.rest.SERVLET_GROUPS", "the guards are put in once Synapse has registered its routes"
)
_ROUTES: Final = _SYNAPSE.changes("synapse.rest.ClientRestResource._routes", "the routes of a listener")
_ENTRY: Final = _SYNAPSE.reads("synapse.http.server._PathEntry.servlet_classname", "which route it is")
_CALLBACK: Final = _SYNAPSE.changes("synapse.http.server._PathEntry.callback", "guards come first")
_CONFIG: Final = _SYNAPSE.reads("synapse.server.HomeServer.config", "it has `worker`")
_SECTION: Final = _SYNAPSE.reads("synapse.config.homeserver.HomeServerConfig.worker", "it has `worker_app`")
_WORKER: Final = _SYNAPSE.reads(
    "synapse.config.workers.WorkerConfig.worker_app", "workers serve a part of the client API only"
)
_REQUESTER: Final = _SYNAPSE.changes(
    "synapse.http.site.SynapseRequest._requester", "guards ask who makes a request before Synapse does, once"
)
_SETTER: Final = _SYNAPSE.reads("synapse.http.site.SynapseRequest.requester", "it sets `_requester`")

_AUTH: Final = _SYNAPSE.getter("get_auth", "Auth")
_IS_ADMIN: Final = _SYNAPSE.calls(
    "synapse.api.auth.base.BaseAuth.is_server_admin(requester)", "administrators may change display names"
)

#: Guards a route: request, how to go on, the parts of the path by their names.
ClientGuard = Callable[[SynapseRequest, Proceed, Mapping[str, str]], Awaitable[Answer]]


class ClientApi:
    """Guards the client API."""

    def __init__(self, hs: Any, api: ModuleApi) -> None:
        setter = getattr(_SETTER.of(SynapseRequest), "fset", None)
        if _REQUESTER.name not in getattr(getattr(setter, "__code__", None), "co_names", ()):
            raise _REQUESTER.unexpected()
        for touched in (_ENTRY, _CALLBACK):
            touched.of(server._PathEntry)
        self._is_server_admin = _IS_ADMIN.of(_AUTH.of(hs)())
        self._is_worker = _WORKER.of(_SECTION.of(_CONFIG.of(hs))) is not None
        self._hs = hs
        self._api = api
        #: By the name of the class and the method.
        self._guards: dict[tuple[str, bytes], list[ClientGuard]] = {}
        self._may_be_missing: set[str] = set()
        groups = _GROUPS.of(rest)
        if "client" not in groups:
            raise _GROUPS.unexpected("['client']")
        groups["client"] = (*groups["client"], self._put_in)

    def guard(self, guards: Mapping[tuple[str, str], ClientGuard], replaced: Collection[str] = ()) -> None:
        """Have requests pass guards; of several for a route, the last one that was set is asked first.

        Args:
            guards: by route, which ``client_routes`` has to know.
            replaced: servlets that may be missing, because others stand in their place.

        Raises:
            ConfigError: an endpoint is not where it was; also later, when the listeners are opened.
        """
        for route in guards:
            module_name, name = route[0].split(".")
            try:
                module = import_module(f"synapse.rest.client.{module_name}")
                servlet = getattr(module, name)
            except (ImportError, AttributeError):
                raise incompatible(f"servlet {route[0]}") from None
            ROUTES[route].of(servlet)
        for (servlet_name, method), guard in guards.items():
            key = (servlet_name.partition(".")[2], method.encode())
            self._guards.setdefault(key, []).append(guard)
        self._may_be_missing.update(each.partition(".")[2] for each in replaced)

    def _put_in(self, hs: Any, resource: Any) -> None:
        """Put the guards into the routes of a listener, which Synapse is about to open."""
        if hs is not self._hs:
            return
        found = set()
        for methods in _ROUTES.of(resource).values():
            for method, entry in list(methods.items()):
                key = (entry.servlet_classname, method)
                if key in self._guards:
                    found.add(key)
                    callback = entry.callback
                    for guard in self._guards[key]:
                        callback = _guarded(callback, guard)
                    methods[method] = attr.evolve(entry, callback=callback)
        # Workers serve a part of the client API only; what is not there needs no guard.
        missing = [key for key in self._guards.keys() - found if key[0] not in self._may_be_missing]
        if missing and not self._is_worker:
            names = sorted(f"{name} {method.decode()}" for name, method in missing)
            raise incompatible(f"client API: {', '.join(names)}")

    async def user_of(self, request: SynapseRequest, *, allow_guest: bool = False) -> str:
        """Who makes a request, before Synapse asks the same.

        Synapse asks just once for each request, and takes a second time for a mistake of its own.

        Raises:
            SynapseError: 401, if that does not show.
        """
        requester = await self._api.get_user_by_req(request, allow_guest=allow_guest)
        request._requester = None
        return requester.user.to_string()

    async def is_admin(self, request: SynapseRequest) -> bool:
        """Whether a server administrator makes a request; by the token, if Synapse does not log users in.

        Raises:
            SynapseError: 401, if it does not show who makes it.
        """
        requester = await self._api.get_user_by_req(request)
        request._requester = None
        return bool(await self._is_server_admin(requester))


def _guarded(callback: Callable[..., Awaitable[Answer] | Answer], guard: ClientGuard) -> Callable[..., Any]:
    @functools.wraps(callback)
    async def guarded(request: SynapseRequest, **path: str) -> Answer:
        async def proceed() -> Answer:
            answer = callback(request, **path)  # a few of Synapse's endpoints do not wait for anything
            return await answer if inspect.isawaitable(answer) else answer

        return await guard(request, proceed, path)

    return guarded


def read_json(request: SynapseRequest) -> dict[str, Any]:
    """The JSON object of a request, whose body can be read again afterwards.

    Raises:
        SynapseError: 400, as Synapse says it: ``M_NOT_JSON`` if it is not JSON, ``M_BAD_JSON`` if it is
            something else than an object.
    """
    try:
        body: dict[str, Any] = parse_json_object_from_request(request)
    finally:
        _content(request).seek(0)
    return body


def octets(request: SynapseRequest) -> int:
    """The length of the body of a request."""
    content = _content(request)
    end = content.seek(0, io.SEEK_END)
    content.seek(0)
    return end


def replace_json(request: SynapseRequest, body: Mapping[str, Any]) -> None:
    """Let Synapse read another JSON object than the client sent."""
    request.content = io.BytesIO(json.dumps(body).encode("utf-8"))


def _content(request: SynapseRequest) -> BinaryIO:
    content: BinaryIO | None = request.content
    return io.BytesIO() if content is None else content
