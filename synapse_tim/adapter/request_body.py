"""Reading the JSON of a request before Synapse does, and putting another in its place."""

import io
import json
from collections.abc import Mapping
from typing import Any, BinaryIO

from synapse.module_api import SynapseRequest, parse_json_object_from_request


def read_json(request: SynapseRequest) -> dict[str, Any]:
    """The JSON object of a request, whose body can be read again afterwards.

    Raises:
        SynapseError: 400, as Synapse says it: ``M_NOT_JSON`` if it is not JSON, ``M_BAD_JSON`` if it is
            something else than an object.
    """
    try:
        body: dict[str, Any] = parse_json_object_from_request(request)
    finally:
        _content(request).seek(0)
    return body


def octets(request: SynapseRequest) -> int:
    """The length of the body of a request."""
    content = _content(request)
    end = content.seek(0, io.SEEK_END)
    content.seek(0)
    return end


def replace_json(request: SynapseRequest, body: Mapping[str, Any]) -> None:
    """Let Synapse read another JSON object than the client sent."""
    request.content = io.BytesIO(json.dumps(body).encode("utf-8"))


def _content(request: SynapseRequest) -> BinaryIO:
    content: BinaryIO | None = request.content
    return io.BytesIO() if content is None else content
