"""Has Synapse's own classes read a configuration, without anything coming of it.

The values that count are Synapse's, with its defaults and its conversions, so its classes read them. They are
called one by one: where one refuses the configuration, the others are judged all the same. Synapse would make
a directory for media while reading; import modules of others; and stop at files and programs that are missing
here. None of that happens: those keys are taken away, or replaced, before it reads, and what they amount to
is worked out from the file.
"""

from __future__ import annotations

import contextlib
import copy
import io
import logging
from argparse import Namespace
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any, Final

import attrs
from synapse.config.homeserver import HomeServerConfig
from synapse.module_api.errors import ConfigError
from synapse.util.check_dependencies import DependencyException
from synapse.util.stringutils import parse_and_validate_server_name

from synapse_tim.adapter.config import SynapseConfig
from synapse_tim.check.facts import File, Problem
from synapse_tim.check.named_files import substitute

#: Stands for a name that is missing or cannot be one.
_NO_NAME: Final = "server.invalid"
#: Keys under which modules of others would be imported, or which need programs that may not be here.
_NOT_FOR_SYNAPSE: Final = (
    "modules",
    "spam_checker",
    "third_party_event_rules",
    "password_providers",
    "ldap_config",
    "media_storage_providers",
    "backup_media_store_path",
    "saml2_config",
    "sentry",
    "opentracing",
    "redis",
)
_ATTEMPTS: Final = 10
_LONGEST: Final = 200


class _Values(Mapping[tuple[str, str], object]):
    """Values of a configuration by section and attribute; what has not been read is not in it."""

    def __init__(self, synapse: SynapseConfig, known: Mapping[tuple[str, str], object]) -> None:
        self._synapse = synapse
        self._known = known

    def __getitem__(self, key: tuple[str, str]) -> object:
        if key in self._known:
            return self._known[key]
        try:
            return self._synapse.option(*key)
        except (ConfigError, AttributeError, TypeError) as error:
            raise KeyError(key) from error

    def __iter__(self) -> Iterator[tuple[str, str]]:
        return iter(self._known)

    def __len__(self) -> int:
        return len(self._known)


class _KnownConfig(SynapseConfig):
    """Of which some values are worked out here rather than by Synapse."""

    known: Mapping[tuple[str, str], object]

    def option(self, section: str, attribute: str) -> object:
        """See ``SynapseConfig.option``."""
        if (section, attribute) in self.known:
            return self.known[section, attribute]
        return super().option(section, attribute)


@attrs.frozen(eq=False)
class Sections:
    """What Synapse makes of a configuration.

    Attributes:
        synapse: its values.
        values: the same, for rules.
        root: Synapse's object.
        problems: what Synapse refuses.
        dropped: top-level keys that were left out for that.
        failed: sections that could not be read as a whole.
        missing: programs and modules that are not installed here, by the key that needs them.
    """

    synapse: SynapseConfig
    values: Mapping[tuple[str, str], object]
    root: Any
    problems: tuple[Problem, ...]
    dropped: frozenset[str]
    failed: frozenset[str]
    missing: tuple[tuple[str, str], ...]


def read_sections(document: Mapping[str, Any], directory: Path, files: list[File]) -> Sections:
    """Read a merged configuration.

    Args:
        document: of all files.
        directory: where the last file is.
        files: that it names.
    """
    reader = _Reader(document, directory, files)
    with _quiet():
        return reader.read()


class _Reader:
    def __init__(self, document: Mapping[str, Any], directory: Path, files: list[File]) -> None:
        self._problems: list[Problem] = []
        self._dropped: set[str] = set()
        self._failed: set[str] = set()
        self._missing: list[tuple[str, str]] = []
        self._directory = str(directory)
        self._document = _copy(document)
        self._known = _worked_out(self._document)
        for key in _NOT_FOR_SYNAPSE:
            self._document.pop(key, None)
        presence = self._document.get("presence")
        if isinstance(presence, dict):
            presence.pop("presence_router", None)
        self._document["url_preview_enabled"] = False
        # Synapse makes the directory; one that is there need not be made.
        self._document["media_store_path"] = self._directory
        substitute(self._document, files)
        self._complete()

    def read(self) -> Sections:
        root = HomeServerConfig([])
        kinds: Any = HomeServerConfig.config_classes
        for kind in kinds:
            self._read_section(root, kind.section)
        self._validate(root)
        synapse = _KnownConfig(root, str(self._document["server_name"]))
        synapse.known = self._known
        return Sections(
            synapse=synapse,
            values=_Values(synapse, self._known),
            root=root,
            problems=tuple(self._problems),
            dropped=frozenset(self._dropped),
            failed=frozenset(self._failed),
            missing=tuple(self._missing),
        )

    def _complete(self) -> None:
        """Synapse does not even begin without a name and a word about statistics."""
        name = self._document.get("server_name")
        try:
            if not isinstance(name, str):
                raise ValueError
            parse_and_validate_server_name(name)
        except ValueError:
            what = "is missing" if name is None else "is no name of a server"
            self._problems.append(Problem("server_name", what))
            self._document["server_name"] = _NO_NAME
        if "report_stats" not in self._document:
            self._problems.append(Problem("report_stats", "is missing: set it to false"))
            self._dropped.add("report_stats")

    def _read_section(self, root: Any, section: str) -> None:
        for _ in range(_ATTEMPTS):
            error = self._attempt(root, section, self._document)
            if error is None:
                return
            if isinstance(error, AttributeError) and self._failed:
                break  # it lacks what a section before could not read
            path = [str(part) for part in getattr(error, "path", None) or ()]
            culprit = self._culprit(root, section, error, path)
            key = _key_of(path) or culprit or f"({section})"
            if isinstance(error, ImportError | DependencyException):
                self._missing.append((key, _words(error)))
            else:
                self._problems.append(Problem(key, _words(error)))
            if culprit is None:
                break
            # What is refused is left out, so that the rest of the section is read.
            del self._document[culprit]
            self._dropped.add(culprit)
        self._failed.add(section)
        self._attempt(root, section, self._document)

    def _attempt(self, root: Any, section: str, document: dict[str, Any]) -> Exception | None:
        try:
            # Each has a copy of its own: reading changes some of it.
            getattr(root, section).read_config(
                copy.deepcopy(document),
                config_dir_path=self._directory,
                data_dir_path=self._directory,
                allow_secrets_in_config=True,
            )
        except Exception as error:
            return error
        return None

    def _culprit(self, root: Any, section: str, error: Exception, path: list[str]) -> str | None:
        """The top-level key that is refused: without it the section is read, or fails in another way."""
        if path and path[0] in self._document and path[0] != "server_name":
            return path[0]
        for key in self._document.keys() - {"server_name"}:
            others = {name: value for name, value in self._document.items() if name != key}
            without = self._attempt(root, section, others)
            if without is None or _words(without) != _words(error):
                return key
        return None

    def _validate(self, root: Any) -> None:
        if self._failed or self._dropped:
            return
        nothing = Namespace(database_path=None)
        for check in (lambda: root.database.read_arguments(nothing), root.validate_config):
            try:
                check()
            except Exception as error:
                self._problems.append(
                    Problem(_key_of(getattr(error, "path", None) or ()) or "…", _words(error))
                )


def _worked_out(document: Mapping[str, Any]) -> dict[tuple[str, str], object]:
    """What the keys amount to that Synapse does not get to see."""
    saml = _block(document, "saml2_config")
    saml_enabled = bool(saml.get("enabled", True) and (saml.get("sp_config") or saml.get("config_path")))
    return {
        ("media", "url_preview_enabled"): bool(document.get("url_preview_enabled", False)),
        ("metrics", "sentry_enabled"): "sentry" in document,
        ("tracing", "opentracer_enabled"): bool(_block(document, "opentracing").get("enabled", False)),
        ("tls", "federation_custom_ca_list"): document.get("federation_custom_ca_list"),
        ("saml2", "saml2_enabled"): saml_enabled,
        ("saml2", "saml2_grandfathered_mxid_source_attribute"): saml.get(
            "grandfathered_mxid_source_attribute", "uid"
        ),
    }


def _block(document: Mapping[str, Any], key: str) -> Mapping[str, Any]:
    found = document.get(key)
    return found if isinstance(found, Mapping) else {}


def _key_of(path: Any) -> str:
    """A path of Synapse's errors as it is written elsewhere here: ``modules[0].config``."""
    key = ""
    for part in map(str, path):
        if part.startswith("<item "):
            key += f"[{part.removeprefix('<item ').removesuffix('>')}]"
        else:
            key += f".{part}" if key else part
    return key


def _words(error: Exception) -> str:
    text = str(getattr(error, "msg", None) or error) or type(error).__name__
    if not isinstance(error, ConfigError):
        text = f"{type(error).__name__}: {text}"
    if isinstance(error.__cause__, Exception) and isinstance(error, ConfigError):
        text += f": {error.__cause__}"
    text = " ".join(text.split())
    return text if len(text) <= _LONGEST else text[: _LONGEST - 1] + "…"


def _copy(document: Mapping[str, Any]) -> dict[str, Any]:
    try:
        return copy.deepcopy(dict(document))
    except RecursionError:
        return {key: document[key] for key in ("server_name", "report_stats") if key in document}


@contextlib.contextmanager
def without_log() -> Iterator[None]:
    """Let nothing be logged: what is worth knowing has a line of its own."""
    before = logging.root.manager.disable
    logging.disable(logging.CRITICAL)
    try:
        yield
    finally:
        logging.disable(before)


@contextlib.contextmanager
def _quiet() -> Iterator[None]:
    """Synapse prints and logs while it reads; none of it is an outcome of the check."""
    with (
        without_log(),
        contextlib.redirect_stdout(io.StringIO()),
        contextlib.redirect_stderr(io.StringIO()),
    ):
        yield
