"""The resource ``/.well-known/matrix/support``, for everybody (A_26265)."""

from collections.abc import Mapping
from typing import Any

from synapse.module_api import DirectServeJsonResource, SynapseRequest

from synapse_tim.adapter.answers import reject
from synapse_tim.adapter.endpoints import require_method
from synapse_tim.core.web_denials import ENDPOINT_UNRECOGNIZED


class SupportResource(DirectServeJsonResource):
    """Serves a document."""

    isLeaf = True  # noqa: N815  # Twisted's name

    def __init__(self, document: Mapping[str, Any]) -> None:
        super().__init__()
        self._document = document

    async def _async_render(self, request: SynapseRequest) -> tuple[int, Mapping[str, Any]]:
        if request.postpath:
            reject(ENDPOINT_UNRECOGNIZED)
        require_method(request, "GET")
        return 200, self._document
