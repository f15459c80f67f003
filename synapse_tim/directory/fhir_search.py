"""Searches in the directory: their URLs, and pages of results (FHIR R4, Search; gematik's HOWTO_Search).

``:exact`` asks for the whole address; whether the directory keeps to that is not relied upon. Users are
searched for in both spellings, and as endpoints, too: that finds one that is off, or whose owner is not
active.

Refused: a page that is larger, longer or nested more deeply than any answer of the directory, or is no Bundle
of the type ``searchset``. ``Bundle.total`` is passed over: the directory's server is known to count wrongly.
"""

import re
from collections.abc import Iterator, Mapping
from typing import Any, Final
from urllib.parse import urlencode

import attrs

from synapse_tim.core import strict_json
from synapse_tim.directory.entries import TELEMATIK_ID
from synapse_tim.directory.failures import DirectoryError, DirectoryFailure
from synapse_tim.directory.owner_types import spellings

#: Matches on a page; what they include comes on top.
PAGE_SIZE: Final = 10
MAX_BYTES: Final = 1024 * 1024
MAX_ENTRIES: Final = 100
_MAX_DEPTH: Final = 40
_MAX_URL: Final = 4096

_ORGANISATIONS: Final = (
    "HealthcareService",
    (
        ("organization.active", "true"),
        ("_include", "HealthcareService:endpoint"),
        ("_include", "HealthcareService:organization"),
    ),
)
_PRACTITIONERS: Final = (
    "PractitionerRole",
    (
        ("practitioner.active", "true"),
        ("_include", "PractitionerRole:endpoint"),
        ("_include", "PractitionerRole:practitioner"),
    ),
)
_SPECIAL = re.compile(r"[\\,|$]")


def escaped(value: str) -> str:
    r"""A value in which ``,``, ``|``, ``$`` and ``\`` are what they are (FHIR R4, Search §3.1.1.4.0.1)."""
    return _SPECIAL.sub(r"\\\g<0>", value)


def for_user(user_id: str) -> Iterator[str]:
    """The searches (``HealthcareService?…`` and so on) for a user id, as ``user_id_of`` gives it."""
    for address in spellings(user_id):
        for search in (_ORGANISATIONS, _PRACTITIONERS):
            yield _search(search, ("endpoint.address:exact", escaped(address)))
        yield _search(("Endpoint", ()), ("address:exact", escaped(address)))


def for_telematik_id(telematik_id: str) -> Iterator[str]:
    """The searches for an organisation or a practitioner."""
    value = f"{TELEMATIK_ID}|{escaped(telematik_id)}"
    yield _search(_ORGANISATIONS, ("organization.identifier", value))
    yield _search(_PRACTITIONERS, ("practitioner.identifier", value))


def for_ik(ik: str) -> Iterator[str]:
    """The search for an organisation by its institution code, which is known under several systems."""
    yield _search(_ORGANISATIONS, ("organization.identifier", escaped(ik)))


def _search(search: tuple[str, tuple[tuple[str, str], ...]], condition: tuple[str, str]) -> str:
    kind, parameters = search
    return f"{kind}?{urlencode([condition, *parameters, ('_count', str(PAGE_SIZE))])}"


@attrs.frozen
class ResultPage:
    """One page."""

    resources: tuple[Mapping[str, Any], ...]  #: as they are, not yet looked at
    next_link: str | None  #: where the next page is, as the directory says; ``None`` for the last one
    skipped: int  #: how many entries held no resource


def read_page(body: bytes | bytearray) -> ResultPage:
    """Read the body of an answer; ``DirectoryError`` ``too_large`` or ``answer_malformed``."""
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
    return ResultPage(resources, _next_link(bundle.get("link")), len(found) - len(resources))


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
