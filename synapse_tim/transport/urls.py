"""Types of the URLs in configuration blocks."""

import re
from typing import Annotated
from urllib.parse import urlsplit

import httpx
from pydantic import AfterValidator

_LABEL = r"[a-z0-9_](?:[a-z0-9_-]{0,61}[a-z0-9_])?"
_HOST = re.compile(rf"{_LABEL}(?:\.{_LABEL})*\.?|[0-9a-f.]*:[0-9a-f:.]*")  # urlsplit lowers it, brackets off


def _url(value: str) -> str:
    try:
        parts = urlsplit(value)
        usable = parts.scheme in ("http", "https") and parts.port != 0
        usable = usable and _HOST.fullmatch(parts.hostname or "") is not None
        httpx.URL(value)
    except (ValueError, httpx.InvalidURL):
        usable = False
    if not usable:
        raise ValueError("expected an http or https URL")
    if parts.username is not None or parts.password is not None:
        raise ValueError("expected a URL without user name and password; secrets are read from files")
    if parts.fragment:
        raise ValueError("expected a URL without a fragment")
    return value


def _base_url(value: str) -> str:
    if urlsplit(_url(value)).query:
        raise ValueError("expected a URL without a query: paths are appended to it")
    return value


def _secure_url(value: str) -> str:
    if not _url(value).lower().startswith("https://"):
        raise ValueError("expected an https URL: credentials are sent there")
    return value


def _trusted_url(value: str) -> str:
    host = urlsplit(_url(value)).hostname
    if not value.lower().startswith("https://") and host not in ("localhost", "127.0.0.1", "::1"):
        raise ValueError("expected an https URL: what is served there is trusted")
    return value


Url = Annotated[str, AfterValidator(_url)]
BaseUrl = Annotated[str, AfterValidator(_base_url)]
SecureUrl = Annotated[str, AfterValidator(_secure_url)]
SecureBaseUrl = Annotated[str, AfterValidator(_base_url), AfterValidator(_secure_url)]
TrustedUrl = Annotated[str, AfterValidator(_trusted_url)]
