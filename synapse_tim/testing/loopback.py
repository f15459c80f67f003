"""HTTP requests to servers on loopback, without TLS and past every proxy."""

import functools
import ssl
from typing import Any, Final

import httpx

from synapse_tim.testing.waiting import HANGING_SECONDS

#: Trusts no CA. Without it httpx loads all CAs for each request, which takes longer than the request.
NO_TLS: Final = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)


def request(method: str, url: str, **options: Any) -> httpx.Response:
    """Send a request; the options are those of ``httpx.request``; the default timeout only ends hangs."""
    options = {"timeout": HANGING_SECONDS, **options}
    return httpx.request(method, url, **options, trust_env=False, verify=NO_TLS)


get = functools.partial(request, "GET")
post = functools.partial(request, "POST")
put = functools.partial(request, "PUT")
