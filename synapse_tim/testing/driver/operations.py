"""The operations of gematik's document, and what does them."""

import re
from collections.abc import Callable
from typing import Final
from urllib.parse import unquote

import attrs

from synapse_tim.testing.driver import accounts, contacts, fhir, media, messages, permissions, rooms
from synapse_tim.testing.driver.call import Call
from synapse_tim.testing.http import Answer

_ROOM = "/devices/{deviceId}/rooms/{roomId}"
_MESSAGE = f"{_ROOM}/messages/{{messageId}}"


@attrs.frozen
class Operation:
    """One of them."""

    name: str  #: the ``operationId``
    method: str
    template: str  #: the path, parameters in braces
    do: Callable[[Call], Answer]
    claimed: bool = True  #: whether a device in its path has to be claimed
    pattern: re.Pattern[str] = attrs.field(init=False)

    @pattern.default
    def _pattern(self) -> re.Pattern[str]:
        return re.compile(re.sub(r"\\{(\w+)\\}", r"(?P<\1>[^/]+)", re.escape(self.template)))

    def match(self, path: str) -> dict[str, str] | None:
        """The parameters of a path as it was sent, or ``None`` if it is another one."""
        found = self.pattern.fullmatch(path)
        return {name: unquote(value) for name, value in found.groupdict().items()} if found else None


def _of(
    name: str, method: str, path: str, do: Callable[[Call], Answer], *, claimed: bool = True
) -> Operation:
    return Operation(name, method, f"/devices/{{deviceId}}{path}", do, claimed)


_SERVICE = "/fhir/org/healthcareService/{hsId}"

OPERATIONS: Final = (
    Operation("getInfo", "GET", "/", accounts.info),
    Operation("cleanUp", "POST", "/", accounts.clean_up),
    Operation("getDevices", "GET", "/devices", accounts.list_devices),
    _of("claimDevice", "POST", "/claim", accounts.claim, claimed=False),
    _of("unclaimDevice", "POST", "/unclaim", accounts.unclaim, claimed=False),
    _of("readAccount", "GET", "/account", accounts.read_account),
    _of("login", "POST", "/login", accounts.log_in),
    _of("logout", "POST", "/logout", accounts.log_out),
    _of("keyExport", "GET", "/account/key", accounts.export_keys),
    _of("keyImport", "POST", "/account/key", accounts.import_keys),
    _of("getOrganization", "GET", "/fhir/org", fhir.get_organisation),
    _of("createHealthcareService", "POST", "/fhir/org/healthcareService", fhir.create_service),
    _of("getHealthcareService", "GET", _SERVICE, fhir.get_service),
    _of("updateHealthcareService", "PUT", _SERVICE, fhir.update_service),
    _of("deleteHealthcareService", "DELETE", _SERVICE, fhir.delete_service),
    _of("getEndpoints", "GET", f"{_SERVICE}/endpoint", fhir.list_endpoints),
    _of("createEndpoint", "POST", f"{_SERVICE}/endpoint", fhir.create_endpoint),
    _of("getEndpoint", "GET", f"{_SERVICE}/endpoint/{{endId}}", fhir.get_endpoint),
    _of("updateEndpoint", "PUT", f"{_SERVICE}/endpoint/{{endId}}", fhir.update_endpoint),
    _of("deleteEndpoint", "DELETE", f"{_SERVICE}/endpoint/{{endId}}", fhir.delete_endpoint),
    _of(
        "setEndpointVisibilityOfHealthcareService",
        "POST",
        f"{_SERVICE}/endpointVisibility/{{endId}}",
        fhir.hide_endpoint,
    ),
    _of(
        "removeEndpointVisibilityOfHealthcareService",
        "DELETE",
        f"{_SERVICE}/endpointVisibility/{{endId}}",
        fhir.show_endpoint,
    ),
    _of("setEndpointVisibility", "POST", "/fhir/endpointVisibility", fhir.hide_mine),
    _of("removeEndpointVisibility", "DELETE", "/fhir/endpointVisibility", fhir.show_mine),
    _of("authenticateOnFhirDirectory", "POST", "/fhir/fhirAuthenticate", fhir.authenticate),
    _of("setMxidInFhirDirectory", "POST", "/fhir/mxidInFhirDirectory", fhir.set_mxid),
    _of("readMxidInFhirDirectory", "GET", "/fhir/mxidInFhirDirectory", fhir.read_mxid),
    _of("removeMxidInFhirDirectory", "DELETE", "/fhir/mxidInFhirDirectory", fhir.remove_mxid),
    _of("searchOnHomeserver", "GET", "/homeserver/search", accounts.search_users),
    _of(
        "searchOrganizationInFhirDirectory",
        "GET",
        "/fhir/searchOrganizationInFhirDirectory",
        fhir.search_organisations,
    ),
    _of(
        "searchHsEndpointInFhirDirectory",
        "GET",
        "/fhir/searchHealthcareServiceEndpointInFhirDirectory",
        fhir.search_endpoints,
    ),
    _of(
        "searchPractitionerInFhirDirectory",
        "GET",
        "/fhir/searchPractitionerInFhirDirectory",
        fhir.search_practitioners,
    ),
    _of("sendDirectMessage", "POST", "/sendMessage", messages.send_direct),
    Operation("getMessages", "GET", f"{_ROOM}/messages", messages.list_messages),
    Operation("sendMessage", "POST", f"{_ROOM}/messages", messages.send),
    Operation("getMessage", "GET", _MESSAGE, messages.read),
    Operation("editMessage", "PUT", _MESSAGE, messages.edit),
    Operation("deleteMessage", "DELETE", _MESSAGE, messages.delete),
    Operation("deleteMessageViaReplace", "DELETE", f"{_MESSAGE}/replace", messages.delete_by_replacement),
    _of("getRooms", "GET", "/rooms", rooms.list_rooms),
    _of("createRoom", "POST", "/rooms", rooms.create),
    Operation("getRoomSettings", "GET", _ROOM, rooms.read),
    Operation("updateRoom", "PUT", _ROOM, rooms.update),
    Operation("forgetRoom", "DELETE", _ROOM, rooms.forget),
    Operation("inviteIntoRoom", "POST", f"{_ROOM}/invite", rooms.invite),
    Operation("joinRoom", "POST", f"{_ROOM}/join", rooms.join),
    Operation("leaveRoom", "POST", f"{_ROOM}/leave", rooms.leave),
    Operation("getStateEvents", "GET", f"{_ROOM}/state", rooms.list_state),
    _of("getContacts", "GET", "/contacts", contacts.list_contacts),
    _of("createContactSetting", "POST", "/contacts", contacts.create),
    _of("deleteContactSetting", "DELETE", "/contacts/{mxid}", contacts.delete),
    _of("postMediaFile", "POST", "/media", media.upload),
    _of("getMediaFile", "GET", "/media/{fileId}", media.download),
    _of("getAuthenticatedMediaFile", "GET", "/media/authenticated/{fileId}", media.download_authenticated),
    _of("getAuthorizationMode", "GET", "/authorizationMode", permissions.read_mode),
    _of("setAuthorizationMode", "POST", "/authorizationMode", permissions.set_mode),
    _of("getAllowedUsersList", "GET", "/allowedUsers", permissions.read_allowed),
    _of("addAllowedUsersList", "POST", "/allowedUsers", permissions.add_allowed),
    _of("deleteAllowedUsersList", "DELETE", "/allowedUsers", permissions.delete_allowed),
    _of("getBlockedUsersList", "GET", "/blockedUsers", permissions.read_blocked),
    _of("addBlockedUsersList", "POST", "/blockedUsers", permissions.add_blocked),
    _of("deleteBlockedUsersList", "DELETE", "/blockedUsers", permissions.delete_blocked),
)
