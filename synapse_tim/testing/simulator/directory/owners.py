"""The owners' side of the simulated directory: reading and changing one's own entry (FHIR, below ``/owner``).

Changes lie over the entries that the simulator was given, and are seen by searches and look-ups.
"""

import copy
import json
import secrets
import threading
import uuid
from collections.abc import Iterator, Mapping, Sequence
from typing import Any, Final

import attrs

from synapse_tim.directory.owner_types import OwnerType
from synapse_tim.testing.http import Answer, Request
from synapse_tim.testing.simulator.directory.entries import DirectoryEntries
from synapse_tim.testing.simulator.directory.resources import (
    EntryResources,
    Resource,
    reference,
    resources_of,
)

_WRITABLE: Final = ("HealthcareService", "PractitionerRole", "Endpoint")


class DirectoryOwners:
    """Answers owners; thread-safe."""

    def __init__(self, entries: DirectoryEntries) -> None:
        self._entries = entries
        self._lock = threading.RLock()
        self._tokens: dict[str, str] = {}
        #: Of what was written: telematik id of the owner, and the resource or ``None`` if it was deleted.
        self._written: dict[str, tuple[str, Resource | None]] = {}

    def new_token(self, telematik_id: str) -> str:
        """What stands for the RegService-OpenID-Token of an owner at ``/owner-authenticate``."""
        token = secrets.token_urlsafe(24)
        with self._lock:
            self._tokens[token] = telematik_id
        return token

    def owner_of(self, token: str) -> str | None:
        """The telematik id that a token is for."""
        with self._lock:
            return self._tokens.get(token)

    @property
    def all(self) -> list[EntryResources]:
        """All entries as they are now."""
        with self._lock:
            return [found for entry in self._entries.all for found in self._services(resources_of(entry))]

    def owner_type(self, address: str) -> OwnerType:
        """In which part an address is listed, in exactly this spelling; what is off or inactive is not."""
        found = OwnerType.NONE
        for each in self.all:
            active = {found["address"] for found in each.endpoints if found["status"] == "active"}
            if each.entry.active and address in active:
                organisation = each.entry.kind == "organisation"
                found = found.combined(OwnerType.ORG if organisation else OwnerType.PRACT)
        return found

    def _services(self, given: EntryResources) -> Iterator[EntryResources]:
        """The services of one owner, each with its endpoints."""
        owner = given.entry.telematik_id
        mine = {key: value for key, (whose, value) in self._written.items() if whose == owner}
        known = {reference(each): each for each in (given.service, *given.endpoints)}
        known.update({key: value for key, value in mine.items() if value is not None})
        for key in (key for key, value in mine.items() if value is None):
            known.pop(key, None)
        for service in known.values():
            if service["resourceType"] == given.service["resourceType"]:
                wanted = [each.get("reference") for each in service.get("endpoint", ())]
                endpoints = tuple(known[each] for each in wanted if each in known)
                yield attrs.evolve(given, service=service, endpoints=endpoints)

    def __call__(self, owner: str, request: Request, path: str, query: Mapping[str, Sequence[str]]) -> Answer:
        """Answer one request.

        Args:
            owner: telematik id of who asks.
            request: with method and body.
            path: below ``/owner/``.
            query: ``_id`` is understood; everything related is included in any case.
        """
        kind, _, number = path.partition("/")
        with self._lock:
            mine = [each for each in self.all if each.entry.telematik_id == owner]
            if not mine:
                return _outcome(404, "there is no entry of this owner")
            known = {reference(each): each for found in mine for each in _resources(found)}
            known |= {key: each for key, (whose, each) in self._written.items() if whose == owner and each}
            if request.method == "GET":
                return _read(known, kind, number, query)
            if kind not in _WRITABLE or (kind == "PractitionerRole" and request.method != "PUT"):
                return _outcome(405, f"{kind} cannot be changed so")
            if request.method != "POST" and path not in known:
                return _outcome(404, f"no {path}")
            return self._write(owner, request, kind, number)

    def _write(self, owner: str, request: Request, kind: str, number: str) -> Answer:
        if request.method == "DELETE":
            self._written[f"{kind}/{number}"] = (owner, None)
            return Answer(204)
        try:
            resource = json.loads(request.body)
        except ValueError:
            return _outcome(400, "no JSON")
        if not isinstance(resource, dict) or resource.get("resourceType") != kind:
            return _outcome(400, f"no {kind}")
        if kind == "Endpoint" and not isinstance(resource.get("address"), str):
            return _outcome(400, "an Endpoint has an address")
        new = request.method == "POST"
        resource["id"] = str(uuid.uuid4()) if new else number
        resource.setdefault("status", "active")
        if kind != "Endpoint":
            del resource["status"]
        self._written[reference(resource)] = (owner, resource)
        return Answer.of_json(resource, 201 if new else 200)


def _resources(found: EntryResources) -> tuple[Resource, ...]:
    return (found.service, found.owner, found.location, *found.endpoints)


def _read(
    known: Mapping[str, Resource], kind: str, number: str, query: Mapping[str, Sequence[str]]
) -> Answer:
    if number:
        found = known.get(f"{kind}/{number}")
        return Answer.of_json(found) if found else _outcome(404, f"no {kind}/{number}")
    ids = query.get("_id")
    matches = [
        each for each in known.values() if each["resourceType"] == kind and (not ids or each["id"] in ids)
    ]
    entries: list[dict[str, Any]] = [{"resource": each, "search": {"mode": "match"}} for each in matches]
    wanted = {each["reference"] for found in matches for each in _references(found)}
    entries += [
        {"resource": known[each], "search": {"mode": "include"}} for each in sorted(wanted) if each in known
    ]
    return Answer.of_json(
        {
            "resourceType": "Bundle",
            "id": str(uuid.uuid4()),
            "type": "searchset",
            "total": len(matches),
            "entry": copy.deepcopy(entries),
        }
    )


def _references(resource: Resource) -> Iterator[dict[str, str]]:
    for name in ("endpoint", "location"):
        yield from resource.get(name, ())
    for name in ("providedBy", "practitioner"):
        if name in resource:
            yield resource[name]


def _outcome(status: int, what: str) -> Answer:
    issue = {"severity": "error", "code": "processing", "diagnostics": what}
    return Answer.of_json({"resourceType": "OperationOutcome", "issue": [issue]}, status)
