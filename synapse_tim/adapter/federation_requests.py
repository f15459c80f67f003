"""Requests of other servers: guards of single endpoints, and rooms that are hidden at all of them."""

import functools
import hashlib
import hmac
from collections.abc import Awaitable, Callable, Mapping
from typing import Any, Final

import attrs
from synapse.api.errors import AuthError
from synapse.federation.transport.server import federation as servlets
from synapse.module_api.errors import Codes, SynapseError

from synapse_tim.adapter.answers import Answer, Proceed
from synapse_tim.adapter.shape import Touched, Touches

_SERVLETS: Final = "synapse.federation.transport.server.federation"
_SYNAPSE: Final = Touches("federation requests")
_ALL: Final = _SYNAPSE.reads(
    f"{_SERVLETS}.FEDERATION_SERVLET_CLASSES",
    "`on_GET`, `on_PUT` and `on_POST` of all that name a room in their path are wrapped: other servers are "
    "answered about a hidden room as about none",
)
_PARAMETERS: Final = "(origin, content, query, …)"
_HIDING: Final = {
    (name, method): _SYNAPSE.wraps(f"{_SERVLETS}.{name}.on_{method}{_PARAMETERS}", why)
    for name, method, why in (
        ("FederationSendServlet", "PUT", "what another server sends to hidden rooms is left out"),
        ("FederationEventServlet", "GET", "an event of a room that the other server is not in is none"),
    )
}
#: Endpoints that parts may guard.
_GUARDED: Final = {
    (name, method): _SYNAPSE.wraps(f"{_SERVLETS}.{name}.on_{method}{_PARAMETERS}", why)
    for name, method, why in (
        ("FederationQueryServlet", "GET", "profiles and aliases are shown to some servers only"),
        ("FederationRoomHierarchyServlet", "GET", "spaces are shown to some servers only"),
        ("FederationV1SendJoinServlet", "PUT", "joins that did not ask for a template are judged"),
        ("FederationV2SendJoinServlet", "PUT", "joins that did not ask for a template are judged"),
        ("FederationV1SendKnockServlet", "PUT", "knocks of strangers are refused"),
        ("FederationThirdPartyInviteExchangeServlet", "PUT", "invitations by address are refused"),
    )
}
#: Endpoints that have to be among those about a room; there are more, and others may be added.
_ABOUT_ROOMS: Final = {
    "FederationMakeJoinServlet",
    "FederationMakeKnockServlet",
    "FederationMakeLeaveServlet",
    "FederationV2SendJoinServlet",
    "FederationV1SendKnockServlet",
    "FederationV2SendLeaveServlet",
    "FederationStateV1Servlet",
    "FederationBackfillServlet",
    "FederationRoomHierarchyServlet",
    "RoomComplexityServlet",
}


@attrs.frozen
class FederationRequest:
    """A signed request of another server."""

    origin: str
    query: Mapping[str, str]  #: the query, decoded; the first value of each name
    path: Mapping[str, str]  #: the parts of the path by their names
    #: The JSON object of the body; empty if there is none.
    content: Mapping[str, Any] = attrs.field(factory=dict)


FederationGuard = Callable[[FederationRequest, Proceed], Awaitable[Answer]]
#: Says whether a room is hidden.
IsHidden = Callable[[str], Awaitable[bool]]
#: Goes on with a request, with a body and parts of the path that may have been changed.
_Proceed = Callable[..., Awaitable[Any]]
#: Hides rooms at one endpoint: how to go on, the parts of the path, the body.
_Hide = Callable[[_Proceed, dict[str, str], Any], Awaitable[Any]]


class _Endpoint:
    """What one endpoint is wrapped with, once: hiding rooms, and behind that the guards."""

    def __init__(self, servlet: type, touched: Touched) -> None:
        original = touched.of(servlet)
        self.guards: list[FederationGuard] = []
        self.hide: _Hide | None = None

        @functools.wraps(original)
        async def wrapped(endpoint: Any, origin: Any, content: Any, query: Any, **path: str) -> Any:
            async def guarded(content: Any, **path: str) -> Any:
                proceed = functools.partial(original, endpoint, origin, content, query, **path)
                if not self.guards:
                    return await proceed()
                request = FederationRequest(origin, _decoded(query), path, content or {})
                for guard in self.guards:
                    proceed = functools.partial(guard, request, proceed)
                return await proceed()

            if self.hide is None:
                return await guarded(content, **path)
            return await self.hide(guarded, path, content)

        setattr(servlet, touched.name, wrapped)


class FederationRequests:
    """Guards requests of other servers; ``secret`` is one that all processes of this server share."""

    def __init__(self, secret: bytes) -> None:
        self._secret = secret
        self._endpoints: dict[tuple[str, str], _Endpoint] = {}

    def guard(self, servlet: str, method: str, guard: FederationGuard) -> None:
        """Have signed requests of other servers pass a guard.

        Args:
            guard: called once the signature and the membership of the other server are verified; the last
                one that was set is asked first.

        Raises:
            ConfigError: the endpoint is not where it was.
        """
        touched = _GUARDED[servlet, method]
        found = getattr(servlets, servlet, None)
        if found is None:
            raise touched.unexpected()
        self._endpoint(found, touched).guards.append(guard)

    def _endpoint(self, servlet: type, touched: Touched) -> _Endpoint:
        key = (servlet.__name__, touched.name)
        if key not in self._endpoints:
            self._endpoints[key] = _Endpoint(servlet, touched)
        return self._endpoints[key]

    def hide_rooms(self, is_hidden: IsHidden, always: frozenset[str]) -> None:
        """Answer other servers as if some rooms did not exist, on every endpoint.

        Synapse is asked about a room that there is not, so that the answer is the one that it gives then, and
        takes as long. Guards hear of no hidden room.

        Args:
            is_hidden: whether a room is hidden.
            always: endpoints at which every room is hidden.

        Raises:
            ConfigError: the endpoints do not look as expected.
        """
        about_rooms = {servlet for servlet in _ALL.of(servlets) if "(?P<room_id>" in servlet.PATH}
        if not {servlet.__name__ for servlet in about_rooms} >= _ABOUT_ROOMS:
            raise _ALL.unexpected()
        for servlet in about_rooms:
            hide = self._hiding(is_hidden, is_always=servlet.__name__ in always)
            for method in ("GET", "PUT", "POST"):
                if hasattr(servlet, f"on_{method}"):
                    path = f"{_SERVLETS}.{servlet.__name__}.on_{method}"
                    touched = attrs.evolve(_ALL, path=path, parameters=_PARAMETERS)
                    self._endpoint(servlet, touched).hide = hide
        for (name, method), run in (
            (("FederationSendServlet", "PUT"), _without_hidden(is_hidden)),
            (("FederationEventServlet", "GET"), self._event),
        ):
            self._endpoint(getattr(servlets, name), _HIDING[name, method]).hide = run

    def _hiding(self, is_hidden: IsHidden, *, is_always: bool) -> _Hide:
        async def hide(proceed: _Proceed, path: dict[str, str], content: Any) -> Any:
            asked = path["room_id"]
            if not is_always and not await is_hidden(asked):
                return await proceed(content, **path)
            decoy = self._decoy(asked)
            if isinstance(content, Mapping) and content.get("room_id") == asked:
                content = {**content, "room_id": decoy}
            return await _with_decoy(proceed, content, {**path, "room_id": decoy}, decoy, asked)

        return hide

    async def _event(self, proceed: _Proceed, path: dict[str, str], content: Any) -> Any:
        """An event of a room that the other server is not in is none, instead of a forbidden one."""
        try:
            return await proceed(content, **path)
        except AuthError:
            decoy = self._decoy(path["event_id"])
            return await _with_decoy(proceed, content, {"event_id": decoy}, decoy, path["event_id"])

    def _decoy(self, identifier: str) -> str:
        """An id like another that there is not, always the same for it, as limits of rates count by it."""
        local, colon, server = identifier.partition(":")
        digest = hmac.digest(self._secret, b"decoy " + identifier.encode("utf-8", "replace"), hashlib.sha256)
        letters = "".join(chr(ord("a") + octet % 26) for octet in digest * (len(local) // len(digest) + 1))
        return local[:1] + letters[: max(len(local) - 1, 1)] + colon + server


async def _with_decoy(
    proceed: _Proceed, content: Any, path: Mapping[str, str], decoy: str, asked: str
) -> Any:
    try:
        return await proceed(content, **path)
    except SynapseError as error:
        error.msg = error.msg.replace(decoy, asked)
        raise


def _without_hidden(is_hidden: IsHidden) -> _Hide:
    """Leaves out what another server sends to hidden rooms: Synapse says nothing of events in no room."""

    async def run(proceed: _Proceed, path: dict[str, str], content: Any) -> Any:
        sent = content.get("pdus")
        if isinstance(sent, list):
            named = {room for pdu in sent if (room := _room_of(pdu)) is not None}
            hidden = {room for room in named if await is_hidden(room)}
            if hidden:
                content = {**content, "pdus": [pdu for pdu in sent if _room_of(pdu) not in hidden]}
        return await proceed(content, **path)

    return run


def _room_of(pdu: object) -> str | None:
    """Which room an event is sent to; another server may send anything."""
    room = pdu.get("room_id") if isinstance(pdu, Mapping) else None
    return room if isinstance(room, str) else None


def _decoded(query: Mapping[bytes, Any]) -> Mapping[str, str]:
    try:
        return {key.decode(): values[0].decode() for key, values in query.items()}
    except UnicodeDecodeError:
        raise SynapseError(400, "The query is not UTF-8", Codes.INVALID_PARAM) from None
