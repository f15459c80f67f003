"""Hardening of Twisted's HTTP server for a mirror that anybody in an internal network can reach.

A request has to be small, and complete in a few seconds however its bytes drip; an answer has to be taken in
two minutes; there are only so many connections. Nothing is logged about requests: they have addresses.
"""

from __future__ import annotations

import io
from typing import Any, Final

from twisted.internet.interfaces import IAddress
from twisted.python.failure import Failure
from twisted.web.http import HTTPChannel
from twisted.web.resource import Resource
from twisted.web.server import Request, Site

from synapse_tim.mirror import metrics

#: From the connection, or the end of the last answer, to the end of the next request.
REQUEST_SECONDS: Final = 10
#: For an answer; homeservers give up after one minute.
ANSWER_SECONDS: Final = 120
#: OCSP requests have about 100 bytes.
MAX_BODY: Final = 4096
_TOO_LARGE: Final = b"HTTP/1.1 413 Content Too Large\r\nConnection: close\r\nContent-Length: 0\r\n\r\n"


class _Request(Request):
    """A request with a small body, or none."""

    refused = False

    def gotLength(self, length: int | None) -> None:  # noqa: N802
        """Refuse a body that is too large, or of a length that is not told."""
        self.content = io.BytesIO()
        if (length is None or length > MAX_BODY) and self.channel is not None:
            self.refused = True
            channel: Any = self.channel
            channel.transport.write(_TOO_LARGE)
            channel.loseConnection()

    def handleContentChunk(self, data: bytes) -> None:  # noqa: N802
        """Take a part of the body."""
        if not self.refused:
            super().handleContentChunk(data)

    def process(self) -> None:
        """Answer, unless that was done."""
        if not self.refused:
            super().process()


class _Channel(HTTPChannel):
    """A connection."""

    totalHeadersSize = 8192  # noqa: N815
    maxHeaders = 50  # noqa: N815
    abortTimeout = 5  # noqa: N815
    requestFactory = _Request  # noqa: N815
    site: HardenedSite
    _counted = False

    def connectionMade(self) -> None:  # noqa: N802
        """Begin, with the clock running."""
        self.site.count(1)
        self._counted = True
        super().connectionMade()

    def resetTimeout(self) -> None:  # noqa: N802
        """Let the clock run on: single bytes buy no time."""

    def connectionLost(self, reason: Failure) -> None:  # type: ignore[override]  # noqa: N802
        """End."""
        if self._counted:
            self._counted = False
            self.site.count(-1)
        super().connectionLost(reason)


class HardenedSite(Site):
    """A site with limits.

    Args:
        max_connections: at the same time; further ones are closed.
        measured: whether the metrics are about this site.
    """

    def __init__(self, resource: Resource, max_connections: int, *, measured: bool = True) -> None:
        super().__init__(resource, requestFactory=_Request, timeout=REQUEST_SECONDS)
        self.protocol = _Channel  # type: ignore[assignment]
        self._max_connections = max_connections
        self._measured = measured
        self._connections = 0
        self.displayTracebacks = False

    def acceptableProtocols(self) -> list[bytes]:  # noqa: N802
        """No HTTP/2, whatever is installed: the limits are those of HTTP/1.1."""
        return [b"http/1.1"]

    def buildProtocol(self, addr: IAddress | None) -> Any:  # noqa: N802
        """A connection, or ``None`` to close it."""
        if self._connections >= self._max_connections:
            metrics.CONNECTIONS_REFUSED.inc(self._measured)
            return None
        return super().buildProtocol(addr)

    def count(self, more: int) -> None:
        """Take note of a connection that begins (1) or ends (-1)."""
        self._connections += more
        if self._measured:
            metrics.CONNECTIONS.set(self._connections)

    def log(self, request: Any) -> None:
        """Say nothing: requests have addresses (A_22817); the metrics count them."""
