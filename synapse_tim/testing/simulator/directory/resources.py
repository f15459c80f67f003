"""The entries of the simulated directory as resources of FHIR, in gematik's profile."""

from typing import Any, Final

import attrs

from synapse_tim.testing.simulator.directory.entries import Entry, ListedAddress

_PROFILE: Final = "https://gematik.de/fhir/directory"
_TELEMATIK_ID: Final = "https://gematik.de/fhir/sid/telematik-id"
_IK: Final = "http://fhir.de/sid/arge-ik/iknr"

Resource = dict[str, Any]


@attrs.frozen
class EntryResources:
    """One entry."""

    entry: Entry  #: what it was made of
    service: Resource  #: ``HealthcareService`` or ``PractitionerRole``
    owner: Resource  #: ``Organization`` or ``Practitioner``
    location: Resource  #: where it is
    endpoints: tuple[Resource, ...]  #: one for each address, in the same order


def resources_of(entry: Entry) -> EntryResources:
    """Make the resources of an entry."""
    number = entry.number
    organisation = entry.kind == "organisation"
    owner = _organisation(entry) if organisation else _practitioner(entry)
    location = {**_resource("Location", number + 2), "name": f"Location of {entry.name}"}
    endpoints = tuple(_endpoint(number + 3 + n, each) for n, each in enumerate(entry.addresses))
    service = {
        **_resource("HealthcareService" if organisation else "PractitionerRole", number + 1),
        **({"name": entry.name} if organisation else {}),
        "providedBy" if organisation else "practitioner": {"reference": reference(owner)},
        "location": [{"reference": reference(location)}],
    }
    if endpoints:
        service["endpoint"] = [{"reference": reference(each)} for each in endpoints]
    return EntryResources(entry, service, owner, location, endpoints)


def reference(resource: Resource) -> str:
    """How other resources refer to it."""
    return f"{resource['resourceType']}/{resource['id']}"


def _resource(kind: str, number: int) -> Resource:
    return {
        "resourceType": kind,
        "id": str(number),
        "meta": {
            "versionId": "1",
            "lastUpdated": "2026-01-31T17:46:20.786+01:00",
            "profile": [f"{_PROFILE}/StructureDefinition/{kind}Directory"],
        },
        "text": {"status": "generated", "div": '<div xmlns="http://www.w3.org/1999/xhtml">TEST-ONLY</div>'},
    }


def _identifier(system: str, value: str) -> Resource:
    return {
        "type": {"coding": [{"system": "http://terminology.hl7.org/CodeSystem/v2-0203", "code": "PRN"}]},
        "system": system,
        "value": value,
    }


def _visibility(kind: str) -> Resource:
    return {
        "url": f"{_PROFILE}/StructureDefinition/{kind}Visibility",
        "valueCoding": {"system": f"{_PROFILE}/CodeSystem/{kind}VisibilityCS", "code": "hide-versicherte"},
    }


def _profession(entry: Entry, kind: str) -> Resource:
    return {"coding": [{"system": f"{_PROFILE}/CodeSystem/{kind}ProfessionOID", "code": entry.profession}]}


def _organisation(entry: Entry) -> Resource:
    found = {
        **_resource("Organization", entry.number),
        "identifier": [_identifier(_TELEMATIK_ID, entry.telematik_id)],
        "active": entry.active,
        "type": [_profession(entry, "Organization")],
        "name": entry.name,
        "alias": [entry.name],
    }
    if entry.ik is not None:
        found["identifier"].append(_identifier(_IK, entry.ik))
    if entry.hidden:
        found["extension"] = [_visibility("Organization")]
    return found


def _practitioner(entry: Entry) -> Resource:
    return {
        **_resource("Practitioner", entry.number),
        "identifier": [_identifier(_TELEMATIK_ID, entry.telematik_id)],
        "active": entry.active,
        "name": [{"use": "usual", "text": entry.name, "family": entry.name.split()[-1]}],
        "qualification": [{"code": _profession(entry, "Practitioner")}],
    }


def _endpoint(number: int, listed: ListedAddress) -> Resource:
    found = {
        **_resource("Endpoint", number),
        "status": listed.status,
        "connectionType": {
            "system": f"{_PROFILE}/CodeSystem/EndpointDirectoryConnectionType",
            "code": listed.code,
        },
        "name": listed.name,
        "payloadType": [
            {
                "coding": [
                    {"system": f"{_PROFILE}/CodeSystem/EndpointDirectoryPayloadType", "code": "tim-chat"}
                ]
            }
        ],
        "address": listed.address,
    }
    if listed.hidden:
        found["extension"] = [_visibility("Endpoint")]
    return found
