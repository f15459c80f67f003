"""HTTP client for one bounded exchange at a time, synchronous, for use in threads.

The fetcher only transports; its results are untrusted until a rule has verified them. Refused while
it happens: a body over its cap, an exchange over its wall-clock deadline (also one whose name is not found,
or that drips a byte now and then in the handshake, the headers or the body), any redirect, any compressed
body. httpx limits the silence between two reads but not the whole exchange, so nobody waits for it beyond
its deadline, and its socket is shut down then.
"""

import contextlib
import logging
import socket
import ssl
import threading
from collections.abc import Mapping
from concurrent.futures import Future
from typing import Any, Final

import attrs
import httpx

from synapse_tim.transport.errors import TransportError, TransportReason

#: No silence longer than this, in seconds; the directory calls a slower answer unhealthy (requirement R1.11).
SILENCE_SECONDS: Final = 10.0
#: Three years, in seconds; anything older is as old.
_OLDEST: Final = 10**8
_OK: Final = frozenset({200})

# httpx logs whole URLs at INFO; an operator's may carry a token in its query.
logging.getLogger("httpx").setLevel(logging.WARNING)


@attrs.frozen
class Response:
    """A complete answer."""

    status: int  #: HTTP status, never a redirect except 304
    body: bytearray  #: the bytes of a 200, or of a status that was asked for; empty for any other
    #: Seconds for which the server wants to be left alone, if it says so in digits.
    retry_after: int | None = None
    age: int = 0  #: seconds since a cache that answered had this from its origin; 0 without a cache


class _Exchange:
    """One exchange, which can be ended from outside at any moment."""

    def __init__(self) -> None:
        self.ended = False
        self._lock = threading.Lock()
        self._sockets: list[socket.socket] = []

    def trace(self, event: str, info: Mapping[str, Any]) -> None:
        """Take hold of the connection as soon as there is one (httpx's ``trace`` extension)."""
        if event != "connection.connect_tcp.complete":
            return
        connected = info["return_value"].get_extra_info("socket")
        # A duplicate stays valid when TLS takes the original over, and shuts the same connection down.
        with self._lock:
            self._sockets.append(connected.dup())
        if self.ended:
            self.end()

    def end(self) -> None:
        """End the exchange now, or as soon as it has a connection."""
        self.ended = True
        with self._lock:
            for connection in self._sockets:
                with contextlib.suppress(OSError):
                    connection.shutdown(socket.SHUT_RDWR)

    def close(self) -> None:
        """Let go of the connection after the exchange."""
        with self._lock:
            for connection in self._sockets:
                connection.close()
            self._sockets.clear()


class Fetcher:
    """Makes HTTP requests that end in bounded time with a bounded answer.

    Proxies are taken from the environment (``https_proxy``, ``no_proxy``), as Synapse itself does.

    Args:
        ssl_context: for ``https``; default: the system's certificates.
        silence: the longest silence in seconds.
    """

    def __init__(
        self, ssl_context: ssl.SSLContext | None = None, *, silence: float = SILENCE_SECONDS
    ) -> None:
        self._client = httpx.Client(
            verify=ssl_context or ssl.create_default_context(),
            follow_redirects=False,
            timeout=httpx.Timeout(silence),
            # Every exchange has a connection of its own, which may be shut down.
            limits=httpx.Limits(max_keepalive_connections=0),
            headers={"Accept-Encoding": "identity", "User-Agent": "synapse_tim"},
        )
        self._running: set[_Exchange] = set()
        self._closed = False

    def get(
        self,
        url: str,
        *,
        max_bytes: int,
        deadline: float,
        params: Mapping[str, str] | None = None,
        headers: Mapping[str, str] | None = None,
    ) -> Response:
        """GET a resource.

        Args:
            url: absolute, http or https; its own query is kept.
            deadline: seconds for the whole exchange.

        Raises:
            TransportError: a reason of transport.
        """
        try:
            target = httpx.URL(url).copy_merge_params(dict(params or {}))
            request = self._client.build_request("GET", target, headers=dict(headers or {}))
        except (httpx.InvalidURL, UnicodeError) as error:
            raise TransportError(
                TransportReason.UNREACHABLE, f"no usable URL: {type(error).__name__}"
            ) from None
        return self._exchange(request, max_bytes, deadline, _OK)

    def post(
        self,
        url: str,
        *,
        content: bytes,
        headers: Mapping[str, str],
        max_bytes: int,
        deadline: float,
        statuses: frozenset[int] = _OK,
    ) -> Response:
        """POST bytes; arguments and errors as for ``get``.

        Args:
            statuses: whose body is read.
        """
        request = self._client.build_request("POST", url, content=content, headers=dict(headers))
        return self._exchange(request, max_bytes, deadline, statuses)

    def close(self) -> None:
        """End exchanges that are under way and refuse further ones; for use at shutdown."""
        self._closed = True
        for exchange in tuple(self._running):
            exchange.end()
        self._client.close()

    def _exchange(
        self, request: httpx.Request, max_bytes: int, deadline: float, statuses: frozenset[int]
    ) -> Response:
        """Run the exchange in a thread of its own and wait for it no longer than the deadline.

        Looking a name up cannot be interrupted. A thread that is late goes on by itself and ends as soon as
        it gets a connection; nobody looks at what it brings.
        """
        host = request.url.netloc.decode("ascii", "replace").rpartition("@")[2]
        if self._closed:
            raise TransportError(TransportReason.UNREACHABLE, "shutting down")
        exchange, outcome = _Exchange(), Future[Response]()
        self._running.add(exchange)

        def run() -> None:
            try:
                outcome.set_result(self._send(request, host, max_bytes, exchange, statuses))
            except BaseException as error:
                outcome.set_exception(error)
            finally:
                self._running.discard(exchange)
                exchange.close()

        threading.Thread(target=run, name="synapse_tim-fetch", daemon=True).start()
        try:
            return outcome.result(deadline)
        except TimeoutError:
            exchange.end()
            raise TransportError(
                TransportReason.DEADLINE, f"{host}: not complete within {deadline:g} s"
            ) from None

    def _send(
        self,
        request: httpx.Request,
        host: str,
        max_bytes: int,
        exchange: _Exchange,
        statuses: frozenset[int],
    ) -> Response:
        request.extensions["trace"] = exchange.trace
        try:
            response = self._client.send(request, stream=True)
            with contextlib.closing(response):
                return _read(response, host, max_bytes, statuses)
        except (
            httpx.HTTPError,
            httpx.InvalidURL,
            httpx.StreamError,
            OSError,
            RuntimeError,
            UnicodeError,
        ) as error:
            detail = f"{host}: {type(error).__name__}: {str(error)[:120]}"
            raise TransportError(
                TransportReason.UNREACHABLE, detail, is_certificate_refused=_is_of_certificate(error)
            ) from None


def _is_of_certificate(error: BaseException | None) -> bool:
    while error is not None:
        if isinstance(error, ssl.SSLCertVerificationError):
            return True
        error = error.__cause__ or error.__context__
    return False


def _read(response: httpx.Response, host: str, max_bytes: int, statuses: frozenset[int]) -> Response:
    status = response.status_code
    if 300 <= status < 400 and status != 304:
        raise TransportError(TransportReason.REDIRECT, f"{host}: status {status}")
    encoding = response.headers.get("Content-Encoding", "identity").strip()
    if encoding.lower() not in ("", "identity"):
        # Ends up in logs and on terminals, to which a server must not speak.
        raise TransportError(TransportReason.COMPRESSED, f"{host}: {encoding[:20]!a}")
    body = bytearray()
    retry_after, age = _seconds(response, "Retry-After"), min(_seconds(response, "Age") or 0, _OLDEST)
    if status not in statuses:
        return Response(status, body, retry_after, age)
    length = response.headers.get("Content-Length", "")
    if length.isascii() and length.isdigit() and int(length[:20]) > max_bytes:
        raise TransportError(TransportReason.TOO_LARGE, f"{host}: {length[:20]} bytes announced")
    for chunk in response.iter_raw():
        body += chunk
        if len(body) > max_bytes:
            raise TransportError(TransportReason.TOO_LARGE, f"{host}: more than {max_bytes} bytes")
    return Response(status, body, age=age)


def _seconds(response: httpx.Response, header: str) -> int | None:
    """A number in ``Retry-After`` (RFC 9110 §10.2.3) or ``Age`` (RFC 9111 §5.1); a date is passed over."""
    value = response.headers.get(header, "").strip()[:20]
    return int(value) if value.isascii() and value.isdigit() else None
