"""Parses ``homeserver.yaml`` with Synapse's config classes, without side effects.

The values that count are Synapse's, with its defaults and its conversions, so its classes read them, one by
one: where one refuses the configuration, what the others read is judged all the same. Synapse would make a
directory for media while reading; import modules of others; and stop at files and programs that are missing
here. None of that happens: those keys are taken away, or replaced, before it reads, and what they amount to
is worked out from the file.
"""

import contextlib
import copy
import io
import logging
from argparse import Namespace
from collections.abc import Iterator, Mapping
from functools import partial
from pathlib import Path
from typing import Any, Final

from synapse.config.homeserver import HomeServerConfig
from synapse.module_api.errors import ConfigError
from synapse.util.check_dependencies import DependencyException
from synapse.util.stringutils import parse_and_validate_server_name

from synapse_tim.adapter.config import SynapseConfig
from synapse_tim.check.named_files import File, substitute
from synapse_tim.core.checks import Found, NotRead

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
#: The key to change where Synapse does not say which.
_KEYS: Final = {"oidc": "oidc_providers", "jwt": "jwt_config"}
_LONGEST: Final = 200


class ReadConfig(SynapseConfig):
    """Values of a configuration as far as it was read; ``known`` are those not taken from Synapse."""

    def __init__(
        self, config: Any = None, server_name: str = "", known: Mapping[tuple[str, str], object] | None = None
    ) -> None:
        super().__init__(config, server_name)
        self._known = known or {}
        #: Sections that Synapse refuses.
        self.refused: set[str] = set()

    def option(self, section: str, attribute: str) -> object:
        """See ``SynapseConfig.option``; ``NotRead`` if it is not known."""
        if (section, attribute) in self._known:
            return self._known[section, attribute]
        if section in self.refused:
            raise NotRead(section)
        try:
            return super().option(section, attribute)
        except (ConfigError, AttributeError, TypeError) as error:
            raise NotRead(f"{section}.{attribute}") from error


def read_synapse(
    document: Mapping[str, Any], directory: Path, files: list[File]
) -> tuple[ReadConfig, list[Found], list[Found]]:
    """Have Synapse's classes read a merged configuration.

    Args:
        directory: where the last file is.

    Returns:
        The values, what keeps Synapse from starting, and what is merely not installed here.
    """
    try:
        own = copy.deepcopy(dict(document))
    except RecursionError:
        own = {key: document[key] for key in ("server_name", "report_stats") if key in document}
    problems, missing = list(_required(own)), []
    for key in _NOT_FOR_SYNAPSE:
        own.pop(key, None)
    if isinstance(own.get("presence"), dict):
        own["presence"].pop("presence_router", None)
    own["url_preview_enabled"] = False
    own["media_store_path"] = str(directory)  # Synapse makes it; one that is there need not be made
    substitute(own, files)
    root = HomeServerConfig([])
    config = ReadConfig(root, own["server_name"], _worked_out(document))
    with _quiet():
        kinds: Any = HomeServerConfig.config_classes
        for kind in kinds:
            try:
                getattr(root, kind.section).read_config(
                    own,
                    config_dir_path=str(directory),
                    data_dir_path=str(directory),
                    allow_secrets_in_config=True,
                )
            except Exception as error:
                refusal = _refusal(error, _KEYS.get(kind.section, f"({kind.section})"))
                if isinstance(error, ImportError | DependencyException):
                    missing.append(refusal)
                elif not (config.refused and isinstance(error, AttributeError)):
                    problems.append(refusal)  # other than what a later section lacks for want of this one
                config.refused.add(kind.section)
        if not config.refused and not problems:
            database: Any = root.database
            for validate in (
                partial(database.read_arguments, Namespace(database_path=None)),
                root.validate_config,
            ):
                try:
                    validate()
                except Exception as error:
                    problems.append(_refusal(error, "…"))
    return config, problems, missing


def _required(document: dict[str, Any]) -> Iterator[Found]:
    """Synapse does not even begin without a name and a word about statistics."""
    name = document.get("server_name")
    try:
        if not isinstance(name, str):
            raise ValueError
        parse_and_validate_server_name(name)
    except ValueError:
        yield Found("is missing" if name is None else "is no name of a server", False, "server_name")
        document["server_name"] = "server.invalid"
    if "report_stats" not in document:
        yield Found("is missing: set it to false", False, "report_stats")


def _worked_out(document: Mapping[str, Any]) -> dict[tuple[str, str], object]:
    """What the keys amount to that Synapse does not get to see."""
    saml, tracing = (_mapping(document.get(key)) for key in ("saml2_config", "opentracing"))
    saml_enabled = bool(saml.get("enabled", True) and (saml.get("sp_config") or saml.get("config_path")))
    grandfathered = "grandfathered_mxid_source_attribute"
    return {
        ("media", "url_preview_enabled"): bool(document.get("url_preview_enabled", False)),
        ("metrics", "sentry_enabled"): "sentry" in document,
        ("tracing", "opentracer_enabled"): bool(tracing.get("enabled", False)),
        ("tls", "federation_custom_ca_list"): document.get("federation_custom_ca_list"),
        ("saml2", "saml2_enabled"): saml_enabled,
        ("saml2", f"saml2_{grandfathered}"): saml.get(grandfathered, "uid"),
    }


def _mapping(value: object) -> Mapping[str, Any]:
    return value if isinstance(value, Mapping) else {}


def _refusal(error: Exception, key_otherwise: str) -> Found:
    """What Synapse says, and of which key."""
    key = ""
    for part in map(str, getattr(error, "path", None) or ()):
        if part.startswith("<item "):
            key += f"[{part.removeprefix('<item ').removesuffix('>')}]"
        else:
            key += f".{part}" if key else part
    text = str(getattr(error, "msg", None) or error) or type(error).__name__
    if not isinstance(error, ConfigError):
        text = f"{type(error).__name__}: {text}"
    elif isinstance(error.__cause__, Exception):
        text += f": {error.__cause__}"
    text = " ".join(text.split())
    text = text if len(text) <= _LONGEST else text[: _LONGEST - 1] + "…"
    return Found(text, False, key or key_otherwise)


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
    silence = io.StringIO()
    with without_log(), contextlib.redirect_stdout(silence), contextlib.redirect_stderr(silence):
        yield
