"""Search URLs for the directory (FHIR R4, Search; gematik's HOWTO_Search).

``:exact`` asks for the whole address; whether the directory keeps to that is not relied upon. Users are
searched for in both spellings, and as endpoints, too: that finds one that is off, or whose owner is not
active.
"""

import re
from collections.abc import Iterator
from typing import Final
from urllib.parse import urlencode

from synapse_tim.directory.entries import TELEMATIK_ID
from synapse_tim.directory.owner_types import spellings

#: Matches on a page; what they include comes on top.
PAGE_SIZE: Final = 10

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
    """The searches for a user; ``HealthcareService?…`` and so on, without the path.

    Args:
        user_id: as ``user_id_of`` gives it.
    """
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
