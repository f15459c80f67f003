"""Looks at a homeserver from outside: what others get to see where its name leads to (R5.14, R7.15).

Only the certificates matter; answers are read just to find out where the federation API is. A machine that
cannot be reached from here proves nothing, and is no violation.
"""

import json
import ssl
import time
from collections.abc import Callable, Iterable
from typing import Final

from synapse_tim.check.facts import Endpoint
from synapse_tim.core.server_name import normalise
from synapse_tim.transport.errors import TransportError, TransportReason
from synapse_tim.transport.fetcher import Fetcher

_MAX_BYTES: Final = 64 * 1024
_EACH_SECONDS: Final = 10.0
_FEDERATION_PORT: Final = 8448
#: Reasons for which there was no answer at all.
_NO_ANSWER: Final = frozenset({TransportReason.UNREACHABLE, TransportReason.DEADLINE})


def trust_of_others(ca_files: Iterable[str]) -> ssl.SSLContext:
    """Which certificates count.

    Args:
        ca_files: PEM files of ``federation_custom_ca_list``; without any the system's.

    Raises:
        OSError: a file cannot be read or holds no certificate.
    """
    context: ssl.SSLContext | None = None
    for file in ca_files:
        if context is None:
            context = ssl.create_default_context(cafile=file)
        else:
            context.load_verify_locations(file)
    return context or ssl.create_default_context()


def look_at_endpoints(
    server_name: str,
    context: ssl.SSLContext,
    *,
    seconds: float = 30.0,
    clock: Callable[[], float] = time.monotonic,
) -> list[Endpoint]:
    """Visit the well-known document and the federation API of a server; ``clock`` is in seconds."""
    fetcher = Fetcher(context)
    until = clock() + seconds
    try:
        found = []
        authority = server_name
        if _has_well_known(server_name):
            endpoint, body = _visit(
                fetcher, f"https://{server_name}/.well-known/matrix/server", until - clock()
            )
            found.append(endpoint)
            authority = _delegate(body) or server_name
        if not _has_port(authority):
            authority = f"{authority}:{_FEDERATION_PORT}"
        endpoint, _ = _visit(fetcher, f"https://{authority}/_matrix/key/v2/server", until - clock())
        return [*found, endpoint]
    finally:
        fetcher.close()


def _visit(fetcher: Fetcher, url: str, seconds: float) -> tuple[Endpoint, bytes]:
    if seconds <= 0:
        return Endpoint(url, reached=False, detail="no time left"), b""
    try:
        answer = fetcher.get(url, max_bytes=_MAX_BYTES, deadline=min(seconds, _EACH_SECONDS))
    except TransportError as error:
        if error.reason not in _NO_ANSWER:
            return Endpoint(url, reached=True, trusted=True, detail=str(error)), b""
        return Endpoint(url, reached=error.is_certificate_refused, detail=error.detail), b""
    return Endpoint(url, reached=True, trusted=True, detail=f"status {answer.status}"), bytes(answer.body)


def _has_port(server_name: str) -> bool:
    return server_name.rpartition(":")[2].isdigit() and not server_name.endswith("]")


def _has_well_known(server_name: str) -> bool:
    """Names with a port and addresses lead to a server by themselves (Matrix, server discovery)."""
    is_address = "[" in server_name or server_name.replace(".", "").isdigit()
    return not is_address and not _has_port(server_name)


def _delegate(body: bytes) -> str | None:
    try:
        document = json.loads(body)
    except (ValueError, RecursionError):
        return None
    named = document.get("m.server") if isinstance(document, dict) else None
    return normalise(named) if isinstance(named, str) else None
