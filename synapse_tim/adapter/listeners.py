"""Resources that are served beside the client API, and beside the well-known documents."""

import functools
import inspect
from collections.abc import Callable, Mapping
from typing import Any, Final

from synapse.http import server
from synapse.module_api import SynapseRequest
from synapse.module_api.errors import ConfigError
from synapse.rest import well_known
from twisted.web.resource import Resource

from synapse_tim.adapter.shape import Touches

_SYNAPSE: Final = Touches("listeners")
_LISTEN: Final = {
    name: _SYNAPSE.wraps(
        f"{kind}.{name}(…, listener_config)",
        "what the module API registers is served on every HTTP listener, that of replication included",
    )
    for kind, name in (
        ("synapse.app.homeserver.SynapseHomeServer", "_listener_http"),
        ("synapse.app.generic_worker.GenericWorkerServer", "_listen_http"),
    )
}
_RESOURCES: Final = _SYNAPSE.changes(
    "synapse.server.HomeServer._module_web_resources", "for the time that a listener is opened"
)
_OPTIONS: Final = _SYNAPSE.reads(
    "synapse.config.server.TCPListenerConfig.http_options", "which listeners serve the client API"
)
_WELL_KNOWN: Final = _SYNAPSE.calls(
    "synapse.rest.well_known.well_known_resource", "the module API can only replace Synapse's own documents"
)
_OPTIONS_RESOURCE: Final = _SYNAPSE.reads("synapse.http.server.OptionsResource", "it answers preflights")
_PREFLIGHT: Final = _SYNAPSE.wraps(
    "synapse.http.server.OptionsResource.render_OPTIONS(request)",
    "pages in browsers may send a header that is not among those of Matrix",
)


class Listeners:
    """Serves resources on the listeners that serve the client API, and on no others.

    What the module API registers is served on every HTTP listener; and below ``/.well-known/matrix`` it
    cannot register anything without replacing what is there.
    """

    def __init__(self, hs: Any) -> None:
        self._hs = hs
        self._served: dict[str, Resource] = {}
        self._part_of: dict[str, str] = {}
        self._headers: dict[bytes, bytes] = {}
        name = "_listen_http" if hasattr(hs, "_listen_http") else "_listener_http"
        setattr(hs, name, self._with_resources(_LISTEN[name].of(hs)))
        _RESOURCES.of(hs)
        _PREFLIGHT.of(_OPTIONS_RESOURCE.of(server))

    def serve(self, resources: Mapping[str, Resource], well_known: Mapping[str, Resource], part: str) -> None:
        """Serve resources.

        Args:
            well_known: by their names below ``/.well-known/matrix``.

        Raises:
            ConfigError: Synapse's well-known documents do not look as expected; also later, when the
                listeners are opened, if another module has taken a path.
        """
        served = dict(resources)
        if well_known:
            served["/.well-known"] = self._well_known_with(well_known)
        self._served.update(served)
        self._part_of.update(dict.fromkeys(served, part))

    def allow_request_header(self, path: str, name: str) -> None:
        """Let pages in browsers send a header of an interface to it, which is not among those of Matrix.

        Synapse answers their preflights itself, at all paths of a listener.
        """
        if not self._headers:
            resource = _OPTIONS_RESOURCE.of(server)
            resource.render_OPTIONS = self._with_headers(_PREFLIGHT.of(resource))
        self._headers[path.encode()] = name.encode()

    def _with_resources(self, listen: Callable[..., Any]) -> Callable[..., Any]:
        signature = inspect.signature(listen)

        @functools.wraps(listen)
        def listen_with(*args: Any, **kwargs: Any) -> Any:
            options = _OPTIONS.of(signature.bind(*args, **kwargs).arguments["listener_config"])
            if not any("client" in each.names for each in options.resources):
                return listen(*args, **kwargs)
            others = self._hs._module_web_resources
            taken = sorted(self._served.keys() & others.keys())
            if taken:
                part = self._part_of[taken[0]]
                raise ConfigError(
                    f"synapse_tim.{part} needs {', '.join(taken)}, which another module serves",
                    path=("modules",),
                )
            self._hs._module_web_resources = {**others, **self._served}
            try:
                return listen(*args, **kwargs)
            finally:
                self._hs._module_web_resources = others

        return listen_with

    def _with_headers(self, original: Callable[..., Any]) -> Callable[..., Any]:
        @functools.wraps(original)
        def answer(resource: Any, request: SynapseRequest) -> Any:
            answered = original(resource, request)
            asked = request.path or b""
            for prefix, header in self._headers.items():
                if asked == prefix or asked.startswith(prefix + b"/"):
                    name = b"Access-Control-Allow-Headers"
                    allowed = request.responseHeaders.getRawHeaders(name) or []
                    request.responseHeaders.setRawHeaders(name, [b", ".join([*allowed, header])])
            return answered

        return answer

    def _well_known_with(self, documents: Mapping[str, Resource]) -> Resource:
        """Synapse's own well-known documents, and others beside them."""
        tree: Resource = _WELL_KNOWN.of(well_known)(self._hs)
        matrix: Any = tree.children.get(b"matrix") if isinstance(tree, Resource) else None
        if not isinstance(matrix, Resource) or matrix.children.keys() != {b"client", b"server"}:
            raise _WELL_KNOWN.unexpected()
        for name, resource in documents.items():
            matrix.children[name.encode()] = resource
        return tree
