"""Reads the blocks of this project in ``modules:``, as far as that goes without a homeserver.

Modules of others are looked for and not imported: their code has no business here.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from importlib.machinery import PathFinder
from pathlib import Path
from typing import Any, Final

import attrs
from pydantic import BaseModel
from synapse.module_api.errors import ConfigError

import synapse_tim
from synapse_tim.adapter.config_block import CONFIG_PATH, wrong
from synapse_tim.adapter.pinned_roots import read_pinned_roots
from synapse_tim.check.catalogue.modules import LEGACY_PARTS, PARTS, parts_of
from synapse_tim.check.facts import File, Module, Problem, Setting
from synapse_tim.check.named_files import look_at
from synapse_tim.core.config_types import without_files
from synapse_tim.core.products import Product, SpecVersion
from synapse_tim.directory.assembly import build_directory
from synapse_tim.directory.config import DirectoryConfig, DirectoryPartConfig
from synapse_tim.federation.assembly import read_files
from synapse_tim.federation.config import AllowListConfig, FederationListConfig
from synapse_tim.information.config import InformationServicesConfig
from synapse_tim.login.assembly import read_key_file
from synapse_tim.login.config import LoginPolicyConfig
from synapse_tim.ti_messenger_config import TiMessengerConfig
from synapse_tim.transport.tls import client_context

_OWN: Final = "synapse_tim."
_CLASSES: Final = frozenset({"TiMessenger", *PARTS, *LEGACY_PARTS})
#: Keys of files; whether they hold a secret.
_FILES: Final = {
    "client_secret_path": True,
    "client_certificate": True,
    "decryption_keys": True,
    "hash_key_path": True,
    "ca_certificates": False,
    "jwks_path": False,
    "pinned_roots": False,
}


@attrs.define(eq=False)
class Blocks:
    """What ``modules:`` says.

    Attributes:
        modules: in their order.
        settings: of the blocks of this project, by key below ``config``.
        files: that they name.
        problems: what keeps them from being loaded.
        product: of the server, or ``None`` if no block says so.
        spec_version: likewise.
        list_config: the block with the federation list, if it can be used.
        list_key: where that stands.
        read_list: the block with the federation list, if it has the right shape.
        login: the block with the ways to log in, if it can be used.
        login_key: where that stands.
    """

    modules: list[Module] = attrs.field(factory=list)
    settings: dict[str, Setting] = attrs.field(factory=dict)
    files: list[File] = attrs.field(factory=list)
    problems: list[Problem] = attrs.field(factory=list)
    product: Product | None = None
    spec_version: SpecVersion | None = None
    list_config: AllowListConfig | None = None
    list_key: str = ""
    read_list: FederationListConfig | None = None
    login: LoginPolicyConfig | None = None
    login_key: str = ""


def read_blocks(document: Mapping[str, Any]) -> Blocks:
    """Read ``modules:`` and the older places for modules of others.

    Args:
        document: the merged configuration.
    """
    blocks = Blocks()
    entries = document.get("modules") or []
    if not isinstance(entries, list):
        blocks.problems.append(Problem("modules", "expected a list"))
        entries = []
    for position, entry in enumerate(entries):
        key = f"modules[{position}]"
        name = entry.get("module") if isinstance(entry, Mapping) else None
        if not isinstance(name, str):
            blocks.problems.append(Problem(f"{key}.module", "expected the name of a class"))
        elif name.startswith(_OWN):
            _read_own(blocks, key, name, entry.get("config"))
        else:
            blocks.modules.append(Module(key, name, found=_is_installed(name)))
    blocks.modules.extend(_older(document))
    return blocks


def shift(text: str, key: str) -> Iterator[Problem]:
    """The lines of an error of a block, each with the key that it is about.

    Args:
        text: of the error.
        key: of the block.
    """
    for line in text.splitlines():
        if line.startswith(CONFIG_PATH):
            path, _, what = line.removeprefix(CONFIG_PATH).partition(": ")
            yield Problem(f"{key}{path}", what)
        else:
            yield Problem(key, line)


def _read_own(blocks: Blocks, key: str, name: str, config: object) -> None:
    module_name, _, class_name = name.rpartition(".")
    if class_name not in _CLASSES or module_name not in ("synapse_tim", synapse_tim._MODULES[class_name]):
        blocks.problems.append(Problem(f"{key}.module", f"synapse_tim has no module {name}"))
        return
    parse = getattr(synapse_tim, class_name).parse_config
    config = config if isinstance(config, Mapping) else {}
    all_parts = parts_of(_one_of(SpecVersion, config.get("spec_version")))
    parts = tuple(all_parts) if class_name == "TiMessenger" else (class_name,)
    blocks.modules.append(Module(key, name, parts))
    key = f"{key}.config"
    _take_product(blocks, key, config)
    with without_files() as unreadable:
        try:
            parsed = parse(config)
        except ConfigError as error:
            blocks.problems.extend(shift(error.msg, key))
            return
        configs = [parsed]
        if isinstance(parsed, TiMessengerConfig):
            configs = list(attrs.asdict(parsed, recurse=False).values())
        for each in configs:
            _take(blocks, key, each, unreadable)


def _take_product(blocks: Blocks, key: str, config: Mapping[Any, Any]) -> None:
    """Note what the server is, also of a block that cannot be used otherwise."""
    product = _one_of(Product, config.get("product"))
    spec_version = _one_of(SpecVersion, config.get("spec_version"))
    for name, known, said in (
        ("product", blocks.product, product),
        ("spec_version", blocks.spec_version, spec_version),
    ):
        if known is not None and said is not None and known is not said:
            text = f"{said.value}, although another part has {known.value}"
            blocks.problems.append(Problem(f"{key}.{name}", text, "a homeserver is exactly one of them"))
    blocks.product = blocks.product or product
    blocks.spec_version = blocks.spec_version or spec_version


def _one_of(choices: Any, value: object) -> Any:
    return choices(value) if isinstance(value, str) and value in set(choices) else None


def _take(blocks: Blocks, key: str, parsed: BaseModel, unreadable: Mapping[str, str]) -> None:
    document = parsed.model_dump(mode="json")
    for name, value in _flat(document):
        blocks.settings[name] = Setting(f"{key}.{name}", value)
    for name, value in _following_the_product(parsed):
        blocks.settings[name] = Setting(f"{key}.{name}", value)
    blocks.files.extend(_files(document, key))
    if isinstance(parsed, AllowListConfig):
        blocks.read_list = parsed.federation_list
    problems = [*_wrong_log_in(blocks, parsed), *_wrong_files(blocks, parsed, unreadable)]
    for text in problems:
        blocks.problems.extend(shift(text, key))
    if isinstance(parsed, AllowListConfig):
        named = _named_by_list(parsed.federation_list)
        if not problems and not unreadable.keys() & named:
            blocks.list_config, blocks.list_key = parsed, f"{key}.federation_list"
    if isinstance(parsed, LoginPolicyConfig):
        blocks.login, blocks.login_key = parsed, key


def _following_the_product(parsed: BaseModel) -> Iterator[tuple[str, object]]:
    """What is in force where a whole block may be missing."""
    if isinstance(parsed, InformationServicesConfig):
        yield "information.support", parsed.information.support is not None


def _flat(document: Mapping[str, Any], prefix: str = "") -> Iterator[tuple[str, Any]]:
    for name, value in document.items():
        if isinstance(value, Mapping):
            yield from _flat(value, f"{prefix}{name}.")
        else:
            yield f"{prefix}{name}", value


def _files(value: Any, key: str, name: str = "") -> Iterator[File]:
    if isinstance(value, Mapping):
        for below, each in value.items():
            yield from _files(each, f"{key}.{below}", below)
    elif isinstance(value, list):
        for position, each in enumerate(value):
            yield from _files(each, f"{key}[{position}]", name)
    elif isinstance(value, str) and name in _FILES and (name != "pinned_roots" or "/" in value):
        yield look_at(key, value, secret=_FILES[name])


def _named_by_list(block: FederationListConfig) -> set[str | None]:
    secret = block.vzd_credentials.client_secret_path if block.vzd_credentials is not None else None
    return {block.ca_certificates, block.client_certificate, secret, *block.trust.pinned_roots}


def _wrong_log_in(blocks: Blocks, parsed: BaseModel) -> Iterator[str]:
    """What is wrong with a directory whose log-in is that of the federation list, in this block or before."""
    if not isinstance(parsed, DirectoryPartConfig) or parsed.directory is None:
        return
    listed = any("FederationAllowList" in each.parts for each in blocks.modules)
    if listed and blocks.read_list is None:
        return  # that block has to be mended first
    try:
        parsed.directory.log_in(blocks.read_list)
    except ConfigError as error:
        yield error.msg


def _wrong_files(blocks: Blocks, parsed: BaseModel, unreadable: Mapping[str, str]) -> Iterator[str]:
    """What is wrong with files that can be read."""
    if isinstance(parsed, AllowListConfig):
        block = parsed.federation_list
        if not unreadable.keys() & _named_by_list(block):
            yield from _errors(lambda: read_files(block))
    if isinstance(parsed, DirectoryPartConfig) and parsed.directory is not None:
        yield from _wrong_directory(parsed.directory, blocks.read_list, unreadable)
    if not isinstance(parsed, LoginPolicyConfig):
        return
    login = parsed.login
    if not unreadable.keys() & set(login.decryption_keys):
        yield from _errors(login.read_decryption_keys)
    if login.trust is not None and not unreadable.keys() & set(login.trust.pinned_roots):
        trust = login.trust
        yield from _errors(lambda: read_pinned_roots(trust, "login", "trust"))
    for position, provider in enumerate(login.providers):
        keys = provider.keys
        if keys.jwks_path is not None and keys.jwks_path not in unreadable:
            yield from _errors(lambda path=keys.jwks_path, n=position: read_key_file(Path(path), n))
        if keys.ca_certificates is not None and keys.ca_certificates not in unreadable:
            try:
                client_context(Path(keys.ca_certificates))
            except OSError as error:
                place = ("login", "providers", position, "keys", "ca_certificates")
                yield wrong(f"holds no usable PEM certificates: {error}", *place).msg


def _wrong_directory(
    block: DirectoryConfig, listed: FederationListConfig | None, unreadable: Mapping[str, str]
) -> Iterator[str]:
    if block.vzd_credentials is None and (listed is None or listed.vzd_credentials is None):
        return  # the log-in is another part's, or nobody's
    log_in = block.log_in(listed)
    secrets = {each.client_secret_path for each in (log_in.provider, log_in.search) if each is not None}
    if not unreadable.keys() & {*secrets, log_in.ca_certificates}:
        yield from _errors(lambda: build_directory(block, log_in))


def _errors(read: Any) -> Iterator[str]:
    try:
        read()
    except ConfigError as error:
        yield error.msg


def _older(document: Mapping[str, Any]) -> Iterator[Module]:
    """Modules of the interfaces before ``modules:``."""
    for place in ("spam_checker", "third_party_event_rules", "password_providers"):
        found = document.get(place) or []
        for position, entry in enumerate(found if isinstance(found, list) else [found]):
            name = entry.get("module") if isinstance(entry, Mapping) else None
            if isinstance(name, str):
                yield Module(f"{place}[{position}]", name, found=_is_installed(name))


def _is_installed(name: str) -> bool:
    """Whether the module that a class is named in is there; looked for without importing anything."""
    module = name.rpartition(".")[0]
    if not module:
        return False
    path = None
    prefix = ""
    for part in module.split("."):
        prefix = f"{prefix}.{part}" if prefix else part
        try:
            spec = PathFinder.find_spec(prefix, path)
        except (ImportError, ValueError, AttributeError):
            return False
        if spec is None:
            return False
        path = list(spec.submodule_search_locations or [])
    return True
