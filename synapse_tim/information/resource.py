"""``/tim-information`` (TiMessengerInformation 1.0.0, R5.1 to R5.9), and ``/.well-known/matrix/support``.

Every error of the former has the form of that interface, not of Matrix: ``errorCode`` and ``errorMessage``.
The code is that of Matrix.
"""

import logging
from collections.abc import Awaitable, Callable, Mapping
from typing import Any, Final

from synapse.module_api import DirectServeJsonResource, SynapseRequest
from synapse.module_api.errors import SynapseError

from synapse_tim.adapter.answers import count_allowed, reject
from synapse_tim.adapter.endpoints import error_answer, require_method
from synapse_tim.core.web_denials import ENDPOINT_UNRECOGNIZED
from synapse_tim.federation.list import FederationList
from synapse_tim.information import rules as information
from synapse_tim.information.denials import (
    IK_UNKNOWN,
    INFORMATION_QUERY,
    INFORMATION_TOKEN,
    INFORMATION_UNAVAILABLE,
)
from synapse_tim.information.rules import Query, QueryError, ServiceInfo

logger = logging.getLogger(__name__)

BASE_PATH: Final = "/tim-information"

_Answer = dict[str, Any]


class InformationResource(DirectServeJsonResource):
    """Answers questions about the federation.

    Args:
        known_list: the last verified federation list, or ``None`` if there never was one.
        require_user: refuses a request that is not a user's.
    """

    isLeaf = True  # noqa: N815  # Twisted's name

    def __init__(
        self,
        info: ServiceInfo,
        known_list: Callable[[], FederationList | None],
        require_user: Callable[[SynapseRequest], Awaitable[str]],
    ) -> None:
        super().__init__()
        self._info = info
        self._known_list = known_list
        self._require_user = require_user
        self._endpoints: dict[tuple[bytes, ...], Callable[[Query], _Answer]] = {
            (): self._about,
            (b"",): self._about,
            (b"v1", b"server", b"findByIk"): self._find_by_ik,
            (b"v1", b"server", b"isInsurance"): self._is_insurance,
        }

    async def _async_render(self, request: SynapseRequest) -> tuple[int, _Answer]:
        try:
            return 200, await self._answer(request)
        except SynapseError as error:
            return error_answer(request, error)

    async def _answer(self, request: SynapseRequest) -> _Answer:
        endpoint = self._endpoints.get(tuple(request.postpath or ()))
        if endpoint is None:
            reject(ENDPOINT_UNRECOGNIZED)
        require_method(request, "GET")
        await self._require(request)
        try:
            return endpoint(request.args or {})
        except QueryError as error:
            reject(INFORMATION_QUERY.with_detail(str(error)))

    async def _require(self, request: SynapseRequest) -> None:
        try:
            await self._require_user(request)
        except SynapseError:
            raise
        except Exception as error:
            logger.error("The user of a request could not be looked up: %s", type(error).__name__)
            reject(INFORMATION_UNAVAILABLE)
        count_allowed(INFORMATION_TOKEN)

    def _about(self, query: Query) -> _Answer:
        return dict(self._info.document())

    def _find_by_ik(self, query: Query) -> _Answer:
        code = information.institution_code(query)
        server = information.server_of(code, self._federation())
        if server is None:
            reject(IK_UNKNOWN)
        return {"serverName": server}

    def _is_insurance(self, query: Query) -> _Answer:
        name = information.server_name(query)
        return {"isInsurance": information.is_insurers(name, self._federation())}

    def _federation(self) -> FederationList:
        known = self._known_list()
        if known is None:
            reject(INFORMATION_UNAVAILABLE)
        return known


class SupportResource(DirectServeJsonResource):
    """Serves the support contacts, without authentication (A_26265)."""

    isLeaf = True  # noqa: N815  # Twisted's name

    def __init__(self, document: Mapping[str, Any]) -> None:
        super().__init__()
        self._document = document

    async def _async_render(self, request: SynapseRequest) -> tuple[int, Mapping[str, Any]]:
        if request.postpath:
            reject(ENDPOINT_UNRECOGNIZED)
        require_method(request, "GET")
        return 200, self._document
