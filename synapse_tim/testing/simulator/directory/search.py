"""Searches in the simulated directory: parameters, included resources and pages as in the genuine one.

Only what messenger services search by is understood; any other parameter is refused, so that a mistyped one
does not pass for one that the directory knows.
"""

import copy
import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any, Final
from urllib.parse import urlencode

from synapse_tim.testing import paths
from synapse_tim.testing.http import Answer
from synapse_tim.testing.simulator.directory.owners import DirectoryOwners
from synapse_tim.testing.simulator.directory.resources import (
    EntryResources,
    Resource,
    reference,
)
from synapse_tim.testing.simulator.faults import Faults

_KINDS: Final = {"HealthcareService": "organisation", "PractitionerRole": "practitioner"}
_OWNER: Final = {"HealthcareService": "organization", "PractitionerRole": "practitioner"}
_NAME: Final = {"HealthcareService": "name", "PractitionerRole": "practitioner.name"}
_PAGE_SIZE: Final = 10
_LARGEST_PAGE: Final = 100
_SEPARATOR: Final = {each: re.compile(rf"(?<!\\)(?:\\\\)*{re.escape(each)}") for each in ",|"}

Query = Mapping[str, Sequence[str]]
_Match = tuple[Resource, list[Resource]]


class _UnknownParameterError(Exception):
    """The directory does not know a parameter."""


class DirectorySearches:
    """Answers searches."""

    def __init__(self, owners: DirectoryOwners, faults: Faults, base_url: Callable[[], str]) -> None:
        self._owners = owners
        self._faults = faults
        self._base_url = base_url

    def __call__(self, path: str, query: Query) -> Answer:
        """Answer one request."""
        insured = path.startswith(paths.INSURED_SEARCH)
        kind = path.removeprefix(paths.INSURED_SEARCH if insured else paths.SEARCH)
        known = self._owners.all
        if insured:
            known = [_without_hidden(each) for each in known if not each.entry.hidden]
        try:
            if kind == "Endpoint":
                matches = list(self._endpoints(known, query))
            elif kind in _KINDS:
                matches = list(self._services(kind, known, query))
            else:
                return _outcome(404, f"Unknown resource type '{kind}'")
        except _UnknownParameterError as error:
            return _outcome(400, f"Unknown search parameter '{error}'")
        return self._bundle(path, query, matches)

    def _endpoints(self, known: list[EntryResources], query: Query) -> Iterator[_Match]:
        _require_known(query, {"address", "address:exact", "status"})
        for resources in known:
            for endpoint in resources.endpoints:
                if self._fits(endpoint, query, ""):
                    yield endpoint, []

    def _services(self, kind: str, known: list[EntryResources], query: Query) -> Iterator[_Match]:
        owner = _OWNER[kind]
        of_endpoint = {"endpoint.address", "endpoint.address:exact", "endpoint.status"}
        _require_known(query, {*of_endpoint, f"{owner}.active", f"{owner}.identifier", _NAME[kind]})
        for resources in known:
            if resources.entry.kind != _KINDS[kind] or not _owner_fits(resources.owner, query, owner):
                continue
            if not all(_has_word(_name(kind, resources), each) for each in query.get(_NAME[kind], ())):
                continue
            wanted = [each for each in resources.endpoints if self._fits(each, query, "endpoint.")]
            if wanted or not of_endpoint & query.keys():
                yield resources.service, list(_included(kind, resources, query.get("_include", ())))

    def _fits(self, endpoint: Resource, query: Query, prefix: str) -> bool:
        address: str = endpoint["address"]
        for wanted in query.get(f"{prefix}status", ()):
            if endpoint["status"] not in _alternatives(wanted):
                return False
        for wanted in query.get(f"{prefix}address:exact", ()):
            if address not in _alternatives(wanted) and not self._begins(address, wanted):
                return False
        return all(_begins(address, wanted) for wanted in query.get(f"{prefix}address", ()))

    def _begins(self, address: str, wanted: str) -> bool:
        return self._faults.prefix_matches and _begins(address, wanted)

    def _bundle(self, path: str, query: Query, matches: list[_Match]) -> Answer:
        size = min(int(query.get("_count", [str(_PAGE_SIZE)])[-1]), _LARGEST_PAGE)
        offset = int(query.get("_offset", ["0"])[-1])
        page = matches[offset : offset + size]
        root = self._base_url() + path.rpartition("/")[0]
        # What is included by several matches stands in a page once.
        included = {reference(each): each for _, more in page for each in more}
        bundle: dict[str, Any] = {
            "resourceType": "Bundle",
            "id": "1a1e7b8c-2e25-4bcc-9076-7aff1ea34fad",
            "type": "searchset",
            "total": 4711 if self._faults.wrong_total else len(matches),
            "link": [{"relation": "self", "url": _url(self._base_url() + path, query, offset)}],
        }
        entries = [(each, "match") for each, _ in page] + [(each, "include") for each in included.values()]
        if entries:
            bundle["entry"] = [
                {
                    "fullUrl": f"{root}/{reference(each)}",
                    "resource": copy.deepcopy(each),
                    "search": {"mode": mode},
                }
                for each, mode in entries
            ]
        if self._faults.foreign_next:
            bundle["link"].append({"relation": "next", "url": self._faults.foreign_next})
        elif self._faults.endless_next or offset + size < len(matches):
            url = _url(self._base_url() + path, query, offset + size)
            bundle["link"].append({"relation": "next", "url": url})
        self._spoil([each["resource"] for each in bundle.get("entry", ())])
        return Answer.of_json(bundle)

    def _spoil(self, resources: list[Resource]) -> None:
        endpoints = [each for each in resources if each["resourceType"] == "Endpoint"]
        for endpoint in endpoints[: self._faults.unknown_elements]:
            endpoint["favouriteColour"] = "blue"
        if self._faults.deep_nesting and resources:
            nested: Resource = {"url": "https://example.org/end", "valueCode": "end"}
            for _ in range(self._faults.deep_nesting // 2):
                nested = {"url": "https://example.org/nested", "extension": [nested]}
            resources[0]["extension"] = [nested]


def _without_hidden(resources: EntryResources) -> EntryResources:
    seen = tuple(
        endpoint
        for endpoint in resources.endpoints
        if not any(each["url"].endswith("/EndpointVisibility") for each in endpoint.get("extension", ()))
    )
    service = {key: value for key, value in resources.service.items() if key != "endpoint"}
    if seen:
        service["endpoint"] = [{"reference": reference(each)} for each in seen]
    return EntryResources(resources.entry, service, resources.owner, resources.location, seen)


def _name(kind: str, resources: EntryResources) -> str:
    if kind == "HealthcareService":
        return str(resources.service.get("name", ""))
    return str(resources.owner["name"][0]["text"])


def _has_word(name: str, wanted: str) -> bool:
    """Whether a name begins so, or one of its words does (FHIR R4, Search §3.1.1.4.8)."""
    words = name.casefold().split()
    return any(" ".join(words[n:]).startswith(wanted.casefold()) for n in range(len(words)))


def _owner_fits(owner: Resource, query: Query, name: str) -> bool:
    for wanted in query.get(f"{name}.active", ()):
        if str(owner["active"]).lower() != wanted:
            return False
    for wanted in query.get(f"{name}.identifier", ()):
        tokens = [_token(each) for each in _split(wanted, ",")]
        if not any(
            each["value"] == value and (system is None or each["system"] == system)
            for each in owner["identifier"]
            for system, value in tokens
        ):
            return False
    return True


def _included(kind: str, resources: EntryResources, wanted: Sequence[str]) -> Iterator[Resource]:
    for each in wanted:
        if each == f"{kind}:{_OWNER[kind]}":
            yield resources.owner
        elif each == f"{kind}:endpoint":
            yield from resources.endpoints
        elif each == f"{kind}:location":
            yield resources.location
        else:
            raise _UnknownParameterError(f"_include={each}")


def _require_known(query: Query, names: set[str]) -> None:
    for name in query.keys() - names - {"_include", "_count", "_offset"}:
        raise _UnknownParameterError(name)


def _begins(address: str, wanted: str) -> bool:
    """Strings match by their beginning, in any case of letters, unless ``:exact`` is asked for."""
    return address.lower().startswith(tuple(each.lower() for each in _alternatives(wanted)))


def _alternatives(value: str) -> list[str]:
    return [_unescaped(each) for each in _split(value, ",")]


def _token(value: str) -> tuple[str | None, str]:
    system, *rest = _split(value, "|")
    return (_unescaped(system), _unescaped(rest[0])) if rest else (None, _unescaped(system))


def _split(value: str, separator: str) -> list[str]:
    """Split where the separator is not escaped."""
    parts, start = [], 0
    for found in _SEPARATOR[separator].finditer(value):
        parts.append(value[start : found.end() - 1])
        start = found.end()
    return [*parts, value[start:]]


def _unescaped(value: str) -> str:
    return re.sub(r"\\(.)", r"\1", value)


def _url(url: str, query: Query, offset: int) -> str:
    pairs = [(name, value) for name, values in query.items() if name != "_offset" for value in values]
    return f"{url}?{urlencode([*pairs, *([('_offset', offset)] if offset else [])])}"


def _outcome(status: int, what: str) -> Answer:
    issue = {"severity": "error", "code": "processing", "diagnostics": what}
    return Answer.of_json({"resourceType": "OperationOutcome", "issue": [issue]}, status)
