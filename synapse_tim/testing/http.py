"""A small HTTP server, on loopback unless told otherwise, that can also behave badly.

It hands each request to an application and writes the answer, either as one should or as the faults demand.
"""

import contextlib
import gzip
import http.server
import json
import socket
import ssl
import threading
import zlib
from collections.abc import Callable, Iterable, Iterator, Mapping
from typing import Any, Self

import attrs
from cryptography import x509
from cryptography.x509.oid import NameOID

from synapse_tim.testing.simulator.faults import Faults

_CHUNK = 64 * 1024


@attrs.frozen
class Request:
    """One request."""

    method: str  #: ``GET``, ``POST``, ``PUT`` or ``DELETE``
    path: str  #: the path with its query, as it was sent
    headers: Mapping[str, str]  #: by name in lower case
    body: bytes  #: the bytes that came with it
    secure: bool  #: whether it came over TLS
    client_certificate: bytes | None = None  #: of mutual TLS, in DER

    @property
    def client_name(self) -> str:
        """The common name in the client's certificate; empty without one."""
        if self.client_certificate is None:
            return ""
        subject = x509.load_der_x509_certificate(self.client_certificate).subject
        return "".join(str(each.value) for each in subject.get_attributes_for_oid(NameOID.COMMON_NAME)[:1])


@attrs.frozen
class Answer:
    """What to answer."""

    status: int  #: the status code
    body: bytes = b""  #: the content
    content_type: str = "text/plain"  #: of the content
    headers: Mapping[str, str] = attrs.field(factory=dict)  #: further ones, such as ``Location``

    @classmethod
    def of_json(cls, value: Any, status: int = 200) -> Self:
        """An answer in JSON."""
        return cls(status, json.dumps(value).encode(), "application/json")


Application = Callable[[Request], Answer]
Log = Callable[[str, str, int], None]


class LoopbackServer:
    """One listener, each connection in a thread of its own.

    Args:
        port: to listen on; 0 for a free one.
        application: answers requests.
        log: called with method, path and status before the answer is written; status 0 for a connection
            that is dropped.
        faults: switches of transport.
        ssl_context: for TLS.
        host: the address to listen on.
    """

    def __init__(
        self,
        port: int,
        application: Application,
        log: Log,
        faults: Faults,
        ssl_context: ssl.SSLContext | None = None,
        host: str = "127.0.0.1",
    ) -> None:
        self.application = application
        self.log = log
        self.faults = faults
        self.secure = ssl_context is not None
        self.closing = threading.Event()
        self._server = _Server(self, host, port)
        if ssl_context is not None:
            # The handshake happens in the connection's thread, so that a client that dawdles blocks no other.
            self._server.socket = ssl_context.wrap_socket(
                self._server.socket, server_side=True, do_handshake_on_connect=False
            )
        self.port: int = self._server.server_address[1]
        self._thread = threading.Thread(
            target=self._server.serve_forever, args=(0.05,), name=f"loopback-{self.port}", daemon=True
        )
        self._thread.start()

    def close(self) -> None:
        """Stop listening and end all connections."""
        self.closing.set()
        self._server.shutdown()
        self._server.server_close()
        self._server.end_connections()
        self._thread.join()


class _Server(http.server.ThreadingHTTPServer):
    daemon_threads = True
    request_queue_size = 128

    def __init__(self, owner: LoopbackServer, host: str, port: int) -> None:
        self.owner = owner
        self._connections: set[socket.socket] = set()
        self._lock = threading.Lock()
        super().__init__((host, port), _Handler)

    def process_request(self, request: Any, client_address: Any) -> None:
        with self._lock:
            self._connections.add(request)
        super().process_request(request, client_address)

    def shutdown_request(self, request: Any) -> None:
        with self._lock:
            self._connections.discard(request)
        super().shutdown_request(request)

    def handle_error(self, request: Any, client_address: Any) -> None:
        """Say nothing: clients that give up are what is being tested."""

    def end_connections(self) -> None:
        with self._lock:
            for connection in self._connections:
                with contextlib.suppress(OSError):
                    # Not SSLSocket.shutdown: that would take TLS away under the thread that uses it.
                    socket.socket.shutdown(connection, socket.SHUT_RDWR)


class _Handler(http.server.BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    # Without these two, each request takes 40 ms: Nagle's algorithm against delayed acknowledgements.
    disable_nagle_algorithm = True
    wbufsize = -1
    server: _Server

    def do_GET(self) -> None:
        self._answer(b"")

    def do_POST(self) -> None:
        self._answer(self._body())

    do_PUT = do_DELETE = do_POST  # noqa: N815

    def _body(self) -> bytes:
        if self.headers.get("Transfer-Encoding", "").lower() != "chunked":
            return self.rfile.read(int(self.headers.get("Content-Length") or 0))
        chunks = []
        while size := int(self.rfile.readline().partition(b";")[0], 16):
            chunks.append(self.rfile.read(size))
            self.rfile.readline()
        while self.rfile.readline().strip():
            pass  # trailers
        return b"".join(chunks)

    def log_message(self, format: str, *args: Any) -> None:  # noqa: A002
        """Say nothing: the simulator keeps its own list of requests."""

    def _answer(self, body: bytes) -> None:
        owner = self.server.owner
        headers = {name.lower(): value for name, value in self.headers.items()}
        peer = self.connection
        certificate = peer.getpeercert(binary_form=True) if isinstance(peer, ssl.SSLSocket) else None
        request = Request(self.command, self.path, headers, body, owner.secure, certificate)
        faulty = self.path.startswith(owner.faults.paths)
        faults = attrs.evolve(owner.faults) if faulty else Faults()
        if faults.drop_connection:
            owner.log(self.command, self.path, 0)
            self.close_connection = True
            return
        if faults.redirect:
            answer = Answer(302, headers={"Location": faults.redirect})
        elif faults.status:
            waits = {"Retry-After": str(faults.retry_after)} if faults.retry_after else {}
            answer = Answer(faults.status, headers=waits)
        else:
            answer = owner.application(request)
        owner.log(self.command, self.path, answer.status)
        self._write(answer, faults)

    def _write(self, answer: Answer, faults: Faults) -> None:
        headers = dict(answer.headers)
        chunks, length = _body(answer, headers, faults)
        headers["Content-Type"] = answer.content_type
        if length is None:
            headers["Connection"] = "close"
            self.close_connection = True
        elif answer.status != 204:
            headers["Content-Length"] = str(length)
        self._write_head(answer.status, headers, faults.slow_headers)
        for chunk in _dripping(chunks, faults.slow_drip, self.server.owner.closing):
            self.wfile.write(chunk)
            if faults.slow_drip:
                self.wfile.flush()

    def _write_head(self, status: int, headers: Mapping[str, str], seconds: float) -> None:
        reason = self.responses.get(status, ("Unknown",))[0]
        lines = [f"{self.protocol_version} {status} {reason}", *(f"{k}: {v}" for k, v in headers.items())]
        head = "\r\n".join([*lines, "", ""]).encode("latin-1")
        for piece in _dripping([head], seconds, self.server.owner.closing):
            self.wfile.write(piece)
            self.wfile.flush()


def _body(answer: Answer, headers: dict[str, str], faults: Faults) -> tuple[Iterable[bytes], int | None]:
    """The body in pieces, and its length if that is to be announced."""
    if faults.gzip_bomb:
        headers["Content-Encoding"] = "gzip"
        return _gzip_bomb(faults.gzip_bomb), None
    if faults.endless_body:
        return _endless(answer.body), None
    body = answer.body
    if faults.compressed:
        headers["Content-Encoding"] = "gzip"
        body = gzip.compress(body)
    padding = max(0, faults.oversized - len(body))
    return _padded(body, padding), len(body) + padding


def _padded(body: bytes, padding: int) -> Iterator[bytes]:
    yield body
    for start in range(0, padding, _CHUNK):
        yield b" " * min(_CHUNK, padding - start)


def _endless(body: bytes) -> Iterator[bytes]:
    yield body
    while True:
        yield b" " * _CHUNK


def _gzip_bomb(octets: int) -> Iterator[bytes]:
    packer = zlib.compressobj(level=9, wbits=31)
    for start in range(0, octets, _CHUNK):
        yield packer.compress(bytes(min(_CHUNK, octets - start)))
    yield packer.flush()


def _dripping(pieces: Iterable[bytes], seconds: float, closing: threading.Event) -> Iterator[bytes]:
    for piece in pieces:
        if not seconds:
            if closing.is_set():
                return
            yield piece
            continue
        for position in range(len(piece)):
            if closing.wait(seconds):
                return
            yield piece[position : position + 1]
