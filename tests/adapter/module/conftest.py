"""Synapse's ``HomeServer`` without a Synapse: mocks whose methods have the signatures of the real ones."""

import inspect
from importlib import import_module
from unittest.mock import Mock

import pytest

from synapse_tim.adapter.reference import touched as everything_touched


def real_owner(touched):
    """The class or module of the installed Synapse that has something."""
    owner_path = touched.path.rpartition(".")[0]
    try:
        return import_module(owner_path)
    except ModuleNotFoundError:
        module, _, name = owner_path.rpartition(".")
        return getattr(import_module(module), name)


def with_real_signatures(hs):
    """Give the mocks of a homeserver the methods of Synapse that the adapter looks at."""
    stores, controllers = hs.get_datastores.return_value, hs.get_storage_controllers.return_value
    callbacks = hs.get_module_api_callbacks.return_value
    owners = {
        "DataStore": stores.main,
        "DeviceInboxWorkerStore": stores.main,
        "PersistEventsStore": stores.persist_events,
        "EventsPersistenceStorageController": controllers.persistence,
        "PurgeEventsStorageController": controllers.purge_events,
        "ThirdPartyEventRulesModuleApiCallbacks": callbacks.third_party_event_rules,
        "DeferredCache": stores.main.get_rooms_for_user.cache,
        "BaseAuth": hs.get_auth.return_value,
    }
    for getter in everything_touched():
        if getter.why.startswith("returns the `"):
            owners.setdefault(getter.why.split("`")[1], getattr(hs, getter.name).return_value)
    for touched in everything_touched():
        owner = owners.get(touched.path.split(".")[-2])
        if touched.parameters and owner is not None and touched.expected:
            real = inspect.getattr_static(real_owner(touched), touched.name)
            setattr(owner, touched.name, inspect.unwrap(real).__get__(owner))


@pytest.fixture
def hs():
    hs = Mock()
    hs.config.federation.federation_domain_whitelist = {}
    hs.config.worker.worker_app = None
    del hs._listen_http
    hs._listener_http = lambda config, listener_config: ["port"]
    with_real_signatures(hs)
    return hs


@pytest.fixture
def api(hs):
    return Mock(_hs=hs, server_name="hospital.example", is_mine=lambda user_id: user_id.endswith(":here"))
