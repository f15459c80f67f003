"""Operations: contact management of the legacy generation, by ``/tim-contact-mgmt`` of the service."""

from collections.abc import Mapping
from typing import Any

from synapse_tim.core.products import SpecVersion
from synapse_tim.testing.driver import bodies
from synapse_tim.testing.driver.call import NO_CONTENT, Call, answer
from synapse_tim.testing.driver.devices import Device
from synapse_tim.testing.driver.errors import DriverError
from synapse_tim.testing.http import Answer
from synapse_tim.testing.servers.client import url_part

_PATH = "/tim-contact-mgmt/v1.0.2"


def delete_all(device: Device) -> None:
    """Approve of nobody; nothing happens in other generations."""
    if device.api.spec_version is SpecVersion.LEGACY_1_1:
        for each in _request(device, "GET", "/contacts")["contacts"]:
            _request(device, "DELETE", f"/contacts/{url_part(each['mxid'])}")


def list_contacts(call: Call) -> Answer:
    """``getContacts``."""
    contacts = _request(call.at, "GET", "/contacts")["contacts"]
    return answer({"contacts": [_contact(each) for each in contacts]})


def create(call: Call) -> Answer:
    """``createContactSetting``; the service wants a name, too, and gets the MXID."""
    wanted: bodies.ContactBody = call.body(bodies.ContactBody)
    settings = wanted.inviteSettings.model_dump(exclude_none=True)
    body = {"displayName": wanted.mxid, "mxid": wanted.mxid, "inviteSettings": settings}
    return answer(_contact(_request(call.at, "POST", "/contacts", body)))


def delete(call: Call) -> Answer:
    """``deleteContactSetting``."""
    _request(call.at, "DELETE", f"/contacts/{url_part(call.path['mxid'])}")
    return NO_CONTENT


def _contact(found: Mapping[str, Any]) -> dict[str, Any]:
    settings = {key: value for key, value in found["inviteSettings"].items() if value is not None}
    return {"mxid": found["mxid"], "inviteSettings": settings}


def _request(device: Device, method: str, path: str, body: Any = None) -> Any:
    session = device.session
    if device.api.spec_version is not SpecVersion.LEGACY_1_1:
        raise DriverError(501, "NOT_IMPLEMENTED", "contacts belong to the legacy generation")
    server = device.api.homeserver
    base = server.contact_management or f"{server.url}{_PATH}"
    headers = {
        "Authorization": f"Bearer {session.open_id_token()['access_token']}",
        "Mxid": session.user_id,
    }
    found = session.http.request(method, base + path, headers=headers, json=body)
    return found.json() if found.content else None
