"""Requests and answers of the gateway's endpoints: bounded, unambiguous, never in a cache or a frame.

Refused: a query or form that is too long, no UTF-8, or has a parameter twice (RFC 6749 §3.1).
"""

import json
import logging
from collections.abc import Awaitable, Callable, Mapping
from typing import Any, Final
from urllib.parse import parse_qsl, urlencode

import attrs
from synapse.module_api import DirectServeJsonResource, SynapseRequest

from synapse_tim.adapter.client_api import octets
from synapse_tim.adapter.endpoints import respond

logger = logging.getLogger(__name__)

#: Upper bound of a query, or of a form, in bytes.
MAX_BYTES: Final = 64 * 1024

_MAX_FIELDS: Final = 50
_FORM: Final = "application/x-www-form-urlencoded"
_ALWAYS: Final = {
    "Cache-Control": "no-store",
    "Pragma": "no-cache",
    "Referrer-Policy": "no-referrer",
    "X-Content-Type-Options": "nosniff",
    "X-Frame-Options": "DENY",
    "Content-Security-Policy": "default-src 'none'; base-uri 'none'; frame-ancestors 'none'",
}


@attrs.frozen
class WebRequest:
    """A request."""

    method: str  #: ``GET`` for ``HEAD``
    #: Of the query, or of the form of a ``POST``; ``None`` if they cannot be read.
    parameters: Mapping[str, str] | None = attrs.field(repr=False)
    cookies: Mapping[str, str] = attrs.field(repr=False)
    authorization: str | None = attrs.field(repr=False)
    languages: str  #: ``Accept-Language``
    address: str  #: where it comes from


@attrs.frozen
class WebAnswer:
    """An answer."""

    status: int
    body: bytes = attrs.field(default=b"", repr=False)
    headers: Mapping[str, str] = attrs.field(factory=dict, repr=False)


def json_answer(status: int, document: object, headers: Mapping[str, str] | None = None) -> WebAnswer:
    """A JSON document."""
    body = json.dumps(document, separators=(",", ":")).encode()
    return WebAnswer(status, body, {"Content-Type": "application/json", **(headers or {})})


def redirect(url: str, headers: Mapping[str, str] | None = None, **parameters: str | None) -> WebAnswer:
    """Send a browser somewhere, with the parameters that are there."""
    found = {name: value for name, value in parameters.items() if value is not None}
    separator = "&" if "?" in url else "?"
    location = url + separator + urlencode(found) if found else url
    return WebAnswer(303, b"", {"Location": location, **(headers or {})})


class GatewayResource(DirectServeJsonResource):
    """One endpoint.

    Args:
        handle: answers requests.
        failed: answers if that fails, because of the database or a bug.
        methods: that there are; ``HEAD`` goes with ``GET``.
    """

    isLeaf = True  # noqa: N815  # Twisted's name

    def __init__(
        self,
        handle: Callable[[WebRequest], Awaitable[WebAnswer]],
        failed: Callable[[WebRequest], WebAnswer],
        methods: tuple[str, ...],
    ) -> None:
        super().__init__()
        self._handle = handle
        self._failed = failed
        self._methods = methods

    async def _async_render(self, request: SynapseRequest) -> None:
        answer = await self._answer(request)
        respond(request, answer.status, {**_ALWAYS, **answer.headers}, answer.body)

    async def _answer(self, request: SynapseRequest) -> WebAnswer:
        read = _read(request)
        # Synapse writes the address of each request to its log: without codes and states.
        request.uri = request.path
        if request.postpath:
            return json_answer(404, {"error": "not_found"})
        if read.method not in self._methods:
            return json_answer(405, {"error": "invalid_request"}, {"Allow": ", ".join(self._methods)})
        try:
            return await self._handle(read)
        except Exception as error:
            # Its text may hold something about the person.
            logger.error("The identity gateway could not answer a request: %s", type(error).__name__)
            logger.debug("The identity gateway could not answer a request", exc_info=True)
            return self._failed(read)


def _read(request: Any) -> WebRequest:
    method = request.method.decode("ascii", "replace")
    return WebRequest(
        method="GET" if method == "HEAD" else method,
        parameters=_parameters(request),
        cookies=_cookies(request),
        authorization=_header(request, "Authorization"),
        languages=_header(request, "Accept-Language") or "",
        address=request.get_client_ip_if_available(),
    )


def _parameters(request: Any) -> Mapping[str, str] | None:
    if request.method == b"POST":
        kind = (_header(request, "Content-Type") or "").partition(";")[0].strip().lower()
        if kind != _FORM or request.content is None or octets(request) > MAX_BYTES:
            return None
        text = request.content.read()
    else:
        text = request.uri.partition(b"?")[2]
    if len(text) > MAX_BYTES:
        return None
    try:
        found = parse_qsl(
            text.decode("ascii"), keep_blank_values=True, errors="strict", max_num_fields=_MAX_FIELDS
        )
    except ValueError:
        return None
    parameters = dict(found)
    # An empty parameter counts as omitted (RFC 6749 §3.1).
    return {k: v for k, v in parameters.items() if v} if len(parameters) == len(found) else None


def _header(request: Any, name: str) -> str | None:
    found = request.requestHeaders.getRawHeaders(name.encode(), ())
    return found[-1].decode("ascii", "replace") if found else None


def _cookies(request: Any) -> Mapping[str, str]:
    lines = request.requestHeaders.getRawHeaders(b"Cookie", ())
    pairs = b";".join(lines).decode("ascii", "replace").split(";")
    return {name.strip(): value.strip() for name, _, value in (pair.partition("=") for pair in pairs)}
