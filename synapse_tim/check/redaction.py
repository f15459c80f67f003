"""Keeps secrets of a configuration out of what is printed about it.

Nothing prints a secret on purpose. But messages of Synapse and of libraries quote what they do not like, and
what they do not like may be a secret in a wrong place or of a wrong type.
"""

import re
from collections.abc import Iterable, Iterator, Mapping
from typing import Any, Final

_SECRET_KEY: Final = re.compile(r"secret|passw|pass$|pepper|dsn|credential|token|(?:^|_)key$", re.IGNORECASE)
_NO_SECRET: Final = re.compile(r"_(?:path|file|url|uri|lifetime|types)$", re.IGNORECASE)
_USER_INFO: Final = re.compile(r"://[^/@\s]+@")
#: Shorter ones would be found in every other word; there is no telling them apart.
_SHORTEST: Final = 4
_HIDDEN: Final = "…"


class Redactor:
    """Hides secrets in texts."""

    def __init__(self, document: Any) -> None:
        found = {text for text in _secrets(document) if len(text) >= _SHORTEST}
        # Longer ones first: one may be a part of another.
        self._secrets = sorted(found, key=len, reverse=True)

    def hide(self, text: str) -> str:
        """A text without the secrets, and without names and passwords in URLs."""
        for secret in self._secrets:
            text = text.replace(secret, _HIDDEN)
        return _USER_INFO.sub(f"://{_HIDDEN}@", text)


def _secrets(document: Any) -> Iterator[str]:
    seen: set[int] = set()
    waiting: list[tuple[Any, bool]] = [(document, False)]
    while waiting:
        value, secret = waiting.pop()
        if isinstance(value, Mapping | list):
            if id(value) in seen:
                continue  # an alias; one may also lead back to itself
            seen.add(id(value))
            waiting.extend(_members(value, secret))
        elif secret and value is not None and not isinstance(value, bool):
            text = str(value)
            yield text
            yield from text.splitlines()


def _members(value: Mapping[Any, Any] | list[Any], secret: bool) -> Iterable[tuple[Any, bool]]:
    if isinstance(value, list):
        return [(each, secret) for each in value]
    return [(each, _is_secret(str(name)) and not isinstance(each, Mapping)) for name, each in value.items()]


def _is_secret(key: str) -> bool:
    return _SECRET_KEY.search(key) is not None and _NO_SECRET.search(key) is None
