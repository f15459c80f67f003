"""Answers to clients about servers outside the federation list, the same on every endpoint.

Synapse asks its allow-list before each request to another server, and has words of its own for a denial; in
some places it takes one for a server that is down. All of these get the same answer as an invitation:

- room lists, keys, media (A_26328) and other requests to one server: the error that Synapse raises says it;
- profiles: before Synapse asks for a room in common;
- aliases, joins and knocks: before Synapse makes another error of it;
- summaries of rooms and of spaces: once Synapse has found nothing.

Leaving a room and declining an invitation go on without the other server. What other servers are answered
stays as it is. Used by ``federation``.
"""

from collections.abc import Awaitable, Callable, Iterable
from typing import Any, Final

from synapse.api.errors import FederationDeniedError
from synapse.http import matrixfederationclient
from synapse.media import media_repository
from synapse.module_api.errors import SynapseError

from synapse_tim.adapter.answers import error_of, headers_of
from synapse_tim.adapter.shape import Touches
from synapse_tim.core.denial import Denial

_SYNAPSE: Final = Touches("denied servers")
_ALIASES: Final = _SYNAPSE.getter("get_directory_handler", "DirectoryHandler")
_ALIAS: Final = _SYNAPSE.wraps(
    "synapse.handlers.directory.DirectoryHandler.get_association(…, room_alias)", "says who is denied"
)
_PROFILES: Final = _SYNAPSE.getter("get_profile_handler", "ProfileHandler")
_PROFILE: Final = _SYNAPSE.wraps(
    "synapse.handlers.profile.ProfileHandler.check_profile_query_allowed(…, target_user)",
    "says who is denied",
)
_MEMBERS: Final = _SYNAPSE.getter("get_room_member_handler", "RoomMemberHandler")
_ENTRIES: Final = tuple(
    _SYNAPSE.wraps(
        f"synapse.handlers.room_member.RoomMemberHandler.{name}(…, remote_room_hosts)", "says who is denied"
    )
    for name in ("_remote_join", "remote_knock")
)
_SUMMARIES: Final = _SYNAPSE.getter("get_room_summary_handler", "RoomSummaryHandler")
_SUMMARY: Final = tuple(
    _SYNAPSE.wraps(
        f"synapse.handlers.room_summary.RoomSummaryHandler.{name}(…, remote_room_hosts)", "says who is denied"
    )
    for name in ("get_room_summary", "get_room_hierarchy")
)
_ERRORS: Final = {
    module: _SYNAPSE.changes(
        f"{module.__name__}.FederationDeniedError", "the error where requests to other servers begin"
    )
    for module in (matrixfederationclient, media_repository)
}

_Proceed = Callable[[], Awaitable[Any]]
#: Statuses of Synapse for a room that no server could be asked about.
_NOT_SHOWN = (400, 403, 404)


def tell_of_denied_servers(
    hs: Any, why_denied: Callable[[str | None], Denial], require_one: Callable[[Iterable[str]], None]
) -> None:
    """Answer clients the same about denied servers at every endpoint.

    Args:
        why_denied: the denial of a server that has just been denied.
        require_one: raises the answer if of several servers there is none that may be asked; this server is
            not one of them, and without others there is nothing to say.
    """
    _answer_as(why_denied)

    async def of_alias(proceed: _Proceed, arguments: dict[str, Any]) -> Any:
        require_one([arguments["room_alias"].domain])
        return await proceed()

    async def of_profile(proceed: _Proceed, arguments: dict[str, Any]) -> Any:
        require_one([arguments["target_user"].domain])
        return await proceed()

    async def of_room(proceed: _Proceed, arguments: dict[str, Any]) -> Any:
        require_one(arguments["remote_room_hosts"])
        return await proceed()

    async def of_summary(proceed: _Proceed, arguments: dict[str, Any]) -> Any:
        try:
            return await proceed()
        except SynapseError as error:
            if error.code in _NOT_SHOWN:
                require_one(arguments.get("remote_room_hosts") or ())
            raise

    _ALIAS.wrap(_ALIASES.of(hs)(), of_alias)
    _PROFILE.wrap(_PROFILES.of(hs)(), of_profile)
    for touched in _ENTRIES:
        touched.wrap(_MEMBERS.of(hs)(), of_room)
    for touched in _SUMMARY:
        touched.wrap(_SUMMARIES.of(hs)(), of_summary)


def _answer_as(why_denied: Callable[[str | None], Denial]) -> None:
    """Replace the error where requests to other servers begin, and nowhere else."""

    class DeniedServerError(FederationDeniedError):
        """Synapse's error, which it looks for in many places, with our answer."""

        def __init__(self, destination: str | None) -> None:
            super().__init__(destination)
            self._denial = denial = why_denied(destination)
            self.args = (f"{denial.status}: {denial.message}",)
            self.code, self.msg, self.errcode = denial.status, denial.message, denial.errcode
            self.headers = headers_of(denial)

        def error_dict(self, config: Any) -> dict[str, Any]:
            # Only now somebody is told: Synapse raises this for its own requests as well.
            return error_of(self._denial).error_dict(config)

    for module, touched in _ERRORS.items():
        raised = touched.of(module)
        if not (isinstance(raised, type) and issubclass(raised, FederationDeniedError)):
            raise touched.unexpected()
        module.FederationDeniedError = DeniedServerError  # type: ignore[attr-defined]
