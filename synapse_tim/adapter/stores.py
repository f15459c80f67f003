"""Synapse's stores, which capabilities of the adapter share."""

from typing import Any, Final

from synapse_tim.adapter.shape import Touches

_SYNAPSE: Final = Touches("stores")
_DATASTORES: Final = _SYNAPSE.getter("get_datastores", "Databases")
_MAIN: Final = _SYNAPSE.reads("synapse.storage.databases.Databases.main", "the `DataStore`")


def datastores(hs: Any) -> Any:
    """Synapse's ``Databases``."""
    return _DATASTORES.of(hs)()


def main_store(hs: Any) -> Any:
    """Synapse's ``DataStore``."""
    return _MAIN.of(datastores(hs))
