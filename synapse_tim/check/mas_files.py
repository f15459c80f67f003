"""Reads the configuration of Matrix Authentication Service (MAS), ``mas.yaml``, for the checks of it."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any, Final

import attrs

from synapse_tim.check.files import read_config
from synapse_tim.check.named_files import File, look_at

#: Keys of secrets, which have a form with ``_file``; ``[]`` stands for every entry of a list.
_SECRETS: Final = (
    "matrix.secret",
    "secrets.encryption",
    "secrets.keys[].key",
    "secrets.keys[].password",
    "passwords.schemes[].secret",
    "clients[].client_secret",
    "upstream_oauth2.providers[].client_secret",
    "http.listeners[].tls.key",
    "http.listeners[].tls.password",
    "database.ssl_key",
)
#: Secrets that have no such form.
_INLINE_ONLY: Final = ("email.password", "database.password", "captcha.secret_key")
_PUBLIC_FILES: Final = ("http.listeners[].tls.certificate_file", "database.ssl_ca_file")


@attrs.frozen(eq=False)
class MasFiles:
    """What the files of MAS say.

    Attributes:
        document: the merged configuration.
        files: that are named in it.
        inline: keys of secrets that stand in it, and could stand in a file of their own.
    """

    document: Mapping[str, Any]
    files: tuple[File, ...] = ()
    inline: tuple[str, ...] = ()

    def at(self, key: str, default: object = None) -> Any:
        """The value of a key such as ``passwords.enabled``; the default if it is not there."""
        found: Any = self.document
        for name in key.split("."):
            found = found.get(name) if isinstance(found, Mapping) else None
            if found is None:
                return default
        return found

    def entries(self, key: str) -> list[tuple[str, Mapping[str, Any]]]:
        """The mappings of a list, with their keys."""
        found = self.at(key)
        entries = found if isinstance(found, list) else []
        return [(f"{key}[{n}]", each) for n, each in enumerate(entries) if isinstance(each, Mapping)]


def read_mas(paths: Sequence[str]) -> MasFiles:
    """Read the files of MAS.

    Args:
        paths: as they would be given to ``mas-cli`` with ``--config``.

    Raises:
        UnusableConfigError: one cannot be read or is no YAML, or there is nothing in them.
    """
    document: dict[str, Any] = {}
    for path in paths:
        document = _merged(document, read_config([path]).document)
    files = [
        look_at(key, value, secret=secret)
        for pattern, secret in (
            *((f"{each}_file", True) for each in _SECRETS),
            *((each, False) for each in _PUBLIC_FILES),
        )
        for key, value in _values(document, pattern)
        if isinstance(value, str)
    ]
    inline = [key for pattern in (*_SECRETS, *_INLINE_ONLY) for key, _ in _values(document, pattern)]
    return MasFiles(document, tuple(files), tuple(inline))


def _merged(before: Mapping[str, Any], after: Mapping[str, Any]) -> dict[str, Any]:
    """Later files replace single values of earlier ones."""
    merged = dict(before)
    for name, value in after.items():
        old = merged.get(name)
        both = isinstance(old, Mapping) and isinstance(value, Mapping)
        merged[name] = _merged(old, value) if both and old is not None else value
    return merged


def _values(found: Any, pattern: str, key: str = "") -> Iterator[tuple[str, Any]]:
    """Every value that a pattern leads to, with its key."""
    first, _, rest = pattern.partition(".")
    name = first.removesuffix("[]")
    value = found.get(name) if isinstance(found, Mapping) else None
    if value is None:
        return
    key = f"{key}.{name}" if key else name
    each: list[tuple[str, Any]] = [(key, value)]
    if first.endswith("[]"):
        entries = value if isinstance(value, list) else []
        each = [(f"{key}[{n}]", entry) for n, entry in enumerate(entries)]
    for own_key, own in each:
        if rest:
            yield from _values(own, rest, own_key)
        else:
            yield own_key, own
