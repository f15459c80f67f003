"""Parameters of requests, and pages to choose on."""

import html
from collections.abc import Mapping
from urllib.parse import parse_qs, urlencode, urlsplit

from synapse_tim.testing.http import Answer, Request


def query_of(request: Request) -> dict[str, str]:
    """The parameters in the query of a request."""
    return _last_values(urlsplit(request.path).query)


def form_of(request: Request) -> dict[str, str]:
    """The parameters in the form that is the body of a request."""
    return _last_values(request.body.decode("utf-8", "replace"))


def choice_page(request: Request, title: str, parameter: str, choices: Mapping[str, str]) -> Answer:
    """A page with a link for each choice, which leads to the same address with one parameter more."""
    query = query_of(request)
    items = "".join(
        f'<li><a href="?{html.escape(urlencode({**query, parameter: value}))}">{html.escape(text)}</a></li>\n'
        for value, text in choices.items()
    )
    page = (
        f'<!DOCTYPE html>\n<html lang="en">\n<head><meta charset="utf-8"><title>{html.escape(title)}</title>'
        f"</head>\n<body>\n<h1>{html.escape(title)}</h1>\n<ul>\n{items}</ul>\n</body>\n</html>\n"
    )
    return Answer(200, page.encode(), "text/html; charset=utf-8")


def _last_values(text: str) -> dict[str, str]:
    return {name: values[-1] for name, values in parse_qs(text).items()}
