"""Common parts of this project's endpoints: HTTP methods, headers, errors of gematik's interfaces."""

from collections.abc import Mapping
from typing import Any, Final

from synapse.http.server import UnrecognizedRequestResource, finish_request, set_cors_headers
from synapse.module_api import SynapseRequest
from synapse.module_api.errors import SynapseError
from twisted.web.resource import Resource

from synapse_tim.adapter.answers import reject
from synapse_tim.adapter.shape import Touches
from synapse_tim.core.web_denials import METHOD_UNRECOGNIZED

_SYNAPSE: Final = Touches("endpoints")
for _name, _why in (
    ("finish_request", "answers without a body"),
    ("set_cors_headers", "answers without a body"),
    ("UnrecognizedRequestResource", "interfaces that a product does not have"),
):
    _SYNAPSE.calls(f"synapse.http.server.{_name}", _why)
_CHALLENGE: Final = 'Bearer realm="TI-Messenger"'


def require_method(request: SynapseRequest, *methods: str) -> str:
    """Refuse other methods than those there are; ``HEAD`` goes with ``GET``.

    Browsers' preflights (``OPTIONS``) are Synapse's business and do not get here.

    Returns:
        The method, ``GET`` for ``HEAD``.

    Raises:
        SynapseError: 405 ``M_UNRECOGNIZED``, with ``Allow``.
    """
    meant = {each.encode(): each for each in methods}
    if "GET" in methods:
        meant[b"HEAD"] = "GET"
    method = meant.get(request.method)
    if method is None:
        allowed = [each for name in methods for each in (["GET", "HEAD"] if name == "GET" else [name])]
        set_header(request, "Allow", ", ".join([*allowed, "OPTIONS"]))
        reject(METHOD_UNRECOGNIZED)
    return method


def set_header(request: Any, name: str, value: str) -> None:
    """Set a header of the answer."""
    request.setHeader(name, value)


def error_answer(request: SynapseRequest, error: SynapseError) -> tuple[int, dict[str, Any]]:
    """An error as gematik's interfaces have it, with the code of Matrix; a 401 says what is asked for."""
    for name, value in (error.headers or {}).items():
        set_header(request, name, value)
    if error.code == 401:
        shown = request.requestHeaders.hasHeader(b"Authorization")
        challenge = f'{_CHALLENGE}, error="invalid_token"' if shown else _CHALLENGE
        set_header(request, "WWW-Authenticate", challenge)
    return error.code, {"errorCode": error.errcode, "errorMessage": error.msg}


def finish(request: SynapseRequest) -> None:
    """End an answer without a body."""
    set_cors_headers(request)
    finish_request(request)


def unrecognized() -> Resource:
    """A resource that answers as Synapse does where there is none: 404 ``M_UNRECOGNIZED``."""
    return UnrecognizedRequestResource()  # type: ignore[no-untyped-call]


def respond(request: Any, status: int, headers: Mapping[str, str], body: bytes) -> None:
    """Answer with these headers and bytes; nothing of Synapse's is added."""
    request.setResponseCode(status)
    for name, value in headers.items():
        request.setHeader(name, value)
    request.setHeader("Content-Length", str(len(body)))
    if request.method != b"HEAD":
        request.write(body)
    finish_request(request)
