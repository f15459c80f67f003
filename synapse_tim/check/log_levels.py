"""What a log configuration amounts to (``logging.config.dictConfig``): which logger says what."""

from __future__ import annotations

import logging
from collections.abc import Iterable, Iterator, Mapping
from typing import Any, Final

import attrs

#: What Python does with messages for which nobody has configured anything.
_LAST_RESORT: Final = logging.WARNING
_NAMES: Final = logging.getLevelNamesMapping()


class LogConfigError(Exception):
    """A log configuration that cannot be made sense of."""


@attrs.frozen
class _Logger:
    level: int
    handlers: tuple[str, ...]
    propagates: bool


@attrs.frozen
class LogLevels:
    """Levels and handlers of a log configuration.

    Attributes:
        loggers: by name; the root has the empty one.
        handler_levels: the least that each handler passes on.
        handlers: the configuration of each.
        silences_others: whether loggers that were there before say nothing any more.
    """

    loggers: Mapping[str, _Logger]
    handler_levels: Mapping[str, int]
    handlers: Mapping[str, Mapping[str, Any]]
    silences_others: bool

    @classmethod
    def of(cls, config: Mapping[str, Any]) -> LogLevels:
        """Read a configuration.

        Args:
            config: as the file has it.

        Raises:
            LogConfigError: it is not of the shape that Python demands.
        """
        handlers = _mappings(config, "handlers")
        loggers = {name: _logger(each) for name, each in _mappings(config, "loggers").items()}
        root = config.get("root") or {}
        if not isinstance(root, Mapping):
            raise LogConfigError("root is no mapping")
        if root or "" not in loggers:
            loggers[""] = _logger({"level": "WARNING", **root})
        for logger in loggers.values():
            for name in logger.handlers:
                if name not in handlers:
                    raise LogConfigError(f"there is no handler {name!r:.40}")
        return cls(
            loggers=loggers,
            handler_levels={name: _level(each.get("level")) for name, each in handlers.items()},
            handlers=handlers,
            silences_others=bool(config.get("disable_existing_loggers", True)),
        )

    def level(self, name: str) -> int:
        """The least that a logger says."""
        for each in _ancestry(name):
            if each in self.loggers and self.loggers[each].level:
                return self.loggers[each].level
        return logging.NOTSET

    def heard_from(self, name: str) -> int:
        """The least that is heard of a logger, whatever handler passes it on."""
        levels = [self.handler_levels.get(handler, logging.NOTSET) for handler in self._handlers(name)]
        return max(self.level(name), min(levels, default=_LAST_RESORT))

    def names_below(self, *prefixes: str) -> Iterable[str]:
        """The prefixes, and the names of configured loggers below them."""
        below = tuple(f"{prefix}." for prefix in prefixes)
        return dict.fromkeys([*prefixes, *(name for name in self.loggers if name.startswith(below))])

    def _handlers(self, name: str) -> Iterator[str]:
        for each in _ancestry(name):
            logger = self.loggers.get(each)
            if logger is not None:
                yield from logger.handlers
                if not logger.propagates:
                    return


def _ancestry(name: str) -> Iterator[str]:
    while name:
        yield name
        name = name.rpartition(".")[0]
    yield ""


def _mappings(config: Mapping[str, Any], key: str) -> dict[str, Mapping[str, Any]]:
    found = config.get(key) or {}
    if not isinstance(found, Mapping) or not all(isinstance(each, Mapping) for each in found.values()):
        raise LogConfigError(f"{key} is no mapping of mappings")
    return {str(name): each for name, each in found.items()}


def _logger(config: Mapping[str, Any]) -> _Logger:
    handlers = config.get("handlers") or ()
    if not isinstance(handlers, list | tuple):
        raise LogConfigError("the handlers of a logger are no list")
    return _Logger(
        _level(config.get("level")), tuple(map(str, handlers)), config.get("propagate") is not False
    )


def _level(value: object) -> int:
    if value is None:
        return logging.NOTSET
    if isinstance(value, int) and not isinstance(value, bool):
        return value
    if isinstance(value, str) and value in _NAMES:
        return _NAMES[value]
    raise LogConfigError(f"{value!r:.40} is no level")
