"""Effective levels of a log configuration (``logging.config.dictConfig``), per logger."""

import logging
from collections.abc import Iterable, Iterator, Mapping
from typing import Any, Final

#: What Python does with messages that no handler is configured for.
_LAST_RESORT: Final = logging.WARNING
_NAMES: Final = logging.getLevelNamesMapping()


class LogConfigError(Exception):
    """A log configuration that cannot be made sense of."""


class LogLevels:
    """Levels and handlers of a log configuration.

    Attributes:
        silences_others: whether loggers that were there before say nothing any more.

    Raises:
        LogConfigError: it is not of the shape that Python demands.
    """

    def __init__(self, config: Mapping[str, Any]) -> None:
        self.handlers = _mappings(config, "handlers")
        self.silences_others = bool(config.get("disable_existing_loggers", True))
        #: By name; the root has the empty one.
        self._loggers = _mappings(config, "loggers")
        root = config.get("root") or {}
        if not isinstance(root, Mapping):
            raise LogConfigError("root is not a mapping")
        if root or "" not in self._loggers:
            self._loggers[""] = {"level": "WARNING", **root}
        for logger in self._loggers.values():
            for name in _handlers_of(logger):
                if name not in self.handlers:
                    raise LogConfigError(f"there is no handler {name!r:.40}")
        self._levels = {name: _level(each.get("level")) for name, each in self._loggers.items()}
        self._handler_levels = {name: _level(each.get("level")) for name, each in self.handlers.items()}

    def level(self, name: str) -> int:
        """The least that a logger says."""
        for each in _ancestry(name):
            if self._levels.get(each):
                return self._levels[each]
        return logging.NOTSET

    def heard_from(self, name: str) -> int:
        """The lowest level of a logger that any handler passes on."""
        levels = [self._handler_levels[handler] for handler in self._handlers_heard(name)]
        return max(self.level(name), min(levels, default=_LAST_RESORT))

    def names_below(self, *prefixes: str) -> Iterable[str]:
        """The prefixes, and the names of configured loggers below them."""
        below = tuple(f"{prefix}." for prefix in prefixes)
        return dict.fromkeys([*prefixes, *(name for name in self._loggers if name.startswith(below))])

    def _handlers_heard(self, name: str) -> Iterator[str]:
        for each in _ancestry(name):
            logger = self._loggers.get(each, {})
            yield from _handlers_of(logger)
            if logger.get("propagate") is False:
                return


def _ancestry(name: str) -> Iterator[str]:
    while name:
        yield name
        name = name.rpartition(".")[0]
    yield ""


def _mappings(config: Mapping[str, Any], key: str) -> dict[str, Mapping[str, Any]]:
    found = config.get(key) or {}
    if not isinstance(found, Mapping) or not all(isinstance(each, Mapping) for each in found.values()):
        raise LogConfigError(f"{key} is not a mapping of mappings")
    return {str(name): each for name, each in found.items()}


def _handlers_of(logger: Mapping[str, Any]) -> tuple[str, ...]:
    handlers = logger.get("handlers") or ()
    if not isinstance(handlers, list | tuple):
        raise LogConfigError("the handlers of a logger are not a list")
    return tuple(map(str, handlers))


def _level(value: object) -> int:
    if value is None:
        return logging.NOTSET
    if isinstance(value, int) and not isinstance(value, bool):
        return value
    if isinstance(value, str) and value in _NAMES:
        return _NAMES[value]
    raise LogConfigError(f"{value!r:.40} is not a level")
