"""A module of Synapse that notes how often functions of Synapse are wrapped by the modules before it."""

import json
from pathlib import Path

from synapse.federation.transport.server.federation import FEDERATION_SERVLET_CLASSES

from synapse_tim.adapter.homeserver import Homeserver
from synapse_tim.adapter.shape import installed_synapse

#: What stores messages to devices here: since Synapse 1.155, and before.
SENT = ("add_local_messages_from_client_to_device_inbox", "add_messages_to_device_inbox")


def wrappers(function):
    """How many wrappers of ours are around a function."""
    found = 0
    while (inner := getattr(function, "__wrapped__", None)) is not None:
        code = getattr(function, "__code__", None)
        found += code is not None and "synapse_tim" in Path(code.co_filename).parts
        function = inner
    return found


class HookCounter:
    """Writes numbers to ``file`` of its configuration."""

    def __init__(self, config, api):
        hs = api._hs
        store, client = hs.get_datastores().main, hs.get_federation_client()
        events = Homeserver.of(api).events
        functions = {
            "check_event_allowed": hs.get_module_api_callbacks().third_party_event_rules.check_event_allowed,
            "send_join": client.send_join,
            "make_membership_event": client.make_membership_event,
            "register_user": hs.get_registration_handler().register_user,
            "purge_room": hs.get_storage_controllers().purge_events.purge_room,
            "local to-device": getattr(store, SENT[installed_synapse() < (1, 155)]),
            "listener": hs._listener_http,
        }
        for servlet in FEDERATION_SERVLET_CLASSES:
            for name in ("on_GET", "on_PUT", "on_POST"):
                if hasattr(servlet, name):
                    functions[f"{servlet.__name__}.{name}"] = getattr(servlet, name)
        kinds = ("m.room.message", "m.room.encrypted", "m.room.member")
        found = {
            "wrappers": {name: wrappers(function) for name, function in functions.items()},
            "check_event_for_spam": sum(
                callback.__module__.startswith("synapse_tim.")
                for callback in hs.get_module_api_callbacks().spam_checker._check_event_for_spam_callbacks
            ),
            "checks": {kind: len(events._checks.get(kind, events._all)) for kind in kinds},
        }
        Path(config["file"]).write_text(json.dumps(found))

    @staticmethod
    def parse_config(config):
        return config
