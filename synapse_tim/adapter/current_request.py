"""The request that Synapse is serving, as its logging context knows it."""

from typing import Final

from synapse.logging.context import ContextRequest, current_context

from synapse_tim.adapter.shape import Touches

_SYNAPSE: Final = Touches("current request")
_SYNAPSE.calls("synapse.logging.context.current_context", "which request is being served")
_REQUESTER: Final = _SYNAPSE.reads(
    "synapse.logging.context.ContextRequest.requester",
    "who makes a request that a callback is not told; the other server in the log of refusals",
)
_SERVER_NAME: Final = _SYNAPSE.reads(
    "synapse.logging.context.LoggingContext.server_name", "the own server in the log of refusals"
)


def assert_shape() -> None:
    """Assert what the functions here use."""
    _REQUESTER.of(ContextRequest)
    _SERVER_NAME.of(current_context())


def current_request() -> object:
    """What stands for the request that is being served, the same for all that belongs to it."""
    return current_context().request


def current_requester() -> str | None:
    """User id or name of the server that makes the request, as far as Synapse knows by now."""
    request = current_context().request
    return None if request is None else request.requester


def current_server_name() -> str:
    """The homeserver that serves the request; a process may have several."""
    return current_context().server_name
