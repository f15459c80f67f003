"""What endpoints of ours have in common: methods of HTTP, headers."""

from __future__ import annotations

from typing import Any

from synapse.http.site import SynapseRequest

from synapse_tim.modules.decisions import refuse
from synapse_tim.rules.denials import METHOD_UNRECOGNIZED


def require_method(request: SynapseRequest, method: str) -> None:
    """Refuse other methods than the one there is; ``HEAD`` goes with ``GET``.

    Browsers' preflights (``OPTIONS``) are Synapse's business and do not get here.

    Raises:
        SynapseError: 405 ``M_UNRECOGNIZED``, with ``Allow``.
    """
    allowed = ["GET", "HEAD"] if method == "GET" else [method]
    if request.method not in [each.encode() for each in allowed]:
        set_header(request, "Allow", ", ".join([*allowed, "OPTIONS"]))
        refuse(METHOD_UNRECOGNIZED)


def set_header(request: Any, name: str, value: str) -> None:
    """Set a header of the answer."""
    request.setHeader(name, value)
