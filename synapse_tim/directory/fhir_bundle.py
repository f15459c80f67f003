"""Page of search results in the directory: a Bundle of the type ``searchset`` (FHIR R4).

Refused: what is larger, longer or nested more deeply than any answer of the directory, or is no such
Bundle. ``Bundle.total`` is passed over: the directory's server is known to count wrongly.
"""

from collections.abc import Mapping
from typing import Any, Final

import attrs

from synapse_tim.core import strict_json
from synapse_tim.directory.failures import DirectoryError, DirectoryFailure

MAX_BYTES: Final = 1024 * 1024
MAX_ENTRIES: Final = 100
_MAX_DEPTH: Final = 40
_MAX_URL: Final = 4096


@attrs.frozen
class Page:
    """One page.

    Attributes:
        resources: as they are, not yet looked at.
        next_link: where the next page is, as the directory says; ``None`` for the last one.
        skipped: how many entries held no resource.
    """

    resources: tuple[Mapping[str, Any], ...]
    next_link: str | None
    skipped: int


def read_page(body: bytes | bytearray) -> Page:
    """Read the body of an answer.

    Raises:
        DirectoryError: ``too_large`` or ``answer_malformed``.
    """
    if len(body) > MAX_BYTES:
        raise DirectoryError(DirectoryFailure.TOO_LARGE, f"more than {MAX_BYTES} bytes")
    try:
        bundle = strict_json.parse(body)
    except strict_json.StrictJsonError as error:
        raise _malformed(f"no JSON: {error}") from None
    if _is_deeper(bundle, _MAX_DEPTH):
        raise _malformed("nested too deeply")
    if (
        not isinstance(bundle, dict)
        or bundle.get("resourceType") != "Bundle"
        or bundle.get("type") != "searchset"
    ):
        raise _malformed("no Bundle of the type searchset")
    entries = bundle.get("entry", [])
    if not isinstance(entries, list):
        raise _malformed("entry is no list")
    if len(entries) > MAX_ENTRIES:
        raise DirectoryError(DirectoryFailure.TOO_LARGE, f"more than {MAX_ENTRIES} entries on a page")
    found = [entry.get("resource") if isinstance(entry, dict) else None for entry in entries]
    resources = tuple(each for each in found if isinstance(each, dict))
    return Page(resources, _next_link(bundle.get("link")), len(found) - len(resources))


def _next_link(links: object) -> str | None:
    if links is None:
        return None
    if not isinstance(links, list) or not all(isinstance(each, dict) for each in links):
        raise _malformed("link is no list of links")
    urls = [each.get("url") for each in links if each.get("relation") == "next"]
    if not urls:
        return None
    url = urls[0]
    if len(urls) > 1 or not isinstance(url, str) or not url or len(url) > _MAX_URL:
        raise _malformed("no usable next link")
    return url


def _is_deeper(value: object, most: int) -> bool:
    """Whether lists and objects are nested more deeply."""
    level = [value]
    for _ in range(most + 1):
        level = [
            below
            for each in level
            if isinstance(each, dict | list)
            for below in (each.values() if isinstance(each, dict) else each)
        ]
        if not level:
            return False
    return True


def _malformed(what: str) -> DirectoryError:
    return DirectoryError(DirectoryFailure.ANSWER_MALFORMED, what)
