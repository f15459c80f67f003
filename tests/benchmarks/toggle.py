"""A Synapse module for benchmarks: takes the hook for messages to devices off, and puts it on again.

Of two equal processes one is faster by luck, as long as it runs, and by more than the hook costs. One process
that is measured with and without it has no such luck.
"""

from typing import Any

from synapse.module_api import ModuleApi
from twisted.web.resource import Resource
from twisted.web.server import Request

PATH = "/_benchmark/device_messages"
_HOOKED = (
    "add_local_messages_from_client_to_device_inbox",
    "add_remote_messages_from_client_to_device_inbox",
    "add_messages_from_remote_to_device_inbox",
)


class DeviceMessagesToggle(Resource):
    """``POST`` with the body ``on`` or ``off``."""

    isLeaf = True  # noqa: N815

    def __init__(self, config: dict[str, Any], api: ModuleApi) -> None:
        super().__init__()
        store = api._hs.get_datastores().main
        hooks = {name: getattr(store, name) for name in _HOOKED}
        originals = {name: hook.__wrapped__ for name, hook in hooks.items()}
        self._store = store
        self._functions = {b"on": hooks, b"off": originals}
        api.register_web_resource(PATH, self)

    @staticmethod
    def parse_config(config: dict[str, Any]) -> dict[str, Any]:
        return config

    def render_POST(self, request: Request) -> bytes:  # noqa: N802
        for name, function in self._functions[request.content.read()].items():
            setattr(self._store, name, function)
        return b""
