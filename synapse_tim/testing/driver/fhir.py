"""Operations: searches in the VZD-FHIR-Directory, and changes of own entries.

Searching needs an OpenID token of the homeserver (R4.25), changing a token of the owner (R4.26). Where the
configuration has none, operations answer 501.
"""

import json
from collections.abc import Mapping
from typing import Any, Final

from synapse_tim.core.products import Product
from synapse_tim.directory.owner_types import uri_of
from synapse_tim.testing.driver.call import NO_CONTENT, Call, answer
from synapse_tim.testing.driver.errors import DriverError, Source, bad_request, refused_by_client
from synapse_tim.testing.driver.http_client import HttpClient
from synapse_tim.testing.http import Answer
from synapse_tim.testing.servers.client import url_part

_PROFILE: Final = "https://gematik.de/fhir/directory"
_VISIBILITY: Final = f"{_PROFILE}/StructureDefinition/EndpointVisibility"
_HIDDEN: Final = {
    "url": _VISIBILITY,
    "valueCoding": {"system": f"{_PROFILE}/CodeSystem/EndpointVisibilityCS", "code": "hide-versicherte"},
}
_CONNECTION: Final = {
    "system": f"{_PROFILE}/CodeSystem/EndpointDirectoryConnectionType",
    "code": "tim",
}
_PAYLOAD: Final = {"system": f"{_PROFILE}/CodeSystem/EndpointDirectoryPayloadType", "code": "tim-chat"}

Resource = dict[str, Any]


# Searches


def search_organisations(call: Call) -> Answer:
    """``searchOrganizationInFhirDirectory``."""
    wanted = {"name": call.query.get("healthcareServiceName")}
    return answer(_search(call, "HealthcareService", "organization", wanted))


def search_endpoints(call: Call) -> Answer:
    """``searchHsEndpointInFhirDirectory``."""
    wanted = {"endpoint.address": call.query.get("mxId")}
    return answer(_search(call, "HealthcareService", "organization", wanted))


def search_practitioners(call: Call) -> Answer:
    """``searchPractitionerInFhirDirectory``."""
    wanted = {"practitioner.name": call.query.get("name"), "endpoint.address": call.query.get("mxid")}
    return answer(_search(call, "PractitionerRole", "practitioner", wanted))


def _search(call: Call, kind: str, owner: str, wanted: Mapping[str, str | None]) -> Resource:
    token = call.session.open_id_token()
    insured = call.api.product is Product.EPA
    conditions = [f"{name}={url_part(value)}" for name, value in wanted.items() if value]
    conditions += [f"_include={kind}:{each}" for each in (owner, "endpoint", "location")]
    path = f"/{'fdv/' if insured else ''}search/{kind}?{'&'.join([*conditions, '_count=50'])}"
    http = _directory(call)
    try:
        headers = {"X-Matrix-OpenID-Token": token["access_token"]}
        where = {"mxId": token["matrix_server_name"]}
        login = http.request("GET", "/tim-authenticate", headers=headers, params=where).json()
        bundle = http.request("GET", path, headers=_bearer(login["access_token"])).json()
    finally:
        http.close()
    return _result(bundle)


def _result(bundle: Resource) -> Resource:
    """``FhirSearchResult``."""
    known = ("resourceType", "id", "meta", "type")
    members: Resource = {name: bundle[name] for name in known if name in bundle}
    return {**members, "total": min(bundle.get("total", 0), 100), "entry": bundle.get("entry", [])}


# Own entries of organisations


def get_organisation(call: Call) -> Answer:
    """``getOrganization``."""
    return answer(_one(_own(call, "GET", "Organization"), "Organization"))


def create_service(call: Call) -> Answer:
    """``createHealthcareService``."""
    wanted = _resource(call, "HealthcareService")
    organisation = _one(_own(call, "GET", "Organization"), "Organization")
    wanted.setdefault("providedBy", {"reference": f"Organization/{organisation['id']}"})
    return answer(_own(call, "POST", "HealthcareService", wanted), 201)


def get_service(call: Call) -> Answer:
    """``getHealthcareService``."""
    return answer(_own(call, "GET", _service_path(call)))


def update_service(call: Call) -> Answer:
    """``updateHealthcareService``; what it does not name stays."""
    known = _own(call, "GET", _service_path(call))
    return answer(_own(call, "PUT", _service_path(call), {**known, **_resource(call, "HealthcareService")}))


def delete_service(call: Call) -> Answer:
    """``deleteHealthcareService``."""
    _own(call, "DELETE", _service_path(call))
    return NO_CONTENT


def list_endpoints(call: Call) -> Answer:
    """``getEndpoints``."""
    query = f"?_id={url_part(call.path['hsId'])}&_include=HealthcareService:endpoint"
    found = _result(_own(call, "GET", f"HealthcareService{query}"))
    if not found["total"]:
        raise DriverError(404, "NOT_FOUND", "there is no such service", Source.DIRECTORY)
    return answer(found)


def create_endpoint(call: Call) -> Answer:
    """``createEndpoint``: the endpoint, and the service's reference to it."""
    service = _own(call, "GET", _service_path(call))
    return answer(_attach(call, service, _resource(call, "Endpoint")), 201)


def get_endpoint(call: Call) -> Answer:
    """``getEndpoint``."""
    return answer(_endpoint(call))


def update_endpoint(call: Call) -> Answer:
    """``updateEndpoint``; what it does not name stays."""
    known = _endpoint(call)
    return answer(_own(call, "PUT", _path(known), {**known, **_resource(call, "Endpoint")}))


def delete_endpoint(call: Call) -> Answer:
    """``deleteEndpoint``."""
    _detach(call, _own(call, "GET", _service_path(call)), _endpoint(call))
    return NO_CONTENT


def hide_endpoint(call: Call) -> Answer:
    """``setEndpointVisibilityOfHealthcareService``."""
    return answer(_hide(call, _endpoint(call)), 201)


def show_endpoint(call: Call) -> Answer:
    """``removeEndpointVisibilityOfHealthcareService``."""
    return _show(call, _endpoint(call))


# Own entries of practitioners


def authenticate(call: Call) -> Answer:
    """``authenticateOnFhirDirectory``."""
    call.at.owner_token(lambda: _log_in(call))
    return answer({})


def set_mxid(call: Call) -> Answer:
    """``setMxidInFhirDirectory``."""
    user_id = call.session.user_id
    wanted = {"resourceType": "Endpoint", "name": user_id, "address": uri_of(user_id)}
    role = _one(_own(call, "GET", "PractitionerRole"), "PractitionerRole")
    return answer(_attach(call, role, wanted), 201)


def read_mxid(call: Call) -> Answer:
    """``readMxidInFhirDirectory``."""
    _ = call.session
    return answer(_result(_own(call, "GET", "PractitionerRole?_include=PractitionerRole:endpoint")))


def remove_mxid(call: Call) -> Answer:
    """``removeMxidInFhirDirectory``."""
    role, endpoint = _my_endpoint(call)
    _detach(call, role, endpoint)
    return NO_CONTENT


def hide_mine(call: Call) -> Answer:
    """``setEndpointVisibility``."""
    return answer(_hide(call, _my_endpoint(call)[1]), 201)


def show_mine(call: Call) -> Answer:
    """``removeEndpointVisibility``."""
    return _show(call, _my_endpoint(call)[1])


def _my_endpoint(call: Call) -> tuple[Resource, Resource]:
    """The practitioner's role, and the endpoint in it with the account's address."""
    address = uri_of(call.session.user_id)
    bundle = _own(call, "GET", "PractitionerRole?_include=PractitionerRole:endpoint")
    resources = [each["resource"] for each in bundle.get("entry", ())]
    found = [each for each in resources if each.get("address") in (address, call.session.user_id)]
    if not found:
        raise refused_by_client(404, f"{address} is not in the own entry")
    return _one(bundle, "PractitionerRole"), found[0]


# Both


def _attach(call: Call, service: Resource, endpoint: Resource) -> Resource:
    """Make an endpoint and have a service refer to it."""
    endpoint = {
        "status": "active",
        "connectionType": _CONNECTION,
        "payloadType": [{"coding": [_PAYLOAD]}],
        **endpoint,
    }
    made = _own(call, "POST", "Endpoint", endpoint)
    references = [*service.get("endpoint", ()), {"reference": _path(made)}]
    _own(call, "PUT", _path(service), {**service, "endpoint": references})
    return made


def _detach(call: Call, service: Resource, endpoint: Resource) -> None:
    """Delete an endpoint after nobody refers to it any more."""
    references = [each for each in service.get("endpoint", ()) if each["reference"] != _path(endpoint)]
    _own(call, "PUT", _path(service), {**service, "endpoint": references})
    _own(call, "DELETE", _path(endpoint))


def _hide(call: Call, endpoint: Resource) -> Resource:
    others = [each for each in endpoint.get("extension", ()) if each.get("url") != _VISIBILITY]
    return _own(call, "PUT", _path(endpoint), {**endpoint, "extension": [*others, _HIDDEN]})


def _show(call: Call, endpoint: Resource) -> Answer:
    others = [each for each in endpoint.get("extension", ()) if each.get("url") != _VISIBILITY]
    if len(others) == len(endpoint.get("extension", ())):
        raise refused_by_client(404, "the endpoint is not hidden")
    _own(call, "PUT", _path(endpoint), {**endpoint, "extension": others})
    return NO_CONTENT


def _endpoint(call: Call) -> Resource:
    """The endpoint that the path names, which belongs to the service in it."""
    service = _own(call, "GET", _service_path(call))
    path = f"Endpoint/{call.path['endId']}"
    if path not in [each.get("reference") for each in service.get("endpoint", ())]:
        raise refused_by_client(404, "the service has no such endpoint")
    return _own(call, "GET", f"Endpoint/{url_part(call.path['endId'])}")


def _resource(call: Call, kind: str) -> Resource:
    try:
        body = json.loads(call.request.body)
    except ValueError:
        raise bad_request("the body is no JSON") from None
    if not isinstance(body, dict) or body.get("resourceType", kind) != kind:
        raise bad_request(f"the body is no {kind}")
    needed = ("name", "address") if kind == "Endpoint" else ("name",)
    if not all(isinstance(body.get(name), str) for name in needed):
        raise bad_request(f"a {kind} has {' and '.join(needed)}")
    return {**{key: value for key, value in body.items() if key != "id"}, "resourceType": kind}


def _one(bundle: Resource, kind: str) -> Resource:
    for each in bundle.get("entry", ()):
        if each["resource"]["resourceType"] == kind:
            found: Resource = each["resource"]
            return found
    raise DriverError(404, "NOT_FOUND", f"there is no {kind} of this owner", Source.DIRECTORY)


def _service_path(call: Call) -> str:
    return f"HealthcareService/{url_part(call.path['hsId'])}"


def _path(resource: Resource) -> str:
    return f"{resource['resourceType']}/{resource['id']}"


def _own(call: Call, method: str, path: str, body: Resource | None = None) -> Resource:
    """The answer to a request about the own entry; empty where there is nothing to say."""
    token = call.at.owner_token(lambda: _log_in(call))
    http = _directory(call)
    try:
        found = http.request(method, f"/owner/{path}", headers=_bearer(token), json=body)
    finally:
        http.close()
    answered: Resource = found.json() if found.content else {}
    return answered


def _log_in(call: Call) -> str:
    path = call.at.config.owner_token
    http = _directory(call)
    try:
        if path is None:
            raise DriverError(501, "NOT_IMPLEMENTED", "the configuration has no owner_token for this device")
        login = http.request("GET", "/owner-authenticate", headers=_bearer(path.read_text().strip())).json()
    finally:
        http.close()
    return str(login["access_token"])


def _directory(call: Call) -> HttpClient:
    directory = call.config.directory
    if directory is None:
        raise DriverError(501, "NOT_IMPLEMENTED", "the configuration has no directory")
    return HttpClient(directory.url, directory.ca_certificates, Source.DIRECTORY)


def _bearer(token: str) -> dict[str, str]:
    return {"Authorization": f"Bearer {token}"}
