"""Entries of the directory, read from the resources of a search (requirements §6.3).

An organisation is ``HealthcareService`` → ``Organization`` with the service's endpoints, a practitioner is
``PractitionerRole`` → ``Practitioner`` with the role's. What a search finds is not yet what was searched
for: the directory compares beginnings, in any case of letters. So addresses are compared here, as users,
and ids exactly. A resource that is not valid FHIR R4 is skipped and counted; no Bundle is ever validated,
since a single unknown element would spoil it.
"""

from __future__ import annotations

import enum
import re
from collections.abc import Callable, Iterable, Iterator, Mapping
from importlib import import_module
from typing import Any, Final

import attrs

from synapse_tim.directory.owner_types import user_id_of

#: Resources that are looked at; everything else in an answer is passed over.
KINDS: Final = ("Endpoint", "HealthcareService", "Organization", "Practitioner", "PractitionerRole")
TELEMATIK_ID: Final = "https://gematik.de/fhir/sid/telematik-id"
#: Under which systems institution codes are known.
IK_SYSTEMS: Final = frozenset(
    {"http://fhir.de/sid/arge-ik/iknr", "http://fhir.de/StructureDefinition/identifier-iknr"}
)

_CONNECTION_TYPES: Final = "https://gematik.de/fhir/directory/CodeSystem/EndpointDirectoryConnectionType"
_VISIBILITY: Final = frozenset(
    f"https://gematik.de/fhir/directory/StructureDefinition/{kind}Visibility"
    for kind in ("Endpoint", "Organization")
)
_HIDE: Final = "hide-versicherte"
_OWNERS: Final = {"HealthcareService": "providedBy", "PractitionerRole": "practitioner"}
_REFERENCE = re.compile(r"(?:.*/)?([A-Za-z]+)/([A-Za-z0-9.-]{1,64})(?:/_history/[A-Za-z0-9.-]{1,64})?")
_LONGEST_TEXT: Final = 200


class OwnerKind(enum.StrEnum):
    """Whose entry it is."""

    ORGANISATION = "organisation"
    PRACTITIONER = "practitioner"


class Role(enum.StrEnum):
    """What kind of user an endpoint is (requirements §6.3)."""

    TIM = "tim"
    TIM_FA = "tim-fa"
    TIM_BOT = "tim-bot"
    OTHER = "other"


@attrs.frozen
class Owner:
    """An organisation or a practitioner."""

    kind: OwnerKind
    name: str
    telematik_ids: tuple[str, ...]
    iks: tuple[str, ...]
    professions: tuple[str, ...]
    active: bool | None  #: whether the entry is active; ``None`` if it does not say so
    hidden: bool  #: whether the whole organisation is hidden from insured persons


@attrs.frozen
class ListedEndpoint:
    """A user that is listed."""

    user_id: str  #: in the form that can be compared
    address: str  #: as it stands in the directory
    name: str
    role: Role  #: what kind of user it is
    status: str  #: ``active``, ``off``, or as the directory says
    hidden: bool  #: whether it is hidden from insured persons

    @property
    def active(self) -> bool:
        """Whether it is meant to be found."""
        return self.status == "active"


@attrs.frozen
class DirectoryEntry:
    """A user and who lists it."""

    owner: Owner | None  #: ``None`` if the search did not bring whose it is
    endpoint: ListedEndpoint | None  #: ``None`` for an owner who lists no user

    @property
    def active(self) -> bool:
        """Whether the user, or an owner without one, is listed as one that is there (requirement R6.2)."""
        owner_is_there = self.owner is not None and self.owner.active is not False
        return owner_is_there and (self.endpoint is None or self.endpoint.active)

    @property
    def hidden(self) -> bool:
        """Whether insured persons do not see it."""
        of_owner = self.owner is not None and self.owner.hidden
        return of_owner or (self.endpoint is not None and self.endpoint.hidden)


@attrs.frozen
class Entries:
    """What was read."""

    entries: tuple[DirectoryEntry, ...]  #: in the order of the directory
    skipped: int

    def where(self, wanted: Callable[[DirectoryEntry], bool]) -> Entries:
        """Only some of the entries."""
        return attrs.evolve(self, entries=tuple(filter(wanted, self.entries)))


def is_user(user_id: str) -> Callable[[DirectoryEntry], bool]:
    """Picks the entries of a user id, as ``user_id_of`` gives it."""
    return lambda entry: entry.endpoint is not None and entry.endpoint.user_id == user_id


def has_telematik_id(telematik_id: str) -> Callable[[DirectoryEntry], bool]:
    """Picks the entries of a telematik id."""
    return lambda entry: entry.owner is not None and telematik_id in entry.owner.telematik_ids


def has_ik(ik: str) -> Callable[[DirectoryEntry], bool]:
    """Picks the entries of an institution code."""
    return lambda entry: entry.owner is not None and ik in entry.owner.iks


def read_entries(resources: Iterable[Mapping[str, Any]]) -> Entries:
    """Read all resources of a search."""
    known: dict[tuple[str, str], Any] = {}
    skipped = 0
    for resource in resources:
        kind = resource.get("resourceType")
        if not isinstance(kind, str) or kind not in KINDS:
            continue
        key = (kind, str(resource.get("id")))
        if key in known:
            continue  # included on several pages
        found = validated(resource)
        if found is None:
            skipped += 1
        else:
            known[key] = found
    return Entries(tuple(_entries(known)), skipped)


def validated(resource: Mapping[str, Any]) -> Any | None:
    """The resource as an object of the library; ``None`` if it is no resource of FHIR R4.

    The library is loaded for the first resource: a homeserver makes no searches and never loads it.
    """
    kind = resource["resourceType"]
    model = getattr(import_module(f"fhir.resources.R4B.{kind.lower()}"), kind)
    try:
        return model.model_validate(resource)
    except Exception:
        # Besides ValidationError the library has TypeError and RecursionError for some input.
        return None


def _entries(known: Mapping[tuple[str, str], Any]) -> Iterator[DirectoryEntry]:
    endpoints = {key: _endpoint(found) for key, found in known.items() if key[0] == "Endpoint"}
    owned: set[tuple[str, str]] = set()
    for (kind, _), service in known.items():
        if kind not in _OWNERS:
            continue
        owner = _owner(known.get(_key_of(getattr(service, _OWNERS[kind])) or ("", "")))
        keys = [key for each in service.endpoint or () if (key := _key_of(each))]
        owned.update(keys)
        users = [endpoint for key in keys if (endpoint := endpoints.get(key))]
        if owner is not None or users:
            yield from (DirectoryEntry(owner, each) for each in users or (None,))
    for key, endpoint in endpoints.items():
        if key not in owned and endpoint is not None:
            yield DirectoryEntry(None, endpoint)


def _endpoint(found: Any) -> ListedEndpoint | None:
    user_id = user_id_of(found.address or "")
    if user_id is None:
        return None
    coding = found.connectionType
    code = coding.code if coding is not None and coding.system == _CONNECTION_TYPES else None
    role = Role(code) if code in {each.value for each in Role} else Role.OTHER
    return ListedEndpoint(
        user_id, _text(found.address), _text(found.name), role, _text(found.status), _is_hidden(found)
    )


def _owner(found: Any) -> Owner | None:
    if found is None:
        return None
    identifiers = [
        (each.system, _text(each.value)) for each in found.identifier or () if each is not None and each.value
    ]
    is_organisation = type(found).__name__ == "Organization"
    concepts = (
        found.type or () if is_organisation else [each.code for each in found.qualification or () if each]
    )
    codings = [coding for concept in concepts if concept for coding in concept.coding or () if coding]
    return Owner(
        OwnerKind.ORGANISATION if is_organisation else OwnerKind.PRACTITIONER,
        _text(found.name) if is_organisation else _name_of_person(found),
        _unique(value for system, value in identifiers if system == TELEMATIK_ID),
        _unique(value for system, value in identifiers if system in IK_SYSTEMS),
        _unique(_text(coding.code) for coding in codings if coding.code),
        found.active,
        _is_hidden(found),
    )


def _name_of_person(found: Any) -> str:
    for name in found.name or ():
        if name is not None:
            parts = [*(name.prefix or ()), *(name.given or ()), name.family]
            return _text(name.text or " ".join(part for part in parts if part))
    return ""


def _is_hidden(found: Any) -> bool:
    return any(
        each is not None
        and each.url in _VISIBILITY
        and each.valueCoding is not None
        and each.valueCoding.code == _HIDE
        for each in found.extension or ()
    )


def _key_of(reference: Any) -> tuple[str, str] | None:
    """Kind and id of a resource that is referred to, by a relative or an absolute URL."""
    found = _REFERENCE.fullmatch(reference.reference or "") if reference is not None else None
    return (found[1], found[2]) if found else None


def _unique(texts: Iterable[str]) -> tuple[str, ...]:
    return tuple(dict.fromkeys(texts))


def _text(value: object) -> str:
    """A text of the directory, fit to be printed: nothing in it moves a cursor, and it ends."""
    text = "" if value is None else str(value)
    return "".join(each if each.isprintable() else "�" for each in text[:_LONGEST_TEXT])
