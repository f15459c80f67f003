"""``/tim-contact-mgmt/v1.0.2``: TiMessengerContactManagement 1.0.3 for the clients of this server.

Users read and write only their own approval list: the header ``Mxid`` has to name the user
that the OpenID token was given to. Every error has the form of that interface, not of Matrix: ``errorCode``
and ``errorMessage``. The code is that of Matrix.

Looked at in this order: path (404), method (405), token (401), header (400, 403), the rest (400, 404).
"""

import logging
from collections.abc import Awaitable, Callable
from typing import Any, Final

import attrs
from synapse.module_api import DirectServeJsonResource, SynapseRequest
from synapse.module_api.errors import SynapseError

from synapse_tim.adapter.answers import count_allowed, reject
from synapse_tim.adapter.client_api import octets
from synapse_tim.adapter.clock import now_s
from synapse_tim.adapter.endpoints import error_answer, finish, require_method
from synapse_tim.contacts.denials import (
    CONTACT_ID,
    CONTACT_MALFORMED,
    CONTACT_UNKNOWN,
    CONTACTS_HEADER,
    CONTACTS_OF_ANOTHER,
    CONTACTS_TOKEN,
    CONTACTS_UNAVAILABLE,
    TOO_MANY_CONTACTS,
)
from synapse_tim.contacts.rules import (
    MAX_OCTETS,
    Contact,
    ContactError,
    comparable,
    is_user_id,
    parse_contact,
)
from synapse_tim.contacts.store import ContactStore, Put
from synapse_tim.core.web_denials import ENDPOINT_UNRECOGNIZED
from synapse_tim.information.rules import ServiceInfo

logger = logging.getLogger(__name__)

BASE_PATH: Final = "/tim-contact-mgmt/v1.0.2"
#: The header that names the owner of the contacts.
OWNER_HEADER: Final = "Mxid"

_Answer = dict[str, Any]


@attrs.frozen
class _Asked:
    """What is asked for."""

    request: SynapseRequest
    method: str  #: of HTTP, ``GET`` for ``HEAD``
    path: tuple[bytes, ...]
    user_id: str


class ContactResource(DirectServeJsonResource):
    """Shows users their contacts, and stores them."""

    isLeaf = True  # noqa: N815  # Twisted's name

    def __init__(
        self, info: ServiceInfo, store: ContactStore, require_user: Callable[[SynapseRequest], Awaitable[str]]
    ) -> None:
        super().__init__()
        self._info = info
        self._store = store
        self._require_user = require_user

    async def _async_render(self, request: SynapseRequest) -> tuple[int, _Answer] | None:
        try:
            answer = await self._answer(request)
        except SynapseError as error:
            return error_answer(request, error)
        if answer is None:
            _no_content(request)
            return None
        return 200, answer

    async def _answer(self, request: SynapseRequest) -> _Answer | None:
        path = tuple(request.postpath or ())
        method = require_method(request, *_methods(path))
        try:
            asked = _Asked(request, method, path, await self._require_user(request))
            count_allowed(CONTACTS_TOKEN)
            if path in ((), (b"",)):
                return dict(self._info.document())
            _require_own(asked)
            return await (self._one(asked) if len(path) == 2 else self._all(asked))
        except SynapseError:
            raise
        except Exception as error:
            logger.error("Contacts could not be looked up or stored: %s", type(error).__name__)
            reject(CONTACTS_UNAVAILABLE)

    async def _all(self, asked: _Asked) -> _Answer:
        if asked.method == "GET":
            contacts = await self._store.contacts_of(asked.user_id, now_s())
            return {"contacts": [contact.document() for contact in contacts]}
        contact = _contact(asked.request)
        put = await self._store.put(asked.user_id, contact, now_s(), only_if_there=asked.method == "PUT")
        if put is Put.UNKNOWN:
            reject(CONTACT_UNKNOWN)
        if put is Put.TOO_MANY:
            reject(TOO_MANY_CONTACTS)
        return contact.document()

    async def _one(self, asked: _Asked) -> _Answer | None:
        mxid = _user_id(asked.path[1])
        if asked.method == "DELETE":
            if not await self._store.delete(asked.user_id, mxid, now_s()):
                reject(CONTACT_UNKNOWN)
            return None
        contact = await self._store.contact_of(asked.user_id, mxid, now_s())
        if contact is None:
            reject(CONTACT_UNKNOWN)
        return contact.document()


def _methods(path: tuple[bytes, ...]) -> tuple[str, ...]:
    """The methods of a path; a path that does not exist is answered 404."""
    if path in ((), (b"",)):
        return ("GET",)
    if path == (b"contacts",):
        return ("GET", "POST", "PUT")
    if len(path) != 2 or path[0] != b"contacts" or not path[1]:
        reject(ENDPOINT_UNRECOGNIZED)
    return ("GET", "DELETE")


def _require_own(asked: _Asked) -> None:
    """Refuse access to another user's contacts, with 400 or 403."""
    named = asked.request.requestHeaders.getRawHeaders(OWNER_HEADER.encode()) or ()
    if len(named) != 1:
        reject(CONTACTS_HEADER)
    if named[0].strip() != asked.user_id.encode():
        reject(CONTACTS_OF_ANOTHER)


def _contact(request: SynapseRequest) -> Contact:
    if octets(request) > MAX_OCTETS:
        reject(CONTACT_MALFORMED.with_detail(f"more than {MAX_OCTETS} bytes"))
    try:
        contact = parse_contact(b"" if request.content is None else request.content.read())
    except ContactError as error:
        reject(CONTACT_MALFORMED.with_detail(str(error)))
    count_allowed(CONTACT_MALFORMED)
    return contact


def _user_id(part: bytes) -> str:
    try:
        text = part.decode("ascii")
    except UnicodeDecodeError:
        reject(CONTACT_ID)
    if not is_user_id(text):
        reject(CONTACT_ID)
    return comparable(text)


def _no_content(request: SynapseRequest) -> None:
    request.setResponseCode(204)
    finish(request)
