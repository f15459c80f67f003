"""Registry of the parts that are loaded in this process; some need others.

Synapse makes the modules in the order of ``modules:``, each with the same module API, before it opens a
listener. A part that needs another one, that is there twice, or that takes the homeserver for something else
than another one does, stops start-up.
"""

import logging
import weakref
from typing import Any, Final

from synapse.module_api import ModuleApi
from synapse.module_api.errors import ConfigError

from synapse_tim.adapter.config_block import wrong
from synapse_tim.core.config_types import PartConfig
from synapse_tim.core.products import SpecVersion

logger = logging.getLogger(__name__)

_LOADED: Final[weakref.WeakKeyDictionary[ModuleApi, dict[str, object]]] = weakref.WeakKeyDictionary()
_BLOCKS: Final[weakref.WeakKeyDictionary[ModuleApi, PartConfig]] = weakref.WeakKeyDictionary()


def register(api: ModuleApi, part: object, config: PartConfig | None = None) -> None:
    """Note that a part is loaded.

    Args:
        part: the part, or a value that one shares with those below it, which do not know its class.
        config: its block; a homeserver is exactly one product of one generation.

    Raises:
        ConfigError: it is already, or its block says something else than that of another part.
    """
    if config is not None:
        if api not in _BLOCKS and config.spec_version is SpecVersion.DRAFT_1_15:
            logger.warning(
                "spec_version draft-1.15 follows gematik's proposal GSC327 for Matrix 1.15, "
                "which is published, not in force, and may change"
            )
        _require_same(config, _BLOCKS.setdefault(api, config))
    loaded = _LOADED.setdefault(api, {})
    name = type(part).__name__
    if name in loaded:
        raise ConfigError(
            f"synapse_tim.{name} is loaded twice; synapse_tim.TiMessenger already contains it",
            path=("modules",),
        )
    loaded[name] = part


def _require_same(config: PartConfig, first: PartConfig) -> None:
    for key, said, known in (
        ("product", config.product, first.product),
        ("spec_version", config.spec_version, first.spec_version),
    ):
        if said is not known:
            raise wrong(
                f"{said.value!r}, although another part of synapse_tim has {known.value!r}; expected the "
                "same in all of them",
                key,
            )


def find(api: ModuleApi, name: str) -> Any:
    """A part that another one makes use of.

    By name, since those below it and beside it do not know its class. A type says what they use of it.

    Returns:
        The part, or ``None`` if it is not loaded.
    """
    return _LOADED.get(api, {}).get(name)


def require(api: ModuleApi, name: str, needed_by: str) -> Any:
    """A part that another one needs; ``ConfigError`` if it is not loaded."""
    part = find(api, name)
    if part is None:
        raise ConfigError(
            f"synapse_tim.{needed_by} needs synapse_tim.{name}: add it to 'modules' before "
            f"synapse_tim.{needed_by}, or load synapse_tim.TiMessenger, which contains both",
            path=("modules",),
        )
    return part
