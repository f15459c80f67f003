"""Pages of the gateway for people: plain HTML in German and English, without scripts."""

import base64
import hashlib
import html
from collections.abc import Iterable
from typing import Final
from urllib.parse import urlencode

from synapse_tim.adapter.answers import count_denied, headers_of, referred
from synapse_tim.core.denial import Denial
from synapse_tim.gateway.denials import GATEWAY_RATE, GATEWAY_REQUEST, GATEWAY_UPSTREAM
from synapse_tim.gateway.web import WebAnswer, WebRequest

_STYLE: Final = (
    "body{font:1.1rem/1.5 sans-serif;max-width:32rem;margin:3rem auto;padding:0 1rem;color:#1a1a1a;"
    "background:#fff}h1{font-size:1.5rem}ul{list-style:none;padding:0}"
    "a{display:block;margin:.75rem 0;padding:.9rem 1rem;border:2px solid #004b76;border-radius:.4rem;"
    "color:#004b76;text-decoration:none}a:hover,a:focus{background:#004b76;color:#fff}"
)
_STYLE_HASH: Final = base64.b64encode(hashlib.sha256(_STYLE.encode()).digest()).decode()
_POLICY: Final = (
    f"default-src 'none'; style-src 'sha256-{_STYLE_HASH}'; base-uri 'none'; form-action 'none'; "
    "frame-ancestors 'none'"
)
_HEADERS: Final = {"Content-Type": "text/html; charset=utf-8", "Content-Security-Policy": _POLICY}
_CHOOSE: Final = {
    "de": ("Anmelden", "Womit möchten Sie sich anmelden?"),
    "en": ("Log in", "How would you like to log in?"),
}
_NOT_POSSIBLE: Final = {"de": "Anmeldung nicht möglich", "en": "Login not possible"}
_GERMAN: Final = {
    GATEWAY_REQUEST.name: "Diese Anmeldung ist beendet oder wurde an anderer Stelle begonnen. "
    "Bitte beginnen Sie in Ihrem Messenger von vorn.",
    GATEWAY_UPSTREAM.name: "Die Anmeldung konnte nicht abgeschlossen werden. "
    "Bitte beginnen Sie in Ihrem Messenger von vorn.",
    GATEWAY_RATE.name: "Von Ihrer Adresse kamen zu viele Anmeldungen. "
    "Bitte warten Sie einen Moment und versuchen Sie es noch einmal.",
}


def language_of(accepted: str) -> str:
    """``de`` or ``en``, whichever ``Accept-Language`` wants more; ``en`` if neither (RFC 9110 §12.5.4)."""
    best, weight = "en", 0.0
    for choice in accepted[:1000].split(","):
        tag, _, quality = choice.partition(";")
        name = tag.strip().lower().partition("-")[0]
        try:
            wanted = float(quality.strip().removeprefix("q=") or 1)
        except ValueError:
            continue
        if name in ("de", "en") and wanted > weight:
            best, weight = name, wanted
    return best


def choice_page(
    request: WebRequest, url: str, attempt: str, providers: Iterable[tuple[str, str]]
) -> WebAnswer:
    """Let somebody choose an identity provider.

    Args:
        url: where that leads.
        attempt: names the log-in.
        providers: id and name of each.
    """
    language = language_of(request.languages)
    title, text = _CHOOSE[language]
    links = "".join(
        f'<li><a href="{html.escape(url)}?{html.escape(urlencode({"attempt": attempt, "provider": id_}))}">'
        f"{html.escape(name)}</a></li>"
        for id_, name in providers
    )
    return WebAnswer(200, _page(language, title, f"<p>{text}</p><ul>{links}</ul>"), _HEADERS)


def error_page(request: WebRequest, denial: Denial) -> WebAnswer:
    """Say why not, with a reference to a line in the log; counted."""
    count_denied(denial)
    language = language_of(request.languages)
    text = _GERMAN[denial.name] if language == "de" else denial.text
    body = _page(language, _NOT_POSSIBLE[language], f"<p>{html.escape(referred(denial, text))}</p>")
    return WebAnswer(denial.status, body, {**_HEADERS, **(headers_of(denial) or {})})


def _page(language: str, title: str, content: str) -> bytes:
    return (
        f'<!DOCTYPE html><html lang="{language}"><head><meta charset="utf-8">'
        '<meta name="viewport" content="width=device-width, initial-scale=1">'
        f"<title>{title}</title><style>{_STYLE}</style></head>"
        f"<body><main><h1>{title}</h1>{content}</main></body></html>"
    ).encode()
