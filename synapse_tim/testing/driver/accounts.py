"""Operations: information, clean-up, devices, log-in, keys, users."""

import platform
from typing import Any

from synapse_tim import __version__
from synapse_tim.core.products import Product, SpecVersion
from synapse_tim.testing.driver import bodies, contacts, permissions, rooms
from synapse_tim.testing.driver.call import NO_CONTENT, Call, answer
from synapse_tim.testing.driver.devices import Device
from synapse_tim.testing.driver.errors import DriverError, bad_request
from synapse_tim.testing.driver.session import path_of
from synapse_tim.testing.http import Answer

_VERSION_OF_DOCUMENT = "2.3.0"


def info(call: Call) -> Answer:
    """``getInfo``: with what is truly there."""
    api = call.api
    legacy = api.spec_version is SpecVersion.LEGACY_1_1
    owners = call.config.directory is not None and any(each.owner_token for each in api.devices)
    client = {
        "name": "synapse-tim test-driver",
        "version": __version__,
        "description": "Acts as a client of the Matrix client API, for tests of homeservers",
        "applicationType": "Native",
        "osInfo": {"operatingSystem": "Linux", "version": platform.release()},
        "canAdministrateFhirOrganization": owners and api.role == "org-admin",
        "canAdministrateFhirPractitioner": owners and api.role == "client",
        "canSendMessages": api.role == "client",
        "isInsurance": api.product is Product.EPA,
        "isPro": api.product is Product.PRO and not legacy,
        "isVersionThree": api.spec_version.has_rules_of_1_2,
        "isReferenceImplementation": False,
    }
    return answer(
        {
            "title": "Test-Schnittstelle des TI-Messenger Clients",
            "description": "Test driver of synapse_tim: drives a homeserver by the Matrix client API",
            "homeserver": api.homeserver.name,
            "contact": {"name": call.config.contact},
            "clientInfo": client,
            "fachdienstInfo": {"name": api.homeserver.name, "version": _server_version(call)},
            "testDriverVersion": _VERSION_OF_DOCUMENT,
        }
    )


def _server_version(call: Call) -> str:
    """What the service says of itself needs a log-in or a federation; so what it was set up as here."""
    return call.api.spec_version.value


def clean_up(call: Call) -> Answer:
    """``cleanUp``: leave no room and no setting behind on devices that nobody has claimed."""
    for device in call.devices.values():
        with device.lock:
            if device.dirty and not device.is_claimed and call.api.role == "client":
                _clean(device)
    return answer({})


def _clean(device: Device) -> None:
    try:
        if not device.is_logged_in:
            device.log_in()
        rooms.leave_all(device.session)
        permissions.reset(device)
        contacts.delete_all(device)
        device.log_out()
    except DriverError as error:
        text = f"device {device.number} cannot be cleaned: {error.message}"
        raise DriverError(500, error.code, text, error.source) from None
    device.dirty = False


def list_devices(call: Call) -> Answer:
    """``getDevices``."""
    return answer({"devices": [each.info for each in call.devices.values()]})


def claim(call: Call) -> Answer:
    """``claimDevice``."""
    wanted: bodies.ClaimRequest = call.body(bodies.ClaimRequest)
    call.at.claim(wanted.claimerName, call.request.client_name, wanted.claimFor)
    return answer(call.at.info)


def unclaim(call: Call) -> Answer:
    """``unclaimDevice``."""
    call.at.unclaim(call.request.client_name)
    return answer(call.at.info)


def read_account(call: Call) -> Answer:
    """``readAccount``."""
    return answer(_account(call))


def _account(call: Call) -> dict[str, Any]:
    session = call.session
    return {
        "mxid": session.user_id,
        "username": session.username,
        "password": session.password,
        "displayName": session.display_name(),
        "accessToken": session.access_token,
    }


def log_in(call: Call) -> Answer:
    """``login``: with the account of the configuration, or the one in the request."""
    wanted: bodies.LoginRequest = call.body(bodies.LoginRequest)
    if (wanted.username is None) != (wanted.password is None):
        raise bad_request("username and password belong together")
    account = None
    if wanted.username is not None and wanted.password is not None:
        account = (wanted.username, wanted.password)
    call.at.log_in(account)
    if call.api.encrypt:
        call.at.encryption().prepare()
    return answer(_account(call))


def log_out(call: Call) -> Answer:
    """``logout``."""
    if not call.at.is_logged_in:
        raise bad_request("nobody is logged in")
    call.at.log_out()
    return answer({})


def export_keys(call: Call) -> Answer:
    """``keyExport``: what another device of the account needs to read its messages."""
    session = call.session
    return answer({"mxId": {"mxid": session.user_id}, "key": call.at.encryption().export_keys()})


def import_keys(call: Call) -> Answer:
    """``keyImport``."""
    wanted: bodies.KeyInfo = call.body(bodies.KeyInfo)
    session = call.session
    if wanted.mxId is not None and wanted.mxId.mxid != session.user_id:
        raise bad_request(f"those are keys of {wanted.mxId.mxid}")
    call.at.encryption().import_keys(wanted.key)
    return NO_CONTENT


def search_users(call: Call) -> Answer:
    """``searchOnHomeserver``."""
    name, user_id = call.query.get("displayName", ""), call.query.get("mxId", "")
    if not name and not user_id:
        raise bad_request("displayName or mxId is needed")
    body = {"search_term": user_id or name, "limit": 50}
    found = call.session.call("POST", path_of("user_directory", "search"), body)["results"]
    hits = [
        {"mxId": each["user_id"], "displayName": each.get("display_name") or each["user_id"]}
        for each in found
        if name.casefold() in (each.get("display_name") or each["user_id"]).casefold()
        and user_id in each["user_id"]
    ]
    return answer({"totalSearchResults": len(hits), "searchResults": hits})
