"""Pages that MAS shows to people: a heading, a text, and a button or links."""

import html
from collections.abc import Mapping
from urllib.parse import urlsplit

from synapse_tim.testing.http import Answer, Request

COOKIE = "session"


def page(
    title: str, text: str = "", *, button: str | None = None, status: int = 200, links: str = ""
) -> Answer:
    """A page; its button sends a POST to the same address."""
    form = "" if button is None else f'<form method="post"><button>{html.escape(button)}</button></form>'
    body = (
        f'<!DOCTYPE html>\n<html lang="en"><head><meta charset="utf-8"><title>{html.escape(title)}</title>'
        f"</head>\n<body><h1>{html.escape(title)}</h1><p>{html.escape(text)}</p>{links}{form}</body></html>\n"
    )
    return Answer(status, body.encode(), "text/html; charset=utf-8", {"X-Frame-Options": "DENY"})


def redirect(url: str, headers: Mapping[str, str] | None = None) -> Answer:
    """Send a browser on."""
    return Answer(303, headers={"Location": url, **(headers or {})})


def cookie_of(request: Request) -> str:
    """The browser's session cookie, or nothing."""
    pairs = (each.strip().partition("=") for each in request.headers.get("cookie", "").split(";"))
    return next((value for name, _, value in pairs if name == COOKIE), "")


def own_path(target: str) -> str:
    """Where to go on after a login: below MAS, or to its start page."""
    parts = urlsplit(target)
    outside = parts.scheme or parts.netloc or not target.startswith("/") or "\\" in target
    return "/" if outside or not target.isprintable() else target
