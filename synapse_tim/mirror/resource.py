"""Endpoints of the mirror: the list, roots, sub-CAs, OCSP, and whether it works."""

import datetime as dt
import io
import logging
from collections.abc import Callable
from typing import Any, Final

from prometheus_client import CONTENT_TYPE_LATEST, generate_latest
from twisted.internet.threads import deferToThreadPool
from twisted.python.failure import Failure
from twisted.python.threadpool import ThreadPool
from twisted.web.resource import Resource
from twisted.web.server import NOT_DONE_YET, Request
from twisted.web.static import NoRangeStaticProducer

from synapse_tim.federation.list import MAX_VERSION
from synapse_tim.mirror import metrics
from synapse_tim.mirror.list_mirror import ListMirror, ServedList
from synapse_tim.mirror.lookups import LookupFailedError, Lookups
from synapse_tim.mirror.web_server import ANSWER_SECONDS

logger = logging.getLogger(__name__)

LIST_PATH: Final = b"/federationList.jws"
ROOTS_PATH: Final = b"/ECC/ROOT-CA/roots.json"
SUB_CA_PATH: Final = b"/ECC/SUB-CA/"
OCSP_PATH: Final = b"/ocsp"
HEALTH_PATH: Final = b"/health"
#: Requests that wait for a look-up at the same time; further ones are told to come again.
_MAX_WAITING: Final = 500
_RETRY_SECONDS: Final = 15

_Answer = tuple[int, bytes, bytes]
_PLAIN: Final = b"text/plain; charset=utf-8"


class MirrorResource(Resource):
    """Answers homeservers.

    Args:
        algorithm: with which the list is signed.
        pool: the threads in which things are looked up.
        clock: the current time, with a time zone.
    """

    isLeaf = True  # noqa: N815

    def __init__(
        self,
        mirror: ListMirror,
        lookups: Lookups,
        algorithm: str,
        pool: ThreadPool,
        reactor: Any,
        clock: Callable[[], dt.datetime],
    ) -> None:
        super().__init__()
        self._mirror = mirror
        self._lookups = lookups
        self._algorithm = algorithm.encode()
        self._pool = pool
        self._reactor = reactor
        self._clock = clock
        # Requests that want the same wait for one look-up.
        self._waiting: dict[tuple[str, bytes], list[Request]] = {}
        self._count = 0

    def render(self, request: Request) -> int:
        """Answer a request, now or later."""
        request.setHeader(b"Server", b"synapse_tim")
        late = self._reactor.callLater(ANSWER_SECONDS, _give_up, request)
        request.notifyFinish().addBoth(lambda _: late.active() and late.cancel())
        path, get = request.path, request.method in (b"GET", b"HEAD")
        if path == OCSP_PATH:
            question = request.content.read() if request.content is not None else b""
            if request.method != b"POST":
                self._refuse(request, "ocsp", 405, "POST an OCSP request")
            else:
                self._look_up(request, "ocsp", question, lambda: self._lookups.ocsp(question))
        elif not get:
            self._refuse(request, "other", 405, "GET only")
        elif path == LIST_PATH:
            self._list(request)
        elif path == ROOTS_PATH:
            self._look_up(request, "roots", b"", self._lookups.roots)
        elif path.startswith(SUB_CA_PATH):
            name = path.removeprefix(SUB_CA_PATH)
            self._look_up(request, "sub_ca", name, lambda: self._lookups.sub_ca(name.decode("latin-1")))
        elif path == HEALTH_PATH:
            self._health(request)
        else:
            self._refuse(request, "other", 404, "not found")
        return NOT_DONE_YET

    # The list

    def _list(self, request: Request) -> None:
        known = request.args.get(b"version", [b""])[-1]
        algorithm = request.args.get(b"sigAlg", [self._algorithm])[-1]
        version = int(known[:20]) if known.isdigit() else None
        if known and (version is None or version > MAX_VERSION):
            self._refuse(request, "list", 400, "version: expected a number")
            return
        if algorithm != self._algorithm:
            self._refuse(request, "list", 406, f"this mirror has the list in {self._algorithm.decode()} only")
            return
        served = self._mirror.current()
        if served is None:
            self._refuse(request, "list", 503, "no list, or one that is too old")
        elif version is not None and version > served.version:
            # It comes from another mirror, say: an older list would be refused as a rollback.
            self._mirror.force()
            self._refuse(request, "list", 503, "the source is being asked")
        else:
            self._send_list(request, served, current=version == served.version)

    def _send_list(self, request: Request, served: ServedList, *, current: bool) -> None:
        age = int(served.age(self._clock()).total_seconds())
        request.setHeader(b"Age", str(age).encode())
        request.setHeader(b"Cache-Control", b"no-cache")
        request.setHeader(b"ETag", served.etag)
        asked_for = request.getHeader(b"If-None-Match") or b""
        if current:
            self._send(request, "list", (204, b"", b""))
        elif served.etag in [each.strip() for each in asked_for.split(b",")]:
            self._send(request, "list", (304, b"", b""))
        elif request.method == b"HEAD":
            request.setHeader(b"Content-Length", str(len(served.data)).encode())
            self._send(request, "list", (200, b"", b"application/jose"))
        else:
            metrics.REQUESTS.labels("list", "200").inc()
            request.setHeader(b"Content-Type", b"application/jose")
            request.setHeader(b"Content-Length", str(len(served.data)).encode())
            # In pieces: each connection has one of them in memory, and all share the list itself.
            NoRangeStaticProducer(request, io.BytesIO(served.data)).start()

    def _health(self, request: Request) -> None:
        if self._mirror.current() is None:
            self._refuse(request, "health", 503, "no list, or one that is too old")
        else:
            self._send(request, "health", (200, b"OK\n", _PLAIN))

    # What is looked up

    def _look_up(self, request: Request, kind: str, which: bytes, find: Callable[[], bytes]) -> None:
        if self._count >= _MAX_WAITING:
            self._refuse(request, kind, 503, "too many requests are waiting")
            return
        self._count += 1
        waiting = self._waiting.setdefault((kind, which), [])
        waiting.append(request)
        if len(waiting) == 1:
            found = deferToThreadPool(self._reactor, self._pool, find)
            found.addBoth(self._found, kind, which)

    def _found(self, found: bytes | Failure, kind: str, which: bytes) -> None:
        waiting = self._waiting.pop((kind, which))
        self._count -= len(waiting)
        for request in waiting:
            if not isinstance(found, Failure):
                self._send(request, kind, (200, found, _TYPES[kind]))
            elif isinstance(found.value, LookupFailedError):
                self._refuse(request, kind, found.value.status, str(found.value))
            else:
                logger.error("A look-up failed unexpectedly: %s", found.getTraceback())
                self._refuse(request, kind, 503, "an error of the mirror; its log has the details")

    # Answers

    def _refuse(self, request: Request, kind: str, status: int, why: str) -> None:
        if status == 503:
            request.setHeader(b"Retry-After", str(_RETRY_SECONDS).encode())
        self._send(request, kind, (status, why.encode() + b"\n", _PLAIN))

    def _send(self, request: Request, kind: str, answer: _Answer) -> None:
        status, body, content_type = answer
        metrics.REQUESTS.labels(kind, str(status)).inc()
        if _is_gone(request):
            return
        request.setResponseCode(status)
        if content_type:
            request.setHeader(b"Content-Type", content_type)
        if body:
            request.setHeader(b"Content-Length", str(len(body)).encode())
            request.write(body)
        request.finish()


_TYPES: Final = {
    "roots": b"application/json",
    "sub_ca": b"application/pkix-cert",
    "ocsp": b"application/ocsp-response",
}


def _is_gone(request: Request) -> bool:
    """Whether the client has closed the connection."""
    channel: object = request.channel
    return channel is None


def _give_up(request: Request) -> None:
    """End a connection whose other end does not take its answer."""
    if not _is_gone(request):
        request.channel.forceAbortClient()


class MetricsResource(Resource):
    """``/metrics``, for Prometheus."""

    isLeaf = True  # noqa: N815

    def render_GET(self, request: Request) -> bytes:  # noqa: N802
        """Answer."""
        if request.path != b"/metrics":
            request.setResponseCode(404)
            return b"not found\n"
        request.setHeader(b"Content-Type", CONTENT_TYPE_LATEST.encode())
        return generate_latest(metrics.REGISTRY)
